"""Stretches of agents' states in a simulated day, as the live history keeps them (live/history.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from quietline.routing.match import Matcher
from quietline.routing.model import Agent, State
from quietline.routing.visits import Span


class Spans:
    """Stretches of agents' states, said as they end. Offline is none."""

    def __init__(self, agents: Iterable[Agent], span: Callable[[Span], object]) -> None:
        self._stores = {agent.id: agent.store for agent in agents}
        self._span = span
        self._since: dict[str, tuple[State, float]] = {}

    def changed(self, agent: str, matcher: Matcher, now: float) -> None:
        """What the matcher says of the agent may be new."""
        known = matcher.agent(agent)
        state = known.state if known else State.OFFLINE
        before, since = self._since.get(agent, (State.OFFLINE, now))
        if state is before:
            return
        if before is not State.OFFLINE and now > since:
            self._span(Span(agent, self._stores[agent], before.value, since, now))
        self._since[agent] = (state, now)

    def close(self, now: float) -> None:
        """The run is over: whoever is still there has been so until now."""
        for agent, (state, since) in self._since.items():
            if state is not State.OFFLINE and now > since:
                self._span(Span(agent, self._stores[agent], state.value, since, now))
