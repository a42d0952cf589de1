"""Hours over every clock change of zones that are unlike each other, against a walk along the local clock."""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.routing.hours import (
    DAY,
    Closure,
    Hours,
    Span,
    SpecialDay,
    closes_at,
    local_date,
    moment,
    next_opening,
    oddities,
    open_at,
)

# One hour each way, half an hour, two hours, at midnight, backwards into yesterday, over Ramadan, a whole day skipped.
ZONES = {
    "Europe/London": (2024, 2030),
    "America/New_York": (2024, 2030),
    "Australia/Lord_Howe": (2024, 2030),
    "Antarctica/Troll": (2024, 2030),
    "America/Havana": (2024, 2030),
    "America/Santiago": (2024, 2030),
    "Africa/Cairo": (2024, 2030),
    "Africa/Casablanca": (2024, 2030),
    "America/Sao_Paulo": (2016, 2019),
    "Pacific/Apia": (2010, 2013),
    "Asia/Kathmandu": (1985, 1987),
}


def transitions(zone: str) -> list[int]:
    """UTC seconds of every change of offset in the zone's years."""
    first, last = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in ZONES[zone])
    days = range(first, last, 86_400)
    return [changed(zone, day) for day in days if offset(zone, day) != offset(zone, day + 86_400)]


def changed(zone: str, start: int) -> int:
    """The second of the change in the day from `start` on."""
    return (
        bisect_left(range(86_401), True, key=lambda later: offset(zone, start + later) != offset(zone, start)) + start
    )


def offset(zone: str, wall: float) -> timedelta | None:
    return datetime.fromtimestamp(wall, ZoneInfo(zone)).utcoffset()


def clock(zone: str, wall: float) -> datetime:
    """What the wall clock there shows."""
    return datetime.fromtimestamp(wall, ZoneInfo(zone)).replace(tzinfo=None)


CHANGES = [(zone, at) for zone in ZONES for at in transitions(zone)]


def test_there_are_changes_of_every_kind() -> None:
    steps = {(offset(zone, at) or timedelta()) - (offset(zone, at - 1) or timedelta()) for zone, at in CHANGES}
    assert {timedelta(minutes=each) for each in (-120, -60, -30, 15, 30, 60, 120, 1_440)} <= steps
    assert len(CHANGES) > 90


spans = st.tuples(st.integers(0, DAY - 1), st.integers(1, 720)).map(lambda each: Span(each[0], each[0] + each[1]))
days = st.lists(spans, max_size=3).map(tuple)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Hours, float]:
    """Hours, and a moment near a change of their zone's clocks."""
    zone, change = draw(st.sampled_from(CHANGES))
    near = st.integers(change - 90_000, change + 90_000)
    today = local_date(zone, change)
    special = draw(st.lists(st.tuples(st.integers(-2, 2), days), max_size=2, unique_by=lambda each: each[0]))
    closures = draw(st.lists(st.tuples(near, st.integers(1, 40_000)), max_size=2))
    hours = Hours(
        zone,
        tuple(draw(st.lists(days, min_size=7, max_size=7))),
        tuple(SpecialDay(today + timedelta(shift), spans) for shift, spans in special),
        tuple(Closure(start, start + length) for start, length in closures),
    )
    return hours, draw(near)


@pytest.mark.parametrize(("zone", "change"), CHANGES)
def test_a_local_time_is_the_first_moment_at_which_the_clock_shows_it_or_a_later_one(zone: str, change: int) -> None:
    for shift in (-1, 0, 1):
        day = local_date(zone, change) + timedelta(shift)
        for minute in (0, 1, 30, 59, 60, 90, 119, 120, 150, 180, 240, 720, 1_380, 1_439, DAY, DAY + 90):
            at = moment(zone, day, minute)
            wanted = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001
            assert clock(zone, at) >= wanted
            assert all(clock(zone, at - before) < wanted for before in (1, 60, 1_800, 3_600, 7_200))


@given(st.sampled_from(CHANGES), st.integers(-1, 1), st.lists(st.integers(0, 2 * DAY), min_size=2, max_size=8))
def test_local_times_keep_their_order(change: tuple[str, int], shift: int, minutes: list[int]) -> None:
    zone, at = change
    day = local_date(zone, at) + timedelta(shift)
    moments = [moment(zone, day, minute) for minute in sorted(minutes)]
    assert moments == sorted(moments)


def shown_open(hours: Hours, wall: float) -> bool:
    """The plain definition: a span whose first moment has come and whose last has not, and no closure."""
    if any(closure.start <= wall < closure.end for closure in hours.closures):
        return False
    today = local_date(hours.zone, wall)
    plan = {special.date: special.spans for special in hours.special}
    near = [today + timedelta(shift) for shift in (-2, -1, 0, 1, 2)]
    return any(
        moment(hours.zone, day, span.start) <= wall < moment(hours.zone, day, span.end)
        for day in near
        for span in plan.get(day, hours.week[day.weekday()])
    )


@given(schedules())
def test_open_is_what_the_definition_says(found: tuple[Hours, float]) -> None:
    hours, wall = found
    assert open_at(hours, wall) == shown_open(hours, wall)


@given(schedules())
def test_the_next_opening_is_open_and_nothing_before_it_is(found: tuple[Hours, float]) -> None:
    hours, wall = found
    opening = next_opening(hours, wall)
    if opening is None:
        assert not any(hours.week)
        return
    assert opening >= wall
    assert open_at(hours, opening)
    probes = [wall, opening - 1, *(wall + part * (opening - wall) / 50 for part in range(50))]
    assert not any(open_at(hours, probe) for probe in probes if wall <= probe < opening)


@given(schedules())
def test_the_closing_is_closed_and_all_before_it_is_open(found: tuple[Hours, float]) -> None:
    hours, wall = found
    closing = closes_at(hours, wall)
    if closing is None:  # round the clock
        assert all(open_at(hours, wall + part * 20_000) for part in range(50))
        return
    assert closing >= wall
    assert not open_at(hours, closing)
    probes = [wall, closing - 1, *(wall + part * (closing - wall) / 50 for part in range(50))]
    assert all(open_at(hours, probe) for probe in probes if wall <= probe < closing)


@settings(max_examples=30)
@given(st.sampled_from(CHANGES), st.integers(0, DAY - 1))
def test_an_oddity_is_named_exactly_when_the_clock_skips_or_repeats_the_time(
    change: tuple[str, int], minute: int
) -> None:
    zone, at = change
    first = local_date(zone, at) - timedelta(3)
    hours = Hours(zone, ((Span(minute, DAY),),) * 7)
    named = {each.date: each.missing for each in oddities(hours, first, 6) if each.minute == minute}
    assert named == {
        day: readings == 0
        for day in (first + timedelta(number) for number in range(6))
        if (readings := _readings(zone, day, minute)) != 1
    }


def _readings(zone: str, day: date, minute: int) -> int:
    """How often the clock there shows this time on this date."""
    wanted = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)  # noqa: DTZ001
    middle = int(wanted.replace(tzinfo=ZoneInfo(zone)).timestamp())
    return sum(clock(zone, wall) == wanted for wall in range(middle - 90_000, middle + 90_000, 60))
