"""The table of cases: it says what the shipped rules say, and a wrong line is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quietline.access.cases import FILE, Row, load_cases, run
from quietline.access.cedar import POLICIES, SCHEMA, Policies
from quietline.access.decide import Action, Phase, Role, entities_of
from quietline.access.in_force import load_policies
from quietline.access.matrix import PEOPLE, Case, ask
from quietline.errors import ConfigError
from quietline.vault.schema import FIELDS, MINIMUM, DataClass, Reason

FIELD_LIST = list(FIELDS.values())
RULES = load_policies()
ROWS = load_cases(FIELD_LIST)


def written(folder: Path, lines: str, about: str = "A test.") -> Path:
    path = folder / FILE
    path.write_text(f"- about: {about}\n  cases: |\n" + "".join(f"    {line}\n" for line in lines.splitlines()))
    return path


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.text)
def test_a_case(row: Row) -> None:
    assert [f"{wrong.case.words()}: {wrong.outcome.why}" for wrong in run(RULES, [row], FIELD_LIST)] == []


def test_the_table_covers_every_action_role_reason_and_class() -> None:
    cases = [case for row in ROWS for case in row.cases]
    assert {case.action for case in cases} == set(Action)
    assert {PEOPLE[case.who].role for case in cases} == set(Role)
    assert {case.reason for case in cases} >= {reason.value for reason in Reason}
    assert {FIELDS[case.field].data_class for case in cases if case.field} == set(DataClass)
    assert {case.phase for case in cases} == set(Phase)


def test_every_shipped_permit_and_guard_decides_a_case() -> None:
    """A rule that no case rests on could be taken out unseen."""
    cases = sorted((case for row in ROWS for case in row.cases), key=lambda case: case.who)
    decided = {rule for outcome in ask(RULES, cases, FIELD_LIST) for rule in outcome.rules}
    assert RULES.ids - decided == {"custom-field-needs"}  # no shipped field is a house's own


# Behind another rule by the shipped fields' own levels: a second line of defence (tests/property has the first gone).
BEHIND = {"assurance-too-low/contact", "assurance-too-low/nothing-known"}


@pytest.mark.parametrize("rule", sorted(RULES.ids - {"custom-field-needs"} - BEHIND))
def test_without_any_one_rule_some_case_comes_out_otherwise(rule: str) -> None:
    text = "\n".join(path.read_text("utf-8") for path in sorted(POLICIES.glob("*.cedar")))
    kept = "@id(".join(part for part in text.split("@id(") if not part.startswith(f'"{rule}")'))
    fewer = Policies(kept, (POLICIES / SCHEMA).read_text("utf-8"), entities_of(FIELD_LIST, MINIMUM))
    assert RULES.ids - fewer.ids == {rule}
    ends = [replace(row, cases=(row.cases[0], row.cases[-1])) for row in ROWS]
    assert run(fewer, ends, FIELD_LIST)


def test_a_wrong_expectation_is_found(tmp_path: Path) -> None:
    rows = load_cases(FIELD_LIST, written(tmp_path, "agent reveal contact.phone order_status 3 live allowed"))
    (wrong,) = run(RULES, rows, FIELD_LIST)
    assert wrong.outcome.why == "reason-does-not-need-it"
    assert wrong.case.words() == "agent reveal contact.phone for order_status at 3 live"
    assert wrong.row.about == "A test."


def test_the_right_refusal_for_another_reason_is_wrong_unless_denied_is_enough(tmp_path: Path) -> None:
    line = "agent reveal contact.name order_status 0 live "
    for outcome, count in (("training-lapsed", 1), ("assurance-too-low", 0), ("denied", 0), ("allowed", 1)):
        rows = load_cases(FIELD_LIST, written(tmp_path, line + outcome))
        assert len(run(RULES, rows, FIELD_LIST)) == count, outcome


def test_an_error_is_not_what_denied_means(tmp_path: Path) -> None:
    rows = load_cases(FIELD_LIST, written(tmp_path, "agent card order.status - 1 live denied"))
    overflow = '@id("a") permit (principal, action, resource) when { context.minuteOfDay + 9223372036854775807 > 0 };'
    broken = Policies(overflow, (POLICIES / SCHEMA).read_text("utf-8"), entities_of(FIELD_LIST, MINIMUM))
    assert [wrong.outcome.why for wrong in run(broken, rows, FIELD_LIST)] == ["policy-error"]


def test_stars_and_classes_stand_for_each(tmp_path: Path) -> None:
    (row,) = load_cases(FIELD_LIST, written(tmp_path, "agent reveal order.* * * live denied"))
    assert len(row.cases) == 5 * len(Reason) * 4
    (row,) = load_cases(FIELD_LIST, written(tmp_path, "agent card @service - 1 live policy"))
    assert {FIELDS[case.field].data_class for case in row.cases} == {DataClass.SERVICE}
    assert len(row.cases) == len([spec for spec in FIELD_LIST if spec.data_class is DataClass.SERVICE])
    (row,) = load_cases(FIELD_LIST, written(tmp_path, "agent break_glass * - - too-late grant-expired"))
    assert {case.until for case in row.cases} == {"over"}


def test_a_field_of_the_houses_own_is_a_field_like_any_other(tmp_path: Path) -> None:
    own = replace(FIELDS["order.status"], name="house.size", reasons=(Reason.PRODUCT_ADVICE,))
    fields = [*FIELD_LIST, own]
    rules = load_policies(fields=fields)
    lines = "agent reveal house.size product_advice 1 live allowed\nagent reveal house.* complaint 3 live denied"
    assert run(rules, load_cases(fields, written(tmp_path, lines)), fields) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("agent reveal contact.name order_status 2 live", "seven columns"),
        ("nobody card order.status - 1 live allowed", "who: one of"),
        ("agent sell order.status - 1 live allowed", "action: one of"),
        ("agent card order.gift - 1 live allowed", "field: a field's name"),
        ("agent card order.status order_status 1 live allowed", "reason: does not apply"),
        ("agent reveal order.status - 1 live allowed", "reason: one of"),
        ("agent card order.status - 4 live allowed", "assurance: 0 to 3"),
        ("agent card order.status - 1 later allowed", "when: one of live"),
        ("agent work order.status complaint 1 live allowed", "when: in-time or too-late"),
        ("agent note order.status - - live allowed", "field: does not apply"),
        ("agent break_glass order.status - 2 in-time allowed", "assurance: does not apply"),
        ("privacy_officer export - - - live allowed", "when: does not apply"),
        ("agent card order.status - 1 live shown", "outcome: allowed, denied"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load_cases(FIELD_LIST, written(tmp_path, line))
    assert line in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "just words", "- about: x", "- {about: x, cases: 1}", "- {about: x, cases: y, more: z}", "{", "\x00"],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"cases\.yaml"):
        load_cases(FIELD_LIST, path)


def test_a_file_that_is_not_there_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_cases(FIELD_LIST, tmp_path / FILE)
    (tmp_path / FILE).write_text("#" * 1_000_001)
    with pytest.raises(ConfigError, match="split it"):
        load_cases(FIELD_LIST, tmp_path / FILE)


def test_comments_and_empty_lines_are_passed_over(tmp_path: Path) -> None:
    rows = load_cases(FIELD_LIST, written(tmp_path, "# nothing\n\nagent note - - - live allowed  # a note"))
    assert [row.text for row in rows] == ["agent note - - - live allowed"]


def test_a_case_in_words_says_the_time_when_it_is_another() -> None:
    assert Case("agent", Action.NOTE).words() == "agent note live"
    assert Case("agent", Action.WORK, "order.status", "complaint", until="over", moment="23:00").words() == (
        "agent work order.status for complaint at 3 too late 23:00"
    )
