"""When a store or a queue is open: a week, dates that differ, closures, in a time zone with its clock changes.

Local times become moments by one rule: the first moment at which the local clock shows that time or a later one. So a
time that exists twice (clocks go back) is its first occurrence, as RFC 5545 §3.3.5 has it; a time that does not exist
(clocks go forward) is the moment of the jump. There RFC 5545 would shift 01:30 to 02:30, past a real 02:00, and so make
spans that overlap or end before they begin; ours keeps the order of local times. `oddities` names the times that needed
the rule.

A span belongs to the day on which it starts: 22:00–02:00 on Friday is not cut by a holiday on Saturday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

DAY = 1_440  # minutes
REMEMBERED = 8  # days of a schedule, as moments
HORIZON = 400  # days that are looked ahead: a yearly holiday and a bit


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Open from `start` until `end`, minutes of local time since midnight. `end` above 1,440 is in the next day."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A date that is not like its weekday: a holiday (no spans), or other hours."""

    date: date
    spans: tuple[Span, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Closure:
    """Shut from `start` until before `end`, UTC seconds, whatever the hours say."""

    start: float
    end: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Hours:
    """A schedule. `week`: seven tuples of spans, Monday first. `zone`: an IANA name that is known to exist."""

    zone: str = "UTC"
    week: tuple[tuple[Span, ...], ...] = ((Span(0, DAY),),) * 7
    special: tuple[SpecialDay, ...] = ()
    closures: tuple[Closure, ...] = ()
    _days: dict[date, list[tuple[float, float]]] = field(default_factory=dict, init=False, compare=False, repr=False)


ALWAYS = Hours()


@dataclass(frozen=True, slots=True)
class Shut:
    """Why it is closed: a closed word and the reason people gave, if any."""

    why: str  # "hours" | "holiday" | "closure"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Oddity:
    """A local time of the schedule that the zone lacks, or has twice, on a date."""

    date: date
    minute: int  # of the local day
    missing: bool  # False: it exists twice
    resolved: float  # UTC seconds that stand for it


def open_at(hours: Hours, wall: float) -> bool:
    """Whether it is open at this moment. `wall`: UTC seconds."""
    return shut_at(hours, wall) is None


def shut_at(hours: Hours, wall: float) -> Shut | None:
    """Why it is closed at this moment; None when it is open."""
    for closure in hours.closures:
        if closure.start <= wall < closure.end:
            return Shut("closure", closure.reason)
    today = local_date(hours.zone, wall)
    if any(start <= wall < end for day in (today - timedelta(1), today) for start, end in _spans(hours, day)):
        return None
    special = _special(hours, today)
    return Shut("holiday", special.reason) if special else Shut("hours")


def next_opening(hours: Hours, wall: float) -> float | None:
    """The first moment from `wall` on at which it is open; None: not within 400 days."""
    return next((max(start, wall) for start, end in _open_from(hours, wall) if end > wall), None)


def closes_at(hours: Hours, wall: float) -> float | None:
    """The first moment from `wall` on at which it is closed: `wall` itself if it is; None: not within 400 days."""
    last = wall + HORIZON * 86_400
    for start, end in _open_from(hours, wall):
        if start > wall:
            break
        wall = max(wall, end)
        if wall >= last:
            return None
    return wall


def local_date(zone: str, wall: float) -> date:
    """The calendar's date there."""
    return datetime.fromtimestamp(wall, zone_of(zone)).date()


def moment(zone: str, day: date, minute: int) -> float:
    """UTC seconds of a local time, by the rule above. `minute` may exceed a day."""
    return _moment(zone_of(zone), day, minute)[0]


def oddities(hours: Hours, first: date, days: int = HORIZON) -> Iterator[Oddity]:
    """The schedule's times that a clock change takes away or doubles, on dates from `first` on."""
    zone = zone_of(hours.zone)
    for day in (first + timedelta(number) for number in range(days)):
        if not _changes(zone, day):
            continue
        edges = {edge for span in _plan(hours, day) for edge in (span.start, span.end) if edge < DAY}
        before = {span.end - DAY for span in _plan(hours, day - timedelta(1)) if span.end > DAY}
        for minute in sorted(edges | before):
            resolved, odd = _moment(zone, day, minute)
            if odd:
                yield Oddity(day, minute, odd > 0, resolved)


def overlaps(spans: tuple[Span, ...]) -> list[tuple[Span, Span]]:
    """Pairs of a day's spans that share time."""
    ordered = sorted(spans)
    return [(one, other) for one, other in pairwise(ordered) if other.start < one.end]


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone; names come from checked files, so there are few. Raises ZoneInfoNotFoundError, ValueError."""
    return ZoneInfo(name)


def _plan(hours: Hours, day: date) -> tuple[Span, ...]:
    special = _special(hours, day)
    return special.spans if special else hours.week[day.weekday()]


def _special(hours: Hours, day: date) -> SpecialDay | None:
    return next((special for special in hours.special if special.date == day), None)


def _spans(hours: Hours, day: date) -> list[tuple[float, float]]:
    """A day's spans as moments; those that a clock change leaves empty are gone. The latest days are remembered."""
    found = hours._days.get(day)
    if found is None:
        if len(hours._days) >= REMEMBERED:
            hours._days.clear()
        found = hours._days[day] = _span_moments(hours, day)
    return found


def _span_moments(hours: Hours, day: date) -> list[tuple[float, float]]:
    zone = zone_of(hours.zone)
    moments = [(_moment(zone, day, span.start)[0], _moment(zone, day, span.end)[0]) for span in _plan(hours, day)]
    return sorted((start, end) for start, end in moments if start < end)


def _open_from(hours: Hours, wall: float) -> Iterator[tuple[float, float]]:
    """Open times by their beginning, closures cut out, from the day before `wall` on."""
    first = local_date(hours.zone, wall) - timedelta(1)
    for number in range(HORIZON + 2):
        for span in _spans(hours, first + timedelta(number)):
            yield from _without(span, hours.closures)


def _without(span: tuple[float, float], closures: tuple[Closure, ...]) -> Iterator[tuple[float, float]]:
    start, end = span
    for closure in sorted(closures, key=lambda each: each.start):
        if closure.end <= start or closure.start >= end:
            continue
        if start < closure.start:
            yield start, closure.start
        start = max(start, closure.end)
    if start < end:
        yield start, end


def _moment(zone: ZoneInfo, day: date, minute: int) -> tuple[float, int]:
    """UTC seconds of a local time, and how odd it is: 1 it does not exist, -1 it exists twice, 0 neither."""
    local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001 - local, no zone yet
    first, second = (local.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if first == second:
        return first, 0
    return (first, -1) if first < second else (_jump(zone, second, first), 1)


def _jump(zone: ZoneInfo, before: float, after: float) -> float:
    """The second at which the offset changes, in (before, after]: PEP 495 puts both readings of a gap around it."""
    old, low, high = _offset(zone, before), int(before), int(after)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == old else (low, middle)
    return float(high)


def _offset(zone: ZoneInfo, wall: float) -> timedelta | None:
    return datetime.fromtimestamp(wall, UTC).astimezone(zone).utcoffset()


def _changes(zone: ZoneInfo, day: date) -> bool:
    noon = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return len({_offset(zone, (noon + timedelta(hours=hour)).timestamp()) for hour in (-26, 0, 26, 50)}) > 1
