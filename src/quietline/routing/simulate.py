"""Discrete events over the real matcher: the object that routes live calls, fed by a clock of numbers.

Simulated are arrivals, patience, ringing, offers that ring out, conversations, wrap-up, shifts and breaks; queues,
skills, relaxing, priorities and limits are the matcher's own. Not simulated: transfers, callbacks, opening hours.

Time is UTC seconds throughout, for the matcher's clock and for certificates alike. The same calls, shifts and seed give
the same visits, to the last digit.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

import numpy as np

from quietline.routing.arrivals import Behaviour, Calls, Stream
from quietline.routing.match import Matcher
from quietline.routing.model import (
    Agent,
    Changed,
    Decision,
    GiveUp,
    Offer,
    Overdue,
    QueueRule,
    State,
    Waiting,
    Withdraw,
)
from quietline.routing.visits import Outcome, Span, Visit

PICK_UP, HANG_UP, END, WRAPPED, BACK = range(5)  # what is planned


class Duty(NamedTuple):
    """From `at` (UTC seconds) on, this agent wants to be ready, away (a break) or offline."""

    at: float
    agent: str
    state: State


class Watch:
    """Is told what happens as it happens; this one does nothing with it. An estimator listens here."""

    def waits(self, call: str, stream: Stream, now: float) -> None:
        """It arrived, and nobody is free for it."""

    def answered(self, call: str, stream: Stream, waited: float, now: float) -> None:
        """An agent has picked up."""

    def lost(self, call: str, stream: Stream, waited: float, outcome: Outcome) -> None:
        """The caller hung up, or gave up."""

    def handled(self, stream: Stream, seconds: float) -> None:
        """A conversation has ended; its handle time is known."""

    def duty(self, agent: str, state: State) -> None:
        """The roster has a new word for this agent."""


@dataclass(frozen=True, slots=True)
class World:
    """One configuration: what the matcher is given, and who is there when."""

    queues: tuple[QueueRule, ...]
    agents: tuple[Agent, ...]
    duties: tuple[Duty, ...]
    streams: tuple[Stream, ...]
    behaviour: Behaviour = field(default_factory=Behaviour)


class _Talk(NamedTuple):
    call: int
    answered: float


class Simulation:
    """One run. `visit` gets every visit once its conversation is over, `span` every stretch of an agent's state."""

    def __init__(
        self,
        world: World,
        calls: Calls,
        dice: np.random.Generator,
        visit: Callable[[Visit], object],
        span: Callable[[Span], object] | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`dice` decides about later offers of a call that was missed; everything else stands in `calls`."""
        self._world, self._calls, self._dice, self._visit = world, calls, dice, visit
        self._watch = watch or Watch()
        self._spans = _Spans(world.agents, span) if span else None
        self._matcher = Matcher(world.queues, remember=0)
        self._wrap_up = {rule.id: rule.wrap_up for rule in world.queues}
        self._planned: list[tuple[float, int, int, int, str]] = []  # a heap: time, serial, what, call, agent
        self._serial = 0
        self._waiting: set[int] = set()
        self._ringing: dict[int, str] = {}  # call -> agent
        self._missed: dict[int, int] = {}  # call -> offers that came to nothing
        self._talking: dict[str, _Talk] = {}
        self._wrapping: set[str] = set()
        self._wish: dict[str, State] = {}  # what each agent's roster says now
        self._handlers = (self._pick_up, self._hang_up, self._end, self._wrapped, self._back)
        self._now = 0.0

    def run(self, progress: Callable[[int], object] | None = None, every: int = 10_000) -> int:
        """Run to the end of the last conversation; the number of calls. `progress` is told how many have arrived."""
        at, arrived, total = self._calls.at, 0, len(self._calls)
        duties, served = sorted(self._world.duties), 0
        self._hire(min(at[0] if total else inf, duties[0].at if duties else inf))
        while True:
            call_at = at[arrived] if arrived < total else inf
            duty_at = duties[served].at if served < len(duties) else inf
            planned_at = self._planned[0][0] if self._planned else inf
            due = self._matcher.next_deadline()
            now = min(call_at, duty_at, planned_at, inf if due is None else due)
            if now == inf:
                break
            self._now = now
            if duty_at == now:
                self._duty(duties[served])
                served += 1
            elif planned_at == now:
                _, _, what, number, agent = heapq.heappop(self._planned)
                self._handlers[what](number, agent)
            elif call_at == now:
                self._arrive(arrived)
                arrived += 1
                if progress and arrived % every == 0:
                    progress(arrived)
            else:
                self._apply(self._matcher.tick(now, now))
        if self._spans:
            self._spans.close(self._now)
        return total

    def _hire(self, first: float) -> None:
        if first < inf:
            self._matcher.staff(self._world.agents, first, first)

    def _plan(self, at: float, what: int, number: int, agent: str = "") -> None:
        self._serial += 1
        heapq.heappush(self._planned, (at, self._serial, what, number, agent))

    # Callers

    def _arrive(self, number: int) -> None:
        now, stream = self._now, self._world.streams[self._calls.stream[number]]
        waiting = Waiting(str(number), stream.queue, now, stream.needs, stream.stores, stream.head_start)
        self._waiting.add(number)
        self._apply(self._matcher.enter(waiting, now, now))
        if number not in self._waiting:
            return
        if number not in self._ringing:
            self._watch.waits(waiting.call, stream, now)
        patience = self._calls.patience[number]
        if patience < inf:
            self._plan(now + patience, HANG_UP, number)

    def _hang_up(self, number: int, _: str) -> None:
        if number not in self._waiting:
            return
        self._ringing.pop(number, None)
        self._lost(number, Outcome.ABANDONED)
        self._apply(self._matcher.leave(str(number), self._now, self._now))

    def _lost(self, number: int, outcome: Outcome) -> None:
        self._waiting.discard(number)
        stream, at = self._world.streams[self._calls.stream[number]], self._calls.at[number]
        waited, missed = self._now - at, self._missed.pop(number, 0)
        self._visit(Visit(stream.queue, stream.store, at, waited, outcome, missed=missed))
        self._watch.lost(str(number), stream, waited, outcome)

    # Agents

    def _duty(self, duty: Duty) -> None:
        """The roster says so. Whoever is on a call or wraps up finishes first."""
        self._wish[duty.agent] = duty.state
        self._watch.duty(duty.agent, duty.state)
        if duty.agent not in self._wrapping:
            self._become(duty.agent, duty.state)

    def _become(self, agent: str, state: State) -> None:
        verbs = {State.READY: self._matcher.ready, State.AWAY: self._matcher.away, State.OFFLINE: self._matcher.offline}
        self._apply(verbs[state](agent, self._now, self._now))

    def _pick_up(self, number: int, agent: str) -> None:
        if self._ringing.get(number) != agent:
            return
        del self._ringing[number]
        self._waiting.discard(number)
        self._apply(self._matcher.answered(str(number), agent, self._now))
        self._talking[agent] = _Talk(number, self._now)
        self._watch.answered(str(number), self._stream(number), self._now - self._calls.at[number], self._now)
        self._plan(self._now + self._calls.talk[number], END, number, agent)

    def _end(self, number: int, agent: str) -> None:
        talk = self._talking.get(agent)
        if talk is None or talk.call != number:
            return  # ended before, by the queue's longest call
        del self._talking[agent]
        stream, at = self._stream(number), self._calls.at[number]
        wrap_up = min(self._calls.wrap_up[number], self._wrap_up[stream.queue])
        talked, missed = self._now - talk.answered, self._missed.pop(number, 0)
        waited = talk.answered - at
        self._visit(
            Visit(stream.queue, stream.store, at, waited, Outcome.ANSWERED, agent, talked, 0.0, wrap_up, missed)
        )
        self._watch.handled(stream, talked + wrap_up)
        self._apply(self._matcher.ended(agent, self._now))
        self._wrapping.add(agent)
        if wrap_up:
            self._plan(self._now + wrap_up, WRAPPED, number, agent)
        else:
            self._wrapped(number, agent)

    def _wrapped(self, _: int, agent: str) -> None:
        self._wrapping.discard(agent)
        state = self._wish[agent]
        if state is State.READY:
            self._apply(self._matcher.wrapped_up(agent, self._now, self._now))
        else:
            self._become(agent, state)

    def _back(self, _: int, agent: str) -> None:
        if self._wish[agent] is State.READY:
            self._become(agent, State.READY)

    # What the matcher decides

    def _apply(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, Offer):
                self._ring_for(decision)
            elif isinstance(decision, Changed):
                if self._spans:
                    self._spans.changed(decision.agent, self._matcher, self._now)
            elif isinstance(decision, Withdraw):
                self._withdrawn(decision)
            elif isinstance(decision, GiveUp):
                self._lost(int(decision.call), Outcome.GAVE_UP)
            elif isinstance(decision, Overdue):
                self._end(int(decision.call), decision.agent)

    def _ring_for(self, offer: Offer) -> None:
        number, agent = int(offer.call), offer.agent
        self._ringing[number] = agent
        again = number in self._missed
        luck = self._dice.random() if again else self._calls.luck[number]
        pick_up = self._calls.pick_up[number]
        if luck < self._world.behaviour.missed or self._now + pick_up > offer.deadline:
            return  # it rings out; the matcher's deadline says when
        if pick_up:
            self._plan(self._now + pick_up, PICK_UP, number, agent)
        else:
            self._pick_up(number, agent)

    def _withdrawn(self, decision: Withdraw) -> None:
        """The phone stops ringing. An agent who let it ring out is away, and comes back after a while."""
        number = int(decision.call)
        if number in self._waiting:
            self._missed[number] = self._missed.get(number, 0) + 1
            if self._ringing.get(number) == decision.agent:
                del self._ringing[number]
        if decision.reason == "no_answer":
            self._plan(self._now + self._world.behaviour.back, BACK, -1, decision.agent)

    def _stream(self, number: int) -> Stream:
        return self._world.streams[self._calls.stream[number]]


class _Spans:
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
