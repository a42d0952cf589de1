"""How long a waiting call will still wait, and how a store stands: what announcements, overflow and wallboards ask.

`routing/estimate.py` has the estimator and its sources; here it is fed with what happens and asked about the floor.
"""

from __future__ import annotations

from dataclasses import dataclass

from quietline.clock import Clock
from quietline.live.floor import Floor
from quietline.routing.estimate import Estimator, Group, expected_wait, work_ahead
from quietline.routing.model import Waiting
from quietline.routing.overflow import Load

REMEMBERED = 3.0  # seconds for which it is remembered who may take what: a look at every agent is dear at 2,000
MOST_KINDS = 1_000  # of asks remembered


@dataclass(frozen=True, slots=True)
class Entered:
    """A call in a queue. `since`: monotonic seconds, its place."""

    queue: str
    store: str
    since: float


class Outlook:
    """One for the floor; one event loop."""

    def __init__(self, floor: Floor, clock: Clock) -> None:
        self.estimator = Estimator()
        self._floor, self._clock = floor, clock
        self._entered: dict[str, Entered] = {}
        self._able: dict[tuple[object, ...], tuple[float, frozenset[str]]] = {}

    # What happens

    def entered(self, call: str, queue: str, store: str, since: float) -> None:
        """A call waits, or waits again at its place."""
        self._entered[call] = Entered(queue, store, since)

    def answered(self, call: str) -> None:
        """An agent has it."""
        entered = self._entered.pop(call, None)
        if entered:
            now = self._clock.monotonic()
            self.estimator.answered(call, entered.queue, now - entered.since, now)

    def left(self, call: str, hung_up: bool) -> None:
        """It waits no longer, without an agent; nothing happens where it did not wait."""
        entered = self._entered.pop(call, None)
        if entered and hung_up:
            self.estimator.hung_up(call, entered.queue, self._clock.monotonic() - entered.since)
        elif entered:
            self.estimator.forget(call)

    def handled(self, queue: str, seconds: float) -> None:
        """A conversation is over: talk and wrap-up."""
        self.estimator.handled(queue, seconds)

    # What is asked

    def store_of(self, call: str) -> str:
        """The store that a waiting call dialled; "" for one that does not wait."""
        entered = self._entered.get(call)
        return entered.store if entered else ""

    def place(self, call: str) -> int:
        """1 for the next of its queue; 0 for a call that does not wait."""
        entered = self._entered.get(call)
        line = self._floor.waiting(entered.queue) if entered else ()
        return next((place for place, each in enumerate(line, 1) if each.call == call), 0)

    def expected(self, call: str) -> float | None:
        """Seconds still to wait; None when nobody in service could take it, or it does not wait."""
        waiting = next((each for each in self._floor.waiting() if each.call == call), None)
        if waiting is None:
            return None
        mine = self._who(waiting)
        ahead = work_ahead(mine, self._groups_ahead(waiting))
        return self.estimator.expect(call, waiting.queue, ahead, len(mine), self._clock.monotonic())

    def load(self, store: str, queue: str) -> Load:
        """How a store stands for a queue, its hours apart: its own calls that wait, and the wait of one more."""
        waiting = sum(1 for each in self._entered.values() if (each.queue, each.store) == (queue, store))
        agents = self._who(Waiting("", queue, self._clock.monotonic(), stores=frozenset({store})))
        rates = self.estimator.rates(queue)
        return Load(True, waiting, expected_wait(waiting, len(agents), rates.handle, rates.leaving))

    def _groups_ahead(self, waiting: Waiting) -> list[Group]:
        """The calls with a better place, in groups that the same agents serve."""
        counts: dict[frozenset[str], int] = {}
        for each in self._floor.waiting():
            if each.call == waiting.call:
                break
            agents = self._who(each)
            counts[agents] = counts.get(agents, 0) + 1
        return [Group(agents, count) for agents, count in counts.items()]

    def _who(self, waiting: Waiting) -> frozenset[str]:
        key = (waiting.queue, waiting.needs, waiting.stores, waiting.only_agent)
        now = self._clock.monotonic()
        told, agents = self._able.get(key, (float("-inf"), frozenset()))
        if now - told > REMEMBERED:
            if len(self._able) > MOST_KINDS:
                self._able.clear()
            agents = self._floor.able(waiting)
            self._able[key] = (now, agents)
        return agents
