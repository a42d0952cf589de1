"""`rights.db`: requests, holds, recipients and receipts, each sealed on its own under a key of the vault's.

Methods block. A write is durable on return; what is dropped is overwritten and gone from the write-ahead log. Who is
trusted: nobody who can write the file. They can delete a row (a hold, say), which the ledger's entries then contradict;
they cannot read, change or move one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from quietline.errors import TamperError
from quietline.vault.database import Database, load_sql
from quietline.vault.envelope import Place
from quietline.vault.keys import Keyring, Owner

PACKAGE = "quietline.rights.sql"
SQL = load_sql("rights.sql", PACKAGE)
OWNER = Owner("", "rights", "rights")
REQUEST, HOLD, RECIPIENT, RECEIPT = "request", "hold", "recipient", "receipt"


def open_rights_database(folder: Path) -> Database:
    """`rights.db` below `folder`."""
    return Database(folder / "rights.db", ("rights_0001.sql",), PACKAGE)


class RightsStore:
    """(kind, name) → plain data."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        keyring.make(OWNER)

    def put(self, kind: str, items: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep these, all or none."""
        key = self._keyring.key_or_new(OWNER)
        rows = [(kind, name, key.seal(json.dumps(value).encode(), _place(kind, name))) for name, value in items.items()]
        self._database.write(lambda connection: connection.executemany(SQL["put"], rows))

    def drop(self, kind: str, names: Iterable[str]) -> None:
        """Forget these; harmless where there is none. Raises Unavailable while the log is being read."""
        gone = [(kind, name) for name in names]
        self._database.write(lambda connection: connection.executemany(SQL["drop"], gone))
        self._database.scrub()

    def scrub(self) -> None:
        """What was replaced is gone from the write-ahead log too."""
        self._database.scrub()

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """Everything of a kind, by name. Raises TamperError for a row that is not ours."""
        return {name: self._read(kind, name, sealed) for name, sealed in self._database.read(SQL["all"], (kind,))}

    def _read(self, kind: str, name: str, sealed: bytes) -> dict[str, Any]:
        value = json.loads(self._keyring.open(sealed, OWNER, _place(kind, name)))
        if not isinstance(value, dict):
            raise TamperError(f"rights: a {kind} that is not an object")
        return value


def _place(kind: str, name: str) -> Place:
    return Place("", name, kind, "rights")
