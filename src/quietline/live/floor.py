"""The floor: the matcher run live. Calls wait here for an agent; agents' pages see their state from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import structlog

from quietline.clock import Clock
from quietline.desk_protocol import AgentState, AgentView, AwayReason, Event
from quietline.routing.match import Matcher
from quietline.routing.model import (
    Agent,
    Changed,
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
from quietline.routing.skills import ineligible
from quietline.routing.strategies import STANDARD, Strategy
from quietline.telephony.ports import AgentPhone
from quietline.vault.ports import StaffMember

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Something beside the matcher ends a call's wait: a key, the hour. `why` is for whoever waits."""

    call: str
    why: object


Turn = Offer | Withdraw | GiveUp | Overdue | Interrupted

GATHER = 0.01  # seconds between what happens and pages being told; a phone rings meanwhile
LATEST = 20  # calls named when no call is asked about
MAX_UNREAD = 256  # events a page's subscription may fall behind before it is cut and must ask for a snapshot


class Watcher(Protocol):
    """Is told what happens on the floor, as it happens: a history. It answers at once, and changes nothing."""

    def entered(self, waiting: Waiting) -> None:
        """A call is in a queue, newly or with other wishes."""

    def follows(self, call: str, callback: str) -> None:
        """The caller will be called back, under this id."""

    def given_up(self, call: str) -> None:
        """Its wait ends without an agent, and not because the caller hung up."""

    def left(self, call: str) -> None:
        """It is out of the queue, or over."""

    def changed(self, agent: Agent) -> None:
        """An agent's state may be new."""

    def holds(self, agent: str, on: bool) -> None:
        """In their conversation the caller hears music from now on, or the agent again. May be told twice."""


class Floor:
    """Owns every agent's state and every waiting call's place. One event loop; not safe across threads."""

    def __init__(
        self, queues: Iterable[QueueRule], clock: Clock, strategies: Mapping[str, Strategy] = STANDARD
    ) -> None:
        self._matcher = Matcher(queues, strategies)
        self._clock = clock
        self._seats: dict[str, asyncio.Queue[Turn]] = {}
        self._views: dict[str, AgentView] = {}
        self._phones: dict[str, AgentPhone] = {}
        self._early: dict[str, AgentState] = {}  # wishes of agents whom the vault has not named yet
        self._subscribers: set[asyncio.Queue[Event]] = set()
        self._watcher: Watcher | None = None
        self._changed: dict[str, None] = {}  # agents whose pages changed since listeners were told, in order
        self._woken = asyncio.Event()
        self.wished = asyncio.Event()  # somebody came, left or went away since it was cleared: `states` are others now
        self._wall_of_zero = clock.wall() - clock.monotonic()  # read once, so that a state's beginning does not jitter
        self._revision = 0

    # Calls

    def enter(self, waiting: Waiting) -> None:
        """The call takes its place, or changes what it asks for; `turn` tells what becomes of it."""
        self._seats.setdefault(waiting.call, asyncio.Queue())
        decisions = self._matcher.enter(waiting, *self._now())
        if self._watcher:
            self._watcher.entered(waiting)
        self._apply(decisions)

    async def turn(self, call: str) -> Turn:
        """The next decision about this call: an offer to make, one to withdraw, an end to the wait or to the talk."""
        return await self._seats[call].get()

    def interrupt(self, call: str, why: object) -> None:
        """Let `turn` tell this too. Nothing happens to the place: whoever waits leaves the queue, or does not."""
        self._seat(Interrupted(call, why))
        if self._watcher:
            self._watcher.given_up(call)

    def follows(self, call: str, callback: str) -> None:
        """The caller's place is kept for a callback, which will enter under an id of its own."""
        if self._watcher:
            self._watcher.follows(call, callback)

    def tell(self, call: str, wish: object) -> None:
        """Let `turn` tell what an agent wishes for their call."""
        self._seat(Interrupted(call, wish))

    def beside(self, waiting: Waiting) -> None:
        """An offer to one person for a call that is in somebody's hands: no caller waits, and none is counted."""
        self._seats.setdefault(waiting.call, asyncio.Queue())
        self._apply(self._matcher.enter(waiting, *self._now()))

    def finished(self, agent: str) -> None:
        """The agent has no part in their call any more; it goes on without them."""
        self._apply(self._matcher.ended(agent, self._clock.monotonic()))

    def answered(self, offer: Offer, **shown: Any) -> bool:
        """The agent took it; `shown` goes on their page. False when the offer was withdrawn meanwhile."""
        decisions = self._matcher.answered(offer.call, offer.agent, self._clock.monotonic())
        if decisions:
            self._seats[offer.call] = asyncio.Queue()  # turns of the ringing are stale now
            self.show(offer.agent, call=offer.call, **shown)
        self._apply(decisions)
        return bool(decisions)

    def refused(self, offer: Offer, reason: str) -> None:
        """Declined, or the phone cannot be reached."""
        self._apply(self._matcher.refused(offer.call, offer.agent, *self._now(), reason))

    def adopt(self, call: str, agent: str, queue: str = "", **shown: Any) -> None:
        """A conversation that outlived the controller."""
        self._seats[call] = asyncio.Queue()
        self.show(agent, call=call, **shown)
        self._apply(self._matcher.adopt(call, agent, self._clock.monotonic(), queue))

    def leave(self, call: str, agent: str = "") -> None:
        """The call is over, wherever it stood."""
        self._apply(self._matcher.leave(call, *self._now()))
        if agent:
            self._apply(self._matcher.ended(agent, self._clock.monotonic()))
        self._seats.pop(call, None)
        if self._watcher:
            self._watcher.left(call)

    # Queues

    def configure(self, queues: Iterable[QueueRule]) -> None:
        """New rules for the queues; calls keep their places. Raises ConfigError, and then nothing has changed."""
        self._apply(self._matcher.configure(queues, *self._now()))

    # Agents

    def staff(self, members: Iterable[StaffMember]) -> None:
        """Who is in service, with what certificates, by the vault's word."""
        agents = [Agent(m.agent, dict(m.skills), dict(m.certificates), m.store) for m in members]
        self._apply(self._matcher.staff(agents, *self._now()))
        for known in self._early.keys() & {agent.id for agent in agents}:
            self.wish(known, self._early.pop(known), self.phone(known))

    def agents(self) -> tuple[Agent, ...]:
        """Everybody in service, as the matcher has them. Times are monotonic."""
        return self._matcher.agents()

    def ready(self) -> tuple[str, ...]:
        """Who could be asked for a word now."""
        return tuple(agent.id for agent in self._matcher.agents() if agent.state is State.READY)

    def phone(self, agent: str) -> AgentPhone:
        """How this agent's phone speaks."""
        return self._phones.get(agent, AgentPhone.BROWSER)

    def wish(
        self,
        agent: str,
        state: AgentState,
        phone: AgentPhone = AgentPhone.BROWSER,
        reason: AwayReason = AwayReason.CHOSEN,
    ) -> None:
        """What the agent asks for: ready, away or offline, and on which kind of phone. Kept for one who is not on the
        staff list yet: just hired, or the vault was away when the controller started."""
        self.wished.set()
        self._phones[agent] = phone
        if self._matcher.agent(agent) is None:
            self._early[agent] = state
            return
        if state is AgentState.AWAY:
            self._apply(self._matcher.away(agent, *self._now(), reason.value))
        else:
            verb = {AgentState.READY: self._matcher.ready, AgentState.OFFLINE: self._matcher.offline}[state]
            self._apply(verb(agent, *self._now()))

    def wrapped_up(self, agent: str) -> None:
        self._apply(self._matcher.wrapped_up(agent, *self._now()))

    def holds(self, agent: str, on: bool) -> None:
        """The agent's caller hears music (held, or a colleague is asked), or the agent again. For the history."""
        if self._watcher:
            self._watcher.holds(agent, on)

    def show(self, agent: str, **changes: Any) -> None:
        """Put something of their call on the agent's page, beside their state; nothing for who has none any more."""
        self._publish(agent, changes)

    def view(self, agent: str) -> AgentView:
        """The agent's page as it should look now."""
        return self._view(agent, {})

    def _view(self, agent: str, shown: dict[str, Any], revision: int = 0) -> AgentView:
        known = self._matcher.agent(agent) or Agent(agent)
        wall, zero = self._clock.wall(), self._wall_of_zero
        base = self._views.get(agent) or AgentView(agent, AgentState.OFFLINE, wall)
        now: dict[str, Any] = {
            "state": AgentState(known.state.value),
            "since": zero + known.since,
            "reason": known.reason,
            "call": known.call,
            "deadline": zero + known.deadline if known.deadline else 0.0,
            "lapsed": tuple(sorted(name for name, until in known.certificates.items() if until <= wall)),
            "revision": revision or base.revision,
        }
        return replace(base, **(shown | now)) if known.call else AgentView(agent, vault=base.vault, **now)

    def states(self) -> dict[str, Any]:
        """What to keep for another life: who is here, and on what phone. Who talks or wraps up will be ready after."""
        here = [agent for agent in self._matcher.agents() if agent.state is not State.OFFLINE]
        return {
            agent.id: {
                "state": (AgentState.AWAY if agent.state is State.AWAY else AgentState.READY).value,
                "phone": self.phone(agent.id).value,
            }
            for agent in here
        }

    def counts(self) -> dict[str, Any]:
        """The floor in numbers: calls waiting, longest wait in seconds, agents by state."""
        waiting = self._matcher.waiting()
        now = self._clock.monotonic()
        states = [agent.state.value for agent in self._matcher.agents()]
        return {
            "waiting": len(waiting),
            "longest_wait": max((now - each.since for each in waiting), default=0.0),
            "agents": {state.value: states.count(state.value) for state in State},
        }

    def explain(self, call: str) -> dict[str, Any]:
        """Why this call waits, who may take it and who not, and its story so far; {} for one nobody remembers."""
        explanation = self._matcher.explain(call, *self._now())
        return asdict(explanation) if explanation else {}

    def latest(self) -> tuple[str, ...]:
        """The calls that came last and can be explained, ended ones included; the newest first."""
        return self._matcher.latest(LATEST)

    def waiting(self, queue: str = "") -> tuple[Waiting, ...]:
        """The calls that wait, in order of their places; in one queue, or in all."""
        return self._matcher.waiting(queue)

    def able(self, waiting: Waiting) -> frozenset[str]:
        """The agents in service, free or not, who may take this call as it asks now."""
        now, wall = self._now()
        ask = self._matcher.ask(waiting, now)
        agents = (agent for agent in self._matcher.agents() if agent.state not in (State.OFFLINE, State.AWAY))
        return frozenset(agent.id for agent in agents if not ineligible(agent, ask, wall))

    def eligible(self, waiting: Waiting) -> bool:
        """Whether anybody in service could ever take this call."""
        now, wall = self._now()
        ask = self._matcher.ask(waiting, now)
        return any(not ineligible(agent, ask, wall) for agent in self._matcher.agents())

    def watch(self, watcher: Watcher) -> None:
        """Tell this one from now on."""
        self._watcher = watcher

    # Pages

    async def events(self) -> AsyncIterator[Event]:
        """Every agent's page as often as it changes, from now on; changes of one moment come as one. Ends when the
        reader falls too far behind."""
        queue: asyncio.Queue[Event] = asyncio.Queue(MAX_UNREAD)
        self._subscribers.add(queue)
        try:
            while queue in self._subscribers:
                yield await queue.get()
        finally:
            self._subscribers.discard(queue)

    # Time

    async def run(self) -> None:
        """Keep the deadlines. Runs until cancelled."""
        while True:
            self._woken.clear()
            deadline = self._matcher.next_deadline()
            wait = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
            try:
                async with asyncio.timeout(wait):
                    await self._woken.wait()
            except TimeoutError:
                self._apply(self._matcher.tick(*self._now()))

    def _now(self) -> tuple[float, float]:
        return self._clock.monotonic(), self._clock.wall()

    def _apply(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if isinstance(decision, (Offer, Withdraw, GiveUp, Overdue)):
                self._seat(decision)
            elif not isinstance(decision, Relaxed):
                self._publish(decision.agent)
            if self._watcher:
                self._watch(self._watcher, decision)
        self._woken.set()

    def _watch(self, watcher: Watcher, decision: Decision) -> None:
        if isinstance(decision, GiveUp):
            watcher.given_up(decision.call)
        elif isinstance(decision, Changed):
            watcher.changed(self._matcher.agent(decision.agent) or Agent(decision.agent))

    def _seat(self, decision: Turn) -> None:
        seat = self._seats.get(decision.call)
        if seat is not None:
            seat.put_nowait(decision)

    def _publish(self, agent: str, shown: dict[str, Any] | None = None) -> None:
        """Their page has changed. Whoever listens is told within `GATHER`: a page that changes three times in that time
        (an end, the wrap-up, what is shown) is sent once, as it stands then, and many agents' pages go as one write."""
        self._revision = max(self._revision + 1, int(self._clock.wall() * 1_000_000))
        self._views[agent] = self._view(agent, shown or {}, self._revision)
        if self._subscribers:
            if not self._changed:
                asyncio.get_running_loop().call_later(GATHER, self._tell)
            self._changed[agent] = None

    def _tell(self) -> None:
        changed, self._changed = self._changed, {}
        for queue in tuple(self._subscribers):
            try:
                for agent in changed:
                    queue.put_nowait(Event("state", agent, self._views[agent]))
            except asyncio.QueueFull:
                self._subscribers.discard(queue)
                log.warning("a page's event stream fell behind and was cut")
