"""How many agents each interval of a forecast needs, by Erlang C or, where callers hang up, by Erlang A.

Each interval is taken as a steady state of its own, as such plans are (the stationary, independent, period-by-period
approach; Green, Kolesar and Soares, Operations Research 49(4), 2001). That is good where intervals are long beside the
handle time, and says too few just after a peak: `quietline simulate` shows what a plan does over the day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, inf
from typing import Any

from quietline.errors import ConfigError
from quietline.reports.intervals import Intervals
from quietline.routing.erlang import Load, Performance, Target, agents_needed
from quietline.staffing.calls_csv import Forecast

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """What a plan is made for. Times in seconds."""

    target: Target
    handle: float  # talk, hold and wrap-up, where the forecast does not say
    patience: float = inf  # mean; endless: Erlang C
    shrinkage: float = 0.0  # the share of paid time that people are not on the phones: breaks, training, illness
    width: float = 1_800.0  # of an interval


@dataclass(frozen=True, slots=True)
class Need:
    """One interval's answer. `start`: UTC seconds."""

    start: float
    calls: float
    load: Load
    performance: Performance
    rostered: int  # agents to put on the roster, shrinkage added


def plan(forecast: Iterable[Forecast], aim: Aim) -> list[Need]:
    """One for each interval. Raises ConfigError for aims that no number of agents meets."""
    return [_need(each, aim) for each in forecast]


def _need(each: Forecast, aim: Aim) -> Need:
    load = Load(each.calls / aim.width, aim.handle if each.handle is None else each.handle, aim.patience)
    try:
        found = agents_needed(load, aim.target)
    except ValueError as error:
        raise ConfigError(f"the plan cannot be made: {error}") from None
    return Need(each.start, each.calls, load, found, ceil(found.agents / (1 - aim.shrinkage) - 1e-9))


def rows(needs: Iterable[Need], intervals: Intervals) -> list[Row]:
    """For a table, JSON and CSV, in the units of reports."""
    return [_row(need, intervals) for need in needs]


def _row(need: Need, intervals: Intervals) -> Row:
    made = need.performance
    return {
        "interval": intervals.label(need.start),
        "calls": round(need.calls, 1),
        "aht_s": round(need.load.handle, 1),
        "erlangs": round(need.load.erlangs, 2),
        "agents": made.agents,
        "rostered": need.rostered,
        "service_level_pct": round(100 * made.service_level, 1),
        "asa_s": None if made.speed_of_answer == inf else round(made.speed_of_answer, 1),
        "abandonment_pct": round(100 * made.abandoned, 1),
        "occupancy_pct": round(100 * made.occupancy, 1),
    }
