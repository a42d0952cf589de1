"""Time that moves when told to."""

from __future__ import annotations


class ManualClock:
    """A `quietline.clock.Clock`. Wall time starts at 1 January 2026, 00:00 UTC; monotonic time at 1,000 s."""

    def __init__(self, wall: float = 1_767_225_600.0, monotonic: float = 1_000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Both readings move on. Raises ValueError for a step back: monotonic time has none."""
        if seconds < 0:
            raise ValueError("advance: monotonic time never goes back; use step_wall for a corrected clock")
        self._wall += seconds
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Wall time is corrected by NTP or an administrator, either way; monotonic time stays."""
        self._wall += seconds
