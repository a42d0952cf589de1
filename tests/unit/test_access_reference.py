"""The policy page is made from the rules: its tables say what the engine answers."""

from __future__ import annotations

from quietline.access import reference
from quietline.access.cases import load_cases
from quietline.access.decide import Action, Role
from quietline.access.in_force import load_policies
from quietline.access.matrix import NOW, PEOPLE, abouts, ask, best_case, every_case
from quietline.cli.policy import app
from quietline.reasons import ADVICE, NEEDS, Why
from quietline.vault.schema import FIELDS, MINIMUM, Reason

FIELD_LIST = list(FIELDS.values())
RULES = load_policies()


def table(text: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a Markdown table."""
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in text.splitlines() if line[:2] == "| "]
    head, _, *body = lines
    return head, body


def test_a_row_a_field_says_what_each_reason_may_see_and_change() -> None:
    head, body = table(reference.needs(RULES, FIELD_LIST))
    assert head[3:] == [reason.value for reason in Reason]
    assert [row[0].strip("`") for row in body] == list(FIELDS)
    for name, least, card, *cells in body:
        spec = FIELDS[name.strip("`")]
        assert int(least) == spec.assurance
        assert (card == "yes") == (spec.name in MINIMUM)
        for reason, cell in zip(Reason, cells, strict=True):
            assert cell.startswith("see") == (spec.name in NEEDS[reason.value].fields), (name, reason)


def test_only_the_delivery_can_be_changed() -> None:
    _, body = table(reference.needs(RULES, FIELD_LIST))
    changed = {row[0].strip("`") for row in body if "change" in " ".join(row[3:])}
    assert changed == {"delivery.address", "delivery.instructions"}


def test_a_row_a_role_says_what_it_may_at_all() -> None:
    head, body = table(reference.roles(RULES, FIELD_LIST))
    assert head[1:] == [action.value for action in Action]
    may = {row[0].strip("`"): {action for action, cell in zip(Action, row[1:], strict=True) if cell} for row in body}
    assert list(may) == [role.value for role in Role]
    assert may["auditor"] == may["administrator"] == set()
    assert may["store_manager"] == {Action.BREAK_GLASS}
    assert may["privacy_officer"] == {Action.BREAK_GLASS, Action.EXPORT}
    assert may["supervisor"] - may["agent"] == {Action.LISTEN}
    assert may["agent"] - may["seasonal_agent"] == {Action.BREAK_GLASS}


def test_every_case_is_on_the_page_under_its_words() -> None:
    text = reference.cases(FIELD_LIST)
    for row in load_cases(FIELD_LIST):
        assert f"**{row.about}**" in text
        cells = [f"`{cell}`" if cell != "-" else "" for cell in row.text.split()]
        assert "| " + " | ".join(cells) + " |" in text


def test_every_word_that_a_rule_can_say_is_explained() -> None:
    _, body = table(reference.words())
    told = {row[0].strip("`"): row[1] for row in body}
    ids = {name.partition("/")[0] for name in RULES.ids}
    assert {why.value for why in Why} & ids <= set(told)
    assert all(told[word] == ADVICE[Why(word)] for word in told)
    assert {"policy", "policy-error", "reason-does-not-need-it"} <= set(told)


def test_the_page_names_the_commands_that_there_are() -> None:
    names = {command.name or command.callback.__name__ for command in app.registered_commands}
    for name in names:
        assert f"`quietline policy {name}" in reference.HEAD or name == "status", name


def test_the_best_case_of_an_action_is_the_one_that_is_allowed_if_any_is() -> None:
    """The page asks the best case only; nothing else about the call may do better."""
    few = [FIELDS["order.reference"], FIELDS["contact.name"]]
    cases = [case for case in every_case(few) if case.who in ("agent", "supervisor")]
    allowed = {
        (case.who, case.action, case.field, case.reason)
        for case, outcome in zip(cases, ask(RULES, cases, few), strict=True)
        if outcome.allowed
    }
    best = [
        best_case(who, action, field, reason)
        for who in ("agent", "supervisor")
        for action in Action
        for field, reason in abouts(action, few)
    ]
    answers = zip(best, ask(RULES, best, few), strict=True)
    assert allowed == {(case.who, case.action, case.field, case.reason) for case, outcome in answers if outcome.allowed}


def test_people_are_whom_their_names_say() -> None:
    assert {name for name in PEOPLE if name in set(Role)} == set(Role)
    assert PEOPLE["lapsed"].current(NOW) == frozenset()
    assert PEOPLE["nowhere"].controllers == frozenset()
    assert PEOPLE["hub"].controllers > PEOPLE["franchisee"].controllers
