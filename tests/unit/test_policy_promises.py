"""What no policy set may allow; what the check finds; how two sets are compared. Over few fields, to be quick."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quietline.access.cedar import POLICIES, SCHEMA, Policies
from quietline.access.decide import Action, entities_of
from quietline.access.in_force import PoliciesInForce, load_policies, must_answer, zone_called
from quietline.access.lint import OWN_FIELD, Finding, compare, lint, needed, opens, rules_of
from quietline.access.matrix import Case, ask, every_case
from quietline.access.promises import broken_by
from quietline.errors import ConfigError
from quietline.reasons import NEEDS
from quietline.vault.schema import FIELDS, MINIMUM, Reason

TEXT = "\n".join(path.read_text("utf-8") for path in sorted(POLICIES.glob("*.cedar")))
SCHEMA_TEXT = (POLICIES / SCHEMA).read_text("utf-8")
FEW = [FIELDS["order.reference"], FIELDS["delivery.address"], OWN_FIELD]
ALL = [*FIELDS.values(), OWN_FIELD]


def rules(text: str = TEXT, *more: str) -> Policies:
    return Policies("\n".join([text, *more]), SCHEMA_TEXT, entities_of([*FEW, FIELDS["recording.key"]], MINIMUM))


def without(*ids: str) -> str:
    return "@id(".join(part for part in TEXT.split("@id(") if not part.startswith(tuple(f'"{each}"' for each in ids)))


SHIPPED = rules()


# -- promises


def test_the_shipped_rules_break_no_promise_over_any_field() -> None:
    assert broken_by(load_policies(fields=ALL), ALL) == []


@pytest.mark.parametrize(
    ("gone", "promise"),
    [
        (["other-store"], "store walls"),
        (["training-lapsed"], "promise 5"),
        (["call-ended"], "promise 4: bound"),
        (["call-ended/wrap-up"], "promise 4: bound"),
        (["grant-expired"], "promise 4: a grant ends"),
        (["assurance-too-low", "assurance-too-low/nothing-known"], "promise 6: at assurance 0"),
        (["assurance-too-low", "assurance-too-low/contact"], "promise 6: contact and delivery"),
        (["assurance-too-low/change"], "promise 6: changes need 3"),
        (["role-takes-no-calls"], "no customer for who takes no calls"),
    ],
)
def test_a_set_without_a_guard_breaks_its_promise(gone: list[str], promise: str) -> None:
    broken = broken_by(rules(without(*gone)), FEW)
    assert any(each.promise.startswith(promise) for each in broken)
    assert "it allows" in broken[0].told()


def test_a_promise_is_told_once_with_a_question_that_shows_it() -> None:
    (broken,) = broken_by(rules(without("other-store")), FEW)
    assert broken.case.who == "franchisee"
    (outcome,) = ask(rules(without("other-store")), [broken.case], FEW)
    assert outcome.allowed


# -- what the check finds


def found(*more: str, text: str = TEXT) -> list[Finding]:
    whole = "\n".join([text, *more])
    return [each for each in lint(rules(whole), rules_of(whole), FEW) if each.rule or each.severity == "error"]


NARROW = {"wrap-up-keeps", "policy/recordings-keys"}  # decide about fields that are not among the few


def test_the_shipped_rules_are_clean() -> None:
    assert {each.rule for each in found()} <= NARROW
    over_all = load_policies(fields=ALL)
    for reason in Reason:
        assert opens(over_all, reason, ALL) == needed(reason, ALL), reason


def test_a_permit_that_a_guard_shuts_again_opens_nothing() -> None:
    shut = '@id("admin-notes") permit (principal in Role::"administrator", action == Action::"note", resource);'
    (finding,) = [each for each in found(shut) if each.rule not in NARROW]
    assert (finding.severity, finding.rule) == ("error", "admin-notes")
    assert "opens nothing" in finding.what


def test_a_guard_that_never_takes_anything_is_a_warning() -> None:
    never = '@id("policy/never") forbid (principal, action, resource) when { context.controller == "nobody" };'
    assert Finding("warning", "policy/never", "takes nothing from anybody") in found(never)


def test_a_forbid_that_no_page_explains_is_an_error() -> None:
    because = '@id("because") forbid (principal in Role::"seasonal_agent", action == Action::"note", resource);'
    (finding,) = [each for each in found(because) if each.rule not in NARROW]
    assert (finding.severity, finding.rule) == ("error", "because")
    assert "explains" in finding.what


def test_a_rule_that_calculates_can_err() -> None:
    sums = '@id("grant-expired/sum") forbid (principal, action == Action::"work", resource) '
    sums += "when { context.until - 86400 > context.now };"
    (finding,) = [each for each in found(sums) if "err" in each.what]
    assert (finding.severity, finding.rule, "overflow" in finding.what) == ("error", "grant-expired/sum", True)


def test_what_a_reason_opens_beyond_its_need_is_a_warning() -> None:
    wide = '@id("wide") permit (principal, action == Action::"reveal", resource == Field::"delivery.address");'
    findings = lint(rules(TEXT, wide), rules_of(TEXT + wide), FEW)
    texts = [each.what for each in findings]
    assert "order_status opens delivery.address, which it does not state that it needs" in texts
    assert not [text for text in texts if text.startswith("delivery_change opens")]  # that one does need it


def test_what_a_reason_needs_and_nothing_opens_is_a_warning() -> None:
    text = without("order-status-needs")
    findings = lint(rules(text), rules_of(text), FEW)
    assert "order_status needs order.reference, which no rule opens for it" in [each.what for each in findings]


def test_a_field_of_the_houses_own_is_needed_for_the_reasons_it_states() -> None:
    own = replace(OWN_FIELD, name="house.size", reasons=(Reason.COMPLAINT,))
    assert "house.size" in needed(Reason.COMPLAINT, [own])
    assert needed(Reason.ORDER_STATUS, [own]) == set(NEEDS["order_status"].fields)


def test_every_need_is_a_field_and_every_reason_states_one() -> None:
    assert set(NEEDS) == {reason.value for reason in Reason}
    for need in NEEDS.values():
        assert set(need.fields) <= set(FIELDS)
        assert len(set(need.fields)) == len(need.fields)
        assert need.because.endswith(".")


# -- comparing


def test_a_set_is_like_itself() -> None:
    assert compare(SHIPPED, rules(), FEW[:1]) == []


def test_what_becomes_allowed_comes_first() -> None:
    new = rules(
        without("supervisor-listens"),
        '@id("more") permit (principal, action == Action::"reveal", resource == Field::"delivery.address");',
    )
    changes = compare(SHIPPED, new, FEW[1:2])
    kinds = [change.kind for change in changes]
    assert set(kinds) == {"opens", "closes"}
    assert kinds == sorted(kinds, key=["opens", "closes"].index)
    opened = {(change.case.action, change.case.field) for change in changes if change.kind == "opens"}
    assert opened == {(Action.REVEAL, "delivery.address")}
    assert {change.case.action for change in changes if change.kind == "closes"} == {Action.LISTEN}
    assert all(change.case.assurance >= 2 for change in changes if change.kind == "opens")


def test_another_word_for_the_same_refusal_is_told_last() -> None:
    new = rules(TEXT, '@id("other-store/notes") forbid (principal, action == Action::"note", resource);')
    changes = compare(SHIPPED, new, FEW[1:2])
    assert {change.kind for change in changes} == {"closes", "reason"}
    assert changes[-1].kind == "reason"


def test_a_rule_by_the_clock_is_compared_at_other_hours_too() -> None:
    night = '@id("role-may-not/at-night") forbid (principal, action == Action::"break_glass", resource) '
    night += "when { context.minuteOfDay < 480 || context.minuteOfDay >= 1320 };"
    changes = compare(SHIPPED, rules(TEXT, night), FEW[:1])
    assert {change.case.moment for change in changes if change.kind == "closes"} == {"03:00", "23:00"}
    assert rules(TEXT, night).by_the_clock
    assert not SHIPPED.by_the_clock


def test_the_clock_is_the_houses() -> None:
    late = '@id("role-may-not/late") forbid (principal, action, resource) when { context.minuteOfDay >= 1320 };'
    case = Case("agent", Action.NOTE, moment="21:30")
    for zone, why in (("UTC", "allowed"), ("Europe/London", "allowed"), ("Asia/Tokyo", "allowed")):
        there = Policies(TEXT + late, SCHEMA_TEXT, entities_of(FEW, MINIMUM), zone_called(zone))
        assert ask(there, [case], FEW)[0].why == why  # 21:30 is said in local time
        assert ask(there, [replace(case, moment="22:00")], FEW)[0].why == "role-may-not"


def test_the_matrix_asks_every_action_of_everybody_and_no_question_errs() -> None:
    cases = list(every_case(FEW))
    assert {case.action for case in cases} == set(Action)
    assert len(set(cases)) == len(cases)
    assert "policy-error" not in {outcome.why for outcome in ask(SHIPPED, cases, FEW)}


# -- in force


def test_another_set_is_taken_whole() -> None:
    in_force, new = PoliciesInForce(SHIPPED), rules(without("supervisor-listens"))
    assert in_force.take(new) == SHIPPED.digest
    assert (in_force.digest, in_force.ids, in_force.zone) == (new.digest, new.ids, new.zone)
    assert ask(in_force, [Case("supervisor", Action.LISTEN)], FEW)[0].why == "policy"


def test_a_set_that_errs_for_some_question_does_not_load() -> None:
    errs = '@id("policy/x") forbid (principal, action == Action::"work", resource) '
    errs += "when { context.until + 9223372036854775807 > 0 };"
    with pytest.raises(ConfigError, match=r"work by agent of order\.reference"):
        must_answer(rules(TEXT, errs), FEW)


def test_a_schema_that_lacks_an_action_does_not_load() -> None:
    schema = (
        SCHEMA_TEXT.partition("// See one field in an emergency")[0] + SCHEMA_TEXT[SCHEMA_TEXT.index("// Write a") :]
    )
    text = '@id("all") permit (principal, action == Action::"note", resource);'
    lacking = Policies(text, schema, entities_of(FEW, MINIMUM))
    with pytest.raises(ConfigError, match="break_glass"):
        must_answer(lacking, FEW)


@pytest.mark.parametrize("name", ["Atlantis", "", "../../etc/passwd", "\x00"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="policy_zone"):
        zone_called(name)
