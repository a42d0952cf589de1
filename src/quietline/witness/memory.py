"""A witness's memory: one SQLite file. Losing it means retiring the witness, for a new one would sign any past."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from threading import Lock

from quietline.errors import ConfigError
from quietline.ledger.checkpoint import Checkpoint

_SCHEMA = """
CREATE TABLE IF NOT EXISTS latest (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (origin TEXT NOT NULL, at INTEGER NOT NULL, note BLOB NOT NULL) STRICT;
"""
_KEEP = "INSERT OR REPLACE INTO latest (origin, size, root, note) VALUES (?, ?, ?, ?)"
MOST_EVIDENCE = 1_000  # notes of one log; one is enough, and none is ever replaced


class SqliteMemory:
    """`core.Memory` on a disk: WAL and FULL, so that what was promised is there after a power cut."""

    def __init__(self, path: Path, *, make: bool = False) -> None:
        """Raises ConfigError where the file is missing and is not to be made."""
        if not make and not path.exists():
            raise ConfigError(f"{path}: the witness's memory is missing. Without it, it must be retired, not restarted")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._guard = Lock()
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.executescript(_SCHEMA)

    def latest(self, origin: str) -> Checkpoint | None:
        row = self._connection.execute("SELECT size, root FROM latest WHERE origin = ?", (origin,)).fetchone()
        return Checkpoint(origin, *row) if row else None

    def advance(self, before: Checkpoint | None, now: Checkpoint, note: bytes) -> bool:
        with self._guard:
            if self.latest(now.origin) != before:
                return False
            self._connection.execute(_KEEP, (now.origin, now.size, now.root, note))
            return True

    def keep_evidence(self, origin: str, note: bytes, at: int) -> None:
        with self._guard:
            (kept,) = self._connection.execute("SELECT count(*) FROM evidence WHERE origin = ?", (origin,)).fetchone()
            if kept < MOST_EVIDENCE:
                self._connection.execute("INSERT INTO evidence VALUES (?, ?, ?)", (origin, at, note))

    def evidence(self, origin: str) -> list[bytes]:
        """Every note that contradicted what was signed before."""
        rows = self._connection.execute("SELECT note FROM evidence WHERE origin = ? ORDER BY at", (origin,))
        return [note for (note,) in rows]

    def close(self) -> None:
        self._connection.close()
