"""Deadlines of the law, in calendar time. Pure; every time is UTC seconds."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta

from quietline.errors import ConfigError

BREACH_HOURS = 72  # GDPR 33(1): to the supervisory authority, after having become aware
DAY_SECONDS = 86_400


def months_later(at: float, months: int) -> float:
    """The same day and time so many months on; in a shorter month its last day (Regulation 1182/71 art. 3(2)(c)).

    A last day on a weekend is not moved to the next working day, as art. 3(4) would allow: earlier is safe.
    """
    start = datetime.fromtimestamp(at, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(start.day, calendar.monthrange(year, month + 1)[1])
    return start.replace(year=year, month=month + 1, day=day).timestamp()


def breach_deadline(aware: float) -> float:
    """72 hours after the controller became aware (GDPR 33(1))."""
    return aware + timedelta(hours=BREACH_HOURS).total_seconds()


def day_of(at: float) -> int:
    """UTC days since 1970."""
    return int(at // DAY_SECONDS)


def stamp(at: float) -> str:
    """ISO 8601 in UTC, to the second: "2026-11-24T18:10:00Z"."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_stamp(text: str) -> float:
    """A date or a time of ISO 8601; without an offset it is UTC. Raises ConfigError."""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ConfigError("time: give it as 2026-11-24 or 2026-11-24T18:10:00Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
