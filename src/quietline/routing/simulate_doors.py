"""Hours and overflow in a simulated day: which stores' agents may take a call, by the rules that the live system asks.

The rules are behind `Doors` (staffing/doors.py: the chain file's); what they ask of the day is kept here as the live
outlook keeps it (live/outlook.py): calls that wait, by queue and store, and the wait of one more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from quietline.routing.estimate import Estimator, expected_wait
from quietline.routing.match import Matcher
from quietline.routing.model import Agent, QueueRule, State
from quietline.routing.overflow import Load
from quietline.routing.skills import ask_of, fits

LOOK_AGAIN = 5.0  # seconds between looks at hours and overflow, as live (live/company.py)
GONE = (State.OFFLINE, State.AWAY)


class Doors(Protocol):
    """Who may take a call by store, queue and time."""

    def stores(
        self, store: str, queue: str, wall: float, load: Callable[[str], Load], waited: float
    ) -> frozenset[str] | None:
        """Whose agents: empty for anybody's, None when all that could take it are shut. `wall`: UTC seconds."""

    def change(self, store: str) -> bool:
        """Whether time or load may change the answer for calls to this store."""


class Standing:
    """How each store stands: told what happens, asked for `Load`s."""

    def __init__(self, matcher: Matcher, rules: tuple[QueueRule, ...], agents: tuple[Agent, ...]) -> None:
        self._matcher, self._agents = matcher, agents
        self._rules = {rule.id: rule for rule in rules}
        self._estimator = Estimator()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._able: dict[tuple[str, str], tuple[str, ...]] = {}

    def entered(self, queue: str, store: str) -> None:
        """A call waits."""
        self._waiting[queue, store] += 1

    def answered(self, queue: str, store: str, waited: float) -> None:
        """An agent has it."""
        self._waiting[queue, store] -= 1
        self._estimator.answered("", queue, waited, 0.0)

    def left(self, queue: str, store: str, waited: float, hung_up: bool) -> None:
        """It waits no longer, or no longer on the line."""
        self._waiting[queue, store] -= 1
        if hung_up:
            self._estimator.hung_up("", queue, waited)

    def handled(self, queue: str, seconds: float) -> None:
        """A conversation is over: talk and wrap-up."""
        self._estimator.handled(queue, seconds)

    def load(self, queue: str, store: str) -> Load:
        """Its own calls that wait, and the wait of one more; hours apart."""
        waiting, rates = self._waiting[queue, store], self._estimator.rates(queue)
        servers = sum(self._here(agent) for agent in self._who(queue, store))
        return Load(True, waiting, expected_wait(waiting, servers, rates.handle, rates.leaving))

    def _here(self, agent: str) -> bool:
        known = self._matcher.agent(agent)
        return known is not None and known.state not in GONE

    def _who(self, queue: str, store: str) -> tuple[str, ...]:
        found = self._able.get((queue, store))
        if found is None:
            rule = self._rules[queue]
            ask = ask_of(rule, rule.steps[0], (), frozenset({store}))
            able = (each.id for each in self._agents if fits(each.skills, each.store, each.queues, ask))
            found = self._able[queue, store] = tuple(able)
        return found
