"""The two parties of a match as the matcher keeps them: waiting calls, agents. Mutable, and never handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quietline.routing.model import Agent, Changed, QueueRule, State, Waiting
from quietline.routing.strategies import while_busy, while_idle

if TYPE_CHECKING:
    from quietline.routing.pools import Pool

BUSY = frozenset({State.ON_CALL, State.WRAP_UP})  # what occupancy counts

WaitingEntry = tuple[float, float, str, int, "Call"]  # rank, since, id, serial
ReadyEntry = tuple[float, float, str, int, "Seat"]  # the strategy's number, since when idle, id, stamp


class Call:
    """A waiting call. `entry` is its place in a pool, None while it is offered."""

    __slots__ = ("alarm", "entry", "held", "id", "offered", "pool", "rank", "rule", "step", "unheld", "waiting")
    kind = 1  # alarms of agents come first

    def __init__(self, waiting: Waiting, rule: QueueRule) -> None:
        self.id = waiting.call
        self.waiting = waiting
        self.held = False  # for its last agent
        self.unheld = False  # it was held, or could not be: it is not held again
        self.pool: Pool | None = None
        self.entry: WaitingEntry | None = None
        self.offered = ""
        self.alarm = 0.0
        self.follow(rule)

    def follow(self, rule: QueueRule) -> None:
        """The queue's rule is new."""
        self.rule = rule
        self.step = 0
        self.rank = self.waiting.since - rule.head_start - self.waiting.head_start

    def change(self, waiting: Waiting, rule: QueueRule) -> None:
        """Everything but the place is new."""
        w, old = waiting, self.waiting
        self.unheld = self.unheld and w.last_agent == old.last_agent
        self.waiting = Waiting(
            *(w.call, w.queue, old.since, w.needs, w.stores, w.head_start, w.last_agent, w.only_agent, w.callback)
        )
        self.follow(rule)

    def value(self) -> Waiting:
        """As others may see it."""
        w = self.waiting
        return Waiting(
            *(w.call, w.queue, w.since, w.needs, w.stores, w.head_start, w.last_agent, w.only_agent, w.callback),
            offered=self.offered,
        )

    def relax(self, now: float) -> bool:
        """Go on to the step that the time waited has earned. True when it is another one."""
        steps, before, since = self.rule.steps, self.step, self.waiting.since
        while self.step + 1 < len(steps) and since + steps[self.step + 1].after <= now:
            self.step += 1
        return self.step != before

    def wants_last_agent(self, now: float) -> bool:
        """Whether it may be kept for its last agent (sticky)."""
        waiting = self.waiting
        return bool(waiting.last_agent) and not self.unheld and now < waiting.since + self.rule.sticky

    def last_moment(self) -> float:
        """When it has waited as long as it may."""
        rule = self.rule
        return self.waiting.since + (rule.longest_callback if self.waiting.callback else rule.longest_wait)

    def next_moment(self) -> float:
        """When waiting changes next: a step, the end of a hold, the last moment."""
        since, steps, moment = self.waiting.since, self.rule.steps, self.last_moment()
        if self.step + 1 < len(steps):
            moment = min(moment, since + steps[self.step + 1].after)
        return min(moment, since + self.rule.sticky) if self.held else moment


class Seat:
    """An agent at work. `stamp` changes whenever they stop being ready: their old entries in pools are stale then."""

    __slots__ = (
        *("alarm", "call", "certificates", "changed", "dismissed", "id", "idle_since", "measured", "missed"),
        *("occupancy", "pools", "queues", "reason", "retiring", "rule", "seen", "since", "skills", "stamp", "state"),
        *("store", "wish_reason"),
    )
    kind = 0

    def __init__(self, member: Agent, now: float) -> None:
        self.id = member.id
        self.skills, self.certificates, self.store = member.skills, member.certificates, member.store
        self.queues = member.queues
        self.state = State.OFFLINE
        self.since = self.idle_since = self.measured = now
        self.occupancy = 0.0  # as of `measured`
        self.reason = self.call = self.retiring = self.wish_reason = ""
        self.rule = QueueRule("")  # of the call they have
        self.alarm = 0.0  # the state's deadline
        self.missed = 0
        self.dismissed = False
        self.changed = Changed(self.id)
        self.stamp = 0
        self.seen = 0  # pools looked at so far
        self.pools: list[Pool] = []  # those they may serve

    def learn(self, member: Agent) -> bool:
        """Take over what the staff list says. True when it is new."""
        old = (self.skills, self.certificates, self.store, self.queues)
        self.skills, self.certificates, self.store = member.skills, member.certificates, member.store
        self.queues = member.queues
        return old != (self.skills, self.certificates, self.store, self.queues)

    def certified(self, data_class: str, wall: float) -> bool:
        """Whether they have a certificate that has not lapsed."""
        return self.certificates.get(data_class, 0.0) > wall

    def become(self, state: State, now: float, reason: str = "") -> None:
        """Go into another state; the time until now counts as work, or not."""
        busy = self.state in BUSY
        if busy or state in BUSY:
            self.occupancy = (while_busy if busy else while_idle)(self.occupancy, now - self.measured)
            self.measured = now
        if self.state is not state:
            self.since = now
        self.state, self.reason = state, reason

    def value(self) -> Agent:
        """As others may see them."""
        rested = 0.0 if self.state in BUSY else max(0.0, self.since - self.measured)
        return Agent(
            *(self.id, self.skills, self.certificates, self.store, self.queues, self.state, self.since, self.reason),
            *(self.call, self.alarm, self.retiring, self.missed, while_idle(self.occupancy, rested)),
        )
