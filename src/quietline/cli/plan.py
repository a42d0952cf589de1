"""`quietline plan`: from a forecast of calls to the agents that each interval needs."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from quietline.cli.options import AsJson, show
from quietline.errors import ConfigError
from quietline.reports.intervals import Intervals
from quietline.reports.plots import DayPlot, Line, check_path, draw
from quietline.reports.table import as_csv
from quietline.routing.erlang import Target
from quietline.routing.hours import zone_of
from quietline.staffing.calls_csv import read_forecast
from quietline.staffing.plan import Aim, Need, plan, rows

File = Annotated[
    Path, typer.Argument(help="A CSV file with columns start, calls and, if it differs, handle (seconds).")
]
Handle = Annotated[
    float, typer.Option("--handle", min=1, max=86_400, help="Handle time, seconds: talk, hold, wrap-up.")
]
Aimed = Annotated[str, typer.Option("--target", help="Per cent answered / within seconds.")]
Patience = Annotated[
    float | None, typer.Option(min=1, max=86_400, help="Mean seconds until callers hang up; without it, they never do.")
]
Occupancy = Annotated[float, typer.Option(min=1, max=100, help="Agents busy at most, per cent.")]
Abandoned = Annotated[float, typer.Option(min=0, max=100, help="Callers lost at most, per cent; with --patience.")]
Shrinkage = Annotated[float, typer.Option(min=0, max=90, help="Paid time off the phones, per cent.")]
Minutes = Annotated[int, typer.Option("--interval", min=1, max=60, help="Minutes of an interval.")]
Zone = Annotated[str, typer.Option(help="The time zone of the forecast.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
Plot = Annotated[Path | None, typer.Option("--plot", help="Draw it: a file that ends in .svg or .png.")]


def command(
    forecast: File,
    handle: Handle = 240.0,
    target: Aimed = "80/20",
    patience: Patience = None,
    occupancy: Occupancy = 100.0,
    abandoned: Abandoned = 100.0,
    shrinkage: Shrinkage = 0.0,
    interval: Minutes = 30,
    zone: Zone = "Europe/London",
    as_json: AsJson = False,
    csv: AsCsv = False,
    plot: Plot = None,
) -> None:
    """Agents needed in each interval, by Erlang C, or by Erlang A with --patience."""
    clock, width = zone_called(zone), interval * 60
    if plot:
        check_path(plot)
    share, within = _target(target)
    aim = Aim(
        Target(share, within, occupancy / 100, abandoned / 100), handle, patience or inf, shrinkage / 100, float(width)
    )
    needs = plan(read_forecast(forecast, clock), aim)
    made = rows(needs, intervals_of(clock, width))
    if plot:
        draw(_picture(needs, aim, clock, forecast.stem), plot)
    if csv:
        typer.echo(as_csv(made), nl=False)
    else:
        show(made, as_json, "" if as_json else _title(aim, target))


def zone_called(name: str) -> ZoneInfo:
    """The time zone. Raises ConfigError for none."""
    try:
        return zone_of(name)
    except (ValueError, OSError, KeyError):
        raise ConfigError(f"--zone {name!r}: no such time zone; give one such as Europe/London") from None


def intervals_of(zone: ZoneInfo, width: int) -> Intervals:
    """Intervals of so many seconds. Raises ConfigError for a width that does not fit the clock."""
    try:
        return Intervals(zone, width)
    except ValueError:
        raise ConfigError(f"--interval {width // 60}: give minutes that divide an hour, such as 15 or 30") from None


def _target(text: str) -> tuple[float, float]:
    share, slash, within = text.partition("/")
    try:
        found = float(share) / 100, float(within)
    except ValueError:
        found = -1.0, -1.0
    if not slash or not (0 < found[0] < 1) or not (0 <= found[1] <= 3_600):
        raise ConfigError(f"--target {text!r}: give per cent and seconds, such as 80/20")
    return found


def _title(aim: Aim, target: str) -> str:
    by = "Erlang C" if aim.patience == inf else f"Erlang A, patience {aim.patience:g} s"
    return f"{by}; target {target}, shrinkage {aim.shrinkage:.0%}"


def _picture(needs: list[Need], aim: Aim, zone: ZoneInfo, name: str) -> DayPlot:
    level = [100 * need.performance.service_level for need in needs]
    lost: list[Any] = [need.calls * need.performance.abandoned for need in needs]
    return DayPlot(
        f"Plan: {name}",
        [need.start for need in needs],
        zone,
        [Line("expected", level)],
        100 * aim.target.share,
        [need.calls - gone for need, gone in zip(needs, lost, strict=True)],
        lost,
        [
            Line("needed on the phones", [need.performance.agents for need in needs]),
            Line("offered load, erlangs", [need.load.erlangs for need in needs], dashed=True),
        ],
        f"{_title(aim, f'{100 * aim.target.share:g}/{aim.target.within:g}')}",
    )
