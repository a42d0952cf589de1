"""Visits and spans counted into groups: by queue, store, agent, interval, or all in one.

A visit belongs to the interval in which it entered its queue, with all that came of it. An agent's time belongs to the
intervals in which it passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from quietline.reports.definitions import Standard, Sums
from quietline.reports.intervals import Intervals
from quietline.routing.visits import Span, Visit

ALL = "all"


class By(StrEnum):
    """What a report has a row for."""

    ALL = "all"
    QUEUE = "queue"
    STORE = "store"
    AGENT = "agent"
    INTERVAL = "interval"


class Tally:
    """Sums by group. Groups are named by text, intervals by their start in UTC seconds."""

    def __init__(
        self,
        standard: Standard,
        by: By = By.ALL,
        intervals: Intervals | None = None,
        queues: Mapping[str, Standard] | None = None,
    ) -> None:
        """`intervals` is needed by interval, and unused otherwise. `queues`: those with times of their own."""
        if by is By.INTERVAL and intervals is None:
            raise ValueError("a tally by interval needs the intervals")
        self.standard = standard
        self.by = by
        self._queues = queues or {}
        self.groups: dict[str | float, Sums] = {}
        self._intervals = intervals
        self._key = self._keys()[by]

    def visit(self, visit: Visit) -> None:
        """Count a visit. By agent, those that no agent took are in no group."""
        key = self._key(visit)
        if key != "" or self.by is not By.AGENT:
            self._of(key).add(visit, self._queues.get(visit.queue, self.standard))

    def span(self, span: Span) -> None:
        """Count an agent's time. Queues have none: agents serve several at once."""
        if self.by is By.INTERVAL and self._intervals:
            for start, seconds in self._intervals.parts(span.start, span.end):
                self._of(start).stay(span.state, seconds)
        elif self.by is not By.QUEUE:
            key = {By.STORE: span.store, By.AGENT: span.agent}.get(self.by, ALL)
            self._of(key).stay(span.state, span.end - span.start)

    def add(self, visits: Iterable[Visit], spans: Iterable[Span] = ()) -> Tally:
        """Count many; the tally itself."""
        for visit in visits:
            self.visit(visit)
        for span in spans:
            self.span(span)
        return self

    def _of(self, key: str | float) -> Sums:
        sums = self.groups.get(key)
        if sums is None:
            sums = self.groups[key] = Sums()
        return sums

    def _keys(self) -> dict[By, Callable[[Visit], str | float]]:
        return {
            By.ALL: lambda _: ALL,
            By.QUEUE: lambda visit: visit.queue,
            By.STORE: lambda visit: visit.store,
            By.AGENT: lambda visit: visit.agent,
            By.INTERVAL: lambda visit: self._intervals.around(visit.entered)[0] if self._intervals else 0.0,
        }


def within(spans: Iterable[Span], start: float, end: float) -> Iterable[Span]:
    """The parts of the spans between two instants."""
    for span in spans:
        first, last = max(span.start, start), min(span.end, end)
        if last > first:
            yield span._replace(start=first, end=last)
