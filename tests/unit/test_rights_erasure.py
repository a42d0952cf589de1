"""Who may erase what, and when."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.decide import Principal, Role
from quietline.errors import ConfigError, Denied
from quietline.rights.erasure import (
    KEPT,
    OFFICERS,
    Books,
    Hold,
    HoldReason,
    Limits,
    held,
    hold_reason,
    load_hold,
    may_erase,
    require_role,
    split,
)
from quietline.rights.requests import Request, Right, State, open_request
from quietline.vault.schema import DataClass

NOW = 1_795_000_000.0
HOUR = 3_600.0
LIMITS = Limits(cooling=72 * HOUR, per_day=4, alone=2)


def person(agent: str = "ag_dora", role: Role = Role.PRIVACY_OFFICER) -> Principal:
    return Principal(agent, role, "high-street", frozenset({"brand"}))


DORA, ADAM = person(), person("ag_adam", Role.ADMINISTRATOR)


def ripe(name: str = "rq_1", **more: Any) -> Request:
    opened = NOW - 80 * HOUR
    made = open_request(name, Right.ERASURE, ("brand", f"cu_{name}"), ("call-back",), "ag_dora", opened)
    return replace(made, **more)


def books(*others: Request, holds: tuple[Hold, ...] = (), recipients: dict[str, str] | None = None) -> Books:
    return Books(others, holds, recipients or {}, NOW)


def a_hold(customer: str = "cu_rq_1", until: float = NOW + HOUR) -> Hold:
    return Hold("lh_1", customer, "brand", HoldReason.DISPUTE, "ag_dora", NOW - HOUR, until)


def why(*asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        may_erase(*asked)
    return refused.value.reason


def test_a_privacy_officer_alone_erases_one_that_has_cooled() -> None:
    may_erase([ripe()], [DORA], books(), LIMITS)


@pytest.mark.parametrize("role", set(Role) - OFFICERS)
def test_nobody_else_does(role: Role) -> None:
    assert why([ripe()], [person(role=role)], books(), LIMITS) == "policy"


def test_nobody_at_all_does_not() -> None:
    assert why([ripe()], [], books(), LIMITS) == "policy"


@pytest.mark.parametrize("role", set(Role) - {Role.PRIVACY_OFFICER, Role.ADMINISTRATOR})
def test_a_second_person_has_a_role_of_trust(role: Role) -> None:
    assert why([ripe()], [DORA, person("ag_2", role)], books(), LIMITS) == "policy"


@pytest.mark.parametrize(("hours", "refused"), [(0, True), (71.9, True), (72, False), (100, False)])
def test_it_may_be_taken_back_for_as_long_as_it_cools(hours: float, refused: bool) -> None:
    request = ripe(opened=NOW - hours * HOUR)
    if refused:
        assert why([request], [DORA], books(), LIMITS) == "cooling"
    else:
        may_erase([request], [DORA], books(), LIMITS)


@pytest.mark.parametrize("state", set(State) - {State.COOLING, State.ERASING})
def test_what_was_answered_otherwise_is_not_erased(state: State) -> None:
    assert why([ripe(state=state)], [DORA], books(), LIMITS) == "not-in-this-state"


def test_a_legal_hold_wins_until_it_ends() -> None:
    assert why([ripe()], [DORA], books(holds=(a_hold(),)), LIMITS) == "legal-hold"
    may_erase([ripe()], [DORA], books(holds=(a_hold(until=NOW - 1),)), LIMITS)
    may_erase([ripe()], [DORA], books(holds=(a_hold("cu_other"),)), LIMITS)


def test_an_erasure_that_a_crash_broke_off_goes_on_whatever_came_since() -> None:
    begun = ripe(state=State.ERASING, changed=NOW - 25 * HOUR)
    may_erase([begun], [DORA], books(holds=(a_hold(),), recipients={"courier": "parcels"}), LIMITS)


def test_recipients_are_told_first() -> None:
    listed = {"courier": "parcels", "shop": "orders"}
    assert why([ripe(told={"shop": "told"})], [DORA], books(recipients=listed), LIMITS) == "recipients-untold"
    may_erase([ripe(told={"shop": "told", "courier": "impossible"})], [DORA], books(recipients=listed), LIMITS)


def test_several_at_once_take_two_different_people() -> None:
    both = [ripe("rq_1"), ripe("rq_2")]
    assert why(both, [DORA], books(), LIMITS) == "second-person"
    assert why(both, [DORA, DORA], books(), LIMITS) == "second-person"
    may_erase(both, [DORA, ADAM], books(), LIMITS)


def test_one_at_a_time_is_no_way_round_the_second_person() -> None:
    done = [ripe(f"rq_{each}", state=State.DONE, changed=NOW - HOUR) for each in range(LIMITS.alone)]
    assert why([ripe("rq_9")], [DORA], books(*done), LIMITS) == "second-person"
    may_erase([ripe("rq_9")], [DORA, ADAM], books(*done), LIMITS)


def test_the_days_cap_holds_for_two_people_too() -> None:
    done = [ripe(f"rq_{each}", state=State.DONE, changed=NOW - HOUR) for each in range(LIMITS.per_day)]
    assert why([ripe("rq_9")], [DORA, ADAM], books(*done), LIMITS) == "daily-cap"
    earlier = [replace(each, changed=NOW - 30 * HOUR) for each in done]
    may_erase([ripe("rq_9")], [DORA], books(*earlier), LIMITS)


@given(st.integers(0, 6), st.integers(1, 6), st.booleans())
def test_never_more_than_the_cap_and_never_bulk_by_one(done: int, wanted: int, two: bool) -> None:
    before = [ripe(f"rq_d{each}", state=State.DONE, changed=NOW) for each in range(done)]
    asked = [ripe(f"rq_{each}") for each in range(wanted)]
    people = [DORA, ADAM] if two else [DORA]
    fits = done + wanted <= LIMITS.per_day and (two or (wanted == 1 and done + 1 <= LIMITS.alone))
    if fits:
        may_erase(asked, people, books(*before), LIMITS)
    else:
        assert why(asked, people, books(*before), LIMITS) in ("daily-cap", "second-person")


def test_only_erasures_count_for_the_cap() -> None:
    answered = [replace(ripe(f"rq_{each}", state=State.DONE, changed=NOW), right=Right.ACCESS) for each in range(9)]
    may_erase([ripe()], [DORA], books(*answered), LIMITS)


# -- what stays


def test_invoices_stay_where_there_are_any_and_with_their_basis() -> None:
    assert split(["contact", "invoice"]) == (
        [each for each in DataClass if each is not DataClass.INVOICE],
        [DataClass.INVOICE],
    )
    assert split(["contact"]) == (list(DataClass), [])
    assert all("GDPR 17(3)" in basis for basis in KEPT.values())


@given(st.sets(st.sampled_from([each.value for each in DataClass])))
def test_every_class_is_either_erased_or_kept_by_law(present: set[str]) -> None:
    gone, kept = split(present)
    assert {*gone, *kept} == set(DataClass)
    assert not set(gone) & set(kept)
    assert set(kept) <= set(KEPT)


# -- holds


def test_the_hold_that_lasts_longest_is_told() -> None:
    short, long = a_hold(until=NOW + 1), replace(a_hold(until=NOW + 9), id="lh_2")
    assert held("cu_rq_1", [short, long], NOW) is long
    assert held("cu_rq_1", [short], NOW + 1) is None
    assert held("cu_x", [short, long], NOW) is None


def test_a_hold_is_read_back_and_shown_without_its_customer() -> None:
    hold = a_hold("cu_secret")
    assert load_hold(asdict(hold)) == hold
    assert "cu_secret" not in str(hold.view()) + repr(hold)
    assert hold.view()["reason"] == "dispute"


def test_a_hold_has_a_reason_of_the_law() -> None:
    assert hold_reason("tax-audit") is HoldReason.TAX_AUDIT
    with pytest.raises(ConfigError, match="court-order"):
        hold_reason("because")


def test_a_role_is_required_by_name() -> None:
    require_role(DORA, OFFICERS)
    with pytest.raises(Denied, match="privacy_officer"):
        require_role(ADAM, OFFICERS)
