"""A tally as rows: the same columns in a table for people, in JSON and in CSV, each rounded once, here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from quietline.reports.definitions import Standard, Sums
from quietline.reports.intervals import Intervals
from quietline.reports.tally import By, Tally

Row = dict[str, Any]

COLUMNS = {  # name: what it says, with its unit
    "calls": "callers' own calls that entered the queue",
    "transfers": "calls that came from another agent",
    "answered": "taken by an agent, callbacks not included",
    "abandoned": "hung up before, short ones not included",
    "short": "hung up sooner than the short threshold",
    "gave_up": "waited as long as the queue allows",
    "moved": "went on to another queue",
    "service_level_pct": "served in time, %, by the definition that the report names",
    "abandonment_pct": "lost of answered and lost, short ones left out, %",
    "asa_s": "average speed of answer, seconds",
    "longest_wait_s": "seconds",
    "aht_s": "average handle time: talk, hold and wrap-up, seconds",
    "talk_s": "mean, seconds",
    "hold_s": "mean, seconds",
    "wrap_up_s": "mean, seconds",
    "callbacks": "asked to be called back",
    "called_back": "tries to call them back, taken by an agent",
    "time_to_callback_s": "mean, seconds",
    "missed": "offers that came to nothing",
    "occupancy_pct": "calls and wrap-up, of available time, %",
    "signed_in_h": "agents' hours, breaks included",
}
AGENT_COLUMNS = (
    *("answered", "called_back", "transfers", "aht_s", "talk_s", "hold_s", "wrap_up_s"),
    *("occupancy_pct", "signed_in_h"),
)
NO_TIMES = ("occupancy_pct", "signed_in_h")  # a queue has none: its agents serve others at once
SHOWN = {  # on a screen: column, and its short heading
    "calls": "calls",
    "answered": "answered",
    "abandoned": "abandoned",
    "service_level_pct": "SL %",
    "abandonment_pct": "lost %",
    "asa_s": "ASA s",
    "aht_s": "AHT s",
    "occupancy_pct": "occ. %",
}


def rows(tally: Tally, intervals: Intervals | None = None, names: Mapping[str, str] | None = None) -> list[Row]:
    """One row a group, in order; intervals by their label, agents by their name where one is known."""
    return [
        {tally.by.value: _name(key, intervals, names)} | figures(sums, tally.standard, tally.by)
        for key, sums in sorted(tally.groups.items(), key=lambda item: item[0])
    ]


def figures(sums: Sums, standard: Standard, by: By = By.ALL) -> Row:
    """Every figure of one group. None where there is nothing to divide by."""
    every: Row = {
        "calls": sums.calls,
        "transfers": sums.transfers,
        "answered": sums.answered,
        "abandoned": sums.abandoned - sums.short,
        "short": sums.short,
        "gave_up": sums.gave_up,
        "moved": sums.moved,
        "service_level_pct": _percent(sums.service_level(standard)),
        "abandonment_pct": _percent(sums.abandonment),
        "asa_s": _seconds(sums.speed_of_answer),
        "longest_wait_s": _seconds(sums.longest),
        "aht_s": _seconds(sums.handle_time),
        "talk_s": _mean(sums.talk, sums.handled),
        "hold_s": _mean(sums.hold, sums.handled),
        "wrap_up_s": _mean(sums.wrap_up, sums.handled),
        "callbacks": sums.callbacks,
        "called_back": sums.called_back,
        "time_to_callback_s": _seconds(sums.time_to_callback),
        "missed": sums.missed,
        "occupancy_pct": _percent(sums.occupancy),
        "signed_in_h": round(sums.signed_in / 3_600, 2),
    }
    if by is By.AGENT:
        return {name: every[name] for name in AGENT_COLUMNS}
    return {name: value for name, value in every.items() if by is not By.QUEUE or name not in NO_TIMES}


def on_screen(made: Iterable[Row]) -> list[Row]:
    """The columns that fit on a screen, under short headings; intervals of one day without the date."""
    listed = list(made)
    first = next(iter(listed[0]), "") if listed else ""
    days = {str(row[first])[:10] for row in listed if first == By.INTERVAL and " " in str(row[first])}
    return [
        {
            SHOWN.get(name, name): value[11:] if name == By.INTERVAL and len(days) == 1 and " " in value else value
            for name, value in row.items()
            if name == first or name in SHOWN or first == By.AGENT
        }
        for row in listed
    ]


def as_csv(made: Iterable[Row]) -> str:
    """Comma-separated, a line of names first (RFC 4180, with line feeds). An empty cell where there is no figure.

    Texts that a spreadsheet would run as a formula get an apostrophe before them (OWASP, CSV Injection).
    """
    out = io.StringIO()
    listed = list(made)
    writer = csv.DictWriter(out, list(listed[0]) if listed else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in listed)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _name(key: str | float, intervals: Intervals | None, names: Mapping[str, str] | None) -> str:
    if isinstance(key, float):
        return intervals.label(key) if intervals else str(key)
    return (names or {}).get(key, key)


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _mean(total: float, of: int) -> float | None:
    return _seconds(total / of) if of else None
