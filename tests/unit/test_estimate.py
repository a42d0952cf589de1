"""The expected wait: against hand-made sums, a simulated queue, and its own record of errors."""

from __future__ import annotations

import heapq
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.routing.estimate import (
    KEPT,
    PRIOR_HANDLE,
    SUMMED,
    Error,
    Estimator,
    Group,
    expected_wait,
    work_ahead,
)


@pytest.mark.parametrize(
    ("ahead", "servers", "handle", "leaving", "wait"),
    [
        (0, 1, 240.0, 0.0, 240.0),
        (0, 4, 240.0, 0.0, 60.0),
        (7, 4, 240.0, 0.0, 480.0),
        (2.5, 2, 100.0, 0.0, 175.0),
        (0, 4, 240.0, 0.01, 60.0),  # nobody is ahead who could leave
        (1, 1, 100.0, 0.01, 100.0 + 50.0),
        (2, 1, 100.0, 0.01, 100.0 + 50.0 + 100.0 / 3),
    ],
)
def test_by_hand(ahead: float, servers: int, handle: float, leaving: float, wait: float) -> None:
    assert expected_wait(ahead, servers, handle, leaving) == pytest.approx(wait)


def test_nobody_serves() -> None:
    assert expected_wait(3, 0, 240.0) is None


@pytest.mark.parametrize("leaving", [1e-6, 0.001, 0.1])
def test_the_integral_continues_the_sum(leaving: float) -> None:
    rate = 10 / 240.0
    for ahead in (SUMMED + 1, 1_000, 20_000):
        exact = sum(1 / (rate + number * leaving) for number in range(ahead + 1))
        assert expected_wait(ahead, 10, 240.0, leaving) == pytest.approx(exact, rel=0.001)


waits = st.floats(0, 1_000)


@given(waits, waits, st.integers(1, 500), st.floats(1, 3_600), st.floats(0, 0.1))
def test_more_ahead_is_never_sooner_and_leaving_never_later(
    one: float, other: float, servers: int, handle: float, leaving: float
) -> None:
    fewer, more = sorted((int(one), int(other)))
    less = expected_wait(fewer, servers, handle, leaving)
    assert less is not None
    assert less <= (expected_wait(more, servers, handle, leaving) or 0.0) * (1 + 1e-9)
    assert less <= (expected_wait(fewer, servers, handle) or 0.0) * (1 + 1e-9)
    assert less >= (expected_wait(fewer, servers + 1, handle, leaving) or 0.0) * (1 - 1e-9)


def test_calls_that_others_may_take_too_count_by_their_share() -> None:
    mine = frozenset({"a", "b"})
    assert work_ahead(mine, [Group(mine, 3)]) == 3
    assert work_ahead(mine, [Group(frozenset("abcd"), 4)]) == 2
    assert work_ahead(mine, [Group(frozenset("cd"), 9), Group(frozenset(), 5)]) == 0


def test_the_handle_time_follows_what_happens() -> None:
    learned = Estimator()
    assert learned.rates("orders").handle == PRIOR_HANDLE
    for _ in range(300):
        learned.handled("orders", 100.0)
    assert learned.rates("orders").handle == pytest.approx(100.0, rel=0.02)
    assert learned.rates("returns").handle == PRIOR_HANDLE


def test_callers_who_leave_are_learned() -> None:
    learned = Estimator()
    for number in range(100):
        learned.answered(f"c{number}", "orders", 90.0, 0.0)
        learned.hung_up(f"h{number}", "orders", 10.0)
    assert learned.rates("orders").leaving == pytest.approx(1 / 100, rel=0.05)


def test_the_error_is_that_of_the_first_estimate_of_calls_that_were_answered() -> None:
    learned = Estimator()
    for number, waited in enumerate((200.0, 250.0, 300.0)):
        assert learned.expect(f"c{number}", "orders", 0, 1, now=1_000.0) == 240.0
        learned.expect(f"c{number}", "orders", 5, 1, now=1_010.0)
        learned.answered(f"c{number}", "orders", waited, 1_000.0 + waited)
    learned.expect("gone", "orders", 0, 1, now=0.0)
    learned.hung_up("gone", "orders", 1.0)
    learned.expect("moved", "orders", 0, 1, now=0.0)
    learned.forget("moved")
    learned.answered("moved", "orders", 9.0, 9.0)
    assert learned.error() == Error(3, 40.0, pytest.approx(10.0))


def test_only_the_latest_outcomes_are_kept() -> None:
    learned = Estimator()
    for number in range(KEPT + 500):
        learned.expect(f"c{number}", "q", 0, 1, now=0.0)
        learned.answered(f"c{number}", "q", 1.0, 1.0)
    assert learned.error().calls == KEPT
    assert Estimator().error() == Error(0, 0.0, 0.0)


def shared_queue(random: Random, calls: int) -> tuple[float, float]:
    """Two lines on six agents: two of the first alone, two of the second alone, two of both. The mean wait and the mean
    estimate of those who waited in the first line, each agent taking the longest waiting call they may."""
    able = {"one": frozenset("abcd"), "two": frozenset("cdef")}
    free = dict.fromkeys("abcdef", 0.0)
    lines: list[tuple[float, str, float]] = []  # since, line, estimate
    waits, estimates, now = [], [], 0.0
    for _ in range(calls):
        now += random.expovariate(6.3 / 240.0)
        serve(random, free, lines, able, now, waits, estimates)
        line = random.choice(("one", "two"))
        groups = [Group(able[each], sum(1 for _, name, _ in lines if name == each)) for each in able]
        expected = expected_wait(work_ahead(able[line], groups), len(able[line]), 240.0)
        idle = any(free[agent] <= now for agent in able[line])
        lines.append((now, line, 0.0 if idle or expected is None else expected))
    return sum(waits) / len(waits), sum(estimates) / len(estimates)


def serve(
    random: Random,
    free: dict[str, float],
    lines: list[tuple[float, str, float]],
    able: dict[str, frozenset[str]],
    now: float,
    waits: list[float],
    estimates: list[float],
) -> None:
    """Let agents take calls, in the order in which they become free, up to this moment."""
    while lines:
        choices = [
            (max(free[agent], since), since, agent, place)
            for place, (since, line, _) in enumerate(lines)
            for agent in able[line]
        ]
        start, since, agent, place = min(choices)
        if start > now:
            return
        _, _, estimate = lines.pop(place)
        free[agent] = start + random.expovariate(1 / 240.0)
        if start > since:
            waits.append(start - since)
            estimates.append(estimate)


def test_lines_that_share_agents_are_told_a_little_too_long_and_never_as_if_each_call_ahead_counted_whole() -> None:
    mean_wait, mean_estimate = shared_queue(Random(11), calls=400)
    assert mean_wait > 240.0
    assert mean_wait < mean_estimate < 1.25 * mean_wait


def queue_of(random: Random, servers: int, handle: float, gap: float, patience: float, calls: int) -> Error:
    """An M/M/s+M queue, first come first served, whose callers are told the estimate as they come in."""
    learned, now, leave = Estimator(), 0.0, 0.0
    free = [0.0] * servers  # when each server is done with those ahead
    ahead: list[float] = []  # when each caller ahead gives up or is served
    for number in range(calls):
        now += random.expovariate(1 / gap)
        while ahead and ahead[0] <= now:
            heapq.heappop(ahead)
        start, leave = max(now, free[0]), now + random.expovariate(1 / patience)
        if start > now:
            learned.expect(f"c{number}", "q", len(ahead), servers, now)
        heapq.heappush(ahead, min(start, leave))
        if leave < start:
            learned.hung_up(f"c{number}", "q", leave - now)
            continue
        length = random.expovariate(1 / handle)
        heapq.heapreplace(free, start + length)
        learned.handled("q", length)
        learned.answered(f"c{number}", "q", start - now, start)
    return learned.error()


def test_in_a_loaded_queue_half_the_callers_are_told_right_within_15_s() -> None:
    """20 agents, 4 minutes each, 10 % more callers than they can take, patience 5 minutes; seeded."""
    found = queue_of(Random(7), servers=20, handle=240.0, gap=240.0 / 22, patience=300.0, calls=6_000)
    assert found.calls > 900
    assert found.p50 < 15.0
    assert abs(found.bias) < 10.0
