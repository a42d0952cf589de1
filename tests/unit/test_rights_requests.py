"""Requests: identification, deadlines, and states that all have an exit."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError, Denied
from quietline.rights.requests import (
    ENDS,
    METHODS,
    NEEDED,
    OBJECTED,
    TRANSITIONS,
    Act,
    Refusal,
    Request,
    Right,
    State,
    act,
    identified,
    load_request,
    open_request,
    overdue,
    right_of,
)
from quietline.rights.times import months_later

NOW = 1_795_000_000.0
WHO = ("brand", "cu_1")
GOOD = ("call-back", "shop-account")


def a_request(right: Right = Right.ACCESS, **more: Any) -> Request:
    about = "marketing" if right is Right.OBJECTION else ""
    made = open_request("rq_1", right, WHO, GOOD, "ag_1", NOW, about)
    return replace(made, **more)


# -- who asks


@pytest.mark.parametrize(
    ("methods", "level"),
    [
        ((), 0),
        (("number-matches",), 1),
        (("order-known", "number-matches"), 1),
        (("call-back",), 2),
        (("call-back", "one-time-code"), 2),  # both are the telephone: one factor
        (("call-back", "number-matches"), 2),
        (("call-back", "shop-account"), 3),
        (("e-mail-confirmed", "identity-card"), 3),
    ],
)
def test_two_ways_count_as_two_only_when_they_are_independent(methods: tuple[str, ...], level: int) -> None:
    assert identified(methods) == level


@given(st.lists(st.sampled_from(sorted(METHODS))), st.sampled_from(sorted(METHODS)))
def test_another_way_never_lowers_the_level(methods: list[str], more: str) -> None:
    assert identified(methods) <= identified([*methods, more]) <= 3


@given(st.lists(st.sampled_from(sorted(METHODS)), min_size=1))
def test_the_same_way_twice_is_one_way(methods: list[str]) -> None:
    assert identified(methods) == identified([*methods, *methods])


def test_an_unknown_way_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigError) as refused:
        identified(["astrology"])
    assert "astrology" not in str(refused.value)
    assert "call-back" in str(refused.value)


@pytest.mark.parametrize("right", Right)
def test_below_the_level_a_right_needs_no_request_is_opened(right: Right) -> None:
    about = "marketing" if right is Right.OBJECTION else ""
    by_level: dict[int, tuple[str, ...]] = {0: ()}
    for size in (1, 2):
        for methods in combinations(METHODS, size):
            by_level.setdefault(identified(methods), methods)
    for level, methods in by_level.items():
        if level >= NEEDED[right]:
            assert open_request("rq_1", right, WHO, methods, "ag_1", NOW, about).level == level
        else:
            with pytest.raises(Denied, match="not-identified"):
                open_request("rq_1", right, WHO, methods, "ag_1", NOW, about)


def test_an_objection_says_against_what_and_nothing_else_does() -> None:
    for about in OBJECTED:
        assert open_request("rq_1", Right.OBJECTION, WHO, GOOD, "ag_1", NOW, about).about == about
    for right, about in ((Right.OBJECTION, ""), (Right.OBJECTION, "taxes"), (Right.ACCESS, "marketing")):
        with pytest.raises(ConfigError, match="objection"):
            open_request("rq_1", right, WHO, GOOD, "ag_1", NOW, about)


def test_an_unknown_right_is_refused_with_the_known_ones() -> None:
    assert right_of("erasure") is Right.ERASURE
    with pytest.raises(ConfigError, match="access, rectification"):
        right_of("portability")


# -- states


@pytest.mark.parametrize("right", Right)
def test_every_state_has_an_exit_and_leads_to_an_end(right: Right) -> None:
    table = TRANSITIONS[right]
    first = a_request(right).state
    reached, waiting = set(), [first]
    while waiting:
        state = waiting.pop()
        if state in reached:
            continue
        reached.add(state)
        after = set(table.get(state, {}).values())
        assert state in ENDS or after - {state}, f"{right}: no way out of {state}"
        waiting += after
    assert reached & ENDS
    assert set(table) == reached - ENDS, "a state that nothing reaches, or an end with an exit"


@given(st.sampled_from(list(Right)), st.lists(st.sampled_from(list(Act)), max_size=6))
def test_what_the_table_does_not_allow_is_refused_and_changes_nothing(right: Right, acts: list[Act]) -> None:
    request = a_request(right)
    for what in acts:
        why = {Act.REFUSE: "excessive", Act.EXTEND: "complexity"}.get(what, "")
        allowed = what in TRANSITIONS[right].get(request.state, {})
        if allowed and not (what is Act.EXTEND and request.due > months_later(NOW, 1)):
            wanted = TRANSITIONS[right][request.state][what]
            request = act(request, what, NOW + 1, why)
            assert request.state is wanted
        else:
            with pytest.raises(Denied, match="too-late" if allowed else "not-in-this-state"):
                act(request, what, NOW + 1, why)


def test_an_erasure_cools_before_it_begins_and_then_only_goes_on() -> None:
    request = a_request(Right.ERASURE)
    assert request.state is State.COOLING
    begun = act(request, Act.BEGIN, NOW)
    for what in (Act.WITHDRAW, Act.REFUSE, Act.BEGIN):
        with pytest.raises(Denied, match="not-in-this-state"):
            act(begun, what, NOW, "excessive")
    assert act(begun, Act.COMPLETE, NOW).state is State.DONE


@pytest.mark.parametrize("why", Refusal)
def test_a_refusal_has_one_of_the_laws_reasons(why: Refusal) -> None:
    refused = act(a_request(), Act.REFUSE, NOW, why.value)
    assert (refused.state, refused.why) == (State.REFUSED, why.value)


@pytest.mark.parametrize("why", ["", "no time"])
def test_a_refusal_without_such_a_reason_is_none(why: str) -> None:
    with pytest.raises(ConfigError, match="manifestly-unfounded"):
        act(a_request(), Act.REFUSE, NOW, why)


# -- deadlines


def test_it_is_due_in_one_month_and_in_three_once_extended() -> None:
    request = a_request()
    assert request.due == months_later(NOW, 1)
    extended = act(request, Act.EXTEND, NOW + 10, "complexity")
    assert (extended.due, extended.state) == (months_later(NOW, 3), State.OPEN)


def test_a_deadline_is_extended_once_and_in_time_and_with_a_reason() -> None:
    extended = act(a_request(), Act.EXTEND, NOW, "number")
    with pytest.raises(Denied, match="too-late"):
        act(extended, Act.EXTEND, NOW, "number")
    with pytest.raises(Denied, match="too-late"):
        act(a_request(), Act.EXTEND, months_later(NOW, 1) + 1, "number")
    with pytest.raises(ConfigError, match="complexity or number"):
        act(a_request(), Act.EXTEND, NOW, "holidays")


def test_only_what_still_waits_is_overdue() -> None:
    late = months_later(NOW, 1) + 1
    waiting = a_request(id="rq_2", due=NOW - 5)
    older = a_request(id="rq_3", due=NOW - 9)
    others = [a_request(state=state, due=NOW - 1) for state in (*ENDS, State.IN_FORCE)]
    assert overdue([waiting, *others, older], NOW) == [older, waiting]
    assert overdue([a_request()], late) == [a_request()]
    assert overdue([a_request()], NOW) == []


# -- kept and shown


@given(st.sampled_from(list(Right)), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
def test_a_request_is_read_back_as_it_was(right: Right, told: dict[str, str]) -> None:
    request = a_request(right, told=told)
    assert load_request(json.loads(json.dumps(request.dump()))) == request


@pytest.mark.parametrize("spoilt", [{"right": "taxes"}, {"state": "lost"}])
def test_a_row_that_is_none_is_refused(spoilt: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is not a valid"):
        load_request({**a_request().dump(), **spoilt})


def test_what_is_shown_names_no_customer() -> None:
    request = a_request(customer="cu_secret")
    assert "cu_secret" not in json.dumps(request.view())
    assert "cu_secret" not in repr(request)
    assert request.view()["due"].endswith("Z")
