"""The matcher's rules done the plain way: after every event look at every waiting call and every agent.

This is what most systems do, and it keeps no index that could be wrong: the property tests and the bench hold the
matcher's assignments against it. It answers the same events with the same decisions, `Changed` left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from quietline.routing.match import SAID_AGAIN
from quietline.routing.model import (
    Agent,
    Decision,
    GiveUp,
    Need,
    Offer,
    Overdue,
    QueueRule,
    Relaxed,
    State,
    Waiting,
    Withdraw,
)
from quietline.routing.strategies import STANDARD, Strategy, while_busy, while_idle

BUSY = (State.ON_CALL, State.WRAP_UP)
GONE = (State.AWAY, State.OFFLINE)


@dataclass(slots=True)
class Person:
    """An agent."""

    member: Agent
    since: float
    state: State = State.OFFLINE
    idle_since: float = 0.0
    call: str = ""
    deadline: float = 0.0
    retiring: State | None = None
    dismissed: bool = False
    rule: QueueRule = field(default_factory=lambda: QueueRule(""))
    occupancy: float = 0.0
    measured: float = 0.0


@dataclass(slots=True)
class Caller:
    """A waiting call."""

    waiting: Waiting
    step: int = 0
    held: bool = False
    unheld: bool = False
    offered: str = ""


class PlainScan:
    """Events in, decisions out, as `Matcher`."""

    def __init__(
        self, queues: Iterable[QueueRule], strategies: Mapping[str, Strategy] = STANDARD, *, thorough: bool = True
    ) -> None:
        """Thorough: every call and every agent after every event. Else, as a scan that is made for speed: for a new
        call every agent, for a freed agent every call."""
        self.thorough = thorough
        self.rules = {rule.id: rule for rule in queues}
        self.strategies = strategies
        self.people: dict[str, Person] = {}
        self.calls: dict[str, Caller] = {}

    # Events

    def configure(self, queues: Iterable[QueueRule], now: float, wall: float) -> list[Decision]:
        """New rules; those in use stay where there is no new one."""
        in_use = {each.waiting.queue: self.rules[each.waiting.queue] for each in self.calls.values()}
        new = {rule.id: rule for rule in queues}
        self.rules = in_use | new
        for person in self.people.values():
            person.rule = new.get(person.rule.id, person.rule)
        decisions: list[Decision] = []
        for call in self.calls.values():
            call.step = 0
            if not call.offered:
                decisions += self._reach(call, now, wall)
        return decisions + self._assign(now, wall)

    def staff(self, members: Iterable[Agent], now: float, wall: float) -> list[Decision]:
        """Who is missing goes, one by one; then everybody new or changed at once."""
        known = {member.id: member for member in members}
        decisions: list[Decision] = []
        for person in [each for each in self.people.values() if each.member.id not in known and not each.dismissed]:
            decisions += self._dismiss(person, now, wall)
        for member in known.values():
            person = self.people.setdefault(member.id, Person(member, now, idle_since=now, measured=now))
            if person.dismissed:
                person.dismissed, person.deadline = False, now + person.rule.longest_call
            if _profile(person.member) != _profile(member):
                person.member = member
                for call in self._kept_for(member.id):
                    decisions += self._reach(call, now, wall)
        return decisions + self._assign(now, wall)

    def ready(self, agent: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        person = self.people.get(agent)
        if person is None or person.state is State.READY:
            return []
        if person.call:
            person.retiring = None
            return []
        return self._free(person, now, now, wall)

    def away(self, agent: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        return self._wish(agent, State.AWAY, now, wall)

    def offline(self, agent: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        return self._wish(agent, State.OFFLINE, now, wall)

    def enter(self, waiting: Waiting, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        call = self.calls.get(waiting.call)
        if call is None:
            call = self.calls[waiting.call] = Caller(waiting)
        else:
            call.unheld = call.unheld and call.waiting.last_agent == waiting.last_agent
            call.waiting = _at(waiting, call.waiting.since)
            call.step = 0
        if call.offered:
            return []
        return [*self._reach(call, now, wall), *self._assign(now, wall, [call])]

    def leave(self, call: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        gone = self.calls.pop(call, None)
        if gone is None or not gone.offered:
            return []
        person = self.people[gone.offered]
        return [Withdraw(call, gone.offered, "caller_gone"), *self._free(person, person.idle_since, now, wall)]

    def answered(self, call: str, agent: str, now: float) -> None:
        """See Matcher."""
        taken = self.calls.pop(call)
        person = self.people[agent]
        self._become(person, State.ON_CALL, now)
        person.rule = self.rules[taken.waiting.queue]
        person.deadline = now + person.rule.longest_call

    def refused(self, call: str, agent: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        return self._depart(self.people[agent], State.AWAY, now, wall)

    def ended(self, agent: str, now: float) -> None:
        """See Matcher."""
        person = self.people[agent]
        if person.dismissed:
            del self.people[agent]
            return
        self._become(person, State.WRAP_UP, now)
        person.deadline = now + person.rule.wrap_up

    def wrapped_up(self, agent: str, now: float, wall: float) -> list[Decision]:
        """See Matcher."""
        person = self.people.get(agent)
        if person is None or person.state is not State.WRAP_UP:
            return []
        if person.retiring:
            return self._depart(person, person.retiring, now, wall)
        return self._free(person, now, now, wall)

    def next_deadline(self) -> float | None:
        """See Matcher."""
        due = self.next_due()
        return due[0] if due else None

    def next_due(self) -> tuple[float, int, str] | None:
        """The first of all deadlines: when, whether it is a call's, whose."""
        agents = min(((each.deadline, 0, agent) for agent, each in self.people.items() if each.deadline), default=None)
        waiting = ((self._moment(each), 1, call) for call, each in self.calls.items() if not each.offered)
        calls = min(waiting, default=None)
        return min(agents, calls) if agents and calls else agents or calls

    def tick(self, now: float, wall: float) -> list[Decision]:
        """One deadline after the other."""
        decisions: list[Decision] = []
        while (due := self.next_due()) and due[0] <= now:
            _, kind, name = due
            decisions += self._call_due(self.calls[name], now, wall) if kind else self._agent_due(name, now, wall)
        return decisions

    # What they do

    def _agent_due(self, agent: str, now: float, wall: float) -> list[Decision]:
        person = self.people[agent]
        if person.state is State.RINGING:
            return [Withdraw(person.call, agent, "no_answer"), *self.refused(person.call, agent, now, wall)]
        if person.state is State.WRAP_UP:
            return self.wrapped_up(agent, now, wall)
        person.deadline = now + SAID_AGAIN
        return [Overdue(person.call, agent, "agent_dismissed" if person.dismissed else "longest_call")]

    def _call_due(self, call: Caller, now: float, wall: float) -> list[Decision]:
        decisions = self._go_on(call, now, wall)
        return decisions + self._assign(now, wall, [call] if call.waiting.call in self.calls else [])

    def _go_on(self, call: Caller, now: float, wall: float) -> list[Decision]:
        """It gives up when it has waited as long as it may; that includes those whom nobody picked up."""
        if self._last(call) > now:
            return self._reach(call, now, wall)
        del self.calls[call.waiting.call]
        return [GiveUp(call.waiting.call)]

    def _last(self, call: Caller) -> float:
        rule = self.rules[call.waiting.queue]
        return call.waiting.since + (rule.longest_callback if call.waiting.callback else rule.longest_wait)

    def _moment(self, call: Caller) -> float:
        rule, since = self.rules[call.waiting.queue], call.waiting.since
        steps = [since + each.after for each in rule.steps[call.step + 1 : call.step + 2]]
        return min([self._last(call), *steps, *([since + rule.sticky] if call.held else [])])

    def _reach(self, call: Caller, now: float, wall: float) -> list[Decision]:
        """The step it has come to, and whether it is kept for its last agent."""
        rule, old, since = self.rules[call.waiting.queue], call.step, call.waiting.since
        for number in range(old + 1, len(rule.steps)):
            if since + rule.steps[number].after <= now:
                call.step = number
        if call.waiting.last_agent and not call.waiting.only_agent:
            call.held = not call.unheld and now < since + rule.sticky and self._may_hold(call, wall)
            call.unheld = not call.held
        else:
            call.held = False
        return [Relaxed(call.waiting.call, call.step)] if call.step != old else []

    def _may_hold(self, call: Caller, wall: float) -> bool:
        last = self.people.get(call.waiting.last_agent)
        return bool(last and last.state not in GONE and not last.dismissed and self._able(last.member, call, wall))

    def _able(self, agent: Agent, call: Caller, wall: float) -> bool:
        waiting, rule = call.waiting, self.rules[call.waiting.queue]
        if agent.certificates.get(rule.data_class, 0.0) <= wall:
            return False
        if waiting.only_agent:
            return agent.id == waiting.only_agent
        step = rule.steps[call.step]
        if agent.queues and rule.id not in agent.queues:
            return False
        if any(stores and agent.store not in stores for stores in (step.stores, waiting.stores)):
            return False
        required = [need for need in (*step.needs, *waiting.needs) if not need.preferred]
        return all(agent.skills.get(need.skill, 0) >= need.level for need in required)

    def _may_take(self, person: Person, call: Caller, wall: float) -> bool:
        if person.state is not State.READY:
            return False
        if call.held:
            lasts = person.member.certificates.get(self.rules[call.waiting.queue].data_class, 0.0) > wall
            return person.member.id == call.waiting.last_agent and lasts
        return self._able(person.member, call, wall)

    def _assign(self, now: float, wall: float, new: list[Caller] | None = None) -> list[Decision]:
        """Every call that waits, by rank; or, in haste, only those that are new."""
        waiting = self.calls.values() if new is None or self.thorough else new
        decisions: list[Decision] = []
        for call in sorted((each for each in waiting if not each.offered), key=self._rank):
            able = [person for person in self.people.values() if self._may_take(person, call, wall)]
            if able:
                decisions.append(self._ring(call, min(able, key=lambda person: self._order(person, call)), now))
        return decisions

    def _ring(self, call: Caller, person: Person, now: float) -> Offer:
        self._become(person, State.RINGING, now)
        call.offered, person.call = person.member.id, call.waiting.call
        person.deadline = now + self.rules[call.waiting.queue].ring
        return Offer(call.waiting.call, person.member.id, person.deadline)

    def _rank(self, call: Caller) -> tuple[float, float, str]:
        waiting = call.waiting
        return (
            waiting.since - self.rules[waiting.queue].head_start - waiting.head_start,
            waiting.since,
            waiting.call,
        )

    def _order(self, person: Person, call: Caller) -> tuple[float, float, str]:
        rule = self.rules[call.waiting.queue]
        agent = Agent(
            person.member.id,
            person.member.skills,
            since=person.since,
            occupancy=while_idle(person.occupancy, max(0.0, person.since - person.measured)),
        )
        needs = _one_each((*rule.steps[call.step].needs, *call.waiting.needs))
        number = self.strategies[rule.strategy](agent, needs)
        return number, person.idle_since, person.member.id

    def _kept_for(self, agent: str) -> list[Caller]:
        calls = [each for each in self.calls.values() if not each.offered]
        return [
            each
            for each in calls
            if each.waiting.only_agent == agent or (each.held and each.waiting.last_agent == agent)
        ]

    def _wish(self, agent: str, to: State, now: float, wall: float) -> list[Decision]:
        person = self.people.get(agent)
        if person is None:
            return []
        if person.state is State.ON_CALL:
            person.retiring = to
            return []
        rung: list[Decision] = [Withdraw(person.call, agent, "agent_gone")] if person.state is State.RINGING else []
        return rung + self._depart(person, to, now, wall)

    def _dismiss(self, person: Person, now: float, wall: float) -> list[Decision]:
        if person.state is State.ON_CALL:
            person.dismissed, person.deadline = True, now + SAID_AGAIN
            return [Overdue(person.call, person.member.id, "agent_dismissed")]
        decisions = self._wish(person.member.id, State.OFFLINE, now, wall)
        del self.people[person.member.id]
        return decisions

    def _depart(self, person: Person, to: State, now: float, wall: float) -> list[Decision]:
        moved = [each for each in self._kept_for(person.member.id) if each.held]
        rung = self.calls.get(person.call) if person.state is State.RINGING else None
        if rung:
            rung.offered = ""
            moved.append(rung)
        self._become(person, to, now)
        person.call, person.deadline, person.retiring = "", 0.0, None
        decisions = [each for call in sorted(moved, key=self._rank) for each in self._go_on(call, now, wall)]
        return decisions + self._assign(now, wall, [each for each in moved if each.waiting.call in self.calls])

    def _free(self, person: Person, idle_since: float, now: float, wall: float) -> list[Decision]:
        self._become(person, State.READY, now)
        person.since = person.idle_since = idle_since
        person.call, person.deadline = "", 0.0
        if self.thorough:
            return self._assign(now, wall)
        mine = (each for each in self.calls.values() if not each.offered and self._may_take(person, each, wall))
        first = min(mine, key=self._rank, default=None)
        return [self._ring(first, person, now)] if first else []

    def _become(self, person: Person, state: State, now: float) -> None:
        busy = person.state in BUSY
        if busy or state in BUSY:
            person.occupancy = (while_busy if busy else while_idle)(person.occupancy, now - person.measured)
            person.measured = now
        person.since = now if person.state is not state else person.since
        person.state = state


def _profile(agent: Agent) -> tuple[object, ...]:
    return agent.skills, agent.certificates, agent.store, agent.queues


def _at(waiting: Waiting, since: float) -> Waiting:
    w = waiting
    return Waiting(*(w.call, w.queue, since, w.needs, w.stores, w.head_start, w.last_agent, w.only_agent, w.callback))


def _one_each(needs: Iterable[Need]) -> tuple[Need, ...]:
    """One need a skill: required before preferred, then the higher level."""
    best: dict[str, Need] = {}
    for need in sorted(needs, key=lambda need: (not need.preferred, need.level)):
        best[need.skill] = need
    return tuple(best.values())
