"""The matcher: who takes which call. One in-memory object, events in, decisions out; no clock, no I/O.

The live floor, the property tests and the simulator run this same object. It sees tokens only. `now` is in seconds on
one clock of the caller's choice, above zero and never going back; `wall` is UTC seconds, for certificates.

Two rules. A waiting call goes to the agent whom its queue's strategy puts first among the ready who may take it. A
freed agent takes the call of the lowest rank among those they may take; rank is arrival less head start, so that all
age at the same pace (docs/explanation/fairness.md). After every event no call waits that a ready agent may take.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter

from quietline.routing.alarms import Alarms
from quietline.routing.explain import Explanation, Trails, explained
from quietline.routing.lines import Lines
from quietline.routing.model import (
    Agent,
    Decision,
    GiveUp,
    Offer,
    Overdue,
    QueueRule,
    Relaxed,
    State,
    Waiting,
    Withdraw,
)
from quietline.routing.parties import Call, Seat
from quietline.routing.pools import Pool
from quietline.routing.skills import Ask, ask_for, ask_of
from quietline.routing.strategies import STANDARD, Strategy

SAID_AGAIN = 15.0  # seconds after which the end of an overdue conversation is asked for again

_rank = attrgetter("rank", "waiting.since", "id")


class Matcher:
    """Agents and waiting calls. Every event returns the decisions that follow from it, in order."""

    def __init__(
        self, queues: Iterable[QueueRule] = (), strategies: Mapping[str, Strategy] = STANDARD, remember: int = 1_000
    ) -> None:
        """`remember`: of how many calls the story is kept for `explain`, ended ones included."""
        self._seats: dict[str, Seat] = {}
        self._calls: dict[str, Call] = {}
        self._lines = Lines(strategies)
        self._pools = self._lines.pools
        self._alarms: Alarms[Seat | Call] = Alarms()
        self._trails = Trails(remember)
        self.configure(queues, 0.0, 0.0)

    # What is there

    def agent(self, agent: str) -> Agent | None:
        """This agent, None for one who is not in service."""
        seat = self._seats.get(agent)
        return seat.value() if seat else None

    def agents(self) -> tuple[Agent, ...]:
        """Everybody in service."""
        return tuple(seat.value() for seat in self._seats.values())

    def waiting(self, queue: str = "") -> tuple[Waiting, ...]:
        """The calls of this queue, or all, in the order in which they are served."""
        calls = (call for call in self._calls.values() if queue in ("", call.waiting.queue))
        return tuple(call.value() for call in sorted(calls, key=_rank))

    def queues(self) -> tuple[QueueRule, ...]:
        """The queues, with those that are no longer configured while calls still wait in them."""
        return tuple(self._lines.rules.values())

    def ask(self, waiting: Waiting, now: float) -> Ask:
        """What this call asks of an agent by now, apart from a hold for its last agent."""
        rule = self._lines.rule(waiting.queue)
        if waiting.only_agent:
            return ask_for(waiting.only_agent, rule)
        step = max(each for each, one in enumerate(rule.steps) if not each or waiting.since + one.after <= now)
        return ask_of(rule, rule.steps[step], waiting.needs, waiting.stores)

    def explain(self, call: str, now: float, wall: float) -> Explanation | None:
        """Why the call waits, and what has become of it so far; None for one that is not remembered."""
        known = self._calls.get(call)
        ahead = self.waiting(known.waiting.queue) if known else ()
        return explained(call, self._trails.of(call), known, ahead, self.agents(), now, wall)

    def latest(self, count: int) -> tuple[str, ...]:
        """The calls that came last and are remembered, the newest first."""
        return self._trails.latest(count)

    # Queues

    def configure(self, queues: Iterable[QueueRule], now: float, wall: float) -> list[Decision]:
        """New rules. Calls keep their places; those in a queue that is gone are served by its old rule.

        Raises ConfigError, and changes nothing, for two queues of one name and for an unknown strategy.
        """
        self._lines.configure(queues, {call.rule.id: call.rule for call in self._calls.values()}, self._seats.values())
        decisions: list[Decision] = []
        for seat in self._seats.values():
            seat.rule = self._lines.rules.get(seat.rule.id, seat.rule)
        for call in self._calls.values():
            call.follow(self._lines.rules[call.rule.id])
            decisions += [] if call.offered else self._line_up(call, now, wall)
        return decisions + self._assign(now, wall)

    # Agents

    def staff(self, members: Iterable[Agent], now: float, wall: float) -> list[Decision]:
        """The agents in service with their skills and certificates. States are kept.

        Who is missing is gone: a call that rings them moves on, and the conversation they have must end.
        """
        known = {member.id: member for member in members}
        decisions: list[Decision] = []
        for gone in [seat for seat in self._seats.values() if seat.id not in known and not seat.dismissed]:
            decisions += self._dismiss(gone, now, wall)
        changed = [seat for member in known.values() if (seat := self._hire(member, now))]
        for seat in changed:
            decisions += [seat.changed, *self._reconsider(seat, now, wall)]
        return decisions + (self._assign(now, wall) if changed else [])

    def ready(self, agent: str, now: float, wall: float) -> list[Decision]:
        """The agent wants calls. In mid-call it only takes back a wish to leave after it."""
        seat = self._seats.get(agent)
        if seat is None or seat.state is State.READY:
            return []
        if seat.call:
            seat.retiring = ""
            return []
        if seat.state is State.OFFLINE:
            seat.missed = 0
        return self._free(seat, now, now, wall)

    def away(self, agent: str, now: float, wall: float, reason: str = "chosen") -> list[Decision]:
        """The agent wants a break: at once, or after the call."""
        return self._wish(agent, State.AWAY, now, wall, reason)

    def offline(self, agent: str, now: float, wall: float) -> list[Decision]:
        """The agent is gone: at once, or after the call."""
        return self._wish(agent, State.OFFLINE, now, wall, "")

    def wrapped_up(self, agent: str, now: float, wall: float) -> list[Decision]:
        """Wrap-up is done: ready, or what the agent wished for meanwhile."""
        seat = self._seats.get(agent)
        if seat is None or seat.state is not State.WRAP_UP:
            return []
        if seat.retiring:
            return self._depart(seat, State(seat.retiring), now, wall, seat.wish_reason)
        return self._free(seat, now, now, wall)

    # Calls

    def enter(self, waiting: Waiting, now: float, wall: float) -> list[Decision]:
        """A call joins its queue at the place that its `since` gives it.

        Entering again keeps the place, and changes the rest: needs, stores, queue, waiting for a callback. Raises
        ConfigError for a queue that there is not.
        """
        rule = self._lines.rule(waiting.queue)
        call = self._calls.get(waiting.call)
        if call is None:
            call = self._calls[waiting.call] = Call(waiting, rule)
            self._trails.note(call.id, now, "entered", waiting.queue, waiting.since)
            return self._settle(call, now, wall)
        call.change(waiting, rule)
        return [] if call.offered else self._settle(call, now, wall)

    def leave(self, call: str, now: float, wall: float) -> list[Decision]:
        """The caller is gone; whoever was being rung is free again, and idle as long as before."""
        gone = self._calls.pop(call, None)
        if gone is None:
            return []
        self._trails.note(call, now, "left")
        self._take_out(gone)
        if not gone.offered:
            return []
        seat = self._seats[gone.offered]
        return [Withdraw(call, seat.id, "caller_gone"), *self._free(seat, seat.idle_since, now, wall)]

    def answered(self, call: str, agent: str, now: float) -> list[Decision]:
        """The offer was taken. Ignored when the offer is no longer out."""
        taken = self._calls.get(call)
        if taken is None or not agent or taken.offered != agent:
            return []
        del self._calls[call]
        self._trails.note(call, now, "answered", agent)
        return self._talk(self._seats[agent], call, taken.rule, now)

    def adopt(self, call: str, agent: str, now: float, queue: str = "") -> list[Decision]:
        """A conversation of the controller's earlier life goes on, by the usual times where its queue is gone."""
        seat = self._seats.setdefault(agent, Seat(Agent(agent), now))
        self._pools.go(seat)
        return self._talk(seat, call, self._lines.rules.get(queue, QueueRule(queue)), now)

    def refused(self, call: str, agent: str, now: float, wall: float, reason: str) -> list[Decision]:
        """Declined, lost phone or no answer: the call keeps its place, the agent is away until they say ready."""
        waiting = self._calls.get(call)
        if waiting is None or not agent or waiting.offered != agent:
            return []
        seat = self._seats[agent]
        seat.missed += reason == "no_answer"
        self._trails.note(call, now, "refused", agent, reason)
        return self._depart(seat, State.AWAY, now, wall, reason)

    def ended(self, agent: str, now: float) -> list[Decision]:
        """The conversation is over: wrap-up, with a deadline. A dismissed agent is gone."""
        seat = self._seats.get(agent)
        if seat is None or seat.state is not State.ON_CALL:
            return []
        self._trails.note(seat.call, now, "ended", agent)
        if seat.dismissed:
            del self._seats[agent]
            self._alarms.set(seat, 0.0)
            return [seat.changed]
        self._alarms.set(seat, now + seat.rule.wrap_up)
        seat.become(State.WRAP_UP, now)
        return [seat.changed]

    # Time

    def next_deadline(self) -> float | None:
        """When `tick` must be called next, or None."""
        return self._alarms.next()

    def tick(self, now: float, wall: float) -> list[Decision]:
        """Act on every deadline that has passed, in order."""
        decisions: list[Decision] = []
        while (owner := self._alarms.due(now)) is not None:
            if isinstance(owner, Seat):
                decisions += self._overdue(owner, now, wall)
            else:
                decisions += self._turn(owner, now, wall)
        return decisions

    def _overdue(self, seat: Seat, now: float, wall: float) -> list[Decision]:
        if seat.state is State.RINGING:
            call = seat.call
            return [Withdraw(call, seat.id, "no_answer"), *self.refused(call, seat.id, now, wall, "no_answer")]
        if seat.state is State.WRAP_UP:
            return self.wrapped_up(seat.id, now, wall)
        self._alarms.set(seat, now + SAID_AGAIN)
        return [Overdue(seat.call, seat.id, "agent_dismissed" if seat.dismissed else "longest_call")]

    def _turn(self, call: Call, now: float, wall: float) -> list[Decision]:
        """A call has waited too long, or long enough for its next step; it rang in vain, or lost its last agent."""
        if call.last_moment() > now:
            return self._settle(call, now, wall)
        self._take_out(call)
        del self._calls[call.id]
        self._trails.note(call.id, now, "gave_up")
        return [GiveUp(call.id)]

    # A call looks for an agent

    def _settle(self, call: Call, now: float, wall: float) -> list[Decision]:
        """An agent at once, or a place in the pool of the call's step."""
        decisions = self._advance(call, now)
        pool = self._pool_for(call, now, wall)
        seat = self._pools.seat_for(pool, wall)
        if seat:
            return [*decisions, *self._offer(call, seat, now)]
        self._wait(call, pool)
        return decisions

    def _line_up(self, call: Call, now: float, wall: float) -> list[Decision]:
        """A place only: `_assign` follows."""
        decisions = self._advance(call, now)
        self._wait(call, self._pool_for(call, now, wall))
        return decisions

    def _advance(self, call: Call, now: float) -> list[Decision]:
        self._take_out(call)
        if not call.relax(now):
            return []
        self._trails.note(call.id, now, "relaxed", call.step)
        return [Relaxed(call.id, call.step)]

    def _wait(self, call: Call, pool: Pool) -> None:
        self._pools.wait(pool, call)
        self._alarms.set(call, call.next_moment())

    def _pool_for(self, call: Call, now: float, wall: float) -> Pool:
        return self._lines.pool_for(call, self._seats.get(call.waiting.last_agent), now, wall)

    def _take_out(self, call: Call) -> None:
        if call.pool:
            call.pool.withdraw(call)
            call.pool = None
        self._alarms.set(call, 0.0)

    # An agent looks for a call

    def _free(self, seat: Seat, idle_since: float, now: float, wall: float) -> list[Decision]:
        """The agent is ready: they take their first call, or wait for one."""
        seat.become(State.READY, now)
        seat.since = seat.idle_since = idle_since
        seat.call = ""
        self._alarms.set(seat, 0.0)
        call = self._pools.call_for(seat, wall)
        if call:
            return self._offer(call, seat, now)
        self._pools.stand(seat)
        return [seat.changed]

    def _assign(self, now: float, wall: float) -> list[Decision]:
        """Many calls or agents are new at once: calls by rank, each to the agent its queue's strategy puts first."""
        decisions: list[Decision] = []
        for call, seat in self._pools.matches(wall):
            decisions += self._offer(call, seat, now)
        return decisions

    def _offer(self, call: Call, seat: Seat, now: float) -> list[Decision]:
        self._trails.offered(call, seat, self._pools, now)
        self._take_out(call)
        self._pools.go(seat)
        deadline = now + call.rule.ring
        call.offered, seat.call = seat.id, call.id
        self._alarms.set(seat, deadline)
        seat.become(State.RINGING, now)
        return [Offer(call.id, seat.id, deadline), seat.changed]

    # An agent's state

    def _talk(self, seat: Seat, call: str, rule: QueueRule, now: float) -> list[Decision]:
        seat.call, seat.rule = call, rule
        self._alarms.set(seat, now + rule.longest_call)
        seat.become(State.ON_CALL, now)
        return [seat.changed]

    def _wish(self, agent: str, to: State, now: float, wall: float, reason: str) -> list[Decision]:
        seat = self._seats.get(agent)
        if seat is None:
            return []
        if seat.state is State.ON_CALL:
            seat.retiring, seat.wish_reason = to.value, reason
            return []
        rung = [Withdraw(seat.call, agent, "agent_gone")] if seat.state is State.RINGING else []
        if rung:
            self._trails.note(seat.call, now, "refused", agent, "agent_gone")
        return [*rung, *self._depart(seat, to, now, wall, reason)]

    def _depart(self, seat: Seat, to: State, now: float, wall: float, reason: str) -> list[Decision]:
        """No calls for this agent: the one that rings them and those kept for them look for others, by rank."""
        self._pools.go(seat)
        rung = self._calls.get(seat.call) if seat.state is State.RINGING else None
        seat.call, seat.retiring = "", ""
        self._alarms.set(seat, 0.0)
        seat.become(to, now, reason)
        decisions: list[Decision] = [seat.changed]
        moved = [call for call in self._pools.at_desk(seat.id) if call.held]
        if rung:
            rung.offered = ""
            moved.append(rung)
        for call in sorted(moved, key=_rank):
            decisions += self._turn(call, now, wall)
        return decisions

    def _hire(self, member: Agent, now: float) -> Seat | None:
        """The agent, when anything about them is new."""
        seat = self._seats.get(member.id)
        if seat is None:
            seat = self._seats[member.id] = Seat(member, now)
            return seat
        if seat.dismissed:
            seat.dismissed = False
            self._alarms.set(seat, now + seat.rule.longest_call)
        return seat if seat.learn(member) else None

    def _reconsider(self, seat: Seat, now: float, wall: float) -> list[Decision]:
        """Their skills or certificates are new: find their pools again, and let go of calls kept for them in vain."""
        self._pools.changed(seat)
        decisions: list[Decision] = []
        for call in self._pools.at_desk(seat.id):
            decisions += self._line_up(call, now, wall)
        return decisions

    def _dismiss(self, seat: Seat, now: float, wall: float) -> list[Decision]:
        if seat.state is State.ON_CALL:
            seat.dismissed = True
            self._alarms.set(seat, now + SAID_AGAIN)
            return [Overdue(seat.call, seat.id, "agent_dismissed")]
        decisions = self._wish(seat.id, State.OFFLINE, now, wall, "")
        del self._seats[seat.id]
        return decisions
