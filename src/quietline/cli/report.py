"""`quietline report`: how callers were served and agents used, from the history that the controller keeps.

Who may: root, as the files are for the controller's user and root alone. Rows by agent need the history's key too,
which is root's alone, and `staff list` of an unsealed vault to say which account a row is; the desk has no way to
either.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from quietline.chain.in_force import active_path
from quietline.chain.model import Chain
from quietline.chain.reading import load as load_chain
from quietline.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, need_root, show
from quietline.cli.plan import intervals_of, zone_called
from quietline.cli.vault import ask
from quietline.config_file import load
from quietline.errors import ConfigError, QuietlineError
from quietline.installation import history_key
from quietline.live.history import agent_token
from quietline.reports.definitions import FORMULAS, Definition, Standard, Sums
from quietline.reports.history_file import FILE, HistoryReader
from quietline.reports.intervals import DAY, Intervals
from quietline.reports.plots import DayPlot, Line, check_path, draw
from quietline.reports.table import as_csv, figures, on_screen, rows
from quietline.reports.tally import By, Tally, within

Grouping = Annotated[By, typer.Option("--by", help="A row for each of these.")]
From = Annotated[str | None, typer.Option("--from", help="First day or moment, local time. Default: today.")]
To = Annotated[str | None, typer.Option("--to", help="Up to this moment, or to the end of this day. Default: now.")]
Minutes = Annotated[int, typer.Option("--interval", min=1, max=1_440, help="Minutes of an interval; 1440: days.")]
Zone = Annotated[str | None, typer.Option(help="The time zone. Default: the first store's, or UTC.")]
Within = Annotated[
    float | None, typer.Option("--within", min=0, help="Answered in time: seconds. Default: as each queue says, or 20.")
]
Short = Annotated[
    float | None, typer.Option("--short", min=0, help="Hanging up sooner is no call: seconds. Default: the same, or 5.")
]
Defined = Annotated[Definition, typer.Option(help="What the service level means; see explanation/definitions.md.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
Plot = Annotated[Path | None, typer.Option(help="With --by interval: draw it, to a file that ends in .svg or .png.")]
History = Annotated[Path | None, typer.Option(help="The history's file, if not the configured one.")]


def command(
    by: Grouping = By.INTERVAL,
    start: From = None,
    end: To = None,
    interval: Minutes = 30,
    zone: Zone = None,
    in_time: Within = None,
    too_short: Short = None,
    definition: Defined = Definition.SHORT_ABANDONS_EXCLUDED,
    as_json: AsJson = False,
    csv: AsCsv = False,
    plot: Plot = None,
    config: ConfigPath = DEFAULT_CONFIG,
    history: History = None,
) -> None:
    """Service level, abandonment, answer and handle times, occupancy; by interval, queue, store or agent."""
    if plot and by is not By.INTERVAL:
        raise ConfigError("--plot draws intervals; add --by interval, or leave it out")
    if plot:
        check_path(plot)
    names = _agents(config) if by is By.AGENT else {}
    chain = _chain(config)
    clock = zone_called(zone) if zone else _zone_of(chain)
    intervals = intervals_of(clock, interval * 60)
    standards = Standards(in_time, too_short, definition, chain)
    path = history or load(config).paths.state / FILE
    tally, whole = _count(path, _period(start, end, clock), standards, by, intervals)
    made = rows(tally, intervals, names)
    if plot:
        draw(_picture(tally, intervals, clock, standards.said()), plot)
    if csv:
        typer.echo(as_csv(made), nl=False)
    elif as_json:
        show([*made, {by.value: "all"} | whole] if by is not By.AGENT else made, True)
    else:
        _tell(made, {by.value: "all"} | whole, by, standards)


class Standards:
    """By which times to count: those asked for, or each queue's own, by the applied chain."""

    def __init__(self, within: float | None, short: float | None, definition: Definition, chain: Chain) -> None:
        self.usual = Standard(20.0 if within is None else within, 5.0 if short is None else short, definition)
        self.queues = {
            queue.id: replace(
                self.usual,
                within=queue.service_level.seconds if within is None else within,
                short=queue.service_level.short_abandon if short is None else short,
            )
            for queue in chain.queues
        }

    def said(self) -> str:
        """Which definition the figures are by, and within what times."""
        standard, formula = self.usual, FORMULAS[self.usual.definition]
        own = {each for each in self.queues.values() if each != standard}
        times = "each queue's own times" if own else f"{standard.within:g} s"
        short = "as the queue says" if own else f"under {standard.short:g} s"
        return f"Service level within {times} ({standard.definition.value}: {formula}); short: {short}."


def _tell(made: list[dict[str, Any]], whole: dict[str, Any], by: By, standards: Standards) -> None:
    if not made:
        typer.echo("No call and no agent in this time.")
        return
    every = on_screen(made)
    if by is not By.AGENT:
        (total,) = on_screen([whole])
        every.append({name: total.get(name) for name in every[0]})
    show(every, False)
    typer.echo(f"\n{standards.said()}")


def _count(
    path: Path, period: tuple[float, float], standards: Standards, by: By, intervals: Intervals
) -> tuple[Tally, dict[str, Any]]:
    """The groups, and all in one."""
    usual, queues = standards.usual, standards.queues
    tally, whole = Tally(usual, by, intervals, queues), Tally(usual, queues=queues)
    reader = HistoryReader(path)
    try:
        for visit in reader.visits(*period):
            tally.visit(visit)
            whole.visit(visit)
        for span in within(reader.spans(*period), *period):
            tally.span(span)
            whole.span(span)
    finally:
        reader.close()
    return tally, figures(whole.groups.get(By.ALL.value, Sums()), usual)


# Which time


def _period(start: str | None, end: str | None, zone: ZoneInfo) -> tuple[float, float]:
    """UTC seconds. Raises ConfigError for texts that are no times, and for an end before the start."""
    now = datetime.fromtimestamp(time.time(), zone)
    first = _moment("--from", start or now.date().isoformat(), zone, 0)
    last = _moment("--to", end, zone, 1) if end else now.timestamp()
    if last <= first:
        raise ConfigError("--to: is not after --from; turn them round")
    return first, last


def _moment(option: str, text: str, zone: ZoneInfo, days: int) -> float:
    """A day's start (and so many days on), or the moment itself."""
    try:
        if len(text) == len("2026-11-27"):
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ConfigError(f"{option} {text!r}: give a day such as 2026-11-27, or a time: 2026-11-27T09:00") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()


def _chain(config: Path) -> Chain:
    """The applied one; an empty one where there is none, or it cannot be read."""
    try:
        active = active_path(load(config).paths.state)
        return load_chain(active).chain if active.exists() else Chain()
    except ConfigError:
        return Chain()


def _zone_of(chain: Chain) -> ZoneInfo:
    """The first store's; UTC where there is none."""
    zones = [store.hours.zone for store in chain.stores]
    return zone_called(zones[0] if zones else "UTC")


# Whose rows


def _agents(config: Path) -> dict[str, str]:
    """The history's token of an agent -> the account's, as `staff list` shows it. Root alone has the key between."""
    need_root("quietline report --by agent", "for the key that says whose rows are whose")
    key = history_key(load(config).paths.state)
    try:
        staff = ask(config, lambda vault: vault.call("staff_list"))["staff"]
    except QuietlineError:
        typer.echo("warning: the vault does not answer, so agents' rows carry the history's tokens", err=True)
        return {}
    return {agent_token(key, each["agent"]): each["agent"] for each in staff}


def _picture(tally: Tally, intervals: Intervals, zone: ZoneInfo, note: str) -> DayPlot:
    starts = sorted(float(key) for key in tally.groups)
    if not starts:
        raise ConfigError("--plot: no call in this time, so there is nothing to draw; give other days")
    sums = [tally.groups[start] for start in starts]
    levels = [None if (level := each.service_level(tally.standard)) is None else 100 * level for each in sums]
    there = [each.available / (DAY if intervals.width == DAY else intervals.width) for each in sums]
    return DayPlot(
        "Calls as they were",
        starts,
        zone,
        [Line("service level", levels)],
        None,
        [each.answered + each.called_back for each in sums],
        [each.lost for each in sums],
        [Line("there, breaks not included", there)],
        note,
    )
