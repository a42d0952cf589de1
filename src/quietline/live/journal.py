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
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # kill -9 keeps the page cache; only the machine's crash loses it
        self._db.execute("PRAGMA secure_delete = ON")
        self._db.execute("CREATE TABLE IF NOT EXISTS call (id TEXT PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID")

    def save(self, call: str, record: dict[str, Any]) -> None:
        """Keep the newest record of a call."""
        nonce = os.urandom(NONCE)
        body = self._aead.encrypt(nonce, json.dumps(record).encode(), VERSION + call.encode())
        self._db.execute("INSERT OR REPLACE INTO call VALUES (?, ?)", (call, VERSION + nonce + body))

    def forget(self, call: str) -> None:
        self._db.execute("DELETE FROM call WHERE id = ?", (call,))

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
