"""Whatever the day: calls end once, nobody talks to two at a time, time adds up, and reports say what happened."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quietline.reports.definitions import Standard
from quietline.reports.tally import By, Tally
from quietline.routing.arrivals import (
    Behaviour,
    CallbackOffer,
    Calls,
    Exponential,
    Fixed,
    LogNormal,
    Profile,
    Stream,
    Transfer,
    draw_calls,
)
from quietline.routing.model import Agent, Need, QueueRule, State, Step
from quietline.routing.overflow import Load
from quietline.routing.simulate import Duty, Simulation, World
from quietline.routing.visits import NO_CALLBACK, Outcome, Span, Visit

START = 1_790_000_000.0
CERTIFICATES = {"invoice": START * 2}
SKILLS = ("orders", "returns", "lang:fr")
STORES = ("mill", "quay")
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CLOSE = 1e-5  # seconds: what UTC seconds in a float can tell apart, a few times over

levels = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5))
needs = st.lists(st.builds(Need, st.sampled_from(SKILLS), st.integers(1, 5)), max_size=2).map(tuple)


@st.composite
def rules(draw: st.DrawFn, name: str) -> QueueRule:
    steps = (Step(0, draw(needs)), *([Step(draw(st.floats(5, 120)), draw(needs))] if draw(st.booleans()) else []))
    return QueueRule(
        name,
        steps=steps,
        head_start=draw(st.floats(0, 120)),
        strategy=draw(st.sampled_from(["longest-idle", "least-occupied", "best-skill"])),
        ring=draw(st.floats(5, 30)),
        wrap_up=draw(st.floats(0, 60)),
        longest_call=draw(st.floats(60, 2_000)),
        longest_wait=draw(st.floats(10, 900)),
    )


@st.composite
def streams(draw: st.DrawFn, name: str) -> Stream:
    return Stream(
        name,
        draw(st.sampled_from(["first", "second"])),
        Profile(START, 600.0, tuple(draw(st.lists(st.floats(0, 20), min_size=1, max_size=4)))),
        draw(st.sampled_from([Exponential(100), LogNormal(150, 1.5), Fixed(0), Fixed(90)])),
        draw(st.sampled_from([Exponential(30), Fixed(0), Fixed(500)])),
        draw(st.sampled_from([Exponential(60), Fixed(float("inf")), Fixed(0), Fixed(20)])),
        store=draw(st.sampled_from(["", *STORES])),
        needs=draw(needs),
        stores=draw(st.sampled_from([frozenset(), frozenset({"mill"})])),
        head_start=draw(st.floats(0, 60)),
    )


@st.composite
def rosters(draw: st.DrawFn, agents: tuple[Agent, ...]) -> tuple[Duty, ...]:
    """Each agent: at work, perhaps a break, perhaps gone before the end."""
    duties = []
    for agent in agents:
        begin = START + draw(st.floats(0, 1_200))
        duties.append(Duty(begin, agent.id, State.READY))
        for state in draw(st.lists(st.sampled_from([State.AWAY, State.READY, State.OFFLINE]), max_size=4)):
            begin += draw(st.floats(0, 900))
            duties.append(Duty(begin, agent.id, state))
    return tuple(duties)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    agents = tuple(
        Agent(f"ag_{n}", draw(levels), CERTIFICATES, draw(st.sampled_from(STORES)))
        for n in range(draw(st.integers(0, 6)))
    )
    behaviour = Behaviour(
        draw(st.sampled_from([Fixed(0), Fixed(3), Exponential(8)])), draw(st.floats(0, 0.9)), draw(st.floats(1, 120))
    )
    return World(
        (draw(rules("first")), draw(rules("second"))),
        agents,
        draw(rosters(agents)),
        tuple(draw(streams(f"stream{n}")) for n in range(draw(st.integers(1, 3)))),
        behaviour,
    )


def calls_of(world: World, seed: int = 1) -> Calls:
    dice = {stream.id: np.random.default_rng([seed, n]) for n, stream in enumerate(world.streams)}
    return draw_calls(world.streams, world.behaviour, dice)


def run(world: World) -> tuple[Calls, list[Visit], list[Span]]:
    calls, visits, spans = calls_of(world), [], []  # type: ignore[var-annotated]
    Simulation(world, calls, np.random.default_rng(1), visits.append, spans.append).run()
    return calls, visits, spans


@MANY
@given(worlds())
def test_every_call_ends_exactly_once(world: World) -> None:
    calls, visits, _ = run(world)
    assert sorted(visit.entered for visit in visits) == list(calls.at)


@MANY
@given(worlds())
def test_nobody_waits_longer_than_they_may_or_want(world: World) -> None:
    """A call may ring when its time is over, and be answered then; otherwise it leaves on time."""
    calls, visits, _ = run(world)
    rules = {rule.id: rule for rule in world.queues}
    patience = dict(zip(calls.at, calls.patience, strict=True))
    for visit in visits:
        rule = rules[visit.queue]
        assert 0 <= visit.waited <= min(rule.longest_wait + rule.ring, patience[visit.entered]) + CLOSE
        assert visit.talk <= rule.longest_call + CLOSE
        assert visit.wrap_up <= rule.wrap_up


@MANY
@given(worlds())
def test_nobody_talks_to_two_callers_at_a_time(world: World) -> None:
    _, visits, _ = run(world)
    talks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for visit in visits:
        if visit.outcome is Outcome.ANSWERED:
            begin = visit.entered + visit.waited
            talks[visit.agent].append((begin, begin + visit.talk))
    for each in talks.values():
        for (_, end), (begin, _) in pairwise(sorted(each)):
            assert end <= begin + CLOSE


@MANY
@given(worlds())
def test_only_who_has_the_skills_of_some_step_takes_a_call(world: World) -> None:
    calls, visits, _ = run(world)
    rules, people = {rule.id: rule for rule in world.queues}, {agent.id: agent for agent in world.agents}
    kinds = {at: world.streams[kind] for at, kind in zip(calls.at, calls.stream, strict=True)}
    for visit in visits:
        if visit.outcome is Outcome.ANSWERED:
            agent, stream = people[visit.agent], kinds[visit.entered]
            reached = [step for step in rules[visit.queue].steps if step.after <= visit.waited + CLOSE]
            assert any(_able(agent, (*step.needs, *stream.needs)) for step in reached)
            assert not stream.stores or agent.store in stream.stores


def _able(agent: Agent, needs: tuple[Need, ...]) -> bool:
    return all(agent.skills.get(need.skill, 0) >= need.level for need in needs)


@MANY
@given(worlds())
def test_an_agents_states_follow_one_another_and_hold_their_talks(world: World) -> None:
    _, visits, spans = run(world)
    states: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        assert span.end > span.start
        states[span.agent].append(span)
    for each in states.values():
        assert all(a.end <= b.start + CLOSE for a, b in pairwise(sorted(each, key=lambda span: span.start)))
    talked: dict[str, float] = defaultdict(float)
    for visit in visits:
        talked[visit.agent] += visit.talk
    for agent, seconds in talked.items():
        if agent:
            on_call = sum(span.end - span.start for span in states[agent] if span.state == "on_call")
            assert abs(on_call - seconds) < CLOSE * (1 + len(visits))


@MANY
@given(worlds())
def test_reports_of_a_day_agree_however_they_are_cut(world: World) -> None:
    _, visits, spans = run(world)
    tallies = [Tally(Standard(), by).add(visits, spans) for by in (By.ALL, By.QUEUE, By.STORE)]
    whole = tallies[0].groups
    for tally in tallies:
        for figure in ("calls", "answered", "in_time", "abandoned", "gave_up", "missed"):
            assert sum(getattr(each, figure) for each in tally.groups.values()) == sum(
                getattr(each, figure) for each in whole.values()
            )
    for sums in whole.values():
        assert sums.occupancy is None or 0 <= sums.occupancy <= 1 + 1e-12
        assert sums.calls == len(visits)


@MANY
@given(worlds())
def test_the_same_day_twice_is_the_same_day(world: World) -> None:
    assert run(world)[1:] == run(world)[1:]


# Handed on, rung back, closed doors


class Doors:
    """Shut in every other five minutes; the other store helps where two wait, or the wait would be a minute."""

    def stores(
        self, store: str, queue: str, wall: float, load: Callable[[str], Load], waited: float
    ) -> frozenset[str] | None:
        if int(wall - START) // 300 % 2:
            return None
        standing = load(store)
        assert standing.waiting >= 0
        long = standing.expected is None or standing.expected >= 60
        return frozenset(STORES if standing.waiting >= 2 or long else {store})

    def change(self, store: str) -> bool:
        return bool(store)


@st.composite
def whole_days(draw: st.DrawFn) -> World:
    """Calls that are handed on, ask to be rung back, and meet closed doors."""
    world = draw(worlds())
    transfers = st.none() | st.builds(
        Transfer, st.floats(0.1, 1), st.sampled_from(["first", "second"]), st.sampled_from([Exponential(50), Fixed(0)])
    )
    offers = st.none() | st.builds(CallbackOffer, st.floats(0, 100), st.floats(0.1, 1))
    streams = tuple(replace(each, transfer=draw(transfers), callback=draw(offers)) for each in world.streams)
    return replace(world, streams=streams, doors=draw(st.none() | st.just(Doors())))


def whole_day(world: World) -> tuple[Calls, list[Visit], list[Span], int]:
    calls, visits, spans = calls_of(world), [], []  # type: ignore[var-annotated]
    simulation = Simulation(world, calls, np.random.default_rng(1), visits.append, spans.append)
    simulation.run()
    return calls, visits, spans, simulation.closed


@MANY
@given(whole_days())
def test_no_call_is_lost_and_none_is_made_up(world: World) -> None:
    """Every arrival has one visit of its own or met a closed door; a hand-over has one more, or met one."""
    calls, visits, _, closed = whole_day(world)
    first = Counter(visit.entered for visit in visits if not visit.transferred)
    assert not first - Counter(calls.at)
    handed_on = sum(visit.transferred for visit in visits)
    ends = sum(visit.outcome is Outcome.ANSWERED for visit in visits if not visit.transferred)
    assert len(visits) <= len(calls) + ends
    assert closed >= len(calls) - (len(visits) - handed_on) >= 0
    assert world.doors or closed == 0


@MANY
@given(whole_days())
def test_who_is_handed_on_was_just_talking(world: World) -> None:
    _, visits, _, _ = whole_day(world)
    ends = {visit.entered + visit.waited + visit.talk for visit in visits if not visit.transferred and visit.agent}
    for visit in visits:
        if visit.transferred:
            assert min(abs(visit.entered - end) for end in ends) < CLOSE
            assert visit.callback == NO_CALLBACK


@MANY
@given(whole_days())
def test_a_callback_was_wanted_and_never_ends_in_a_hang_up(world: World) -> None:
    _, visits, _, _ = whole_day(world)
    asked = {stream.callback.after for stream in world.streams if stream.callback}
    for visit in visits:
        if visit.callback != NO_CALLBACK:
            assert any(abs(visit.callback - after) < CLOSE for after in asked)
            assert visit.outcome is not Outcome.ABANDONED
            assert visit.waited >= visit.callback - CLOSE


@MANY
@given(whole_days())
def test_nobody_talks_to_two_at_a_time_whatever_becomes_of_calls(world: World) -> None:
    _, visits, spans, _ = whole_day(world)
    talks: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for visit in visits:
        if visit.agent:
            begin = visit.entered + visit.waited
            talks[visit.agent].append((begin, begin + visit.talk))
    for each in talks.values():
        assert all(end <= begin + CLOSE for (_, end), (begin, _) in pairwise(sorted(each)))
    on_call = sum(span.end - span.start for span in spans if span.state == "on_call")
    assert abs(on_call - sum(visit.talk for visit in visits)) < CLOSE * (1 + len(visits))


@MANY
@given(whole_days())
def test_a_whole_day_twice_is_the_same_day(world: World) -> None:
    assert whole_day(world)[1:] == whole_day(world)[1:]
