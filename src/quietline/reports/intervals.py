"""The intervals of a report: quarters of an hour, hours, days as a clock on the wall has them.

On the day the clocks go back, 01:00 to 02:00 is there twice, as two hours with different offsets, and the day has 25;
on the day they go forward an hour is missing, and the day has 23. Every instant is in exactly one interval, and
intervals touch. Labels carry the offset, so no two are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = 86_400


class Intervals:
    """Of `width` seconds, which divides an hour, or is an hour or a day."""

    def __init__(self, zone: ZoneInfo, width: int = 1_800) -> None:
        """Raises ValueError for a width that would not fit the clock."""
        if width != DAY and (width < 60 or 3_600 % width):
            raise ValueError(f"an interval of {width} s does not fit the clock: give a day, an hour or a part of one")
        self.width = width
        self._zone = zone
        self._start = self._end = 0.0

    def around(self, at: float) -> tuple[float, float]:
        """The interval of this instant: [start, end), UTC seconds."""
        if not self._start <= at < self._end:
            self._start, self._end = self._day(at) if self.width == DAY else self._part(at)
        return self._start, self._end

    def parts(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """A stretch of time cut at the intervals' borders: (the interval's start, seconds of the stretch in it)."""
        while start < end:
            first, border = self.around(start)
            yield first, min(end, border) - start
            start = border

    def between(self, start: float, end: float) -> list[float]:
        """The starts of all intervals that have a part of [start, end)."""
        return [first for first, _ in self.parts(start, end)]

    def label(self, start: float) -> str:
        """For example "2026-10-25 01:30+01:00"; a day is its date."""
        local = datetime.fromtimestamp(start, self._zone)
        return local.date().isoformat() if self.width == DAY else local.isoformat(" ", "minutes")

    def _day(self, at: float) -> tuple[float, float]:
        date = datetime.fromtimestamp(at, self._zone).date()
        days = (date, date + timedelta(days=1))
        start, end = (datetime.combine(each, time(), self._zone).timestamp() for each in days)
        return start, end

    def _part(self, at: float) -> tuple[float, float]:
        offset = self._offset(at)
        into = (at + offset) % self.width
        start, end = at - into, at - into + self.width
        if self._offset(start) != offset:
            start = self._change(start, at)
        if self._offset(end - 0.001) != offset:
            end = self._change(at, end)
        return start, end

    def _offset(self, at: float) -> float:
        offset = datetime.fromtimestamp(at, self._zone).utcoffset()
        assert offset is not None
        return offset.total_seconds()

    def _change(self, before: float, after: float) -> float:
        """The instant between these two at which the clocks change: a whole second."""
        low, high, old = int(before), int(after) + 1, self._offset(before)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == old else (low, middle)
        return float(high)
