"""Small sealed notes of the vault to itself, which outlive a restart: dialogs of live legs, credentials of
phones, numbers to ring back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping

from quietline.errors import TamperError
from quietline.vault.database import Database, load_sql
from quietline.vault.envelope import Place
from quietline.vault.keys import Keyring, Owner

SQL = load_sql("records.sql")
OWNER = Owner("", "", "remembered")


class Remembered:
    """Name → strings. Methods block; a write is durable on return."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._key = keyring.key_or_new(OWNER)

    def put(self, name: str, value: dict[str, str]) -> None:
        self.update({name: value})

    def update(self, values: Mapping[str, dict[str, str]], forget: Iterable[str] = ()) -> None:
        """Keep these and drop those, in one transaction."""
        rows = [(name, self._key.seal(json.dumps(value).encode(), _place(name))) for name, value in values.items()]
        names = [(name,) for name in forget]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(SQL["remember"], rows)
            connection.executemany(SQL["forget"], names)

        self._database.write(work)

    def get(self, name: str) -> dict[str, str] | None:
        """One, or None. Raises TamperError."""
        rows = self._database.read(SQL["remembered_one"], (name,))
        return _read(self._key.open(rows[0][0], _place(name))) if rows else None

    def all(self, prefix: str) -> dict[str, dict[str, str]]:
        """Everything whose name starts with `prefix/`, by the rest of the name. Raises TamperError."""
        start = prefix + "/"
        rows = self._database.read(SQL["remembered"], (start, prefix + chr(ord("/") + 1)))
        return {name.removeprefix(start): _read(self._key.open(sealed, _place(name))) for name, sealed in rows}

    def forget(self, *names: str) -> None:
        self.update({}, names)


def _read(raw: bytes) -> dict[str, str]:
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise TamperError("remembered: not an object")
    return value


def _place(name: str) -> Place:
    return Place("", name, "value", "remembered")
