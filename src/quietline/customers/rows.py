"""Rows of a CSV (RFC 4180) or JSON-lines file, one at a time, from any row on. Whatever the file holds, memory is flat.

A row that cannot be read is told with its reason, and reading goes on behind it. Rows are named by the line on which
they begin, 1 for the first.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from quietline.errors import ConfigError

MAX_ROW = 1024 * 1024  # bytes of one row
MAX_LINES = 1_000  # of one CSV row, with line breaks in quotes
MAX_COLUMNS = 1_000
BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Row:
    """One row. `line`: where it begins. `after`: offset and line behind it, to go on from. `problem`: "" or why not."""

    line: int
    after: tuple[int, int]
    value: dict[str, Any] = field(default_factory=dict, repr=False)
    problem: str = ""


class Rows(Protocol):
    """A file's rows. `columns`: names that every row has, () where each row has its own."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def read(self, start: tuple[int, int] | None = None) -> Iterator[Row]:
        """Every row from there on, from the first one where nothing is given. `start`: a `Row.after`."""


class _Lines:
    """Lines of a binary file, none longer than a row may be."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.offset, self.number = 0, 0  # behind the last line; of the last line

    def go(self, offset: int, number: int) -> None:
        self._file.seek(offset)
        self.offset, self.number = offset, number

    def next(self) -> bytes | None:
        """The next line with its end, b"" for one that is too long, None at the end of the file."""
        line = self._file.readline(MAX_ROW + 1)
        if not line:
            return None
        self.number += 1
        self.offset += len(line)
        if len(line) <= MAX_ROW or line.endswith(b"\n"):
            return line
        while (more := self._file.readline(MAX_ROW)) and not more.endswith(b"\n"):
            self.offset += len(more)
        self.offset += len(more)
        return b""


class CsvRows:
    """A CSV file with a header. Raises ConfigError where there is no usable header."""

    def __init__(self, file: BinaryIO, name: str, encoding: str = "utf-8", delimiter: str = ",") -> None:
        self._lines, self._name, self._encoding, self._delimiter = _Lines(file), name, encoding, delimiter
        _refuse_bom(file, name)
        if file.read(3) == UTF8_BOM:
            self._lines.go(3, 0)
        else:
            self._lines.go(0, 0)
        self.columns = self._header()
        self._first = (self._lines.offset, self._lines.number)

    def read(self, start: tuple[int, int] | None = None) -> Iterator[Row]:
        self._lines.go(*(start or self._first))
        while (row := self._next()) is not None:
            yield row

    def _header(self) -> tuple[str, ...]:
        row = self._cells()
        if row is None:
            raise ConfigError(f"{self._name}: is empty; its first line names the columns")
        names, problem = row
        columns = [name.strip() for name in names]
        if problem:
            raise ConfigError(f"{self._name}:1: the header {problem}")
        twice = [name for name, count in Counter(columns).items() if count > 1 and name]
        if twice:
            raise ConfigError(f"{self._name}:1: the column `{twice[0]}` stands twice; rename one of them")
        if len(columns) > MAX_COLUMNS:
            raise ConfigError(f"{self._name}:1: more than {MAX_COLUMNS} columns; is the delimiter right?")
        return tuple(columns)

    def _next(self) -> Row | None:
        cells, problem, line = [""], "", 0
        while not problem and not any(cell.strip() for cell in cells):  # blank lines are no rows
            line = self._lines.number + 1
            found = self._cells()
            if found is None:
                return None
            cells, problem = found
        if not problem and len(cells) != len(self.columns):
            problem = f"has {len(cells)} columns where the header has {len(self.columns)}"
        after = (self._lines.offset, self._lines.number)
        return Row(line, after, {} if problem else dict(zip(self.columns, cells, strict=True)), problem)

    def _cells(self) -> tuple[list[str], str] | None:
        """One record's cells, or the problem with it; None at the end."""
        begin, text = (self._lines.offset, self._lines.number), ""
        first: tuple[int, int] | None = None
        for _ in range(MAX_LINES):
            raw = self._lines.next()
            first = first or (self._lines.offset, self._lines.number)
            if raw is None:
                break
            piece, problem = self._decoded(raw)
            text += piece
            if problem or len(text) > MAX_ROW:
                return self._give_up(first, problem or f"is longer than {MAX_ROW // 1024} KiB")
            if text.count('"') % 2 == 0:
                return self._split(text)
        if not text and self._lines.offset == begin[0]:
            return None
        return self._give_up(first or begin, "opens a quote that is not closed; is the file cut off?")

    def _give_up(self, first: tuple[int, int], problem: str) -> tuple[list[str], str]:
        """Reading goes on behind the line on which the wrong row begins."""
        self._lines.go(*first)
        return [], problem

    def _decoded(self, raw: bytes) -> tuple[str, str]:
        if not raw:
            return "", f"is longer than {MAX_ROW // 1024} KiB"
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError:
            return "", f"is not {self._encoding}; save the file so, or name its `encoding` in the mapping"
        return text, "holds a NUL" if "\0" in text else ""

    def _split(self, text: str) -> tuple[list[str], str]:
        try:
            rows = list(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error:
            return [], 'has a quote (") in the middle of a cell; write it twice'
        return (rows[0] if rows else [""]), ""


class JsonRows:
    """A file with one JSON object a line."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._lines = _Lines(file)
        _refuse_bom(file, name)
        self._begin = 3 if file.read(3) == UTF8_BOM else 0
        file.seek(self._begin)
        if not file.read(1):
            raise ConfigError(f"{name}: is empty; give one JSON object a line")

    @property
    def columns(self) -> tuple[str, ...]:
        return ()

    def read(self, start: tuple[int, int] | None = None) -> Iterator[Row]:
        self._lines.go(*(start or (self._begin, 0)))
        while (raw := self._lines.next()) is not None:
            after = (self._lines.offset, self._lines.number)
            if raw and not raw.strip():
                continue
            value, problem = _object(raw)
            yield Row(self._lines.number, after, value, problem)


def _object(raw: bytes) -> tuple[dict[str, Any], str]:
    if not raw:
        return {}, f"is longer than {MAX_ROW // 1024} KiB"
    try:
        value = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError:
        return {}, "is not UTF-8"
    except (ValueError, RecursionError):
        return {}, "is not JSON; one object a line (is the file cut off?)"
    return (value, "") if isinstance(value, dict) else ({}, "is no JSON object")


def _refuse_bom(file: BinaryIO, name: str) -> None:
    file.seek(0)
    start = file.read(2)
    if start in BOMS:
        raise ConfigError(f"{name}: is {BOMS[start]}; save it as UTF-8")
    file.seek(0)


def cell_of(value: dict[str, Any], path: str) -> str:
    """A row's cell as text: a column's name, or in JSON a dotted path to a text or number. Raises ValueError."""
    found: Any = value.get(path)
    if found is None and "." in path:
        found = value
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise ValueError(f"`{path}` is no text or number")
    return str(found)
