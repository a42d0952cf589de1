"""Calls from a CSV file: recorded ones, a row each, or a forecast, a row an interval. Errors name line and column.

Times are local, "2026-11-27 09:00:10", unless they carry an offset of their own. Whatever is in the file, the worst it
can do is to be refused: sizes are limited, numbers must be finite, columns are known by name. Errors never repeat a
cell, for an export of calls may hold callers' numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from pathlib import Path
from zoneinfo import ZoneInfo

from quietline.errors import ConfigError
from quietline.files.model import nearest
from quietline.routing.arrivals import Recorded

MAX_BYTES = 256 * 1024 * 1024
MAX_ROWS = 5_000_000
MAX_SECONDS = 86_400.0  # of talk, wrap-up or patience
RECORDED = {
    "arrived": True,
    "queue": False,
    "talk": False,
    "wrap_up": False,
    "patience": False,
}  # column -> must be there
FORECAST = {"start": True, "calls": True, "handle": False}


@dataclass(frozen=True, slots=True)
class Forecast:
    """Calls expected in one interval. `start`: UTC seconds. `handle`: mean seconds, None: as the plan says."""

    start: float
    calls: float
    handle: float | None


def read_recorded(path: Path, zone: ZoneInfo, queue: str = "") -> Recorded:
    """Arrivals in order of time, whatever their order in the file; of this queue alone where the file has a column
    `queue`. Raises ConfigError."""
    calls: list[tuple[float, float | None, float | None, float | None]] = []
    for cells in _Table(path, RECORDED).rows():
        at = cells.time("arrived", zone)
        call = (at, cells.seconds("talk"), cells.seconds("wrap_up"), cells.seconds("patience"))
        if cells.values.get("queue", queue) == queue:
            calls.append(call)
    if not calls:
        of = f" of queue {queue}" if queue else ""
        raise ConfigError(f"{path}: no calls{of} in it; give a row for each, below a line that names the columns")
    calls.sort(key=lambda call: call[0])
    return Recorded(tuple(call[0] for call in calls), *(_column(calls, place) for place in (1, 2, 3)))


def _column(calls: Sequence[tuple[float | None, ...]], place: int) -> tuple[float, ...]:
    """All or none: a column is in the file or it is not."""
    return tuple(value for call in calls if (value := call[place]) is not None)


def read_forecast(path: Path, zone: ZoneInfo) -> list[Forecast]:
    """One for each row, in order of time. Raises ConfigError, also for one time that stands twice."""
    found: dict[float, Forecast] = {}
    for cells in _Table(path, FORECAST).rows():
        start = cells.time("start", zone)
        if start in found:
            raise cells.error("start", "stands twice; give each interval one row")
        found[start] = Forecast(start, cells.number("calls", 1e7), cells.seconds("handle"))
    if not found:
        raise ConfigError(f"{path}: no intervals in it; give a row for each, below a line that names the columns")
    return [found[start] for start in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Cells:
    """One row."""

    where: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)

    def error(self, column: str, what: str) -> ConfigError:
        return ConfigError(f"{self.where}: {column}: {what}")

    def time(self, column: str, zone: ZoneInfo) -> float:
        """A moment, UTC seconds. One that the clock skips is refused; of two, the first is meant."""
        text = self.values[column]
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise self.error(column, f"want a time such as 2026-11-27 09:00, found {_kind(text)}") from None
        if moment.tzinfo is not None:
            return moment.timestamp()
        at = moment.replace(tzinfo=zone).timestamp()
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None) != moment:
            raise self.error(column, f"this time is not there in {zone.key}: the clocks go forward; give another")
        return at

    def number(self, column: str, most: float) -> float:
        """From 0 to `most`."""
        text = self.values[column]
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not isfinite(value) or not 0 <= value <= most or "_" in text:
            raise self.error(column, f"want a number from 0 to {most:,.0f}, found {_kind(text)}")
        return value

    def seconds(self, column: str) -> float | None:
        """None where the file has no such column."""
        return self.number(column, MAX_SECONDS) if column in self.values else None


class _Table:
    """A CSV file with a line of names first."""

    def __init__(self, path: Path, columns: Mapping[str, bool]) -> None:
        self._path, self._columns = path, columns

    def rows(self) -> Iterator[_Cells]:
        """Every row. Raises ConfigError at the first that is wrong."""
        try:
            if self._path.stat().st_size > MAX_BYTES:
                raise ConfigError(f"{self._path}: larger than {MAX_BYTES // 1024**2} MiB; split it by day")
            with self._path.open(encoding="utf-8-sig", newline="") as file:
                yield from self._read(file)
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot be read ({error.strerror}); name a file that is there") from None
        except UnicodeDecodeError:
            raise ConfigError(f"{self._path}: is not UTF-8 text; save the file as UTF-8") from None

    def _read(self, file: Iterable[str]) -> Iterator[_Cells]:
        reader = csv.reader(file, strict=True)
        try:
            names = self._names(next(reader, []))
            for row in reader:
                if row:
                    yield self._cells(names, row, reader.line_num)
        except csv.Error as error:
            where = f"{self._path}:{reader.line_num}"
            raise ConfigError(f"{where}: this is not CSV ({error}); look at the quotes near it") from None

    def _names(self, first: list[str]) -> list[str]:
        names = [name.strip().lower() for name in first]
        where = f"{self._path}:1"
        for place, name in enumerate(names, 1):
            if name not in self._columns:
                called = name if name.isidentifier() and len(name) <= 30 else f"number {place}"
                raise ConfigError(f"{where}: column {called} is not known; {nearest(name, self._columns)}")
            if names.count(name) > 1:
                raise ConfigError(f"{where}: column {name} stands twice; keep one")
        for name, needed in self._columns.items():
            if needed and name not in names:
                raise ConfigError(f"{where}: column {name} is missing; the first line names the columns")
        return names

    def _cells(self, names: list[str], row: list[str], number: int) -> _Cells:
        where = f"{self._path}:{number}"
        if number > MAX_ROWS:
            raise ConfigError(f"{where}: more than {MAX_ROWS:,} rows; split the file")
        if len(row) != len(names):
            raise ConfigError(f"{where}: {len(row)} cells under {len(names)} columns; fill or remove them")
        return _Cells(where, {name: cell.strip() for name, cell in zip(names, row, strict=True)})


def _kind(text: str) -> str:
    """What a cell holds, without repeating it."""
    return "nothing" if not text else "a negative number" if text.startswith("-") else "something else"
