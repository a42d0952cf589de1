"""How long a waiting call will still wait, and how good such estimates turn out.

The estimator is the queue-length one with abandonment: with `s` agents who take the call's kind, each done at rate 1/h,
and callers ahead who leave at rate a, the wait until one more is served than are ahead is

    sum over i = 0 … ahead of 1 / (s/h + i·a)

(Whitt 1999, Predicting Queueing Delays, Management Science 45(6); QL_m in Ibrahim & Whitt 2009, Real-Time Delay
Estimation in Overloaded Multiserver Queues with Abandonments, Management Science 55(10)). With a = 0 it is
place × h / s. It is chosen over the delay of the last to enter service because it knows what has just changed (an agent
who left, a rush): with Poisson arrivals its mean squared error is about half of that one's (Ibrahim & Whitt 2009a,
Real-Time Delay Estimation Based on Delay History, MSOM 11(3)). What it does not know: talk already under way, agents
who will go on a break, handle times that are not exponential.

Agents serve several queues. A call ahead that could go to others too takes only its share of ours: `work_ahead`. As
agents who serve one queue alone make room for those who serve two, that says 10 to 25 % too long for lines that share a
third of their agents; to count such calls whole would say 50 % too long, to leave them out too short.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log
from statistics import median

REMEMBERED = 50.0  # calls: about as many the moving means look back
PRIOR_CALLS = 5.0  # how many calls the handle time assumed at first counts as
PRIOR_HANDLE = 240.0  # seconds
SUMMED = 200  # terms of the sum; beyond it the integral is within 0.1 %
KEPT = 1_000  # outcomes from which the error is told


@dataclass(frozen=True, slots=True)
class Group:
    """Calls ahead that are alike. `agents`: those in service who could take them."""

    agents: frozenset[str]
    ahead: int


def work_ahead(mine: frozenset[str], groups: Iterable[Group]) -> float:
    """How many of the calls ahead my agents will serve, if each call goes to any of its agents alike."""
    return sum(
        group.ahead * len(group.agents & mine) / len(group.agents) for group in groups if group.agents and group.ahead
    )


def expected_wait(ahead: float, servers: int, handle: float, leaving: float = 0.0) -> float | None:
    """Seconds until an agent is there, all of them being busy; None when nobody serves.

    `ahead`: calls before this one; `handle`: mean seconds of talk and wrap-up; `leaving`: callers' hang-ups a second of
    one caller's waiting.
    """
    if servers <= 0 or handle <= 0:
        return None
    rate = servers / handle
    if leaving <= 0:
        return (ahead + 1) / rate
    whole = min(int(ahead), SUMMED)
    waited = sum(1 / (rate + number * leaving) for number in range(whole + 1))
    rest = ahead - whole
    return waited + log((rate + (whole + 0.5 + rest) * leaving) / (rate + (whole + 0.5) * leaving)) / leaving


@dataclass(slots=True)
class Rates:
    """What a queue has been like lately."""

    calls: float = PRIOR_CALLS
    handle: float = PRIOR_HANDLE  # seconds, moving mean
    left: float = 0.0  # hang-ups lately
    waited: float = 0.0  # seconds waited lately, by all

    @property
    def leaving(self) -> float:
        """Hang-ups a second of waiting: the maximum-likelihood rate of exponential patience, censored by answers."""
        return self.left / self.waited if self.waited > 0 else 0.0


@dataclass(slots=True)
class Estimator:
    """Learns from what happens, tells what to expect, and how wrong it was. One thread; seconds on any clock."""

    _rates: dict[str, Rates] = field(default_factory=dict, repr=False)
    _told: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)  # call -> when told, estimate
    _errors: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def rates(self, queue: str) -> Rates:
        """The queue's, for those who want to look."""
        return self._rates.setdefault(queue, Rates())

    def handled(self, queue: str, seconds: float) -> None:
        """A call of the queue is done: talk and wrap-up."""
        rates = self.rates(queue)
        rates.calls = min(rates.calls + 1, REMEMBERED)
        rates.handle += (seconds - rates.handle) / rates.calls

    def answered(self, call: str, queue: str, waited: float, now: float) -> None:
        """The wait is over, with an agent. `waited`: seconds in the queue."""
        self._wait(queue, waited, 0.0)
        told = self._told.pop(call, None)
        if told:
            self._errors.append(now - told[0] - told[1])

    def hung_up(self, call: str, queue: str, waited: float) -> None:
        """The caller left. How long they would have waited nobody knows, so no error is counted."""
        self._wait(queue, waited, 1.0)
        self._told.pop(call, None)

    def forget(self, call: str) -> None:
        """The call left the queue in another way: a callback, another queue. Nothing is learned from it."""
        self._told.pop(call, None)

    def expect(self, call: str, queue: str, ahead: float, servers: int, now: float) -> float | None:
        """Seconds still to wait; the first estimate for a call is the one whose error counts."""
        rates = self.rates(queue)
        seconds = expected_wait(ahead, servers, rates.handle, rates.leaving)
        if seconds is not None:
            self._told.setdefault(call, (now, seconds))
        return seconds

    def error(self) -> Error:
        """How wrong the latest thousand were."""
        sizes = [abs(each) for each in self._errors]
        if not sizes:
            return Error(0, 0.0, 0.0)
        return Error(len(sizes), median(sizes), sum(self._errors) / len(sizes))

    def _wait(self, queue: str, waited: float, left: float) -> None:
        rates = self.rates(queue)
        keep = 1 - 1 / REMEMBERED
        rates.waited = rates.waited * keep + waited
        rates.left = rates.left * keep + left


@dataclass(frozen=True, slots=True)
class Error:
    """The error of estimates whose calls were answered. Seconds."""

    calls: int
    p50: float  # half of the estimates were off by less
    bias: float  # mean of actual less estimated: above 0, callers waited longer than told
