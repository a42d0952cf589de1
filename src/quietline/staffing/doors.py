"""The chain file's hours and overflow, asked by a simulated day as the live system asks them (live/plan.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from quietline.chain.model import Chain
from quietline.routing.hours import ALWAYS
from quietline.routing.overflow import Load


class ChainDoors:
    """`routing.simulate_doors.Doors` of a chain. `queues`: those that calls enter, which may be the scenario's own."""

    def __init__(self, chain: Chain, queues: Iterable[str]) -> None:
        self._chain = chain
        known = {queue.id for queue in chain.queues}
        self._unknown = frozenset(queue for queue in queues if queue not in known)
        self._changing = {store.id: not store.shared for store in chain.stores}
        hours = [*(store.hours for store in chain.stores), *(queue.hours for queue in chain.queues)]
        if any(each != ALWAYS for each in hours):
            self._changing = dict.fromkeys(self._changing, True)

    def stores(
        self, store: str, queue: str, wall: float, load: Callable[[str], Load], waited: float
    ) -> frozenset[str] | None:
        """Whose agents may take the call; None when all are shut. A store or queue that the chain lacks is open."""
        if queue in self._unknown or not self.change(store):
            return frozenset()
        reach = self._chain.reach(store, queue, wall, load, waited)
        return frozenset(reach.stores) if reach.stores else None

    def change(self, store: str) -> bool:
        """Whether time or load may change the answer."""
        return self._changing.get(store, False)
