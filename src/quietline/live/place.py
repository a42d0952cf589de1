"""A call's place in a queue: whose agents may take it by hours and overflow, and the company it has meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from quietline.chain.model import Announcements
from quietline.errors import ConfigError
from quietline.ledger.vocabulary import Kind
from quietline.live.company import LOOK_AGAIN, QUIET, Company
from quietline.live.house import House
from quietline.live.plan import Plan
from quietline.routing.flow_run import Closed, Enter
from quietline.routing.model import Waiting
from quietline.routing.overflow import Load
from quietline.telephony.ports import CallMedia

log = structlog.get_logger()


@dataclass(slots=True)
class Place:
    """One wait of one call. `since`: monotonic seconds, kept when the caller comes back to the queue."""

    house: House
    plan: Plan
    media: CallMedia
    call: str
    store: str
    language: str
    wanted: Enter
    since: float
    note: Callable[..., None]  # of a ledger entry: a Kind and its fields
    spawn: Callable[[Awaitable[Any]], asyncio.Task[Any]] = field(repr=False)
    last_agent: str = ""
    only_agent: str = ""  # a transfer to one person, as long as they may take it
    _helped: set[str] = field(default_factory=set, repr=False)
    _company: list[asyncio.Task[Any]] = field(default_factory=list, repr=False)

    def take(self) -> bool:
        """Enter the queue, in company. False when all that could take the call is closed: then nobody rings."""
        if not self._enter():
            return False
        if self.only_agent and self.house.floor.view(self.only_agent).call != self.call:
            self.open_to_all()  # they are busy with somebody else by now
        self.house.outlook.entered(self.call, self.wanted.queue, self.store, self.since)
        self._accompany()
        return True

    def take_again(self) -> None:
        """After an offer that failed late: the same place, without the words."""
        self.wanted = replace(self.wanted, hold="")
        if not self.take():
            self.house.floor.interrupt(self.call, Closed())

    def open_to_all(self) -> None:
        """The one person it was for does not take it: whoever may, by the queue's rule."""
        if self.only_agent:
            self.only_agent = ""
            self._enter()

    async def leave(self) -> None:
        """Out of the queue, without an agent."""
        await self.alone()
        self.house.floor.leave(self.call)
        self.house.outlook.left(self.call, hung_up=False)

    async def alone(self) -> None:
        """The company ends, before anybody else speaks to the caller."""
        company, self._company = self._company, []
        for work in company:
            work.cancel()
        if company:
            await asyncio.wait(company)

    # Whose agents

    def _enter(self) -> bool:
        """Ask for those who may take the call now; asked again, its place is kept."""
        stores = self._stores()
        if stores is None:
            return False
        wanted = self.wanted
        waiting = Waiting(
            self.call, wanted.queue, self.since, wanted.needs, stores, wanted.head_start,
            self.last_agent, self.only_agent,
        )  # fmt: skip
        try:
            self.house.floor.enter(waiting)
        except ConfigError:  # the queue was taken out of the chain while the caller was on the way to it
            log.warning("a call's queue is not there any more", call=self.call)
            return False
        return True

    def _stores(self) -> frozenset[str] | None:
        """Empty for anybody's; None when all are closed. Each store that helps is written down once."""
        clock, plan = self.house.clock, self._hours()
        reach = plan.reach(self.store, self.wanted.queue, clock.wall(), self._load, clock.monotonic() - self.since)
        if reach is None:
            return frozenset()
        for hop in reach.hops:
            if hop.to not in self._helped:
                self._helped.add(hop.to)
                self.note(Kind.CALL_OVERFLOWED, queue=self.wanted.queue, store=hop.source, to=hop.to, why=hop.why)
        if not reach.stores:
            self.note(Kind.CALL_CLOSED, queue=self.wanted.queue, store=self.store)
            return None
        return frozenset(reach.stores)

    def _hours(self) -> Plan:
        """By whose hours and overflow the call waits: those of now, or of its beginning where they know it no more."""
        now = self.house.plans.now
        return now if now.knows(self.store, self.wanted.queue) else self.plan

    def _load(self, store: str) -> Load:
        return self.house.outlook.load(store, self.wanted.queue)

    # Company

    def _accompany(self) -> None:
        """Words, music, announcements; keys, times and hours that end the wait."""
        house, queue = self.house, self.plan.queue(self.wanted.queue)
        tell = partial(house.floor.interrupt, self.call)
        company = Company(self.call, self.media, house.voice, house.outlook, tell)
        left = self.since + self.wanted.longest_wait - house.clock.monotonic()
        begins = self._entertained(company, queue.announce if queue else Announcements(), house.plans.turns)
        self._company = [self.spawn(work) for work in (begins, *company.ends(self.wanted, left))]

    async def _entertained(self, company: Company, announce: Announcements, seen: int) -> None:
        """Who is connected at once needs none of it, and another task is spared."""
        await asyncio.sleep(QUIET)
        self._company.append(self.spawn(self._look_again(seen)))
        await company.entertain(self.wanted.hold, self.language, announce)

    async def _look_again(self, seen: int) -> None:
        """Hours end, stores fill up, another chain is applied: who may take the call now? `seen`: turns known of."""
        plans = self.house.plans
        while True:
            if seen == plans.turns:
                await plans.next(LOOK_AGAIN if self._hours().changes(self.store) else None)
            seen = plans.turns
            if not self._enter():
                self.house.floor.interrupt(self.call, Closed())
