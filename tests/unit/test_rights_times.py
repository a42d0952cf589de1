"""Deadlines in calendar time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ConfigError
from quietline.rights.times import breach_deadline, day_of, months_later, read_stamp, stamp

MOMENTS = st.floats(946_684_800, 3_800_000_000).map(lambda each: datetime.fromtimestamp(each, UTC))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("asked", "months", "due"),
    [
        ("2026-11-24T18:10:00", 1, "2026-12-24T18:10:00"),
        ("2026-01-31T09:00:00", 1, "2026-02-28T09:00:00"),  # no 31 February: its last day
        ("2028-01-31T09:00:00", 1, "2028-02-29T09:00:00"),
        ("2026-12-01T00:00:00", 1, "2027-01-01T00:00:00"),
        ("2026-11-30T00:00:00", 3, "2027-02-28T00:00:00"),
    ],
)
def test_a_month_ends_on_the_same_day_or_the_months_last(asked: str, months: int, due: str) -> None:
    assert months_later(at(asked), months) == at(due)


@given(MOMENTS, st.integers(1, 24))
def test_a_deadline_is_never_in_a_later_month_than_it_says(moment: datetime, months: int) -> None:
    due = datetime.fromtimestamp(months_later(moment.timestamp(), months), UTC)
    assert (due.year * 12 + due.month) - (moment.year * 12 + moment.month) == months
    assert due.day <= moment.day
    assert (due.hour, due.minute, due.second) == (moment.hour, moment.minute, moment.second)


@given(MOMENTS)
def test_a_month_has_28_to_31_days(moment: datetime) -> None:
    seconds = months_later(moment.timestamp(), 1) - moment.timestamp()
    assert timedelta(days=28).total_seconds() - 1 <= seconds <= timedelta(days=31).total_seconds() + 1


def test_an_authority_is_told_within_72_hours() -> None:
    assert breach_deadline(at("2026-11-24T18:00:00")) == at("2026-11-27T18:00:00")


@given(MOMENTS)
def test_a_stamp_is_read_back_to_the_second(moment: datetime) -> None:
    assert read_stamp(stamp(moment.timestamp())) == int(moment.timestamp())


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-11-24", "2026-11-24T00:00:00"),
        (" 2026-11-24T18:00:00Z ", "2026-11-24T18:00:00"),
        ("2026-11-24T18:00:00+02:00", "2026-11-24T16:00:00"),
        ("2026-11-24T18:00:00", "2026-11-24T18:00:00"),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, means: str) -> None:
    assert read_stamp(text) == at(means)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "24.11.2026"])
def test_what_is_no_time_is_refused_with_the_form_that_is(text: str) -> None:
    with pytest.raises(ConfigError, match="2026-11-24"):
        read_stamp(text)


def test_days_are_utc_days() -> None:
    assert day_of(at("1970-01-02T00:00:00")) == 1
    assert day_of(at("1970-01-01T23:59:59")) == 0
