"""The key ring: a data key per controller × subject × retention class, wrapped by the KEK, in a database of its own.

Deleting a row here makes everything sealed under it unreadable, wherever copies of the ciphertext are. Methods block
and are safe from several threads.
"""

from __future__ import annotations

import secrets
import sqlite3
import struct
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from quietline.errors import TamperError
from quietline.vault.database import Database, load_sql
from quietline.vault.envelope import KEY_BYTES, KEY_ID_BYTES, DataKey, Place, key_id_of
from quietline.vault.ports import Kms

SQL = load_sql("keys.sql")
CACHED_KEYS = 8_192  # unwrapped data keys in memory, about 0.5 KB each


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose key: `controller` under the GDPR, `subject` a random token, `data_class` the retention class."""

    controller: str
    subject: str
    data_class: str

    def row(self) -> tuple[str, str, str]:
        return (self.controller, self.subject, self.data_class)


class KeyGoneError(TamperError):
    """No such key: erased on purpose, or its row was removed behind our back. The value cannot be read either way."""


def open_keys_database(folder: Path) -> Database:
    """`keys.db` below `folder`."""
    return Database(folder / "keys.db", ("keys_0001.sql", "keys_0002.sql"))


class Keyring:
    """Data keys and named secrets. Unwrapped keys are kept in memory until `forget`."""

    def __init__(self, database: Database, kms: Kms) -> None:
        self._database = database
        self._kms = kms
        self._cache: OrderedDict[tuple[str, str, str], DataKey] = OrderedDict()
        self._secrets: dict[str, bytes] = {}
        self._guard = Lock()

    def key(self, owner: Owner) -> DataKey:
        """The owner's key. Raises KeyGoneError when there is none."""
        held = self._cached(owner)
        if held:
            return held
        rows = self._database.read(SQL["key_by_owner"], owner.row())
        if not rows:
            raise KeyGoneError("keys: no key on record for this value")
        (key_id, wrapped) = rows[0]
        return self._keep(owner, DataKey(key_id, self._kms.unwrap(wrapped, _context(owner, key_id))))

    def make(self, *owners: Owner, fresh: frozenset[str] = frozenset()) -> None:
        """Make the keys that are missing, durable in one transaction. fresh: subjects that surely have none yet."""
        missing = [owner for owner in owners if not self._cached(owner)]
        if missing:
            made = self._database.write(lambda connection: self._make_all(connection, missing, fresh))
            for owner, key in made:
                self._keep(owner, key)

    def key_or_new(self, owner: Owner) -> DataKey:
        """The owner's key; a new one is durable before it is returned."""
        self.make(owner)
        return self.key(owner)

    def open(self, sealed: bytes, owner: Owner, place: Place) -> bytes:
        """Open under the owner's key, chosen by id. Raises TamperError (KeyGoneError where the key is no more)."""
        key = self.key(owner)
        if key_id_of(sealed) != key.id:
            raise TamperError("keys: this value was sealed under another owner's key")
        return key.open(sealed, place)

    def secret(self, name: str) -> bytes:
        """32 random bytes kept under this name, made at first use: index keys, the ledger's signing key."""
        with self._guard:
            held = self._secrets.get(name)
        if held is None:
            held = self._load_secret(name) or self._database.write(
                lambda connection: self._add_secret(connection, name)
            )
            with self._guard:
                self._secrets[name] = held
        return held

    def destroy(self, *owners: Owner) -> None:
        """Delete these keys for good: the row, the memory and the write-ahead log."""
        with self._guard:
            for owner in owners:
                self._cache.pop(owner.row(), None)
        self._database.write(lambda db: db.executemany(SQL["destroy_keys"], [owner.row() for owner in owners]))
        self._database.scrub()

    def forget(self) -> None:
        """Drop every unwrapped key. Python cannot wipe them: the process should end soon after."""
        with self._guard:
            self._cache.clear()
            self._secrets.clear()

    def _make_all(
        self, connection: sqlite3.Connection, owners: list[Owner], fresh: frozenset[str]
    ) -> list[tuple[Owner, DataKey]]:
        made, rows = [], []
        for owner in dict.fromkeys(owners):
            if owner.subject in fresh or not connection.execute(SQL["key_by_owner"], owner.row()).fetchone():
                key_id, key = secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(KEY_BYTES)
                rows.append((key_id, *owner.row(), self._kms.wrap(key, _context(owner, key_id))))
                made.append((owner, DataKey(key_id, key)))
        connection.executemany(SQL["add_key"], sorted(rows))  # in the tree's order: fewer pages are touched twice
        return made

    def _load_secret(self, name: str) -> bytes | None:
        rows = self._database.read(SQL["secret"], (name,))
        return self._kms.unwrap(rows[0][0], _secret_context(name)) if rows else None

    def _add_secret(self, connection: sqlite3.Connection, name: str) -> bytes:
        found = connection.execute(SQL["secret"], (name,)).fetchone()
        if found:
            return self._kms.unwrap(found[0], _secret_context(name))
        fresh = secrets.token_bytes(KEY_BYTES)
        connection.execute(SQL["add_secret"], (name, self._kms.wrap(fresh, _secret_context(name))))
        return fresh

    def _cached(self, owner: Owner) -> DataKey | None:
        with self._guard:
            held = self._cache.get(owner.row())
            if held:
                self._cache.move_to_end(owner.row())
            return held

    def _keep(self, owner: Owner, key: DataKey) -> DataKey:
        with self._guard:
            self._cache[owner.row()] = key
            while len(self._cache) > CACHED_KEYS:
                self._cache.popitem(last=False)
        return key


def _context(owner: Owner, key_id: bytes) -> bytes:
    parts = [b"data-key", key_id, *(part.encode() for part in owner.row())]
    return b"".join(struct.pack("!I", len(part)) + part for part in parts)


def _secret_context(name: str) -> bytes:
    return b"secret:" + name.encode()
