"""Callers who hung up and keep their place: an agent is rung, then the customer, then the two are joined.

The steps of one try stand in `tries.py`, in order. What comes of it is a call like any other (call.py, step 8). The
number is the vault's: it is given out once a try, for an agent who has answered, and forgotten with the try.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from quietline import carriers
from quietline.call import STORY, Call, Progress, resume
from quietline.chain.model import Callbacks as Manners
from quietline.config import Config
from quietline.errors import ConfigError, Denied, ProtocolError, Unavailable
from quietline.live.house import House
from quietline.live.tries import Outcome, Try
from quietline.plain import plain
from quietline.routing import callback
from quietline.routing.callback import End, Promise, Rules, Stage
from quietline.routing.hours import ALWAYS
from quietline.routing.model import GiveUp, Need, Offer, Waiting
from quietline.telephony.ports import Relay

log = structlog.get_logger()

CONVERSE = STORY.index(Call._converse)
GONE_WITHIN = 60.0  # seconds a caller may take to hang up once the callback is promised
GLANCE = 0.25  # seconds between looks at whether they have
VAULT_AWAY = 30.0  # seconds until the next try where the vault did not answer
MOST = 5_000  # callbacks kept at once; above it none is promised


@dataclass(slots=True, repr=False)
class Kept:
    """One kept place, as the journal has it: tokens, and a store's own number."""

    id: str  # as floor, desk and ledger know it
    token: str  # the vault's name for the number
    alias: str
    queue: str
    since: float  # monotonic seconds: the place
    store: str = ""
    trunk: str = ""  # where the call came in
    shown: str = ""  # our number, as the customer dialled it
    language: str = "en"
    needs: list[list[Any]] = field(default_factory=list)
    head_start: float = 0.0
    last_agent: str = ""
    promise: dict[str, Any] = field(default_factory=dict)

    def waiting(self, stores: frozenset[str]) -> Waiting:
        """For the matcher."""
        needs = tuple(Need(*need) for need in self.needs)
        return Waiting(
            self.id, self.queue, self.since, needs, stores, self.head_start, self.last_agent, callback=True
        )  # fmt: skip


class CallbackBook:
    """Every kept place. `run` owns their tasks; `promise` is the flow's step."""

    def __init__(self, config: Config, relay: Relay) -> None:
        self.trying: dict[str, Try] = {}  # by id, for the desk
        self._config, self._relay = config, relay
        self._kept: dict[str, Kept] = {}
        self._early: list[tuple[Kept, Call | None]] = []
        self._house: House | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._take: Callable[[Call], None] = lambda call: None

    @property
    def ids(self) -> set[str]:
        """Of all that are kept."""
        return set(self._kept)

    async def run(self, house: House, take: Callable[[Call], None]) -> None:
        """Ring back until cancelled. `take` is given each call that came of it."""
        self._house, self._take = house, take
        async with asyncio.TaskGroup() as self._tasks:
            early, self._early = self._early, []
            for kept, call in early:
                self._start(kept, call)
            await asyncio.Event().wait()

    async def promise(self, call: Call, queue: str) -> bool:
        """Keep the caller's number and their place in this queue; False where there is no number to ring."""
        ticket = call.leg.ticket
        if ticket is None or len(self._kept) >= MOST or not carriers.route(self._config, ticket.dialled, ticket.trunk):
            return False
        try:
            promised = await call.house.vault.keep_callback(ticket.raw)
        except (Denied, Unavailable) as error:
            log.info("no callback could be promised", call=call.progress.id, reason=type(error).__name__)
            return False
        if any(kept.token == promised.token for kept in self._kept.values()):
            return True  # who asks twice keeps the earlier place
        kept = self._keep(call, queue, promised.token)
        expires = call.house.clock.wall() + self._manners(call.house, queue).expires
        kept.promise = plain(Promise(min(expires, promised.expires)))
        self._save(call.house, kept)
        # Crash here: the place is in the journal; another life rings back.
        call.house.floor.follows(call.progress.id, kept.id)
        self._start(kept, call)
        return True

    def _keep(self, call: Call, queue: str, token: str) -> Kept:
        progress, ticket = call.progress, call.leg.ticket
        assert ticket
        wanted = call.wanted
        kept = Kept("call_" + secrets.token_hex(8), token, progress.alias, queue or progress.queue, progress.since)
        kept.store, kept.trunk, kept.shown, kept.language = progress.store, ticket.trunk, ticket.dialled, call.language
        kept.last_agent = progress.last_agent
        if wanted and wanted.queue == kept.queue:
            kept.needs = [[need.skill, need.level, need.preferred] for need in wanted.needs]
            kept.head_start = wanted.head_start
        return kept

    def restore(self, name: str, record: dict[str, Any]) -> None:
        """Take up one of an earlier life, before `run`; a try that was under way is hung up. Raises ProtocolError."""
        try:
            kept = Kept(**record["callback"])
            promise = _promise(kept)
        except (TypeError, KeyError, ValueError):
            raise ProtocolError("a saved callback cannot be read") from None
        kept.promise = plain(callback.let_go(promise))
        self._early.append((kept, None))
        self._kept[name] = kept

    def _start(self, kept: Kept, call: Call | None) -> None:
        self._kept[kept.id] = kept
        if self._tasks is None:
            self._early.append((kept, call))
            return
        self._tasks.create_task(self._live(kept, call))

    # The life of one

    async def _live(self, kept: Kept, call: Call | None) -> None:
        house = self._house
        assert house
        try:
            await _hung_up(call)
            while (promise := self._look(house, kept)).stage is not Stage.DONE:
                await self._one_turn(house, kept, promise)
            await self._over(house, kept, promise)
        finally:
            self._kept.pop(kept.id, None)

    async def _one_turn(self, house: House, kept: Kept, promise: Promise) -> None:
        wait = max(0.0, callback.next_look(promise, house.clock.wall()) - house.clock.wall())
        if promise.stage is not Stage.QUEUED or not self._enter(house, kept):
            house.floor.leave(kept.id)
            await asyncio.sleep(min(wait, callback.MINUTE))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                turn = await house.floor.turn(kept.id)
            if isinstance(turn, Offer):
                await self._try(house, kept, turn)
            elif isinstance(turn, GiveUp):  # the queue keeps no callback longer
                self._becomes(house, kept, callback.done(promise, End.EXPIRED))

    def _look(self, house: House, kept: Kept) -> Promise:
        store = next((each for each in house.plans.now.chain.stores if each.id == kept.store), None)
        found = callback.look(_promise(kept), store.hours if store else ALWAYS, house.clock.wall())
        return self._becomes(house, kept, found)

    def _becomes(self, house: House, kept: Kept, promise: Promise) -> Promise:
        if plain(promise) != kept.promise:
            kept.promise = plain(promise)
            self._save(house, kept)
        return promise

    def _enter(self, house: House, kept: Kept) -> bool:
        """Take the place, or hold it; False while nobody who could take it is open, or the queue is gone."""
        clock = house.clock
        waited = clock.monotonic() - kept.since
        load = lambda store: house.outlook.load(store, kept.queue)  # noqa: E731
        reach = house.plans.now.reach(kept.store, kept.queue, clock.wall(), load, waited)
        if reach is not None and not reach.stores:
            return False
        try:
            house.floor.enter(kept.waiting(frozenset(reach.stores) if reach else frozenset()))
        except ConfigError:
            return False
        return True

    async def _try(self, house: House, kept: Kept, offer: Offer) -> None:
        route = carriers.route(self._config, kept.shown, kept.trunk)
        promise = self._becomes(house, kept, callback.taken(_promise(kept)))
        progress = Progress(
            kept.id, house.clock.monotonic(), kept.alias, step=CONVERSE, store=kept.store, queue=kept.queue,
            since=kept.since, agent=offer.agent, flow={"language": kept.language},
        )  # fmt: skip
        attempt = Try(house, self._relay.media_for(kept.id), progress, kept.token, route)
        attempt.save = lambda: self._save(house, kept, attempt)
        self.trying[kept.id] = attempt
        try:
            outcome = await attempt.run(offer)
        finally:
            del self.trying[kept.id]
        promise = callback.dialled(promise) if attempt.dialled else promise
        if outcome is Outcome.ANSWERED:
            self._becomes(house, kept, callback.done(promise, End.ANSWERED))
            self._take(_as_call(house, attempt))
            return
        self._becomes(house, kept, _after(promise, outcome, self._rules(house, kept), house.clock.wall()))

    async def _over(self, house: House, kept: Kept, promise: Promise) -> None:
        house.floor.leave(kept.id) if promise.end != End.ANSWERED else None
        if promise.end == End.ANSWERED:
            return  # the call that came of it has the place in the journal now
        house.journal.forget(kept.id)
        with suppress(Unavailable, Denied):  # the vault forgets it by itself in time
            await house.vault.drop_callback(kept.token, promise.end)

    # Small things

    def _manners(self, house: House, queue: str) -> Manners:
        found = house.plans.now.queue(queue)
        return found.callback if found else Manners()

    def _rules(self, house: House, kept: Kept) -> Rules:
        manners = self._manners(house, kept.queue)
        return Rules(manners.tries, manners.pause)

    def _save(self, house: House, kept: Kept, attempt: Try | None = None) -> None:
        legs = [leg.save() for leg in attempt.legs] if attempt else []
        house.journal.save(kept.id, {"callback": plain(kept), "legs": legs})


def _promise(kept: Kept) -> Promise:
    return Promise(**{**kept.promise, "stage": Stage(kept.promise["stage"])})


def _after(promise: Promise, outcome: Outcome, rules: Rules, wall: float) -> Promise:
    """What a try that failed means for the promise."""
    if outcome is Outcome.NOT_TAKEN:
        return callback.let_go(promise)
    if outcome is Outcome.VAULT_AWAY:
        return callback.postponed(promise, wall, VAULT_AWAY)
    if outcome is Outcome.FORGOTTEN:
        return callback.done(promise, End.EXPIRED)
    if outcome is Outcome.USED_UP:
        return callback.done(promise, End.USED_UP)
    return callback.failed(promise, rules, wall)


def _as_call(house: House, attempt: Try) -> Call:
    assert attempt.called
    call = resume(house, attempt.called, attempt.media, attempt.agent_leg, plain(attempt.progress))
    house.journal.save(attempt.progress.id, call.record())
    return call


async def _hung_up(call: Call | None) -> None:
    """The line must be free before it is rung."""
    for _ in range(int(GONE_WITHIN / GLANCE)):
        if call is None or not call.leg.alive:
            return
        await asyncio.sleep(GLANCE)
