"""The simulator: laws of queues within their statistical error, the roster, the phones, the limits of a queue.

How agreement with theory is tested: fixed seeds, so a test says the same every time; waits of one long run, its start
left out, in 20 batches whose means are nearly independent (Law, Simulation Modeling and Analysis, §9.5); theory must
lie within Student's 99.9 % interval for 19 degrees of freedom around their mean.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import inf, sqrt
from statistics import mean, stdev

import numpy as np
import pytest

from quietline.routing.arrivals import (
    Behaviour,
    CallbackOffer,
    Empirical,
    Exponential,
    Fixed,
    LogNormal,
    Profile,
    Recorded,
    Stream,
    Transfer,
    draw_calls,
)
from quietline.routing.erlang import Load, performance
from quietline.routing.model import Agent, Need, QueueRule, State, Step
from quietline.routing.overflow import Load as OfStore
from quietline.routing.simulate import Duty, Simulation, Watch, World
from quietline.routing.simulate_estimate import EstimatesWatch
from quietline.routing.visits import Outcome, Span, Visit

START = 1_790_000_000.0  # UTC seconds
CERTIFICATES = {"invoice": START * 2}
BATCHES = 20
T_999 = 3.883  # Student's t, 19 degrees of freedom, 99.9 % two-sided (any table)


def agents(count: int, skills: dict[str, int] | None = None) -> tuple[Agent, ...]:
    return tuple(Agent(f"ag_{n}", skills or {}, CERTIFICATES) for n in range(count))


def all_day(people: Iterable[Agent]) -> tuple[Duty, ...]:
    return tuple(Duty(START, each.id, State.READY) for each in people)


def one_queue(count: int, stream: Stream, **rule: float) -> World:
    """`count` agents, one queue with no limit that matters unless `rule` sets one."""
    people = agents(count)
    limits = {"wrap_up": 1e6, "longest_call": 1e7, "longest_wait": 1e7} | rule
    return World((QueueRule("help", **limits),), people, all_day(people), (stream,))  # type: ignore[arg-type]


def run(world: World, seed: int = 1, watch: Watch | None = None) -> tuple[list[Visit], list[Span]]:
    dice = {stream.id: np.random.default_rng([seed, n]) for n, stream in enumerate(world.streams)}
    visits: list[Visit] = []
    spans: list[Span] = []
    calls = draw_calls(world.streams, world.behaviour, dice)
    assert Simulation(world, calls, np.random.default_rng(seed), visits.append, spans.append, watch).run() == len(calls)
    assert len(visits) == len(calls)
    return sorted(visits, key=lambda visit: visit.entered), spans


def recorded(*at: float, talk: Iterable[float] = (), patience: Iterable[float] = ()) -> Stream:
    """Callers at these seconds after the start, a minute of talk each unless said otherwise."""
    arrivals = Recorded(tuple(START + each for each in at), tuple(talk), (), tuple(patience))
    return Stream("help", "help", arrivals, Fixed(60))


# Theory


def interval(values: list[float]) -> tuple[float, float]:
    """Mean, and half the width of its 99.9 % interval by batch means; the first tenth is the start, and left out."""
    kept = values[len(values) // 10 :]
    size = len(kept) // BATCHES
    batches = [mean(kept[n * size : (n + 1) * size]) for n in range(BATCHES)]
    return mean(batches), T_999 * stdev(batches) / sqrt(BATCHES)


def markov(load: Load, count: int, calls: int) -> list[Visit]:
    stream = Stream(
        "help",
        "help",
        Profile(START, 3_600.0, (load.rate * 3_600,) * round(calls / load.rate / 3_600)),
        Exponential(load.handle),
        patience=Exponential(load.patience) if load.patience < inf else Fixed(inf),
    )
    return run(one_queue(count, stream))[0]


MEASURES: dict[str, Callable[[Visit], float]] = {
    "waits": lambda visit: float(visit.waited > 0),
    "mean_wait": lambda visit: visit.waited,
    "service_level": lambda visit: float(visit.outcome is Outcome.ANSWERED and visit.waited <= 20),
    "abandoned": lambda visit: float(visit.outcome is Outcome.ABANDONED),
}


@pytest.mark.parametrize(
    ("load", "count"),
    [(Load(0.07, 100), 10), (Load(0.036, 100), 5), (Load(0.01, 60), 1), (Load(0.2, 100, 60), 18)],
    ids=["M/M/10", "M/M/5", "M/M/1", "M/M/18+M"],
)
def test_waiting_is_what_theory_says(load: Load, count: int) -> None:
    visits, theory = markov(load, count, 25_000), performance(load, count)
    for name, measure in MEASURES.items():
        found, half = interval([measure(visit) for visit in visits])
        assert abs(found - getattr(theory, name)) <= half, (name, found, half, getattr(theory, name))
        assert half <= 0.5 * max(getattr(theory, name), 0.05), f"{name}: an interval too wide to say anything"


def by_recursion(at: Iterable[float], talk: Iterable[float], servers: int) -> list[float]:
    """Waits first come, first served, by nothing but when each server is next free (Kiefer and Wolfowitz 1955)."""
    free = [0.0] * servers
    waits = []
    for arrival, service in zip(at, talk, strict=True):
        start = max(arrival, heapq.heappop(free))
        waits.append(start - arrival)
        heapq.heappush(free, start + service)
    return waits


@pytest.mark.parametrize("count", [1, 5, 24])
@pytest.mark.parametrize("talk", [Exponential(100), LogNormal(100, 2), Fixed(100)], ids=["M/M", "M/G", "M/D"])
def test_every_wait_is_what_the_recursion_gives(count: int, talk: Exponential) -> None:
    """To the microsecond: no statistics in it."""
    stream = Stream("help", "help", Profile(START, 3_600.0, (count * 36 * 0.95,) * 10), talk)
    world = one_queue(count, stream)
    calls = draw_calls(world.streams, world.behaviour, {"help": np.random.default_rng([1, 0])})
    visits, _ = run(world)
    wanted = by_recursion(calls.at, calls.talk, count)
    assert [visit.waited for visit in visits] == pytest.approx(wanted, abs=1e-5)
    assert max(wanted) > 60, "a day without a queue would show nothing"


def test_the_comparison_can_fail() -> None:
    """One agent more or less than there are lies outside the interval."""
    visits = markov(Load(0.2, 100, 60), 18, 20_000)
    found, half = interval([MEASURES["abandoned"](visit) for visit in visits])
    for count in (17, 19):
        assert abs(found - performance(Load(0.2, 100, 60), count).abandoned) > half


def test_occupancy_is_what_theory_says() -> None:
    stream = Stream("help", "help", Profile(START, 3_600.0, (720.0,) * 20), Exponential(100), patience=Exponential(60))
    _, spans = run(one_queue(18, stream))
    total: Counter[str] = Counter()
    for span in spans:
        total[span.state] += span.end - span.start  # type: ignore[assignment]
    assert total["on_call"] / total.total() == pytest.approx(performance(Load(0.2, 100, 60), 18).occupancy, abs=0.01)


# What is drawn


@pytest.mark.parametrize(
    ("values", "average", "spread"),
    [(Exponential(240), 240, 240), (LogNormal(240, 0.5), 240, 120), (Fixed(7), 7, 0), (Empirical((1, 2, 6)), 3, 2.16)],
)
def test_a_distribution_has_its_mean_and_spread(values: Exponential, average: float, spread: float) -> None:
    drawn = values.draw(np.random.default_rng(3), 60_000)
    assert float(drawn.mean()) == pytest.approx(average, rel=0.02)
    assert float(drawn.std()) == pytest.approx(spread, rel=0.05)
    assert float(drawn.min()) >= 0


def test_arrivals_follow_their_profile() -> None:
    profile = Profile(START, 900.0, (1_000.0, 0.0, 3_000.0))
    at = profile.draw(np.random.default_rng(3))
    counts = np.histogram(at - START, [0, 900, 1_800, 2_700])[0]
    assert list(counts) == [pytest.approx(1_000, abs=150), 0, pytest.approx(3_000, abs=250)]
    assert bool(np.all(np.diff(at) >= 0))


def test_streams_do_not_disturb_one_another() -> None:
    """With or without the second, the first stream's callers are the same to the last digit."""
    first = Stream("a", "help", Profile(START, 900.0, (50.0,)), Exponential(60), patience=Exponential(30))
    second = replace(first, id="b")
    alone = draw_calls([first], Behaviour(), {"a": np.random.default_rng(1)})
    both = draw_calls([first, second], Behaviour(), {"a": np.random.default_rng(1), "b": np.random.default_rng(2)})
    mine = [n for n, stream in enumerate(both.stream) if stream == 0]
    assert [both.at[n] for n in mine] == list(alone.at)
    assert [both.patience[n] for n in mine] == list(alone.patience)
    assert list(both.at) == sorted(both.at)


def test_what_was_recorded_is_not_drawn() -> None:
    calls = draw_calls([recorded(5, 9, talk=(1, 2))], Behaviour(), {"help": np.random.default_rng(1)})
    assert list(calls.at) == [START + 5, START + 9]
    assert list(calls.talk) == [1, 2]
    assert list(calls.patience) == [inf, inf]


def test_the_same_seed_gives_the_same_day() -> None:
    stream = Stream("help", "help", Profile(START, 900.0, (80.0,)), LogNormal(100), patience=Exponential(60))
    world = one_queue(8, stream, ring=20)
    world = replace(world, behaviour=Behaviour(Fixed(3), 0.3, 30))
    assert run(world, 4) == run(world, 4)
    assert run(world, 4) != run(world, 5)


# The queue


def test_two_calls_one_agent() -> None:
    visits, spans = run(one_queue(1, recorded(10, 20)))
    assert visits == [
        Visit("help", "", START + 10, 0, Outcome.ANSWERED, "ag_0", 60),
        Visit("help", "", START + 20, 50, Outcome.ANSWERED, "ag_0", 60),
    ]
    assert [(span.state, span.start - START, span.end - START) for span in spans] == [
        ("ready", 0, 10),
        ("on_call", 10, 70),
        ("on_call", 70, 130),
    ]


def test_patience_ends_a_wait() -> None:
    visits, _ = run(one_queue(1, recorded(0, 10, patience=(inf, 15))))
    assert (visits[1].outcome, visits[1].waited, visits[1].agent) == (Outcome.ABANDONED, 15, "")


def test_patience_may_end_while_the_phone_rings() -> None:
    world = replace(one_queue(1, recorded(5, patience=(3,))), behaviour=Behaviour(Fixed(10)))
    visits, spans = run(world)
    assert (visits[0].outcome, visits[0].waited) == (Outcome.ABANDONED, 3)
    assert [span.state for span in spans] == ["ready", "ringing", "ready"]


def test_the_longest_wait_ends_a_wait() -> None:
    visits, _ = run(one_queue(1, recorded(0, 10), longest_wait=30))
    assert (visits[1].outcome, visits[1].waited) == (Outcome.GAVE_UP, 30)


def test_the_longest_call_ends_a_call() -> None:
    visits, _ = run(one_queue(1, recorded(0, 10, talk=(1_000, 20)), longest_call=100))
    assert [(visit.talk, visit.waited) for visit in visits] == [(100, 0), (20, 90)]


def test_what_was_planned_for_a_call_that_was_ended_does_not_end_the_next() -> None:
    visits, _ = run(one_queue(1, recorded(0, 10, talk=(150, 80)), longest_call=100))
    assert [(visit.waited, visit.talk) for visit in visits] == [(0, 100), (90, 80)]


def test_picking_up_too_late_does_not_count_for_the_next_ringing() -> None:
    """15 s of ringing, half a second away, and ringing again: the hand on the phone at 16 s was for the first."""
    world = replace(one_queue(1, recorded(0, patience=(100,)), ring=15), behaviour=Behaviour(Fixed(16), back=0.5))
    visits, _ = run(world)
    assert (visits[0].outcome, visits[0].waited) == (Outcome.ABANDONED, 100)


def test_wrap_up_keeps_the_agent_busy_for_as_long_as_the_queue_allows() -> None:
    stream = replace(recorded(0, 10), wrap_up=Fixed(500))
    visits, spans = run(one_queue(1, stream, wrap_up=40))
    assert [(visit.wrap_up, visit.waited) for visit in visits] == [(40, 0), (40, 90)]
    assert [span.state for span in spans] == ["on_call", "wrap_up", "on_call", "wrap_up"]


def test_a_phone_that_rings_out() -> None:
    """Nobody picks up: the agent is away for a while, the call keeps its place, and the next one has it."""
    world = replace(one_queue(2, recorded(0, 1), ring=15), behaviour=Behaviour(Fixed(2), missed=1.0, back=30))
    dice = np.random.default_rng(1)
    visits: list[Visit] = []
    calls = draw_calls(world.streams, world.behaviour, {"help": np.random.default_rng(1)})
    luck = calls.luck
    luck[0], luck[1] = 0.5, 0.5
    world = replace(world, behaviour=replace(world.behaviour, missed=0.6))
    Simulation(world, calls, dice, visits.append).run()
    assert all(visit.missed >= 1 and visit.outcome is Outcome.ANSWERED for visit in visits)
    assert min(visit.waited for visit in visits) >= 15 + 2


def test_who_picks_up_too_late_has_missed_it() -> None:
    world = replace(one_queue(1, recorded(0, patience=(100,)), ring=15), behaviour=Behaviour(Fixed(16), back=1e6))
    visits, _ = run(world)
    assert (visits[0].outcome, visits[0].missed) == (Outcome.ABANDONED, 1)


# The roster


def test_a_break_is_taken_after_the_call() -> None:
    world = one_queue(1, recorded(0, 10), longest_wait=500)
    duties = (*world.duties, Duty(START + 5, "ag_0", State.AWAY), Duty(START + 300, "ag_0", State.READY))
    visits, spans = run(replace(world, duties=duties))
    assert [visit.waited for visit in visits] == [0, 290]
    assert [span.state for span in spans] == ["on_call", "away", "on_call"]


def test_a_shift_ends_after_the_wrap_up() -> None:
    world = one_queue(1, replace(recorded(0), wrap_up=Fixed(30)))
    duties = (*world.duties, Duty(START + 70, "ag_0", State.OFFLINE))
    _, spans = run(replace(world, duties=duties))
    assert [(span.state, span.end - START) for span in spans] == [("on_call", 60), ("wrap_up", 90)]


def test_who_missed_a_call_stays_away_once_the_shift_is_over() -> None:
    """The first call is missed, the second would be answered by whoever came back after the shift."""
    world = replace(one_queue(1, recorded(0, 50), ring=10, longest_wait=200), behaviour=Behaviour(Fixed(1), 0.5, 30))
    duties = (*world.duties, Duty(START + 20, "ag_0", State.OFFLINE))
    calls = draw_calls(world.streams, world.behaviour, {"help": np.random.default_rng(1)})
    calls.luck[0], calls.luck[1] = 0.1, 0.9
    visits: list[Visit] = []
    Simulation(replace(world, duties=duties), calls, np.random.default_rng(1), visits.append).run()
    assert [visit.outcome for visit in visits] == [Outcome.GAVE_UP] * 2


def test_nobody_there() -> None:
    visits, spans = run(replace(one_queue(1, recorded(0, 1), longest_wait=60), duties=()))
    assert [visit.outcome for visit in visits] == [Outcome.GAVE_UP] * 2
    assert spans == []


def test_nobody_calls() -> None:
    assert run(one_queue(1, recorded())) == ([], [])


# It is the matcher's rules that are run


def test_skills_and_relaxing() -> None:
    """Spanish at 4 for 30 s, then at 2: the one who has 2 takes the call then."""
    steps = (Step(0, (Need("es", 4),)), Step(30, (Need("es", 2),)))
    people = agents(1, {"es": 2})
    world = replace(
        one_queue(1, recorded(10)), agents=people, queues=(QueueRule("help", steps=steps, longest_wait=1e6),)
    )
    visits, _ = run(world)
    assert (visits[0].waited, visits[0].agent) == (30, "ag_0")


def test_a_lapsed_certificate_counts() -> None:
    people = (Agent("ag_0", {}, {"invoice": START + 15}),)
    visits, _ = run(replace(one_queue(1, recorded(5, 20), longest_wait=60), agents=people))
    assert [visit.outcome for visit in visits] == [Outcome.ANSWERED, Outcome.GAVE_UP]


def test_a_head_start_overtakes() -> None:
    usual = recorded(0, 10)
    vip = replace(recorded(20), id="vip", head_start=60)
    visits, _ = run(replace(one_queue(1, usual), streams=(usual, vip)))
    assert [visit.waited for visit in visits] == [0, 110, 40]


# Waits as they would be told


def test_where_its_assumptions_hold_the_estimator_is_unbiased() -> None:
    """M/M/10 at 90 %: half of the estimates are off by less than a third of the mean wait of those who wait."""
    stream = Stream("help", "help", Profile(START, 3_600.0, (324.0,) * 60), Exponential(100))
    world = one_queue(10, stream)
    watch = EstimatesWatch(world)
    visits, _ = run(world, watch=watch)
    error = watch.error()
    waited = mean(visit.waited for visit in visits if visit.waited)
    assert error.calls == 1_000
    assert abs(error.bias) < 0.1 * waited
    assert error.p50 < waited / 3


def test_an_estimate_counts_only_who_could_take_the_call() -> None:
    """Two agents, one of whom lacks the skill. Who waits behind nobody is told one handle time, of 240 s as is assumed
    at first, and who waits behind one other two; they wait 59 and 118 s."""
    people = (Agent("ag_0", {"es": 3}, CERTIFICATES), Agent("ag_1", {}, CERTIFICATES))
    rule = QueueRule("help", steps=(Step(0, (Need("es", 1),)),), longest_wait=1e6)
    stream = recorded(0, 1, 2)
    world = replace(one_queue(1, stream), agents=people, queues=(rule,), duties=all_day(people))
    watch = EstimatesWatch(world)
    run(world, watch=watch)
    assert watch.error().calls == 2
    assert watch.error().p50 == pytest.approx(((240 - 59) + (480 - 118)) / 2)


def test_progress_is_told() -> None:
    told: list[int] = []
    calls = draw_calls([recorded(1, 2, 3, 4)], Behaviour(), {"help": np.random.default_rng(1)})
    world = one_queue(1, recorded(1, 2, 3, 4))
    Simulation(world, calls, np.random.default_rng(1), lambda _: None).run(told.append, every=2)
    assert told == [2, 4]


def test_the_watch_hears_everything() -> None:
    class Ear(Watch):
        """Writes down what it hears."""

        def __init__(self) -> None:
            self.heard: list[tuple[str, float]] = []

        def waits(self, call: str, stream: Stream, now: float) -> None:
            self.heard.append((f"waits {call}", now - START))

        def answered(self, call: str, stream: Stream, waited: float, now: float) -> None:
            self.heard.append((f"answered {call}", waited))

        def lost(self, call: str, stream: Stream, waited: float, outcome: Outcome) -> None:
            self.heard.append((f"{outcome} {call}", waited))

        def handled(self, stream: Stream, seconds: float) -> None:
            self.heard.append(("handled", seconds))

        def duty(self, agent: str, state: State) -> None:
            self.heard.append((f"{agent} {state}", 0))

    ear = Ear()
    run(one_queue(1, recorded(5, 10, patience=(inf, 7))), watch=ear)
    assert ear.heard == [
        ("ag_0 ready", 0),
        ("answered 0", 0),
        ("waits 1", 10),
        ("abandoned 1", 7),
        ("handled", 60),
    ]


# Handed on, rung back


def of_call(visits: list[Visit]) -> list[tuple[str, str, float, float, float, bool]]:
    """Queue, outcome, when it entered, how long it waited and talked, whether it was handed on."""
    return [
        (each.queue, each.outcome.value, each.entered - START, each.waited, each.talk, each.transferred)
        for each in visits
    ]


def two_queues(count: int, stream: Stream, **rule: float) -> World:
    world = one_queue(count, stream, **rule)
    (help_queue,) = world.queues
    return replace(world, queues=(help_queue, replace(help_queue, id="repairs")))


def every(visits: int, world: World) -> list[Visit]:
    """A run in which calls may have more than one visit, or none."""
    calls = draw_calls(world.streams, world.behaviour, {each.id: np.random.default_rng(1) for each in world.streams})
    found: list[Visit] = []
    Simulation(world, calls, np.random.default_rng(1), found.append).run()
    assert len(found) == visits
    return sorted(found, key=lambda visit: visit.entered)


def test_a_call_is_handed_on_to_another_queue() -> None:
    """One agent, who wraps up 10 s between the two talks; the caller waits for that at the front of the line."""
    stream = replace(recorded(0, 5), wrap_up=Fixed(10), transfer=Transfer(1.0, "repairs", Fixed(30)))
    assert of_call(every(4, two_queues(1, stream))) == [
        ("help", "answered", 0, 0, 60, False),
        ("help", "answered", 5, 95, 60, False),  # after both talks of the first: it was overtaken
        ("repairs", "answered", 60, 10, 30, True),
        ("repairs", "answered", 160, 10, 30, True),
    ]


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_that_is_handed_on_is_the_one_that_is_stated(share: float) -> None:
    """Of 3,000 conversations: within 4 standard errors of a binomial."""
    stream = Stream("help", "help", Recorded(tuple(START + n for n in range(3_000))), Fixed(1))
    world = two_queues(5, replace(stream, transfer=Transfer(share, "repairs", Fixed(1))))
    calls = draw_calls(world.streams, world.behaviour, {"help": np.random.default_rng(7)})
    visits: list[Visit] = []
    Simulation(world, calls, np.random.default_rng(1), visits.append).run()
    handed_on = sum(visit.transferred for visit in visits)
    assert len(visits) == 3_000 + handed_on
    assert abs(handed_on - 3_000 * share) < 4 * sqrt(3_000 * share * (1 - share))


def test_who_is_lost_is_not_handed_on_and_patience_begins_anew() -> None:
    """60 s of patience each time: the second caller loses theirs in line and is over; the first is handed on while the
    agent wraps up, and waits as long again."""
    stream = replace(
        recorded(0, 1, talk=[100, 100], patience=[60, 20]), transfer=Transfer(1.0, "repairs"), wrap_up=Fixed(500)
    )
    assert of_call(every(3, two_queues(1, stream))) == [
        ("help", "answered", 0, 0, 100, False),
        ("help", "abandoned", 1, 20, 0, False),
        ("repairs", "abandoned", 100, 60, 0, True),
    ]


def test_who_wants_to_be_called_back_keeps_the_place() -> None:
    """The second caller asks after 20 s, would have hung up after 30, and is rung before the third, who stays on."""
    stream = replace(recorded(0, 5, 15, talk=[100, 10, 10], patience=[inf, 30, inf]), callback=CallbackOffer(20.0, 1.0))
    first, second, third = run(one_queue(1, stream))[0]
    assert (first.callback, second.callback, third.callback) == (-1.0, 20.0, 20.0)
    assert [(each.outcome, each.waited) for each in (second, third)] == [
        (Outcome.ANSWERED, 95),
        (Outcome.ANSWERED, 95),
    ]


def test_nobody_who_is_answered_in_time_is_asked() -> None:
    stream = replace(recorded(0, 5, talk=[24, 10]), callback=CallbackOffer(20.0, 1.0))
    assert [(visit.callback, visit.waited) for visit in run(one_queue(1, stream))[0]] == [(-1.0, 0), (-1.0, 19)]


def test_a_callback_has_its_own_longest_wait() -> None:
    stream = replace(recorded(0, 5), callback=CallbackOffer(20.0, 1.0))
    world = one_queue(0, stream, longest_wait=50.0, longest_callback=200.0)
    assert [(visit.outcome, visit.waited, visit.callback) for visit in run(world)[0]] == [
        (Outcome.GAVE_UP, 200, 20),
        (Outcome.GAVE_UP, 200, 20),
    ]


def test_whether_calls_are_handed_on_or_not_the_same_callers_come() -> None:
    plain = Stream("help", "help", Profile(START, 3_600.0, (50.0,)))
    other = replace(plain, transfer=Transfer(0.5, "repairs"), callback=CallbackOffer(20.0, 0.5))
    drawn = [draw_calls([each], Behaviour(), {"help": np.random.default_rng(3)}) for each in (plain, other)]
    for column in ("at", "talk", "wrap_up", "patience", "pick_up", "luck"):
        assert getattr(drawn[0], column) == getattr(drawn[1], column)
    assert len(drawn[0].fate) == 0


# Doors


class Hours:
    """Mill is open in its first 100 s; the hub always, and helps it when two wait."""

    def stores(
        self, store: str, queue: str, wall: float, load: Callable[[str], OfStore], waited: float
    ) -> frozenset[str] | None:
        if wall >= START + 100:
            return None
        return frozenset({"mill", "hub"} if load("mill").waiting >= 2 else {"mill"})

    def change(self, store: str) -> bool:
        return store == "mill"


def with_doors(*people: tuple[str, str], at: tuple[float, ...], talk: float = 60) -> World:
    stream = replace(recorded(*at), store="mill", talk=Fixed(talk))
    staff = tuple(Agent(name, {}, CERTIFICATES, store) for name, store in people)
    return replace(one_queue(0, stream), agents=staff, duties=all_day(staff), doors=Hours())


def test_another_store_helps_once_two_wait() -> None:
    """The third caller comes while one waits, so it is two at the look 5 s later; then the hub's agent takes the first
    of them."""
    visits = every(3, with_doors(("mia", "mill"), ("noor", "hub"), at=(0, 1, 2)))
    assert [(visit.agent, visit.waited) for visit in visits] == [("mia", 0), ("noor", 5), ("mia", 58)]


def test_a_closed_door_lets_nobody_in_and_who_waits_gives_up() -> None:
    """Looked at every 5 s: the second caller waits from 50 s on and is gone at 100 s; the third is in no figure."""
    world = with_doors(("mia", "mill"), at=(0, 50, 130), talk=200)
    calls = draw_calls(world.streams, world.behaviour, {"help": np.random.default_rng(1)})
    visits: list[Visit] = []
    simulation = Simulation(world, calls, np.random.default_rng(1), visits.append)
    assert simulation.run() == 3
    assert sorted((visit.outcome.value, visit.waited) for visit in visits) == [("answered", 0), ("gave_up", 50)]
    assert simulation.closed == 1


def test_who_says_whose_agents_they_want_meets_no_door() -> None:
    world = with_doors(("mia", "mill"), at=(150,))
    stream = replace(world.streams[0], stores=frozenset({"mill"}))
    assert [visit.outcome for visit in every(1, replace(world, streams=(stream,)))] == [Outcome.ANSWERED]
