"""Staffing by formula: Erlang C (nobody hangs up) and Erlang A (people do), from a handful of agents to thousands.

Sources. Erlang C: A. K. Erlang 1917; Koole, Call Center Optimization, 2013. Erlang A (M/M/n+M): Palm 1946; Garnett,
Mandelbaum and Reiman, M&SOM 4(3), 2002; computed here from the density of the offered wait,
v(x) = lambda p(n-1) exp(lambda H(x) - n mu x) with H(x) = (1 - exp(-theta x)) / theta (Baccelli and Hébuterne 1981).

Every time is in seconds, every rate in calls a second. Nothing overflows: Erlang's B comes from its recursion, which
stays within 0 and 1, and exponents are taken less their highest value.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import exp, expm1, inf, log

import numpy as np

MOST_AGENTS = 100_000  # in one group; above it the answer is a mistake in the input
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_PANELS = 12  # of 32 points on each side of the density's peak: relative error below 1e-10 (tests compare with sums)
_FADED = 46.0  # exp(-46) = 1e-20 of the peak


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in: `rate` calls a second, `handle` seconds each (talk, hold and wrap-up).

    `patience` is the mean time until a waiting caller hangs up (exponential); infinite means Erlang C.
    """

    rate: float
    handle: float
    patience: float = inf

    @property
    def erlangs(self) -> float:
        """Offered load: the mean number of agents who would be busy if there were enough of them."""
        return self.rate * self.handle


@dataclass(frozen=True, slots=True)
class Target:
    """`share` of all calls answered within `within` seconds; agents busy `occupancy` of their time at most; at most
    `abandoned` of all calls lost."""

    share: float = 0.8
    within: float = 20.0
    occupancy: float = 1.0
    abandoned: float = 1.0


@dataclass(frozen=True, slots=True)
class Performance:
    """The steady state of one group. Shares are of all calls, 0 to 1; times are seconds."""

    agents: int
    waits: float  # share of calls that are not answered at once
    service_level: float  # share answered within the target's time
    mean_wait: float  # over all calls, those that hang up included; without abandonment this is the ASA
    speed_of_answer: float  # ASA: over answered calls
    abandoned: float  # share that hang up
    occupancy: float  # share of their time that agents are busy

    def meets(self, target: Target) -> bool:
        """Whether every part of the target is reached."""
        good = self.service_level >= target.share and self.abandoned <= target.abandoned
        return good and self.occupancy <= target.occupancy


def erlang_b(agents: int, erlangs: float) -> float:
    """The share of calls that find all lines busy when nobody may wait (Erlang 1917)."""
    blocked = 1.0
    for busy in range(1, agents + 1):
        blocked = erlangs * blocked / (busy + erlangs * blocked)
    return blocked


def erlang_c(agents: int, erlangs: float) -> float:
    """The share of calls that must wait when everybody does; 1 where the queue would grow without end."""
    return _from_b(erlang_b(agents, erlangs), agents, erlangs)


def performance(load: Load, agents: int, within: float = 20.0) -> Performance:
    """How `agents` people fare under this load. Raises ValueError for a load or a number that makes no sense."""
    _check(load, agents, within)
    if load.rate == 0:
        return Performance(agents, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    if agents == 0:
        lost = 0.0 if load.patience == inf else 1.0
        return Performance(0, 1.0, 0.0, load.patience, inf, lost, 1.0)
    blocked = erlang_b(agents - 1, load.erlangs)
    return (_erlang_c if load.patience == inf else _erlang_a)(load, agents, within, blocked)


def agents_needed(load: Load, target: Target | None = None) -> Performance:
    """The smallest group that meets the target, and how it fares.

    Raises ValueError for a target no group can meet: more than all calls, or an occupancy of nothing.
    """
    target = target or Target()
    _check(load, 0, target.within)
    if not (0 <= target.share < 1 and 0 < target.occupancy <= 1 and 0 <= target.abandoned <= 1):
        raise ValueError("a target is a share below 1, an occupancy above 0 and an abandonment of 0 to 1")
    fewest, enough = -1, performance(load, min(MOST_AGENTS, int(load.erlangs) + 1), target.within)
    while not enough.meets(target):  # every part of a target gets better with one more agent, so bisection finds it
        if enough.agents == MOST_AGENTS:
            raise ValueError(f"more than {MOST_AGENTS} agents would be needed: look at calls and handle time")
        fewest, enough = enough.agents, performance(load, min(MOST_AGENTS, 2 * enough.agents), target.within)
    while enough.agents - fewest > 1:
        middle = performance(load, (fewest + enough.agents) // 2, target.within)
        fewest, enough = (fewest, middle) if middle.meets(target) else (middle.agents, enough)
    return enough


def _from_b(blocked: float, agents: int, erlangs: float) -> float:
    if agents <= erlangs:
        return 1.0
    return agents * blocked / (agents - erlangs * (1 - blocked))


def _erlang_c(load: Load, agents: int, within: float, blocked: float) -> Performance:
    """`blocked`, here and below, is Erlang B of one agent fewer."""
    erlangs = load.erlangs
    if agents <= erlangs:
        return Performance(agents, 1.0, 0.0, inf, inf, 0.0, 1.0)
    waits = _from_b(erlangs * blocked / (agents + erlangs * blocked), agents, erlangs)
    spare = agents - erlangs
    wait = waits * load.handle / spare
    level = 1 - waits * exp(-spare * within / load.handle)
    return Performance(agents, waits, level, wait, wait, 0.0, erlangs / agents)


def _erlang_a(load: Load, agents: int, within: float, blocked: float) -> Performance:
    """Shares are ratios of integrals of the offered wait's density; `scale` is what was taken out of its exponent."""
    density = _OfferedWait(load, agents)
    scale, weight = exp(-density.highest), load.rate * blocked  # both sides times Erlang B and the scale
    total = scale + weight * density.integral(inf, "all")
    lost = weight * density.integral(inf, "lost") / total
    answered = 1 - lost
    in_time = (scale + weight * density.integral(within, "kept")) / total
    wait_of_answered = weight * density.integral(inf, "waited") / total
    return Performance(
        agents,
        waits=weight * density.integral(inf, "all") / total,
        service_level=min(1.0, in_time),
        mean_wait=lost * load.patience,  # theta E[W] = P(abandon)
        speed_of_answer=wait_of_answered / answered,
        abandoned=lost,
        occupancy=min(1.0, load.erlangs * answered / agents),
    )


class _OfferedWait:
    """exp(lambda H(x) - n mu x), which is log-concave: its peak and where it has faded are found by bisection."""

    def __init__(self, load: Load, agents: int) -> None:
        self._rate, self._out, self._theta = load.rate, agents / load.handle, 1 / load.patience
        self._peak = max(0.0, log(load.rate / self._out) / self._theta)
        self.highest = self._exponent(self._peak)
        self._start = self._edge(0.0, self._peak) if self._peak else 0.0
        self._end = self._fade()

    def _exponent(self, x: float) -> float:
        return -self._rate * expm1(-self._theta * x) / self._theta - self._out * x

    def _fade(self) -> float:
        step = 1.0
        while self.highest - self._exponent(self._peak + step) < _FADED and step < 1e12:
            step *= 2
        return self._edge(self._peak + step, self._peak)

    def _edge(self, outside: float, inside: float) -> float:
        """Where the density is _FADED below its peak, between a point that is further out and one inside."""
        if self.highest - self._exponent(outside) <= _FADED:
            return outside
        for _ in range(60):
            middle = (outside + inside) / 2
            faded = self.highest - self._exponent(middle) > _FADED
            outside, inside = (middle, inside) if faded else (outside, middle)
        return outside

    def integral(self, until: float, what: str) -> float:
        """Of the density from 0 to `until`, scaled by its peak: over "all", those who stay ("kept"), those who hang up
        ("lost"), or times the wait of those who stay ("waited")."""
        end = min(until, self._end)
        cuts = [self._start, *([self._peak] if self._start < self._peak < end else []), end]
        return sum(self._panels(a, b, what) for a, b in pairwise(cuts) if b > a)

    def _panels(self, start: float, end: float, what: str) -> float:
        edges = np.linspace(start, end, _PANELS + 1)
        half = (edges[1:] - edges[:-1])[:, None] / 2
        x = (edges[1:] + edges[:-1])[:, None] / 2 + half * _NODES
        density = np.exp(-self._rate * np.expm1(-self._theta * x) / self._theta - self._out * x - self.highest)
        stay = np.exp(-self._theta * x)
        parts = {"all": np.ones_like(x), "kept": stay, "lost": -np.expm1(-self._theta * x), "waited": x * stay}
        return float(np.sum(half * _WEIGHTS * density * parts[what]))


def _check(load: Load, agents: int, within: float) -> None:
    if not 0 <= load.rate < inf or not 0 < load.handle < inf or not load.patience > 0:
        raise ValueError("calls must be 0 or more, handle time and patience above 0")
    if agents < 0 or within < 0:
        raise ValueError("neither agents nor the time to answer may be negative")
