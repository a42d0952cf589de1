"""Every wrapped key once more under the key-encryption key that wraps now. Values stay as they are."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator

from quietline.vault.database import Database, Row
from quietline.vault.keys import Owner, context_of, secret_context
from quietline.vault.ports import Kms
from quietline.vault.rotation import KEK, SQL, Progress, State, put

BATCH = 500  # keys a transaction
_TABLES = ("keys", "next_keys", "secrets")
_REWRAP = {"keys": "rewrap_key", "next_keys": "rewrap_next_key", "secrets": "rewrap_secret"}


class KekRotation:
    """See `rotation.Rotation`. The cursor is "<table>/<last id, hex>". Blocks; the key service may be far away."""

    def __init__(self, database: Database, kms: Kms, batch: int = BATCH) -> None:
        self._database, self._kms, self._batch = database, kms, batch

    def start(self, now: float) -> Progress:
        (total,) = self._database.read(SQL["count_keys"])[0]
        progress = Progress(KEK, State.RUNNING, f"{_TABLES[0]}/", 0, total, now)
        self._database.write(lambda connection: put(connection, progress))
        return progress

    def step(self, progress: Progress, now: float) -> Progress:
        table, _, last = progress.cursor.partition("/")
        rows = self._page(table, last)
        fresh = [(self._kms.wrap(self._kms.unwrap(wrapped, context), context), key, wrapped)
                 for key, context, wrapped in rows if self._kms.wrapped_by(wrapped) != self._kms.key_id]  # fmt: skip
        further = progress.further(_cursor(table, rows, self._batch), len(rows))
        if not further.cursor:
            further = further.ended(now)

        def work(connection: sqlite3.Connection) -> None:
            # Only where the key is still the one that was read: a key destroyed meanwhile stays destroyed.
            connection.executemany(SQL[_REWRAP[table]], fresh)
            put(connection, further)

        self._database.write(work)
        if further.state is State.DONE:
            self._database.scrub()
        return further

    def _page(self, table: str, last: str) -> list[tuple[bytes | str, bytes, bytes]]:
        """(id or name, context, wrapped); secrets are few and come at once."""
        if table == "secrets":
            return [(name, secret_context(name), wrapped) for name, wrapped in self._database.read(SQL["secrets"])]
        found = self._database.read(SQL[f"{table}_after"], (bytes.fromhex(last), self._batch))
        return [(key, context_of(Owner(*owner), key), wrapped) for key, *owner, wrapped in found]


def wrapped_under(database: Database, kms: Kms) -> Counter[str]:
    """How many keys each KEK wraps, by its `key_id`: none may be left before one is destroyed."""
    return Counter(kms.wrapped_by(wrapped) for wrapped in _every(database))


def _every(database: Database) -> Iterator[bytes]:
    for table in ("keys", "next_keys"):
        last = b""
        while rows := database.read(SQL[f"{table}_after"], (last, 10_000)):
            yield from (row[-1] for row in rows)
            last = rows[-1][0]
    yield from (wrapped for _, wrapped in database.read(SQL["secrets"]))


def _cursor(table: str, rows: list[Row], batch: int) -> str:
    """Where to go on; "" at the end."""
    if table == "secrets":
        return ""
    if len(rows) < batch:
        return f"{_TABLES[_TABLES.index(table) + 1]}/"
    return f"{table}/{bytes(rows[-1][0]).hex()}"
