"""What a simulation says, as rows: means a day, so that ten days read like one."""

from __future__ import annotations

from math import inf
from typing import Any

from quietline.reports.table import rows
from quietline.staffing.run import Outcome, measures

Row = dict[str, Any]

COUNTS = (
    "calls",
    "transfers",
    "answered",
    "abandoned",
    "short",
    "gave_up",
    "moved",
    "callbacks",
    "called_back",
    "missed",
)


def interval_rows(outcome: Outcome) -> list[Row]:
    """One for each interval of the day, with the hours that agents were available, and busy."""
    made = rows(outcome.by_interval, outcome.scenario.intervals())
    sums = [outcome.by_interval.groups[key] for key in sorted(outcome.by_interval.groups, key=float)]
    days = outcome.scenario.replications
    return [
        _a_day(row, days)
        | {"available_h": _hours(each.available, days), "busy_h": _hours(each.on_call + each.wrapping, days)}
        for row, each in zip(made, sums, strict=True)
    ]


def queue_rows(outcome: Outcome) -> list[Row]:
    """One for each queue."""
    return [_a_day(row, outcome.scenario.replications) for row in rows(outcome.by_queue)]


def summary(outcome: Outcome) -> list[Row]:
    """The whole day's figures, each with half the width of its 95 % interval; None from one day alone."""
    made = []
    for name, measure in measures(outcome.scenario.standard).items():
        found = outcome.estimate(measure)
        if found:
            half = None if found[1] == inf else round(found[1], 1)
            made.append({"figure": name, "mean": round(found[0], 1), "half": half})
    return made


def _hours(seconds: float, days: int) -> float:
    return round(seconds / 3_600 / days, 2)


def _a_day(row: Row, days: int) -> Row:
    """Counts and hours by the number of days; shares and means are the same for one or ten."""
    scaled = {name: round(row[name] / days, 1) for name in COUNTS if name in row}
    if "signed_in_h" in row:
        scaled["signed_in_h"] = round(row["signed_in_h"] / days, 2)
    return row | scaled
