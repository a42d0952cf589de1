"""The chain in force as calls ask it: by dialled number, store, queue and time. A call keeps the plan it began with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import replace

from quietline.chain.model import Chain, Queue
from quietline.clock import Clock
from quietline.routing.flow import Flow, HangUp
from quietline.routing.flow_run import Flows
from quietline.routing.hours import ALWAYS, open_at
from quietline.routing.overflow import Load, Reach

CLOCK_AGAIN = 60.0  # seconds between looks at the wall clock, which may be set
GAVE_UP = ("caller_hung_up", "short_abandon")
NOTHING = Flow("nothing", "sorry", {"sorry": HangUp("sorry")})  # of a chain without a single flow


class Plan:
    """One chain, made ready: everything a call asks is a look-up."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self._queues = {queue.id: queue for queue in chain.queues}
        self._stores = {store.id: store for store in chain.stores}
        self._directory = chain.directory() if chain.stores else None
        hours = [*(store.hours for store in chain.stores), *(queue.hours for queue in chain.queues)]
        self._keeps_hours = any(each != ALWAYS for each in hours)
        default = self._directory.default.flow if self._directory else next(iter(chain.flows), "")
        flows = chain.flows if default in chain.flows else {**chain.flows, default: replace(NOTHING, id=default)}
        self.flows = Flows(flows, {store.id: store.flow for store in chain.stores}, default)

    def store(self, dialled: str) -> str:
        """The store for a dialled number; "" in a chain without stores."""
        return self._directory.dialled(dialled).store if self._directory else ""

    def queue(self, name: str) -> Queue | None:
        """None for one that is not in this chain: a call of an earlier life may name it."""
        return self._queues.get(name)

    def gave_up(self, queue: str, waited: float, agent: str) -> str:
        """The outcome of a caller's hang-up: one who waited less than the queue's threshold has changed their mind."""
        line = self._queues.get(queue)
        return GAVE_UP[line is not None and not agent and waited < line.service_level.short_abandon]

    def closed_at(self, wall: float) -> Container[str]:
        """What is closed at this time, as `Facts.closed` reads it. Looked up when asked."""
        return _Closed(self, wall)

    def shut(self, name: str, wall: float) -> bool:
        """Whether "store:mill" or "queue:returns" is closed at this time; what is not there is not closed."""
        kind, _, word = name.partition(":")
        found = self._stores.get(word) if kind == "store" else self._queues.get(word)
        return found is not None and not open_at(found.hours, wall)

    def knows(self, store: str, queue: str) -> bool:
        """Whether both are in this chain."""
        return store in self._stores and queue in self._queues

    def changes(self, store: str) -> bool:
        """Whether time or load may change who can take a call to this store: hours that end, overflow."""
        found = self._stores.get(store)
        return found is not None and (self._keeps_hours or not found.shared)

    def reach(self, store: str, queue: str, wall: float, load: Callable[[str], Load], waited: float) -> Reach | None:
        """Whose agents may be offered the call; `stores` is empty when all are shut. None: anybody's, always."""
        if queue not in self._queues or not self.changes(store):
            return None
        return self.chain.reach(store, queue, wall, load, waited)


class PlanInForce:
    """The plan of this moment: calls begin with it, and those that wait go by its hours and overflow."""

    def __init__(self, chain: Chain) -> None:
        self.now = Plan(chain)
        self.turns = 0  # how often there was another plan, or hours turned
        self._changed = asyncio.Event()

    def use(self, chain: Chain) -> None:
        """From now on: a store that is shut by hand no longer rings for those who wait already."""
        self.now = Plan(chain)
        self._tell()

    async def keep_time(self, clock: Clock) -> None:
        """Tell those who wait when a store or a queue opens or closes. Runs until cancelled."""
        while True:
            chain, turn = self.now.chain, self.now.chain.next_turn(clock.wall())
            while chain is self.now.chain and (left := turn - clock.wall()) > 0:
                await self.next(min(left, CLOCK_AGAIN))
            self._tell()

    def _tell(self) -> None:
        self.turns += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def next(self, within: float | None) -> None:
        """Wait for another plan, for the hours of a store or a queue to turn, or for so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._changed.wait()


class _Closed:
    def __init__(self, plan: Plan, wall: float) -> None:
        self._plan, self._wall = plan, wall

    def __contains__(self, name: object) -> bool:
        return self._plan.shut(str(name), self._wall)
