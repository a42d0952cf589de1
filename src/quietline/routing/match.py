"""The matcher: who takes which call. One in-memory object, events in, decisions out; no clock, no I/O.

The live floor, the property tests and the simulator run this same object. It sees tokens only. Times are seconds on one
clock of the caller's choice, handed in as `now` and never going back.

Rule: a waiting call goes to the agent who has been ready longest among those with every skill of the call and a current
certificate for its data class; a free agent takes the call that has waited longest among those they may take.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class State(StrEnum):
    """An agent's state. RINGING, ON_CALL and WRAP_UP have deadlines (promise 12: no agent gets stuck)."""

    OFFLINE = "offline"
    READY = "ready"
    AWAY = "away"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds."""

    ring: float = 15.0
    wrap_up: float = 30.0
    call: float = 14_400.0
    wait: float = 900.0


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent as routing sees them. `since` is when the state began; `deadline` when it must end, 0 for never."""

    id: str
    skills: frozenset[str] = frozenset()
    certificates: Mapping[str, float] = field(default_factory=dict)  # data class -> expiry
    state: State = State.OFFLINE
    since: float = 0.0
    reason: str = ""
    call: str = ""
    deadline: float = 0.0
    retiring: str = ""  # state wished for once the call is over: "away" or "offline"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call in a queue. `since` is its place: it is kept through every offer that fails."""

    call: str
    queue: str
    skills: frozenset[str]
    data_class: str
    since: float
    offered: str = ""  # the agent being rung


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring this agent for this call until the deadline."""

    call: str
    agent: str
    deadline: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop ringing: the agent's time is up, or the call is gone."""

    call: str
    agent: str
    reason: str  # "no_answer" | "caller_gone" | "agent_gone"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The call has waited as long as it may; it leaves the queue."""

    call: str


@dataclass(frozen=True, slots=True)
class Overdue:
    """A conversation has reached its longest time: end it."""

    call: str
    agent: str


@dataclass(frozen=True, slots=True)
class Changed:
    """This agent's state is new."""

    agent: str


Decision = Offer | Withdraw | GiveUp | Overdue | Changed


def ineligible(agent: Agent, waiting: Waiting, wall: float) -> str:
    """Why this agent may not take this call, apart from their state; "" when they may.

    `wall` is UTC seconds, as certificates expire by the calendar.
    """
    missing = waiting.skills - agent.skills
    if missing:
        return "skill missing: " + ", ".join(sorted(missing))
    if agent.certificates.get(waiting.data_class, 0.0) <= wall:
        return f"certificate for {waiting.data_class} not current"
    return ""


class Matcher:
    """Agents and waiting calls. Every event returns the decisions that follow from it, in order."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._agents: dict[str, Agent] = {}
        self._waiting: dict[str, Waiting] = {}
        self._due: list[tuple[float, str]] = []  # a heap of agents' deadlines; those that no longer hold are left in it

    # What is there

    def agent(self, agent: str) -> Agent | None:
        return self._agents.get(agent)

    def agents(self) -> tuple[Agent, ...]:
        return tuple(self._agents.values())

    def waiting(self) -> tuple[Waiting, ...]:
        """In order of their places."""
        return tuple(sorted(self._waiting.values(), key=_place))

    def explain(self, call: str, wall: float) -> dict[str, str]:
        """For each agent, why they are not being rung for this call now; "" for the one who is."""
        waiting = self._waiting[call]
        return {agent.id: _why_not(agent, waiting, wall) for agent in self._agents.values()}

    # Agents

    def staff(self, members: Iterable[Agent], now: float, wall: float) -> list[Decision]:
        """The agents in service with their skills and certificates. Who is missing goes offline; states are kept."""
        known = {member.id: member for member in members}
        decisions: list[Decision] = []
        for gone in self._agents.keys() - known.keys():
            self._agents[gone] = replace(self._agents[gone], certificates={})
            decisions += self.offline(gone, now, wall)
        for member in known.values():
            old = self._agents.get(member.id, Agent(member.id, since=now))
            new = replace(old, skills=member.skills, certificates=member.certificates)
            self._agents[member.id] = new
            if new != old:
                decisions.append(Changed(new.id))
        return decisions + self._assign(now, wall)

    def ready(self, agent: str, now: float, wall: float) -> list[Decision]:
        """The agent wants calls. Nothing happens while they have one."""
        old = self._agents.get(agent)
        if old is None:
            return []
        if old.call:
            self._agents[agent] = replace(old, retiring="")
            return []
        return [self._become(agent, State.READY, now), *self._assign(now, wall)]

    def away(self, agent: str, now: float, wall: float, reason: str = "chosen") -> list[Decision]:
        """The agent wants a break: at once, or after the call."""
        return self._leave(agent, State.AWAY, now, wall, reason)

    def offline(self, agent: str, now: float, wall: float) -> list[Decision]:
        """The agent is gone: at once, or after the call."""
        return self._leave(agent, State.OFFLINE, now, wall, "")

    def _leave(self, agent: str, to: State, now: float, wall: float, reason: str) -> list[Decision]:
        old = self._agents.get(agent)
        if old is None:
            return []
        if old.state is State.ON_CALL:
            self._agents[agent] = replace(old, retiring=to.value)
            return []
        decisions = self._release(old, "agent_gone")
        return [*decisions, self._become(agent, to, now, reason), *self._assign(now, wall)]

    # Calls

    def enter(self, waiting: Waiting, now: float, wall: float) -> list[Decision]:
        """A call joins its queue at the place that its `since` gives it. Entering twice changes nothing."""
        if waiting.call not in self._waiting:
            self._waiting[waiting.call] = replace(waiting, offered="")
        return self._assign(now, wall)

    def leave(self, call: str, now: float, wall: float) -> list[Decision]:
        """The caller is gone; whoever was being rung is free again."""
        waiting = self._waiting.pop(call, None)
        if waiting is None or not waiting.offered:
            return []
        agent = waiting.offered
        return [
            Withdraw(call, agent, "caller_gone"),
            self._become(agent, State.READY, self._agents[agent].since, keep_place=True),
            *self._assign(now, wall),
        ]

    def answered(self, call: str, agent: str, now: float) -> list[Decision]:
        """The offer was taken. Ignored when the offer is no longer out."""
        waiting = self._waiting.get(call)
        if waiting is None or waiting.offered != agent:
            return []
        del self._waiting[call]
        return [self._become(agent, State.ON_CALL, now, call=call, deadline=now + self._limits.call)]

    def adopt(self, call: str, agent: str, now: float) -> list[Decision]:
        """A conversation of an earlier life of the controller goes on."""
        self._agents.setdefault(agent, Agent(agent))
        return [self._become(agent, State.ON_CALL, now, call=call, deadline=now + self._limits.call)]

    def refused(self, call: str, agent: str, now: float, wall: float, reason: str) -> list[Decision]:
        """Declined, lost phone or no answer: the call keeps its place, the agent is away until they say ready."""
        waiting = self._waiting.get(call)
        if waiting is None or waiting.offered != agent:
            return []
        self._waiting[call] = replace(waiting, offered="")
        return [self._become(agent, State.AWAY, now, reason), *self._assign(now, wall)]

    def ended(self, agent: str, now: float) -> list[Decision]:
        """The conversation is over: wrap-up, with a deadline."""
        old = self._agents.get(agent)
        if old is None or old.state is not State.ON_CALL:
            return []
        return [self._become(agent, State.WRAP_UP, now, call=old.call, deadline=now + self._limits.wrap_up)]

    def wrapped_up(self, agent: str, now: float, wall: float) -> list[Decision]:
        """Wrap-up is done: ready, or what the agent wished for meanwhile."""
        old = self._agents.get(agent)
        if old is None or old.state is not State.WRAP_UP:
            return []
        return [self._become(agent, State(old.retiring or State.READY), now), *self._assign(now, wall)]

    # Time

    def next_deadline(self) -> float | None:
        """When `tick` must be called next, or None."""
        while self._due and self._agents[self._due[0][1]].deadline != self._due[0][0]:
            heapq.heappop(self._due)
        deadlines = [waiting.since + self._limits.wait for waiting in self._waiting.values() if not waiting.offered]
        return min((*deadlines, *(deadline for deadline, _ in self._due[:1])), default=None)

    def _keep(self, agent: Agent) -> None:
        """Take over an agent whose deadline may be new."""
        self._agents[agent.id] = agent
        if agent.deadline:
            heapq.heappush(self._due, (agent.deadline, agent.id))
        if len(self._due) > 64 + 4 * len(self._agents):
            self._due = [(each.deadline, each.id) for each in self._agents.values() if each.deadline]
            heapq.heapify(self._due)

    def tick(self, now: float, wall: float) -> list[Decision]:
        """Act on every deadline that has passed."""
        decisions: list[Decision] = []
        for agent in tuple(self._agents.values()):
            if agent.deadline and agent.deadline <= now:
                decisions += self._overdue(agent, now, wall)
        for waiting in self.waiting():
            if not waiting.offered and waiting.since + self._limits.wait <= now:
                del self._waiting[waiting.call]
                decisions.append(GiveUp(waiting.call))
        return decisions + self._assign(now, wall)

    def _overdue(self, agent: Agent, now: float, wall: float) -> list[Decision]:
        if agent.state is State.RINGING:
            return [
                Withdraw(agent.call, agent.id, "no_answer"),
                *self.refused(agent.call, agent.id, now, wall, "no_answer"),
            ]
        if agent.state is State.WRAP_UP:
            return self.wrapped_up(agent.id, now, wall)
        self._keep(replace(agent, deadline=now + self._limits.ring))  # said again until it ends
        return [Overdue(agent.call, agent.id)]

    # The rule

    def _assign(self, now: float, wall: float) -> list[Decision]:
        decisions: list[Decision] = []
        unoffered = [waiting for waiting in self._waiting.values() if not waiting.offered]
        if not unoffered:
            return decisions
        idle = sorted((agent for agent in self._agents.values() if agent.state is State.READY), key=_idle)
        for waiting in sorted(unoffered, key=_place) if idle else ():
            chosen = next((agent for agent in idle if not ineligible(agent, waiting, wall)), None)
            if chosen:
                idle.remove(chosen)
                decisions += self._offer(waiting, chosen, now)
        return decisions

    def _offer(self, waiting: Waiting, agent: Agent, now: float) -> list[Decision]:
        deadline = now + self._limits.ring
        self._waiting[waiting.call] = replace(waiting, offered=agent.id)
        self._keep(replace(agent, state=State.RINGING, call=waiting.call, deadline=deadline))
        return [Offer(waiting.call, agent.id, deadline), Changed(agent.id)]

    def _release(self, agent: Agent, reason: str) -> list[Decision]:
        waiting = self._waiting.get(agent.call)
        if agent.state is not State.RINGING or waiting is None:
            return []
        self._waiting[agent.call] = replace(waiting, offered="")
        return [Withdraw(agent.call, agent.id, reason)]

    def _become(
        self,
        agent: str,
        state: State,
        now: float,
        reason: str = "",
        *,
        call: str = "",
        deadline: float = 0.0,
        keep_place: bool = False,
    ) -> Changed:
        old = self._agents[agent]
        busy = state in (State.ON_CALL, State.WRAP_UP)
        since = old.since if keep_place or (state is old.state is State.READY) else now
        self._keep(
            replace(
                old,
                state=state,
                since=since,
                reason=reason,
                call=call,
                deadline=deadline,
                retiring=old.retiring if busy else "",
            )
        )
        return Changed(agent)


def _place(waiting: Waiting) -> tuple[float, str]:
    return waiting.since, waiting.call


def _idle(agent: Agent) -> tuple[float, str]:
    return agent.since, agent.id


def _why_not(agent: Agent, waiting: Waiting, wall: float) -> str:
    if agent.id == waiting.offered:
        return ""
    return ineligible(agent, waiting, wall) or (
        f"is {agent.state}" if agent.state is not State.READY else "not reached"
    )
