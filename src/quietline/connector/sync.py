"""Orders in step: a sweep over what was modified since, and single ones that a webhook points at.

The truth is what the API says when it is asked. A webhook only says when to ask, so deliveries that are late, twice or
out of order do no harm, and what a lost one would have said the next sweep finds; only of an order that was deleted for
good no sweep tells.

No page is skipped while the shop sells: an order that is modified during a sweep moves behind the cursor's end, so the
cursor goes forward and page 1 is asked again, and only a second that fills whole pages is paged through.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import structlog

from quietline.connector.api import PER_PAGE, SlowDown
from quietline.connector.cursor import Cursor
from quietline.connector.woo import Hint, ShopOrder, read_customer, read_order
from quietline.errors import ConfigError, ProtocolError, Unavailable

log = structlog.get_logger()

MAX_HINTS = 10_000  # orders to look at; beyond it the next sweep finds them
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds after something failed, doubled each time
MAX_PAGES = 1_000  # of one second's orders


class Shop(Protocol):
    """The shop's API. Every method raises Unavailable (SlowDown with how long), ProtocolError, ConfigError."""

    async def orders(self, modified_after: float, page: int = 1) -> list[Any]:
        """At most 100, the longest ago modified first."""

    async def order(self, number: int) -> Any:
        """None where there is none."""

    async def customer(self, number: int) -> Any:
        """None where there is none."""


class Sink(Protocol):
    """The vault. Durable on return; what came before changes nothing. Raises Unavailable."""

    async def sync(self, customers: list[dict[str, Any]], gone: list[str]) -> dict[str, Any]:
        """Store these; mark the orders of these references as deleted: {"rejected": [...], ...}."""


class Keeper(Protocol):
    """Where the cursor is kept."""

    def load(self) -> Cursor:
        """The last one."""

    def save(self, cursor: Cursor) -> None:
        """Durable on return."""


class Sync:
    """One shop. `run` goes on until it is cancelled."""

    def __init__(self, shop: Shop, sink: Sink, keeper: Keeper, controller: str, poll_seconds: float) -> None:
        self._shop, self._sink, self._keeper = shop, sink, keeper
        self._controller, self._poll = controller, poll_seconds
        self._hints: OrderedDict[Hint, None] = OrderedDict()
        self._woken = asyncio.Event()
        self.pause: Callable[[float], Any] = asyncio.sleep  # tests replace it
        self.failures = 0
        self.in_step = False  # whether the last sweep came to its end

    def hint(self, hint: Hint) -> bool:
        """Look at this one soon. False where too many wait: the sweep will find it."""
        if len(self._hints) >= MAX_HINTS and hint not in self._hints:
            return False
        self._hints[hint] = None
        self._woken.set()
        return True

    async def run(self) -> None:
        """Sweep, then hints as they come and a sweep every `poll_seconds`."""
        while True:
            if await self._tried(self.sweep):
                await self._follow_until_next_sweep()

    async def _follow_until_next_sweep(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._poll
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._woken.wait()
            except TimeoutError:
                return
            self._woken.clear()
            if not await self._tried(self.follow):
                return  # the sweep that comes next finds what could not be looked at

    async def _tried(self, work: Callable[[], Any]) -> bool:
        """Whether it went well; if not, it is said and waited, longer each time."""
        try:
            await work()
        except (Unavailable, ProtocolError, ConfigError) as error:
            self.failures += 1
            self.in_step = False
            seconds = min(FIRST_PAUSE * 2 ** min(self.failures - 1, 16), LONGEST_PAUSE)
            seconds = error.seconds if isinstance(error, SlowDown) else seconds
            log.warning("the shop's orders could not be brought in step; tried again", error=str(error), wait=seconds)
            await self.pause(seconds)
            return False
        self.failures = 0
        return True

    async def sweep(self) -> int:
        """Everything modified since the cursor; how many orders were new to us. Raises what shop and sink raise."""
        cursor, page, count = await asyncio.to_thread(self._keeper.load), 1, 0
        while page <= MAX_PAGES:
            found = await self._shop.orders(cursor.after, page)
            orders = [order for order in map(self._read, found) if order is not None]
            fresh = [order for order in orders if cursor.is_new(order)]
            if fresh:
                await self._store(fresh)
                cursor, page, count = cursor.moved(fresh), 1, count + len(fresh)
                # Crash here: these orders are asked for again, and found unchanged.
                await asyncio.to_thread(self._keeper.save, cursor)
            elif len(found) == PER_PAGE:
                page += 1
            if len(found) < PER_PAGE:
                break
        self.in_step = True
        return count

    async def follow(self) -> None:
        """Every hint that waits, each fetched anew. One that fails stays and is tried again."""
        while self._hints:
            hint, _ = self._hints.popitem(last=False)  # taken off first: what changes during the look is a hint again
            try:
                await self._look_at(hint)
            except BaseException:
                self._hints[hint] = None
                raise

    async def _look_at(self, hint: Hint) -> None:
        if hint.kind == "customer":
            person = await self._shop.customer(hint.id)
            if person is not None:
                await self._sink.sync([read_customer(person, self._controller)], [])
            return
        found = await self._shop.order(hint.id)
        if found is None:
            await self._sink.sync([], [str(hint.id)])
        elif (order := self._read(found)) is not None:
            await self._store([order])

    async def _store(self, orders: list[ShopOrder]) -> None:
        """Orders of one customer together, the oldest first."""
        customers: dict[str, dict[str, Any]] = {}
        for order in orders:
            key = order.customer["key"]
            known = customers.setdefault(key, {**order.customer, "orders": []})
            known["fields"] = order.customer["fields"] if _is_newest(order, known) else known["fields"]
            known["orders"] += order.customer["orders"]
        for customer in customers.values():
            customer["orders"].sort(key=_placed)
        answer = await self._sink.sync(list(customers.values()), [])
        if answer.get("rejected"):
            log.warning("orders of the shop were refused by the vault", count=len(answer["rejected"]))

    def _read(self, data: Any) -> ShopOrder | None:
        """None for an order that cannot be read: one must not hold up the others."""
        try:
            return read_order(data, self._controller)
        except ProtocolError as error:
            log.warning("an order of the shop cannot be read and is left out", error=str(error))
            return None


def _placed(order: dict[str, str]) -> str:
    return order.get("order.placed", "")


def _is_newest(order: ShopOrder, known: dict[str, Any]) -> bool:
    """How to reach somebody is what their newest order says."""
    return all(_placed(each) <= _placed(order.customer["orders"][0]) for each in known["orders"])
