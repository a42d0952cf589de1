"""Any flow that passes the check comes to an end, whatever the caller does or does not do; and can be picked up."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.plain import plain
from quietline.routing import flow as f
from quietline.routing.flow import Choice, Flow, FlowStep
from quietline.routing.flow_check import Surroundings, check, cycle
from quietline.routing.flow_run import (
    AskDigits,
    AskKey,
    Closed,
    Collected,
    Done,
    End,
    Enter,
    Event,
    Facts,
    Flows,
    Key,
    Position,
    Promise,
    Promised,
    Prove,
    Say,
    Silence,
    Verified,
    Waited,
)

NAMES = tuple("abcdef")
AROUND = Surroundings({"north": "one", "hub": "two"}, ("orders",))
names = st.sampled_from(NAMES)
words = st.just("words")


# Drawing two flows takes a tenth of a second where the machine is busy; that says nothing about flows.
UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def steps(first: int) -> st.SearchStrategy[FlowStep]:
    """Any step; a caller who does nothing is led to a step from the `first` on, one who does something to any."""
    silent, chosen = st.sampled_from(NAMES[first:]), names
    choices = st.builds(Choice, key=st.sampled_from("123*"), go=chosen)
    unique = st.lists(choices, min_size=1, max_size=4, unique_by=lambda each: each.key).map(tuple)
    cases = st.dictionaries(st.sampled_from(("2", "3")), silent, min_size=1)
    pressed = st.dictionaries(st.sampled_from("12"), chosen, max_size=2)
    return st.one_of(
        st.builds(f.Play, words, silent),
        st.builds(f.Notice, silent),
        st.builds(f.Consent, st.just("w"), st.just("1"), words, chosen, silent, st.integers(1, 3)),
        st.builds(f.Menu, words, unique, silent, st.sampled_from(("", "invalid")), st.integers(1, 3)),
        st.builds(f.Collect, words, chosen, silent),
        st.builds(f.Verify, chosen, silent),
        st.builds(f.Hours, silent, silent),
        st.builds(f.Branch, st.just("assurance"), cases, silent),
        st.builds(f.Queue, st.just("orders"), waited=silent, closed=silent, keys=pressed),
        st.builds(f.Callback, chosen, silent, chosen, st.just("orders")),
    )


@st.composite
def flows_of(draw: st.DrawFn, flow: str) -> Flow:
    """Six steps. Most lead silence onward, so that most flows pass the check; some lead anywhere."""
    onward = draw(st.integers(0, 9)) > 0
    last = st.sampled_from((f.HangUp("bye"), f.HangUp(), *([f.Transfer("hub")] if flow == "one" else [])))
    every: dict[str, FlowStep] = {NAMES[-1]: draw(last)}
    for place, name in enumerate(NAMES[:-1]):
        every[name] = draw(steps(place + 1 if onward else 0))
    reached, waiting = {"a"}, ["a"]
    while waiting:
        new = {way.to for way in every[waiting.pop()].ways()} - reached
        reached |= new
        waiting += new
    return Flow(flow, "a", {name: each for name, each in every.items() if name in reached})


def chains() -> st.SearchStrategy[dict[str, Flow]]:
    """Two flows, the first of which may lead into the second."""
    return st.fixed_dictionaries({"one": flows_of("one"), "two": flows_of("two")})


def answers(ask: Any) -> list[Event]:
    """Everything that may follow an ask; the first is what happens when the caller does nothing."""
    match ask:
        case Say():
            return [Done()]
        case AskKey():
            return [Silence(), *(Key(key) for key in ask.keys), *([Key("9")] if ask.strict else [])]
        case AskDigits():
            return [Silence(), Collected()]
        case Prove():
            return [Verified(False), Verified(True)]
        case Enter():
            return [Waited(), Closed(), *(Key(key) for key in ask.keys)]
        case Promise():
            return [Promised(False), Promised(True)]
    raise AssertionError(ask)


def right(flows: dict[str, Flow]) -> bool:
    return not any(each.error for each in check(flows, AROUND))


@UNHURRIED
@given(chains(), st.integers(0, 3), st.booleans())
def test_a_caller_who_does_nothing_is_let_go(flows: dict[str, Flow], assurance: int, closed: bool) -> None:
    if not right(flows):
        return
    book = Flows(flows, AROUND.stores, "one")
    facts = Facts(assurance, frozenset({"store:north"} if closed else ()))
    move = book.begin("north", facts)
    for _ in range(2 * len(NAMES) * 3 * 3):
        if isinstance(move.ask, End):
            assert move.ask.outcome != "flow_loop"
            return
        move = book.go(move.position, answers(move.ask)[0], facts)
    raise AssertionError("still there")


@UNHURRIED
@given(chains(), st.lists(st.integers(0, 20), max_size=40))
def test_whatever_happens_a_position_can_be_saved_and_picked_up(flows: dict[str, Flow], picks: list[int]) -> None:
    if not right(flows):
        return
    book, facts = Flows(flows, AROUND.stores, "one"), Facts()
    move = book.begin("north", facts)
    for pick in picks:
        if isinstance(move.ask, End):
            break
        possible = answers(move.ask)
        move = book.go(move.position, possible[pick % len(possible)], facts)
        saved = Position(**json.loads(json.dumps(plain(move.position))))
        assert saved == move.position
        again = book.again(saved, facts).ask
        assert (
            type(again) is type(move.ask)
            or isinstance(move.ask, Promise)
            or (saved.ending and again == End(saved.ending))
        )


@given(st.dictionaries(names, st.lists(names, max_size=4), max_size=6))
def test_cycles_are_found_where_peeling_leaves_something(edges: dict[str, list[str]]) -> None:
    """The oracle: take away nodes without a way on until none is left; a rest is a cycle."""
    graph = {("f", name): [("f", each) for each in to if each in edges] for name, to in edges.items()}
    rest = {node: set(to) for node, to in graph.items()}
    while leaves := [node for node, to in rest.items() if not to]:
        rest = {node: to - set(leaves) for node, to in rest.items() if node not in leaves}
    found = cycle(graph)
    assert bool(found) == bool(rest)
    for node, after in zip(found, [*found[1:], *found[:1]], strict=True):
        assert after in graph[node]
