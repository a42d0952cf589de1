"""Discrete events over the real matcher: the object that routes live calls, fed by a clock of numbers.

Simulated are arrivals, patience, ringing, offers that ring out, conversations, wrap-up, shifts and breaks; queues,
skills, relaxing, priorities and limits are the matcher's own, hours and overflow the chain's (`Doors`). Transfers and
callbacks are shares of calls: one hand-over a call, to a queue; one offer to be rung back, and who is rung answers. Not
simulated: warm transfers, a callback's later tries, rests at night, what callers choose in menus.

Time is UTC seconds throughout, for the matcher's clock and for certificates alike. The same calls, shifts and seed give
the same visits, to the last digit.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
from quietline.routing.simulate_doors import LOOK_AGAIN, Doors, Standing
from quietline.routing.simulate_spans import Spans
from quietline.routing.visits import NO_CALLBACK, Outcome, Span, Visit

PICK_UP, HANG_UP, END, WRAPPED, BACK, ASKED, LOOK = range(7)  # what is planned
AGAIN = "again"  # of a plan for a call that was handed on


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

    def forget(self, call: str, stream: Stream) -> None:
        """They will be called back: they wait no longer on the line."""

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
    doors: Doors | None = None  # hours and overflow; None: every store is open, and streams say whose agents they get


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
        self._spans = Spans(world.agents, span) if span else None
        self._matcher = Matcher(world.queues, remember=0)
        self._standing = Standing(self._matcher, world.queues, world.agents) if world.doors else None
        self.closed = 0  # calls, and transfers, that came to a closed door: no visit, as live
        self._wrap_up = {rule.id: rule.wrap_up for rule in world.queues}
        self._planned: list[tuple[float, int, int, int, str]] = []  # a heap: time, serial, what, call, agent
        self._serial = 0
        self._waiting: set[int] = set()
        self._ringing: dict[int, str] = {}  # call -> agent
        self._missed: dict[int, int] = {}  # call -> offers that came to nothing
        self._talking: dict[str, _Talk] = {}
        self._wrapping: set[str] = set()
        self._wish: dict[str, State] = {}  # what each agent's roster says now
        self._again: dict[int, float] = {}  # handed on: call -> when
        self._callback: dict[int, float] = {}  # to be rung back: call -> seconds waited on the line
        self._handlers = (
            self._pick_up, self._hang_up, self._end, self._wrapped, self._back, self._asked, self._look,
        )  # fmt: skip
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
        if not self._enter(number):
            return
        stream = self._stream(number)
        if number not in self._ringing:
            self._watch.waits(str(number), stream, self._now)
        self._plan_patience(number, "")
        if stream.callback and self._calls.wish[number] < stream.callback.share:
            self._plan(self._now + stream.callback.after, ASKED, number)

    def _enter(self, number: int) -> bool:
        """Into the queue. False when it does not wait: the door is closed, or an agent was free and has picked up."""
        stores = self._stores(number)
        if stores is None:
            self.closed += 1
            return False
        queue, stream = self._queue(number), self._stream(number)
        if self._standing:
            self._standing.entered(queue, stream.store)
        self._waiting.add(number)
        self._apply(self._matcher.enter(self._waits(number, stores), self._now, self._now))
        if number in self._waiting and self._world.doors and self._world.doors.change(stream.store):
            self._plan(self._now + LOOK_AGAIN, LOOK, number, AGAIN * (number in self._again))
        return number in self._waiting

    def _waits(self, number: int, stores: frozenset[str]) -> Waiting:
        """As the matcher sees it. A call that was handed on has its whole time as a head start, and no wishes."""
        stream, since = self._stream(number), self._since(number)
        again, callback = number in self._again, number in self._callback
        needs = () if again else stream.needs
        head_start = since - self._calls.at[number] if again else stream.head_start
        return Waiting(str(number), self._queue(number), since, needs, stores, head_start, callback=callback)

    def _plan_patience(self, number: int, which: str) -> None:
        patience = self._calls.patience[number]
        if patience < inf:
            self._plan(self._now + patience, HANG_UP, number, which)

    def _hang_up(self, number: int, which: str) -> None:
        if number not in self._waiting or number in self._callback or (which == AGAIN) != (number in self._again):
            return
        self._ringing.pop(number, None)
        self._lost(number, Outcome.ABANDONED)
        self._apply(self._matcher.leave(str(number), self._now, self._now))

    def _lost(self, number: int, outcome: Outcome) -> None:
        self._waiting.discard(number)
        visit = self._visit_of(number, outcome, self._now - self._since(number))
        self._visit(visit)
        if self._standing and visit.callback == NO_CALLBACK:
            hung_up = outcome is Outcome.ABANDONED
            self._standing.left(visit.queue, visit.store, visit.waited, hung_up)
        if visit.callback == NO_CALLBACK and not visit.transferred:
            self._watch.lost(str(number), self._stream(number), visit.waited, outcome)

    def _visit_of(self, number: int, outcome: Outcome, waited: float) -> Visit:
        queue, store, since = self._queue(number), self._stream(number).store, self._since(number)
        return Visit(
            queue, store, since, waited, outcome, missed=self._missed.pop(number, 0),
            callback=self._callback.get(number, NO_CALLBACK), transferred=number in self._again,
        )  # fmt: skip

    def _asked(self, number: int, _: str) -> None:
        """They have waited long enough to be asked, and want to be rung back: the place stays, the caller is gone."""
        if number not in self._waiting or number in self._ringing or number in self._again:
            return
        stream, waited = self._stream(number), self._now - self._calls.at[number]
        self._callback[number] = waited
        self._watch.forget(str(number), stream)
        if self._standing:
            self._standing.left(stream.queue, stream.store, waited, hung_up=False)
        waiting = self._waits(number, self._stores(number) or frozenset())
        self._apply(self._matcher.enter(waiting, self._now, self._now))

    # Hours and overflow

    def _stores(self, number: int) -> frozenset[str] | None:
        """Whose agents may take it now; None: all are shut."""
        stream = self._stream(number)
        if self._world.doors is None or self._standing is None or stream.stores:
            return stream.stores
        queue, waited = self._queue(number), self._now - self._since(number)
        load = partial(self._standing.load, queue)
        return self._world.doors.stores(stream.store, queue, self._now, load, waited)

    def _look(self, number: int, which: str) -> None:
        """Stores close, fill up, or have waited long enough for others: who may take the call now?"""
        if number not in self._waiting or (which == AGAIN) != (number in self._again):
            return
        stores = self._stores(number)
        if stores is None:
            self._ringing.pop(number, None)
            self._lost(number, Outcome.GAVE_UP)
            self._apply(self._matcher.leave(str(number), self._now, self._now))
            return
        self._plan(self._now + LOOK_AGAIN, LOOK, number, which)
        self._apply(self._matcher.enter(self._waits(number, stores), self._now, self._now))

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
        waited = self._now - self._since(number)
        if number not in self._callback:
            if self._standing:
                self._standing.answered(self._queue(number), self._stream(number).store, waited)
            if number not in self._again:
                self._watch.answered(str(number), self._stream(number), waited, self._now)
        talk = self._calls.next_talk if number in self._again else self._calls.talk
        self._plan(self._now + talk[number], END, number, agent)

    def _end(self, number: int, agent: str) -> None:
        talk = self._talking.get(agent)
        if talk is None or talk.call != number:
            return  # ended before, by the queue's longest call
        del self._talking[agent]
        again = number in self._again
        queue, wraps = self._queue(number), self._calls.next_wrap_up if again else self._calls.wrap_up
        wrap_up = min(wraps[number], self._wrap_up[queue])
        talked = self._now - talk.answered
        visit = self._visit_of(number, Outcome.ANSWERED, talk.answered - self._since(number))
        self._visit(visit._replace(agent=agent, talk=talked, wrap_up=wrap_up))
        if self._standing:
            self._standing.handled(queue, talked + wrap_up)
        if not again:
            self._watch.handled(self._stream(number), talked + wrap_up)
        self._apply(self._matcher.ended(agent, self._now))
        self._wrapping.add(agent)
        if wrap_up:
            self._plan(self._now + wrap_up, WRAPPED, number, agent)
        else:
            self._wrapped(number, agent)
        self._hand_on(number)

    def _hand_on(self, number: int) -> None:
        """Their share of callers goes to another queue, to its front (live/handover.py)."""
        transfer = self._stream(number).transfer
        if transfer is None or number in self._again or self._calls.fate[number] >= transfer.share:
            return
        self._callback.pop(number, None)
        self._again[number] = self._now
        if self._enter(number):
            self._plan_patience(number, AGAIN)

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

    def _queue(self, number: int) -> str:
        """The one it is in, or was in last."""
        stream = self._stream(number)
        return stream.transfer.queue if stream.transfer and number in self._again else stream.queue

    def _since(self, number: int) -> float:
        """When it entered that queue."""
        return self._again.get(number, self._calls.at[number])
