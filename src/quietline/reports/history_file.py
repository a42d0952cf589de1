"""The history: visits and agents' states in one SQLite file, written by the controller, read by `quietline report`.

The file is 0600 in a folder that only the controller's user can enter. It keeps a rollback journal, not a write-ahead
log: whoever reads it as root leaves no files behind that the controller could not open.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from quietline.errors import ConfigError
from quietline.routing.visits import Outcome, Span, Visit

BUSY = 5.0  # seconds to wait for the other side: a transaction takes milliseconds
FILE = Path("controller") / "history.db"  # below `paths.state`

_VISITS = "entered, queue, store, outcome, agent, call, waited, talk, hold, wrap_up, missed, callback, transferred"


class HistoryFile:
    """For writing. Opened when it is first needed, so that a broken file stops rows and not calls.

    Blocking; used by one thread at a time. Every method raises sqlite3.Error or OSError where the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    @property
    def path(self) -> Path:
        return self._path

    def append(self, visits: Sequence[Visit], spans: Sequence[Span]) -> None:
        """Keep them, in one transaction; after an error nothing was kept."""
        db = self._db()
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(f"INSERT INTO visit ({_VISITS}) VALUES (?{', ?' * 12})", map(_visit_row, visits))  # noqa: S608 - our own names
            db.executemany("INSERT INTO span VALUES (?, ?, ?, ?, ?)", map(_span_row, spans))
            db.execute("COMMIT")
        except sqlite3.Error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def forget(self, before: float) -> int:
        """Delete what ended before this time, UTC seconds; how many rows."""
        visits = self._db().execute("DELETE FROM visit WHERE entered < ?", (int(before),)).rowcount
        return visits + self._db().execute("DELETE FROM span WHERE ended < ?", (before,)).rowcount

    def close(self) -> None:
        if self._opened:
            self._opened.close()

    def _db(self) -> sqlite3.Connection:
        if self._opened is None:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            db = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA journal_mode = DELETE")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA secure_delete = ON")  # what retention takes is gone from the file too
            db.executescript(files("quietline.reports").joinpath("history.sql").read_text("utf-8"))
            self._opened = db
        return self._opened


class HistoryReader:
    """The file as reports read it. Changes nothing."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError where there is no history yet, or it may not be read."""
        if not _is_there(path):
            raise ConfigError(f"{path}: there is no history yet; it begins with the first call (as root: `sudo`)")
        try:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=BUSY, uri=True)
            self._db.execute("SELECT count(*) FROM visit")
        except sqlite3.Error as error:
            raise ConfigError(
                f"{path}: cannot be read as a history ({error}); give the file that the controller keeps"
            ) from None

    def visits(self, start: float, end: float) -> Iterator[Visit]:
        """Those that entered in [start, end), UTC seconds, in order."""
        query = f"SELECT {_VISITS} FROM visit WHERE entered >= ? AND entered < ? ORDER BY entered, rowid"  # noqa: S608 - our own names
        for row in self._db.execute(query, (start, end)):
            yield _visit(row)

    def written_after(self, row: int, start: float) -> Iterator[tuple[int, Visit]]:
        """What was written after this row (0: all) and entered at `start` or later, with its row, in order."""
        query = f"SELECT rowid, {_VISITS} FROM visit WHERE rowid > ? AND entered >= ? ORDER BY rowid"  # noqa: S608 - our own names
        for number, *fields in self._db.execute(query, (row, int(start))):
            yield number, _visit(tuple(fields))

    def spans(self, start: float, end: float) -> Iterator[Span]:
        """Those with a part in [start, end), whole."""
        query = "SELECT agent, store, state, started, ended FROM span WHERE ended > ? AND started < ? ORDER BY started"
        for row in self._db.execute(query, (start, end)):
            yield Span(*row)

    def close(self) -> None:
        self._db.close()


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def _visit_row(visit: Visit) -> tuple[object, ...]:
    seconds = [round(each, 1) for each in (visit.waited, visit.talk, visit.hold, visit.wrap_up)]
    who = (visit.queue, visit.store, visit.outcome.value, visit.agent, visit.call)
    return (int(visit.entered), *who, *seconds, visit.missed, round(visit.callback, 1), int(visit.transferred))


def _span_row(span: Span) -> tuple[object, ...]:
    return (span.agent, span.store, span.state, round(span.start, 1), round(span.end, 1))


def _visit(row: tuple[Any, ...]) -> Visit:
    fields = dict(zip(_VISITS.split(", "), row, strict=True))
    fields |= {"outcome": Outcome(fields["outcome"]), "transferred": bool(fields["transferred"])}
    return Visit(**fields)
