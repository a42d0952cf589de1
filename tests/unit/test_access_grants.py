"""Grants, one rule at a time. What must hold over any order of events stands in tests/property/test_grants_model.py."""

from __future__ import annotations

from typing import Any

import pytest

from quietline.access.decide import Phase
from quietline.access.grants import Grant, GrantLimits, Grants
from quietline.errors import Denied, TamperError

NOW = 1_790_000_000.0
LIMITS = GrantLimits(per_leg=4, per_minute=6, confirmed_for=2.0, wrap_up=30.0, life=3_600.0)


@pytest.fixture
def grants() -> Grants:
    return Grants(LIMITS)


def connected(grants: Grants, agent: str = "ag_1", leg: str = "leg_c1", agent_leg: str = "leg_a1") -> Grant:
    grants.leg_arrived(leg, "cust_1", 1, NOW)
    return grants.connect(leg, agent_leg, agent, NOW)


def refused(grants: Grants, grant: str, agent: str = "ag_1", at: float = NOW) -> str:
    with pytest.raises(Denied) as denial:
        grants.spend(grant, agent, at)
    return denial.value.reason


def test_a_grant_names_both_legs_the_agent_the_customer_and_the_time(grants: Grants) -> None:
    grant = connected(grants)
    assert grant == Grant(grant.id, "leg_c1", "leg_a1", "ag_1", "cust_1", NOW)
    assert grant.id.startswith("gr_")
    assert len(grant.id) == 3 + 32
    assert grants.find(grant.id, "ag_1") == grant


def test_another_agents_grant_and_an_unknown_one_answer_alike(grants: Grants) -> None:
    grant = connected(grants)
    assert refused(grants, grant.id, "ag_2") == refused(grants, "gr_nothing", "ag_2") == "not-your-call"
    with pytest.raises(Denied, match="not-your-call"):
        grants.still_live(grant.id, "ag_2", NOW)


@pytest.mark.parametrize("leg", ["leg_c1", "leg_a1"])
def test_either_end_hanging_up_closes_the_grant(grants: Grants, leg: str) -> None:
    grant = connected(grants)
    closed = grants.hang_up(leg, NOW + 5)
    assert [each.closed for each in closed] == [NOW + 5]
    assert refused(grants, grant.id, at=NOW + 5) == "call-ended"
    with pytest.raises(Denied, match="call-ended"):
        grants.still_live(grant.id, "ag_1", NOW + 5)
    assert grants.hang_up(leg, NOW + 6) == []
    assert grants.close(grant.id, NOW + 6) is None


def test_the_wrap_up_is_bounded(grants: Grants) -> None:
    grant = connected(grants)
    assert grants.phase(grant, NOW + 10) is Phase.LIVE
    (closed,) = grants.hang_up("leg_c1", NOW + 10)
    assert grants.phase(closed, NOW + 10) is Phase.WRAP_UP
    assert grants.phase(closed, NOW + 39.9) is Phase.WRAP_UP
    assert grants.phase(closed, NOW + 40) is Phase.OVER


def test_a_call_that_nobody_ended_is_over_after_its_life(grants: Grants) -> None:
    grant = connected(grants)
    grants.confirm(grant.id, NOW + 3_600)
    assert grants.phase(grant, NOW + 3_600) is Phase.OVER
    assert refused(grants, grant.id, at=NOW + 3_600) == "call-ended"


def test_the_edges_word_grows_old(grants: Grants) -> None:
    grant = connected(grants)
    grants.spend(grant.id, "ag_1", NOW + 2)
    assert grants.needs_word(grant, NOW + 2.1)
    assert refused(grants, grant.id, at=NOW + 2.1) == "call-unconfirmed"
    grants.confirm(grant.id, NOW + 2.1)
    grants.spend(grant.id, "ag_1", NOW + 2.1)


def test_a_clock_set_back_needs_the_edges_word_again(grants: Grants) -> None:
    grant = connected(grants)
    assert refused(grants, grant.id, at=NOW - 1) == "call-unconfirmed"


def test_a_closed_grant_cannot_be_confirmed_into_life(grants: Grants) -> None:
    grant = connected(grants)
    grants.hang_up("leg_c1", NOW)
    grants.confirm(grant.id, NOW)
    grants.confirm("gr_nothing", NOW)
    assert refused(grants, grant.id) == "call-ended"
    assert grants._state.confirmed == {}


def test_looks_per_call_have_a_ceiling_that_a_transfer_does_not_lift(grants: Grants) -> None:
    grant = connected(grants)
    for _ in range(3):
        grants.spend(grant.id, "ag_1", NOW)
    second = grants.connect("leg_c1", "leg_a2", "ag_2", NOW)
    grants.spend(second.id, "ag_2", NOW)
    assert refused(grants, second.id, "ag_2") == "too-many-looks-this-call"
    assert grants.leg("leg_c1").looks == 4


def test_looks_per_minute_are_counted_over_all_of_an_agents_calls(grants: Grants) -> None:
    first = connected(grants)
    second = connected(grants, leg="leg_c2", agent_leg="leg_a2")
    for each in (first, first, first, second, second, second):
        grants.spend(each.id, "ag_1", NOW)
    assert refused(grants, second.id) == "too-many-looks-this-minute"
    other = connected(grants, "ag_2", "leg_c3", "leg_a3")
    grants.spend(other.id, "ag_2", NOW)
    grants.confirm(second.id, NOW + 60)
    grants.spend(second.id, "ag_1", NOW + 60)


def test_a_refused_look_is_not_counted(grants: Grants) -> None:
    grant = connected(grants)
    for _ in range(4):
        grants.spend(grant.id, "ag_1", NOW)
    for _ in range(5):
        refused(grants, grant.id)
    other = connected(grants, leg="leg_c2", agent_leg="leg_a2")
    grants.spend(other.id, "ag_1", NOW)
    grants.spend(other.id, "ag_1", NOW)
    assert refused(grants, other.id) == "too-many-looks-this-minute"


def test_a_transfer_closes_the_first_agents_grant(grants: Grants) -> None:
    first = connected(grants)
    second = grants.connect("leg_c1", "leg_a2", "ag_2", NOW + 1)
    assert refused(grants, first.id) == "call-ended"
    assert grants.of_leg("leg_c1") == [second]
    assert grants.of_agent("ag_1") == []
    assert grants.of_agent("ag_2") == [second]


def test_connecting_the_same_legs_again_gives_the_same_grant(grants: Grants) -> None:
    grant = connected(grants)
    assert grants.connect("leg_c1", "leg_a1", "ag_1", NOW + 9) == grant


def test_an_agents_leg_serves_one_call_only(grants: Grants) -> None:
    connected(grants)
    grants.leg_arrived("leg_c2", "cust_2", 1, NOW)
    for leg, agent in (("leg_c2", "ag_1"), ("leg_c1", "ag_2")):
        with pytest.raises(Denied, match="not-your-call"):
            grants.connect(leg, "leg_a1", agent, NOW)


def test_an_ended_agents_leg_does_not_come_back(grants: Grants) -> None:
    connected(grants)
    grants.hang_up("leg_a1", NOW)
    with pytest.raises(Denied, match="call-ended"):
        grants.connect("leg_c1", "leg_a1", "ag_1", NOW)
    assert grants.connect("leg_c1", "leg_a2", "ag_1", NOW).closed is None  # the caller is still there


def test_nobody_is_connected_to_a_leg_that_is_unknown_or_ended(grants: Grants) -> None:
    with pytest.raises(Denied, match="call-ended"):
        grants.connect("leg_c9", "leg_a9", "ag_1", NOW)
    connected(grants)
    grants.hang_up("leg_c1", NOW)
    with pytest.raises(Denied, match="call-ended"):
        grants.connect("leg_c1", "leg_a2", "ag_2", NOW)


def test_an_ended_leg_does_not_arrive_again_and_a_customer_does_not_change(grants: Grants) -> None:
    connected(grants)
    assert grants.leg_arrived("leg_c1", "cust_2", 3, NOW).customer == "cust_1"
    grants.hang_up("leg_c1", NOW)
    assert grants.leg_arrived("leg_c1", "cust_1", 1, NOW).ended == NOW


def test_assurance_stays_with_the_leg_and_never_falls(grants: Grants) -> None:
    first = connected(grants)
    assert grants.assurance(first) == 1
    grants.raise_assurance("leg_c1", 2)
    second = grants.connect("leg_c1", "leg_a2", "ag_2", NOW)
    grants.raise_assurance("leg_c1", 1)
    assert grants.assurance(second) == 2
    grants.hang_up("leg_c1", NOW)
    with pytest.raises(Denied, match="call-ended"):
        grants.raise_assurance("leg_c1", 3)


def test_sweeping_forgets_what_is_over_and_keeps_the_rest(grants: Grants) -> None:
    over = connected(grants)
    live = connected(grants, "ag_2", "leg_c2", "leg_a2")
    grants.leg_arrived("leg_c3", "", 0, NOW)
    grants.hang_up("leg_c1", NOW)
    grants.hang_up("leg_c3", NOW)
    assert grants.sweep(NOW + 29) == ["leg_c3"]
    assert set(grants.sweep(NOW + 30)) == {over.id, "leg_c1"}
    assert refused(grants, over.id) == "not-your-call"
    assert grants.assurance(over) == 0
    assert grants.find(live.id, "ag_2") == live
    assert grants.hang_up("leg_c1", NOW + 30) == grants.of_leg("leg_a1") == []
    assert set(grants._state.on_leg) == {"leg_c2", "leg_a2"}
    assert set(grants.sweep(NOW + 3_600)) == {live.id, "leg_c2"}


# -- over a restart


def survived(grants: Grants, records: dict[str, dict[str, Any]] | None = None) -> Grants:
    """The state that another process finds when every change was written as it came."""
    store = records if records is not None else {}
    put, drop = grants.changes()
    store.update({record["id"]: record for record in put})
    for key in drop:
        store.pop(key, None)
    later = Grants(LIMITS)
    later.restore(store.values())
    return later


def test_a_restored_grant_opens_nothing_until_the_edge_has_spoken(grants: Grants) -> None:
    grant = connected(grants)
    grants.raise_assurance("leg_c1", 2)
    grants.spend(grant.id, "ag_1", NOW)
    later = survived(grants)
    assert later.find(grant.id, "ag_1") == grant
    assert refused(later, grant.id) == "call-unconfirmed"
    later.confirm(grant.id, NOW + 1)
    later.spend(grant.id, "ag_1", NOW + 1)
    assert (later.assurance(grant), later.leg("leg_c1").looks) == (2, 2)


def test_what_was_closed_stays_closed_over_a_restart(grants: Grants) -> None:
    grant = connected(grants)
    grants.hang_up("leg_a1", NOW + 1)
    later = survived(grants)
    later.confirm(grant.id, NOW + 1)
    assert refused(later, grant.id, at=NOW + 1) == "call-ended"
    assert later.phase(later.find(grant.id, "ag_1"), NOW + 2) is Phase.WRAP_UP
    assert later.hang_up("leg_c1", NOW + 2) == []


def test_changes_are_told_once_and_can_be_handed_back(grants: Grants) -> None:
    grant = connected(grants)
    put, drop = grants.changes()
    assert ({record["id"] for record in put}, drop) == ({"leg_c1", grant.id}, [])
    assert grants.changes() == ([], [])
    grants.mark(record["id"] for record in put)
    assert grants.changes() == (put, [])
    grants.hang_up("leg_c1", NOW)
    grants.sweep(NOW + 30)
    assert grants.changes() == ([], sorted([grant.id, "leg_c1"]))


def test_saved_records_hold_tokens_and_times_only(grants: Grants) -> None:
    connected(grants)
    for record in grants.changes()[0]:
        assert {type(value) for value in record.values()} <= {str, float, int, type(None)}


@pytest.mark.parametrize("record", [{}, {"kind": "key", "id": "x"}, {"kind": "grant", "id": "x"}, {"kind": "leg"}])
def test_a_record_that_is_none_is_tampering_and_nothing_is_taken_up(grants: Grants, record: dict[str, Any]) -> None:
    good = connected(grants)
    saved, _ = grants.changes()
    later = Grants(LIMITS)
    with pytest.raises(TamperError):
        later.restore([*saved, record])
    with pytest.raises(Denied, match="not-your-call"):
        later.find(good.id, "ag_1")
