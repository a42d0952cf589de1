"""Work grants, decided: who gives one to whom, for how long, for which fields; what ends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from quietline.access.decide import Principal, Role
from quietline.access.work_grants import (
    OPEN,
    OVER,
    WAITING,
    Call,
    Wish,
    WorkGrant,
    WorkLimits,
    agree,
    ask,
    load_work,
    revoke,
    state,
    use,
)
from quietline.errors import Denied, TamperError
from quietline.reasons import NEEDS

NOW = 1_800_000_000.0
LIMITS = WorkLimits(own=3_600.0, longest=86_400.0, answer=600.0, fields=3, looks=2, open=4)
CALL = Call("leg_1", "cu_1", "brand", 2)
NEEDED = NEEDS["complaint"].fields
BOTH = frozenset({"brand", "franchise-a"})


def person(agent: str, role: Role = Role.AGENT, store: str = "high-street", controllers: Any = None) -> Principal:
    return Principal(agent, role, store, frozenset(controllers or {"brand"}))


EVA, SAM = person("ag_eva"), person("ag_sam")
BOSS = person("ag_boss", Role.SUPERVISOR)


def wish(**changes: Any) -> Wish:
    return replace(Wish("ag_eva", ("contact.email",), "complaint", NOW + 1_800), **changes)


def asked(who: Principal = EVA, call: Call = CALL, held: int = 0, **changes: Any) -> WorkGrant:
    return ask(who, call, wish(**changes), NEEDED, held, NOW, LIMITS)


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Denied) as error:
        act()
    assert error.value.advice
    return error.value.reason


def test_ones_own_short_one_is_open_at_once() -> None:
    grant = asked()
    assert state(grant, LIMITS, NOW) == OPEN
    assert (grant.given_by, grant.customer, grant.assurance) == ("ag_eva", "cu_1", 2)


@pytest.mark.parametrize("changes", [{"until": NOW + 3_601}, {"assignee": "ag_sam"}])
def test_a_longer_one_or_a_colleagues_waits_for_a_supervisor(changes: dict[str, Any]) -> None:
    grant = asked(**changes)
    assert state(grant, LIMITS, NOW) == WAITING
    assert refused(lambda: use(grant, grant.assignee, "contact.email", LIMITS, NOW)) == "grant-expired"
    given_ = agree(grant, BOSS, "high-street", LIMITS, NOW)
    assert state(given_, LIMITS, NOW) == OPEN
    assert given_.given_by == "ag_boss"


def test_a_request_that_nobody_answers_lapses() -> None:
    grant = asked(assignee="ag_sam")
    assert state(grant, LIMITS, NOW + 599) == WAITING
    assert state(grant, LIMITS, NOW + 600) == OVER
    assert refused(lambda: agree(grant, BOSS, "high-street", LIMITS, NOW + 600)) == "grant-expired"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"fields": ()}, "too-many-fields"),
        ({"fields": ("contact.email",) * 4}, "too-many-fields"),
        ({"fields": ("contact.phone",)}, "reason-does-not-need-it"),
        ({"fields": ("contact.email", "no.such")}, "reason-does-not-need-it"),
        ({"until": NOW}, "work-too-long"),
        ({"until": NOW - 1}, "work-too-long"),
        ({"until": NOW + 86_401}, "work-too-long"),
        ({"until": float("nan")}, "work-too-long"),
        ({"until": float("inf")}, "work-too-long"),
    ],
)
def test_what_is_asked_for_has_bounds(changes: dict[str, Any], word: str) -> None:
    assert refused(lambda: asked(**changes)) == word


def test_nobody_holds_more_than_so_many() -> None:
    assert state(asked(held=3), LIMITS, NOW) == OPEN
    assert refused(lambda: asked(held=4)) == "too-many-work-grants"


def test_an_unknown_caller_leaves_no_work() -> None:
    assert refused(lambda: asked(call=replace(CALL, customer=""))) == "nobody-matched"


@pytest.mark.parametrize("role", [Role.PRIVACY_OFFICER, Role.AUDITOR, Role.ADMINISTRATOR, Role.STORE_MANAGER])
def test_only_who_takes_calls_asks(role: Role) -> None:
    assert refused(lambda: asked(person("ag_eva", role))) == "role-takes-no-calls"


@pytest.mark.parametrize(
    ("who", "word"),
    [
        (SAM, "role-may-not"),
        (person("ag_po", Role.PRIVACY_OFFICER), "role-may-not"),
        (person("ag_boss", Role.SUPERVISOR, "station", {"franchise-a"}), "other-store"),
        (person("ag_boss", Role.SUPERVISOR, "low-street"), "other-store"),
        (person("ag_eva", Role.SUPERVISOR), "not-your-own"),
        (person("ag_sam", Role.SUPERVISOR), "not-your-own"),
    ],
)
def test_who_may_not_agree(who: Principal, word: str) -> None:
    grant = asked(assignee="ag_sam")
    assert refused(lambda: agree(grant, who, "high-street", LIMITS, NOW)) == word


def test_a_hubs_supervisor_agrees_for_every_store() -> None:
    hub = person("ag_boss", Role.SUPERVISOR, "hub", BOTH)
    assert agree(asked(assignee="ag_sam"), hub, "high-street", LIMITS, NOW).given_by == "ag_boss"


def test_each_look_is_counted_and_the_count_has_an_end() -> None:
    once = use(asked(), "ag_eva", "contact.email", LIMITS, NOW)
    twice = use(once, "ag_eva", "contact.email", LIMITS, NOW)
    assert twice.looks == 2
    assert refused(lambda: use(twice, "ag_eva", "contact.email", LIMITS, NOW)) == "too-many-looks-this-call"


def test_it_is_for_its_assignee_and_its_fields_until_its_deadline() -> None:
    grant = asked()
    assert refused(lambda: use(grant, "ag_sam", "contact.email", LIMITS, NOW)) == "not-your-call"
    assert refused(lambda: use(grant, "ag_eva", "contact.name", LIMITS, NOW)) == "not-in-this-grant"
    assert use(grant, "ag_eva", "contact.email", LIMITS, NOW + 1_799).looks == 1
    assert refused(lambda: use(grant, "ag_eva", "contact.email", LIMITS, NOW + 1_800)) == "grant-expired"


@pytest.mark.parametrize("who", [EVA, SAM, BOSS, person("ag_po", Role.PRIVACY_OFFICER)])
def test_who_may_end_it(who: Principal) -> None:
    grant = agree(asked(assignee="ag_sam"), BOSS, "high-street", LIMITS, NOW)
    ended = revoke(grant, who, NOW + 1)
    assert state(ended, LIMITS, NOW + 1) == OVER
    assert refused(lambda: use(ended, "ag_sam", "contact.email", LIMITS, NOW + 2)) == "grant-expired"
    assert revoke(ended, who, NOW + 9) == ended


@pytest.mark.parametrize(
    "who",
    [person("ag_x"), person("ag_x", Role.AUDITOR), person("ag_x", Role.SUPERVISOR, "station", {"franchise-a"})],
)
def test_who_may_not_end_it(who: Principal) -> None:
    assert refused(lambda: revoke(asked(), who, NOW)) == "not-your-call"


def test_a_view_names_no_customer() -> None:
    view = asked().view(LIMITS, NOW)
    assert "cu_1" not in str(view)
    assert "leg_1" not in str(view)
    assert view["state"] == OPEN
    assert view["fields"] == ["contact.email"]


@given(
    until=st.floats(NOW + 1, NOW + 86_400),
    fields=st.lists(st.sampled_from(NEEDED), min_size=1, max_size=3, unique=True),
    assignee=st.sampled_from(["ag_eva", "ag_sam"]),
)
def test_what_is_saved_comes_back(until: float, fields: list[str], assignee: str) -> None:
    grant = asked(until=until, fields=tuple(fields), assignee=assignee)
    assert load_work(grant.dump()) == grant
    assert all(isinstance(value, str) for value in grant.dump().values())


@given(until=st.floats(NOW - 10, NOW + 90_000), now=st.floats(NOW, NOW + 200_000))
def test_nothing_opens_at_or_after_the_deadline(until: float, now: float) -> None:
    try:
        grant = asked(until=until)
    except Denied:
        assert not NOW < until <= NOW + LIMITS.longest
        return
    try:
        use(grant, "ag_eva", "contact.email", LIMITS, now)
    except Denied:
        assert now >= until or not grant.given_by
    else:
        assert now < until <= NOW + LIMITS.own


@pytest.mark.parametrize("broken", [{}, {"id": "x"}, {**asked().dump(), "looks": "many"}])
def test_what_is_no_grant_is_not_taken_up(broken: dict[str, str]) -> None:
    with pytest.raises(TamperError):
        load_work(broken)
