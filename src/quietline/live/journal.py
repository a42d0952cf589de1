"""The journal: calls under way, sealed, so that kill -9 of the controller drops nobody (promise 11).

Its key is made by the supervisor at boot, handed over a pipe and kept in memory only: a copied disk shows noise, and
after a reboot, when no call lives any more, the journal can be read by nobody. Trusted for continuity, not for truth:
whoever can write it can make calls be forgotten, but opens nothing, for the vault asks the edge.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

log = structlog.get_logger()

VERSION = b"\x01"
NONCE = 12  # bytes, NIST SP 800-38D §8.2


class SealedJournal:
    """One row a call. A crash of the process loses nothing; a crash of the machine may, when no call lives anyway."""

    def __init__(self, path: Path, key: bytes) -> None:
        self._aead = AESGCM(key)
        self._unwritten: dict[str, tuple[str, tuple[str | bytes, ...]]] = {}  # call -> its newest statement
        self._failing = False
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # kill -9 keeps the page cache; only the machine's crash loses it
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("CREATE TABLE IF NOT EXISTS call (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID")

    def save(self, call: str, record: dict[str, Any]) -> None:
        """Keep the newest record of a call. Never raises for a disk that cannot take it: see `_write`."""
        nonce = os.urandom(NONCE)
        body = self._aead.encrypt(nonce, json.dumps(record).encode(), VERSION + call.encode())
        self._write(call, "INSERT OR REPLACE INTO call VALUES (?, ?)", (call, VERSION + nonce + body))

    def forget(self, call: str) -> None:
        self._write(call, "DELETE FROM call WHERE id = ?", (call,))

    def _write(self, call: str, statement: str, values: tuple[str | bytes, ...]) -> None:
        """A full disk costs what a crash would find here, never a call. The newest of each call is tried again with
        the next write of any."""
        self._unwritten[call] = (statement, values)
        try:
            for each in tuple(self._unwritten):
                self._db.execute(*self._unwritten[each])
                del self._unwritten[each]
        except sqlite3.Error as error:
            if not self._failing:
                log.error("the journal cannot be written: a crash now would lose calls", error=type(error).__name__)
            self._failing = True
            return
        if self._failing:
            log.info("the journal is written again")
        self._failing = False

    def load(self) -> dict[str, dict[str, Any]]:
        """Every call that was under way. Rows of an earlier boot cannot be opened: they are dropped, and counted."""
        records: dict[str, dict[str, Any]] = {}
        for call, sealed in self._db.execute("SELECT id, sealed FROM call").fetchall():
            try:
                records[call] = json.loads(self._open(call, sealed))
            except InvalidTag:
                self.forget(call)
                log.info("a journal record of an earlier boot was dropped")
        return records

    def _open(self, call: str, sealed: bytes) -> bytes:
        nonce, body = sealed[1 : 1 + NONCE], sealed[1 + NONCE :]
        return self._aead.decrypt(nonce, body, VERSION + call.encode())

    def close(self) -> None:
        self._db.close()
