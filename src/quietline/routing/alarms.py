"""Deadlines in order. Each owner has one alarm; setting it anew leaves the old one behind, to be passed over."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Generic, Protocol, TypeVar

SLACK = 64  # alarms left behind that are not worth clearing away


class Owner(Protocol):
    """Whoever has an alarm. `alarm` is in seconds on the clock of `now`; 0.0 is none."""

    id: str
    alarm: float
    kind: int  # agents' alarms come before calls' of the same instant


O = TypeVar("O", bound=Owner)  # noqa: E741 - an owner


class Alarms(Generic[O]):
    """A heap of (time, kind, id), so that equal times come in an order that does not depend on history."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, str, int, O]] = []
        self._serial = 0
        self._room = SLACK

    def set(self, owner: O, time: float) -> None:
        """Ring at this time; 0.0 for never."""
        if owner.alarm == time:
            return
        owner.alarm = time
        if time:
            self._serial += 1
            heappush(self._heap, (time, owner.kind, owner.id, self._serial, owner))
            if len(self._heap) > self._room:
                self._clear_away()

    def next(self) -> float | None:
        """When the next alarm rings."""
        heap = self._heap
        while heap and heap[0][4].alarm != heap[0][0]:
            heappop(heap)
        return heap[0][0] if heap else None

    def due(self, now: float) -> O | None:
        """The owner of the first alarm that has rung by `now`; the alarm is over."""
        time = self.next()
        if time is None or time > now:
            return None
        owner = heappop(self._heap)[4]
        owner.alarm = 0.0
        return owner

    def _clear_away(self) -> None:
        self._heap = [each for each in self._heap if each[4].alarm == each[0]]
        heapify(self._heap)
        self._room = SLACK + 2 * len(self._heap)
