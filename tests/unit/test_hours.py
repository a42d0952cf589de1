"""Opening hours by example: weeks, holidays, closures, clock changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from quietline.routing.hours import (
    ALWAYS,
    DAY,
    REMEMBERED,
    Closure,
    Hours,
    Oddity,
    Shut,
    Span,
    SpecialDay,
    closes_at,
    moment,
    next_opening,
    oddities,
    open_at,
    overlaps,
    shut_at,
)

WEEKDAY = (Span(9 * 60, 12 * 60 + 30), Span(13 * 60, 17 * 60 + 30))
SHOP = Hours(
    "Europe/London",
    (*(WEEKDAY,) * 5, (Span(22 * 60, 26 * 60),), ()),
    (SpecialDay(date(2026, 12, 25), (), "Christmas Day"), SpecialDay(date(2026, 12, 24), (Span(540, 840),), "Eve")),
)


def at(text: str, zone: str = "Europe/London", fold: int = 0) -> float:
    """UTC seconds of a local time such as "2026-11-24 09:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp()


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-11-24 08:59:59", False),
        ("2026-11-24 09:00", True),
        ("2026-11-24 12:29:59", True),
        ("2026-11-24 12:30", False),
        ("2026-11-24 17:30", False),
        ("2026-11-28 21:59", False),
        ("2026-11-28 22:00", True),
        ("2026-11-29 01:59", True),  # Saturday's night
        ("2026-11-29 02:00", False),
        ("2026-12-24 13:59", True),
        ("2026-12-24 14:00", False),
        ("2026-12-25 10:00", False),
        ("2026-07-01 09:00", True),  # summer time
        ("2026-07-01 08:59", False),
    ],
)
def test_open_or_not(when: str, is_open: bool) -> None:
    assert open_at(SHOP, at(when)) is is_open


def test_why_it_is_shut() -> None:
    cut = replace(SHOP, closures=(Closure(at("2026-11-24 10:00"), at("2026-11-24 14:00"), "power cut"),))
    assert shut_at(cut, at("2026-11-24 11:00")) == Shut("closure", "power cut")
    assert shut_at(cut, at("2026-11-24 08:00")) == Shut("hours")
    assert shut_at(cut, at("2026-12-25 10:00")) == Shut("holiday", "Christmas Day")
    assert shut_at(cut, at("2026-11-24 14:00")) is None


def test_the_next_opening_goes_over_nights_holidays_and_closures() -> None:
    assert next_opening(SHOP, at("2026-11-24 10:00")) == at("2026-11-24 10:00"), "open already"
    assert next_opening(SHOP, at("2026-11-24 12:30")) == at("2026-11-24 13:00")
    assert next_opening(SHOP, at("2026-12-24 15:00")) == at("2026-12-26 22:00")
    shut = replace(SHOP, closures=(Closure(at("2026-11-24 09:00"), at("2026-11-26 11:00")),))
    assert next_opening(shut, at("2026-11-24 10:00")) == at("2026-11-26 11:00")


def test_the_closing_comes_at_lunch_at_a_closure_and_never_round_the_clock() -> None:
    assert closes_at(SHOP, at("2026-11-24 09:00")) == at("2026-11-24 12:30")
    assert closes_at(SHOP, at("2026-11-24 12:30")) == at("2026-11-24 12:30"), "closed already"
    cut = replace(SHOP, closures=(Closure(at("2026-11-24 10:00"), at("2026-11-24 10:05")),))
    assert closes_at(cut, at("2026-11-24 09:00")) == at("2026-11-24 10:00")
    assert closes_at(ALWAYS, at("2026-11-24 09:00")) is None


def test_midnight_is_no_closing_when_the_next_day_begins_with_it() -> None:
    weekend = Hours("Europe/London", (*((),) * 5, (Span(0, DAY),), (Span(0, 600),)))
    assert closes_at(weekend, at("2026-11-28 12:00")) == at("2026-11-29 10:00")


def test_never_open() -> None:
    never = Hours(week=((),) * 7)
    assert next_opening(never, 0.0) is None
    assert closes_at(never, 5.0) == 5.0


def test_a_closure_without_an_end() -> None:
    shut = replace(SHOP, closures=(Closure(at("2026-11-24 09:00"), float("inf"), "flood"),))
    assert next_opening(shut, at("2026-11-24 10:00")) is None
    assert shut_at(shut, at("2030-01-01 10:00")) == Shut("closure", "flood")


def test_clocks_forward_a_time_that_does_not_exist_is_the_jump() -> None:
    jump = at("2027-03-28 02:00")  # 01:00 UTC
    assert moment("Europe/London", date(2027, 3, 28), 90) == jump
    early = Hours("Europe/London", ((Span(90, 150),),) * 7)
    assert (open_at(early, jump - 1), open_at(early, jump)) == (False, True)
    assert closes_at(early, jump) == at("2027-03-28 02:30")


def test_clocks_forward_a_span_within_the_gap_is_gone_that_day() -> None:
    gone = Hours("Europe/London", ((Span(65, 115),),) * 7)
    assert next_opening(gone, at("2027-03-27 12:00")) == at("2027-03-29 01:05")


def test_clocks_back_a_time_that_exists_twice_is_its_first() -> None:
    first, second = at("2027-10-31 01:30"), at("2027-10-31 01:30", fold=1)
    assert second - first == 3_600
    assert moment("Europe/London", date(2027, 10, 31), 90) == first
    night = Hours("Europe/London", ((Span(90, 150),),) * 7)
    assert closes_at(night, first) == at("2027-10-31 02:30"), "two hours long, that night"


def test_a_day_that_never_was() -> None:
    """Samoa had no 30 December 2011."""
    samoa = Hours("Pacific/Apia", (WEEKDAY,) * 7)
    evening = at("2011-12-29 18:00", "Pacific/Apia")
    assert next_opening(samoa, evening) == at("2011-12-31 09:00", "Pacific/Apia")


def test_oddities_are_named_with_what_stands_for_them() -> None:
    night = Hours("Europe/London", ((Span(30, 90),),) * 7)
    assert list(oddities(night, date(2026, 11, 24))) == [
        Oddity(date(2027, 3, 28), 90, True, at("2027-03-28 02:00")),
        Oddity(date(2027, 10, 31), 90, False, at("2027-10-31 01:30")),
    ]
    assert list(oddities(SHOP, date(2026, 11, 24))) == []


def test_the_end_of_a_night_is_looked_at_on_the_day_where_it_lies() -> None:
    nights = Hours("Europe/London", ((Span(1_320, DAY + 90),),) * 7)
    assert [each.minute for each in oddities(nights, date(2027, 3, 28), 1)] == [90]


def test_overlaps() -> None:
    assert overlaps(WEEKDAY) == []
    assert overlaps((Span(0, 60), Span(60, 90))) == [], "they touch"
    assert overlaps((Span(60, 120), Span(0, 61))) == [(Span(0, 61), Span(60, 120))]


def test_only_the_latest_days_are_remembered() -> None:
    hours = replace(SHOP)
    assert next_opening(replace(SHOP, week=((),) * 7, special=()), 0.0) is None
    for day in range(60):
        open_at(hours, day * 86_400.0)
    assert 0 < len(hours._days) <= REMEMBERED
