"""Scenarios run: many days of each, pooled; and two of them beside one another on the same callers.

Confidence intervals are Student's over the days, which are independent (Law, Simulation Modeling and Analysis, 5th ed.,
§9.4.1); of a difference, over the days' differences, which common random numbers keep small (§11.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf, sqrt
from statistics import NormalDist, fmean, stdev
from zlib import crc32

import numpy as np

from quietline.reports.definitions import Standard, Sums
from quietline.reports.intervals import Intervals
from quietline.reports.tally import By, Tally
from quietline.routing.arrivals import Calls, Profile, draw_calls
from quietline.routing.estimate import Error
from quietline.routing.simulate import Simulation
from quietline.routing.simulate_estimate import EstimatesWatch
from quietline.routing.visits import Span, Visit
from quietline.staffing.scenario import Scenario

CONFIDENCE = 0.95

Measure = Callable[[Sums], float | None]


def measures(standard: Standard) -> dict[str, Measure]:
    """What two scenarios are compared by, in the units of reports."""

    def percent(share: float | None) -> float | None:
        return None if share is None else 100 * share

    return {
        "service_level_pct": lambda sums: percent(sums.service_level(standard)),
        "abandonment_pct": lambda sums: percent(sums.abandonment),
        "asa_s": lambda sums: sums.speed_of_answer,
        "occupancy_pct": lambda sums: percent(sums.occupancy),
    }


@dataclass(slots=True)
class Outcome:
    """What became of a scenario. Sums are over all days; `days` has each day's own."""

    scenario: Scenario
    by_interval: Tally
    by_queue: Tally
    days: list[Sums] = field(default_factory=list)
    queue_days: list[dict[str | float, Sums]] = field(default_factory=list, repr=False)
    errors: list[Error] = field(default_factory=list)  # of the estimator, a day each
    closed: int = 0  # calls and transfers of all days that came to a closed door

    def estimate(self, measure: Measure) -> tuple[float, float] | None:
        """Mean over the days, and half the width of its 95 % interval; None where no day has the figure."""
        return interval([value for day in self.days if (value := measure(day)) is not None])

    def wait_error(self) -> Error:
        """How wrong the times were that callers would have been told: the days' medians and biases, averaged."""
        told = [each for each in self.errors if each.calls]
        if not told:
            return Error(0, 0.0, 0.0)
        return Error(sum(each.calls for each in told), fmean(e.p50 for e in told), fmean(e.bias for e in told))


def simulate(scenario: Scenario, progress: Callable[[int], object] | None = None, every: int = 1_000) -> Outcome:
    """Run every day. `progress` is told of each `every` calls that have arrived."""
    intervals = Intervals(scenario.zone, scenario.width)
    outcome = Outcome(scenario, Tally(scenario.standard, By.INTERVAL, intervals), Tally(scenario.standard, By.QUEUE))
    for day in range(scenario.replications):
        _run_day(scenario, day, outcome, progress, every)
    return outcome


def _run_day(
    scenario: Scenario, day: int, outcome: Outcome, progress: Callable[[int], object] | None, every: int
) -> None:
    whole, queues = Tally(scenario.standard), Tally(scenario.standard, By.QUEUE)
    tallies = (whole, queues, outcome.by_interval, outcome.by_queue)
    timed = (whole, outcome.by_interval)  # queues have no agents' time

    def visit(made: Visit) -> None:
        for tally in tallies:
            tally.visit(made)

    def span(made: Span) -> None:
        for tally in timed:
            tally.span(made)

    watch = EstimatesWatch(scenario.world)
    dice = np.random.default_rng([scenario.seed, day])
    told = (lambda _: progress(every)) if progress else None
    simulation = Simulation(scenario.world, calls_of(scenario, day), dice, visit, span, watch)
    simulation.run(told, every)
    outcome.closed += simulation.closed
    outcome.days.append(whole.groups.get("all", Sums()))
    outcome.queue_days.append(queues.groups)
    outcome.errors.append(watch.error())


def calls_of(scenario: Scenario, day: int) -> Calls:
    """A day's callers. A stream's dice hang on seed, name and day alone: scenarios share callers by these names."""
    streams = scenario.world.streams
    dice = {stream.id: np.random.default_rng([scenario.seed, crc32(stream.id.encode()), day]) for stream in streams}
    return draw_calls(streams, scenario.world.behaviour, dice)


def expected_calls(scenario: Scenario) -> int:
    """In all days together."""
    kinds = (stream.arrivals for stream in scenario.world.streams)
    return round(
        scenario.replications * sum(sum(each.calls) if isinstance(each, Profile) else len(each.at) for each in kinds)
    )


# Two of them


@dataclass(frozen=True, slots=True)
class Difference:
    """The other less the first. `half`: half the width of the 95 % interval of the difference."""

    group: str = field(repr=False)  # "all", or a queue
    measure: str = field(repr=False)
    first: float
    other: float
    difference: float
    half: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out 0."""
        return abs(self.difference) > self.half


def beside(scenario: Scenario, other: Scenario) -> Scenario:
    """The other on the first one's dice, days and standard, so that they can be compared."""
    return replace(other, seed=scenario.seed, replications=scenario.replications, standard=scenario.standard)


def compare(first: Outcome, other: Outcome) -> list[Difference]:
    """For all and for each queue that both have: every measure, day against day."""
    groups: list[tuple[str, list[Sums], list[Sums]]] = [("all", first.days, other.days)]
    for queue in sorted(first.by_queue.groups.keys() & other.by_queue.groups.keys(), key=str):
        ours = [day.get(queue, Sums()) for day in first.queue_days]
        theirs = [day.get(queue, Sums()) for day in other.queue_days]
        groups.append((str(queue), ours, theirs))
    standard = first.scenario.standard
    found = (
        _difference(group, name, measure, ours, theirs)
        for group, ours, theirs in groups
        for name, measure in measures(standard).items()
    )
    return [each for each in found if each]


def _difference(group: str, name: str, measure: Measure, ours: list[Sums], theirs: list[Sums]) -> Difference | None:
    pairs = [(measure(a), measure(b)) for a, b in zip(ours, theirs, strict=True)]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    made = interval([b - a for a, b in both])
    if made is None:
        return None
    return Difference(group, name, fmean(a for a, _ in both), fmean(b for _, b in both), *made)


def interval(values: list[float]) -> tuple[float, float] | None:
    """Mean and half the width of Student's 95 % interval; endless for one value alone."""
    if not values:
        return None
    if len(values) == 1:
        return values[0], inf
    return fmean(values), students_t(len(values) - 1) * stdev(values) / sqrt(len(values))


def students_t(freedom: int, confidence: float = CONFIDENCE) -> float:
    """The two-sided quantile of Student's t, from the normal one (Abramowitz and Stegun 26.7.5); from 3 degrees of
    freedom on within 1 % of the tables. For 1 and 2 there is a formula."""
    p = (1 + confidence) / 2
    if freedom == 1:
        return float(np.tan(np.pi * (p - 0.5)))
    if freedom == 2:
        return (2 * p - 1) / sqrt(2 * p * (1 - p))
    x, n = NormalDist().inv_cdf(p), freedom
    first = (x**3 + x) / 4
    second = (5 * x**5 + 16 * x**3 + 3 * x) / 96
    third = (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384
    fourth = (79 * x**9 + 776 * x**7 + 1_482 * x**5 - 1_920 * x**3 - 945 * x) / 92_160
    return x + first / n + second / n**2 + third / n**3 + fourth / n**4
