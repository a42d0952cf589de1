"""Looks for planted values in every artefact: logs, databases, captures, messages, process arguments, disk images.

    canaries = {"caller's number": "+447700900555", "caller's name": "Ivy Canary"}
    assert scan([state_folder, log_folder], canaries) == []

A finding names the canary and the encoding, never the value. Compressed streams (gzip, zlib and so PDF's Flate) are
opened wherever they lie; a SQLite file is searched as bytes, its -wal and -journal beside it, and row by row.
"""

from __future__ import annotations

import mmap
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from quietline.errors import ConfigError
from quietline.testing.canary_forms import compile_all, compile_one, patterns
from quietline.testing.unpack import streams

DEEPEST = 3  # streams within streams
OVERLAP = 1_024  # bytes looked at behind a match for canaries that overlap it
SQLITE = b"SQLite format 3\0"
Data = bytes | mmap.mmap


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Where a canary showed. `path` is the file or the label; `offset` is in bytes of the (unpacked) data."""

    path: str
    offset: int
    canary: str
    encoding: str


class Canaries:
    """A compiled search for a set of planted values. Raises ConfigError for none, or for one too short to plant."""

    def __init__(self, values: Mapping[str, str]) -> None:
        forms = [(name, encoding, form) for name, value in values.items() for encoding, form in patterns(value)]
        if not forms:
            raise ConfigError("canaries: none given, so nothing would be proved")
        self._any = re.compile(compile_all(form for _, _, form in forms), re.DOTALL)
        self._each = [(name, encoding, re.compile(compile_one(form), re.DOTALL)) for name, encoding, form in forms]

    def in_bytes(self, data: Data, label: str, depth: int = 0) -> Iterator[Finding]:
        """Findings in these bytes and in every compressed stream in them."""
        for found in self._any.finditer(data):
            yield from self._named(data, label, found.start(), found.end())
        if depth < DEEPEST:
            for offset, kind, content in streams(data):
                yield from self.in_bytes(content, f"{label}[{kind} at {offset}]", depth + 1)

    def _named(self, data: Data, label: str, start: int, end: int) -> Iterator[Finding]:
        """Each canary that begins within the match, once: they may overlap."""
        seen: set[str] = set()
        for name, encoding, pattern in self._each:
            found = None if name in seen else pattern.search(data, start, end + OVERLAP)
            if found and found.start() < end:
                seen.add(name)
                yield Finding(label, found.start(), name, encoding)

    def in_text(self, text: str, label: str) -> Iterator[Finding]:
        return self.in_bytes(text.encode("utf-8", "surrogateescape"), label)

    def in_file(self, path: Path) -> Iterator[Finding]:
        """The file's name, its bytes, and its rows where it is a SQLite database."""
        yield from self.in_text(path.name, f"{path.parent}/ (a file's name)")
        with path.open("rb") as file:
            if path.stat().st_size == 0:  # empty, or one of /proc's
                yield from self.in_bytes(file.read(), str(path))
                return
            with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
                yield from self.in_bytes(data, str(path))
                is_database = data[:16] == SQLITE
        if is_database:
            yield from self._in_rows(path)

    def _in_rows(self, path: Path) -> Iterator[Finding]:
        """Whole values: one that crosses overflow pages is in pieces in the file. Reads a copy, for reading a
        write-ahead log changes the files beside it. Raises ConfigError for a copy that does not read."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "copy")
            for suffix in ("", "-wal"):
                if Path(f"{path}{suffix}").exists():
                    shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
            try:
                for table, value in _values(copy):
                    yield from self.in_bytes(value, f"{path}#{table}")
            except sqlite3.DatabaseError as error:
                raise ConfigError(
                    f"scan: {path} does not read as a database ({error}); scan it while at rest"
                ) from None


def _values(database: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(database)) as connection:
        connection.text_factory = bytes
        tables = [row[0].decode() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            quoted = table.replace('"', '""')
            for row in connection.execute(f'SELECT * FROM "{quoted}"'):  # noqa: S608  # the database's own name
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()


def scan(paths: Iterable[Path], canaries: Mapping[str, str]) -> list[Finding]:
    """Search files and folders, all depths; links are not followed. Raises ConfigError for a missing path."""
    search = Canaries(canaries)
    findings = {finding for path in paths for file in _files(path) for finding in search.in_file(file)}
    return sorted(findings)


def scan_bytes(data: bytes, canaries: Mapping[str, str], label: str = "bytes") -> list[Finding]:
    """Search bytes, such as a received message or a capture's payload."""
    return sorted(set(Canaries(canaries).in_bytes(data, label)))


def scan_text(text: str, canaries: Mapping[str, str], label: str = "text") -> list[Finding]:
    """Planted values found in a text, in every encoding that is looked for."""
    return sorted(set(Canaries(canaries).in_text(text, label)))


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise ConfigError(f"scan: {path} does not exist, so nothing would be proved")
    if path.is_file():
        yield path
    elif path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file() and not inner.is_symlink():
                yield inner
