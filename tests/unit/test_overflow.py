"""Overflow: which stores' agents may take a call. A closed store never rings; nothing goes round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.routing.overflow import Hop, Load, Reach, Spill, Spills, holds, loops, next_change, reach

TO_HUB = Spill("hub", waiting=5, expected=120.0, after=60.0)
CHAIN = {"mill": (Spill("north"),), "north": (TO_HUB,)}
QUIET, SHUT = Load(), Load(open=False)


def loads(**of: Load) -> dict[str, Load]:
    return {"mill": QUIET, "north": QUIET, "hub": QUIET} | of


def test_a_quiet_open_store_keeps_its_calls() -> None:
    assert reach("mill", CHAIN, loads().__getitem__) == Reach(("mill",))


@pytest.mark.parametrize(
    ("load", "waited", "why"),
    [
        (Load(waiting=5), 0.0, "waiting"),
        (Load(waiting=4), 0.0, ""),
        (Load(expected=120.0), 0.0, "expected"),
        (Load(expected=119.9), 0.0, ""),
        (Load(expected=None), 0.0, "expected"),  # nobody is there who could
        (Load(), 60.0, "after"),
        (Load(), 59.9, ""),
        (SHUT, 0.0, "closed"),
    ],
)
def test_each_condition_and_its_word(load: Load, waited: float, why: str) -> None:
    assert holds(TO_HUB, load, waited) == why
    found = reach("north", CHAIN, loads(north=load).__getitem__, waited)
    assert found.hops == ((Hop("north", "hub", why),) if why else ())
    assert ("hub" in found.stores) == bool(why)


def test_a_bound_that_is_not_given_never_holds() -> None:
    assert holds(Spill("hub", closed=False), Load(False, 10_000, None), 1e9) == ""


def test_a_closed_store_never_rings_and_the_chain_goes_on() -> None:
    found = reach("mill", CHAIN, loads(mill=SHUT, north=SHUT).__getitem__)
    assert found == Reach(("hub",), (Hop("mill", "north", "closed"), Hop("north", "hub", "closed")))


def test_all_shut_is_nobody() -> None:
    assert reach("mill", CHAIN, loads(mill=SHUT, north=SHUT, hub=SHUT).__getitem__).stores == ()


def test_the_dialled_store_stays_in_reach_when_others_help() -> None:
    assert reach("north", CHAIN, loads(north=Load(waiting=9)).__getitem__).stores == ("north", "hub")


def test_the_next_moment_at_which_time_changes_the_reach() -> None:
    spills: Spills = {"mill": (Spill("north", after=30.0),), "north": (Spill("hub", after=90.0),)}
    assert [next_change("mill", spills, waited) for waited in (0.0, 30.0, 90.0)] == [30.0, 90.0, None]
    assert next_change("hub", spills, 0.0) is None


def test_loops_are_named_once_each() -> None:
    spills: Spills = {
        "a": (Spill("b"),),
        "b": (Spill("c"), Spill("hub")),
        "c": (Spill("a"),),
        "x": (Spill("x"),),
        "y": (Spill("a"),),
    }
    assert list(loops(spills)) == [("a", "b", "c", "a"), ("x", "x")]
    assert list(loops(CHAIN)) == []


NAMES = ("a", "b", "c", "d", "e")
loads_of_any_kind = st.builds(Load, st.booleans(), st.integers(0, 20), st.none() | st.floats(0, 600, allow_nan=False))
spills_of_any_kind = st.builds(
    Spill,
    st.sampled_from(NAMES),
    st.booleans(),
    st.none() | st.integers(0, 20),
    st.none() | st.floats(0, 600, allow_nan=False),
    st.none() | st.floats(0, 600, allow_nan=False),
)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(spills_of_any_kind, max_size=3).map(tuple)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, loads_of_any_kind)),
    st.floats(0, 900),
)
def test_whatever_the_rules_it_ends_rings_open_stores_only_and_each_once(
    spills: dict[str, tuple[Spill, ...]], states: dict[str, Load], waited: float
) -> None:
    asked: list[str] = []

    def load(store: str) -> Load:
        asked.append(store)
        return states[store]

    found = reach("a", spills, load, waited)
    assert len(asked) == len(set(asked))
    assert all(states[store].open for store in found.stores)
    assert len(set(found.stores)) == len(found.stores)
    assert states["a"].open == ("a" in found.stores)
    assert {hop.to for hop in found.hops} | {"a"} >= set(found.stores)


@given(
    st.dictionaries(st.sampled_from(NAMES), st.lists(spills_of_any_kind, max_size=3).map(tuple)),
    st.fixed_dictionaries(dict.fromkeys(NAMES, loads_of_any_kind)),
    st.floats(0, 900),
    st.floats(0, 900),
)
def test_a_longer_wait_never_takes_a_store_away(
    spills: dict[str, tuple[Spill, ...]], states: dict[str, Load], one: float, other: float
) -> None:
    sooner, later = sorted((one, other))
    early = reach("a", spills, states.__getitem__, sooner)
    assert set(early.stores) <= set(reach("a", spills, states.__getitem__, later).stores)
    following = next_change("a", spills, sooner)
    if following is None or following > later:
        assert early == reach("a", spills, states.__getitem__, later)
