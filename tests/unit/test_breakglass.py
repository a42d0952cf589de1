"""Break-glass, decided: the writing, the second person, the bounds, the review."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from quietline.access.breakglass import (
    RECIPROCAL_SECONDS,
    REVIEW_SECONDS,
    Case,
    GlassLimits,
    Stage,
    approve,
    ask,
    check_justification,
    end,
    load_case,
    overdue,
    refuse,
    review,
    stage,
    use,
)
from quietline.access.decide import Principal, Role
from quietline.errors import ConfigError, Denied, TamperError

NOW = 1_800_000_000.0
LIMITS = GlassLimits(minutes=30, most_minutes=60, answer=600.0, looks=2)
TEXT = "The courier stands in front of a locked gate and the parcel holds medicine that has to stay cold."


def person(agent: str, role: Role = Role.AGENT, store: str = "high-street", *controllers: str) -> Principal:
    return Principal(agent, role, store, frozenset(controllers or ("brand",)))


EVA = person("ag_eva")
BOSS = person("ag_boss", Role.SUPERVISOR)
FAR = person("ag_far", Role.SUPERVISOR, "low-street")
OFFICER = person("ag_po", Role.PRIVACY_OFFICER, "hub", "brand", "franchise-a")
OFFICER_2 = person("ag_po2", Role.PRIVACY_OFFICER, "hub", "brand")


def asked(who: Principal = EVA, cases: Iterable[Case] = (), now: float = NOW, **changes: Any) -> Case:
    given: dict[str, Any] = {"about": ("cu_1", "brand"), "classes": ["contact"], "text": TEXT, "minutes": 0, **changes}
    return ask(who, given["about"], given["classes"], given["text"], given["minutes"], cases, now, LIMITS)


def opened(who: Principal = EVA, by: Principal = FAR, now: float = NOW, **changes: Any) -> Case:
    case = asked(who, now=now, **changes)
    return approve(case, by, [case], now, LIMITS)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Denied) as error:
        act()
    assert error.value.advice
    return error.value.reason


# -- in writing


@pytest.mark.parametrize(
    "text",
    [
        "",
        "urgent",
        "x" * 200,
        "help help help help help help help help help help help help",
        TEXT * 20,
        "She asked me to ring her on 020 7946 0001 because the courier stands before a locked gate now.",
        "She asked me to ring her on +44 (20) 7946-0001 because the courier stands before a locked gate now.",
        "She wants the answer to ana@example.com because the courier stands in front of a locked gate now.",
        "Her card 4111 1111 1111 1111 was taken twice and she is in tears, somebody has to look at once.",
    ],
)
def test_a_justification_that_is_none_or_tells_of_people_is_refused(text: str) -> None:
    assert refused(lambda: check_justification(text)) == "justification"
    assert refused(lambda: asked(text=text)) == "justification"


def test_a_justification_may_name_years_and_amounts() -> None:
    plain = "  The gate of\nstore 12 is locked since 2026, and a parcel worth 300 pounds has to stay cold.  "
    assert check_justification(plain).startswith("The gate of store 12")


# -- asking


def test_it_waits_for_a_second_person() -> None:
    case = asked()
    assert stage(case, LIMITS, NOW) is Stage.ASKED
    assert refused(lambda: use(case, EVA, "contact", [case], NOW, LIMITS)) == "grant-expired"


def test_nobody_answers_and_it_lapses() -> None:
    case = asked()
    assert stage(case, LIMITS, NOW + 600) is Stage.LAPSED
    assert refused(lambda: approve(case, FAR, [case], NOW + 600, LIMITS)) == "grant-expired"


def test_one_at_a_time() -> None:
    first = asked()
    assert refused(lambda: asked(cases=[first])) == "break-glass-open"
    assert asked(cases=[first], now=NOW + 600).id != first.id
    assert asked(person("ag_sam"), [first]).requester == "ag_sam"


def test_another_companys_customer_is_not_asked_for() -> None:
    assert refused(lambda: asked(about=("cu_9", "franchise-a"))) == "other-store"


@pytest.mark.parametrize("minutes", [-1, 61, 10_000])
def test_minutes_have_bounds(minutes: int) -> None:
    with pytest.raises(ConfigError, match="1 to 60"):
        asked(minutes=minutes)


@pytest.mark.parametrize("classes", [[], ["everything"], ["contact", "recording"]])
def test_kinds_of_data_are_named(classes: list[str]) -> None:
    with pytest.raises(ConfigError, match="name kinds of data"):
        asked(classes=classes)


# -- the second person


@pytest.mark.parametrize(
    ("who", "word"),
    [
        (person("ag_sam", Role.AGENT, "low-street"), "role-may-not"),
        (person("ag_adm", Role.ADMINISTRATOR, "low-street"), "role-may-not"),
        (person("ag_fr", Role.STORE_MANAGER, "station", "franchise-a"), "role-may-not"),
        (BOSS, "same-line"),
        (person("ag_mgr", Role.STORE_MANAGER), "same-line"),
    ],
)
def test_who_may_not_agree(who: Principal, word: str) -> None:
    case = asked()
    assert refused(lambda: approve(case, who, [case], NOW, LIMITS)) == word
    assert refused(lambda: refuse(case, who, [case], NOW, LIMITS)) == word


@pytest.mark.parametrize("who", [FAR, OFFICER, person("ag_mgr", Role.STORE_MANAGER, "low-street")])
def test_somebody_outside_the_line_agrees(who: Principal) -> None:
    case = opened(by=who)
    assert stage(case, LIMITS, NOW) is Stage.OPEN
    assert (case.approver, case.until) == (who.agent, NOW + 1_800)


def test_nobody_agrees_to_their_own() -> None:
    case = asked(OFFICER)
    assert refused(lambda: approve(case, OFFICER, [case], NOW, LIMITS)) == "not-your-own"


def test_favours_are_not_returned() -> None:
    """FAR agreed to BOSS's; within 90 days BOSS may not agree to FAR's, afterwards they may."""
    first = opened(BOSS, FAR)
    later = NOW + RECIPROCAL_SECONDS - 1
    done = replace(first, reviewed=NOW + 10_000, finding="justified")
    case = asked(FAR, [done], later)
    assert refused(lambda: approve(case, BOSS, [done, case], later, LIMITS)) == "reciprocal"
    assert approve(case, OFFICER, [done, case], later, LIMITS).opened
    after = NOW + RECIPROCAL_SECONDS
    again = asked(FAR, [done], after)
    assert approve(again, BOSS, [done, again], after, LIMITS).approver == "ag_boss"


def test_the_same_direction_again_is_no_favour() -> None:
    done = replace(opened(BOSS, FAR), reviewed=NOW + 3_000)
    again = asked(BOSS, [done], NOW + 4_000)
    assert approve(again, FAR, [done, again], NOW + 4_000, LIMITS).approver == "ag_far"


def test_a_no_is_an_end() -> None:
    case = asked()
    said = refuse(case, FAR, [case], NOW, LIMITS)
    assert stage(said, LIMITS, NOW) is Stage.REFUSED
    assert refused(lambda: approve(said, OFFICER, [said], NOW, LIMITS)) == "grant-expired"
    assert not overdue([said], NOW + 10 * REVIEW_SECONDS)


# -- looking


def test_looks_are_the_requesters_of_named_kinds_and_counted() -> None:
    case = opened()
    assert refused(lambda: use(case, FAR, "contact", [case], NOW, LIMITS)) == "not-your-call"
    assert refused(lambda: use(case, EVA, "delivery", [case], NOW, LIMITS)) == "not-in-this-grant"
    twice = use(use(case, EVA, "contact", [case], NOW, LIMITS), EVA, "contact", [case], NOW, LIMITS)
    assert refused(lambda: use(twice, EVA, "contact", [twice], NOW, LIMITS)) == "too-many-looks-this-call"


def test_it_closes_by_the_clock() -> None:
    case = opened(minutes=5)
    assert use(case, EVA, "contact", [case], NOW + 299, LIMITS).looks == 1
    assert refused(lambda: use(case, EVA, "contact", [case], NOW + 300, LIMITS)) == "grant-expired"
    assert stage(case, LIMITS, NOW + 300) is Stage.OVER


@pytest.mark.parametrize("who", [EVA, FAR, OFFICER])
def test_it_can_be_ended_early(who: Principal) -> None:
    case = end(opened(), who, NOW + 10, LIMITS)
    assert stage(case, LIMITS, NOW + 10) is Stage.OVER
    assert refused(lambda: use(case, EVA, "contact", [case], NOW + 11, LIMITS)) == "grant-expired"
    assert end(case, who, NOW + 50, LIMITS) == case


def test_a_stranger_does_not_end_it() -> None:
    assert refused(lambda: end(opened(), person("ag_x", Role.SUPERVISOR), NOW, LIMITS)) == "role-may-not"


# -- the review


def test_a_privacy_officer_reviews_what_is_over() -> None:
    case = opened()
    assert refused(lambda: review(case, OFFICER, "justified", NOW, LIMITS)) == "nothing-to-review"
    done = review(case, OFFICER, "justified", NOW + 1_800, LIMITS)
    assert stage(done, LIMITS, NOW + 1_800) is Stage.REVIEWED
    assert refused(lambda: review(done, OFFICER, "justified", NOW + 1_900, LIMITS)) == "nothing-to-review"


def test_who_may_not_review() -> None:
    by_officer = opened(by=OFFICER)
    assert refused(lambda: review(by_officer, OFFICER, "justified", NOW + 1_800, LIMITS)) == "not-your-own"
    assert review(by_officer, OFFICER_2, "breach", NOW + 1_800, LIMITS).finding == "breach"
    assert refused(lambda: review(opened(), BOSS, "justified", NOW + 1_800, LIMITS)) == "role-may-not"
    other = person("ag_po3", Role.PRIVACY_OFFICER, "station", "franchise-a")
    assert refused(lambda: review(opened(), other, "justified", NOW + 1_800, LIMITS)) == "role-may-not"


def test_a_finding_is_one_of_the_words() -> None:
    with pytest.raises(ConfigError, match="justified"):
        review(opened(), OFFICER, "fine", NOW + 1_800, LIMITS)


def test_an_overdue_review_suspends_that_store_and_no_other() -> None:
    case = opened()
    late = NOW + REVIEW_SECONDS
    assert not overdue([case], late - 1)
    assert overdue([case], late) == [case]
    assert refused(lambda: asked(person("ag_sam"), [case], late)) == "break-glass-suspended"
    assert asked(person("ag_low", Role.AGENT, "low-street"), [case], late).unit == "low-street"
    done = review(case, OFFICER, "justified", late + 5, LIMITS)
    assert asked(person("ag_sam"), [done], late + 6).unit == "high-street"


def test_what_was_open_or_asked_is_suspended_too() -> None:
    old, late = opened(), NOW + REVIEW_SECONDS
    new = asked(person("ag_sam"), [], late - 10)
    assert refused(lambda: approve(new, FAR, [old, new], late, LIMITS)) == "break-glass-suspended"
    running = replace(new, approver="ag_far", opened=late - 5)
    sam = person("ag_sam")
    assert refused(lambda: use(running, sam, "contact", [old, running], late, LIMITS)) == "break-glass-suspended"


# -- saving


@pytest.mark.parametrize(
    "case",
    [asked(), opened(classes=["contact", "delivery"]), review(opened(), OFFICER, "breach", NOW + 1_800, LIMITS)],
)
def test_what_is_saved_comes_back(case: Case) -> None:
    assert load_case(case.dump()) == case


@pytest.mark.parametrize("broken", [{}, {**asked().dump(), "opened": "soon"}, {"id": "bg_1"}])
def test_what_is_no_case_is_not_taken_up(broken: dict[str, str]) -> None:
    with pytest.raises(TamperError):
        load_case(broken)


def test_nothing_of_the_customer_or_the_writing_is_printed() -> None:
    assert "cu_1" not in repr(asked())
    assert "medicine" not in repr(asked())
