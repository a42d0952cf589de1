"""The key ring: a data key per controller × subject × retention class, wrapped by the KEK, in a database of its own.

Deleting a row here makes everything sealed under it unreadable, wherever copies of the ciphertext are. Methods block
and are safe from several threads.
"""

from __future__ import annotations

import secrets
import sqlite3
import struct
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from quietline.errors import TamperError
from quietline.vault.database import Database, Row, load_sql
from quietline.vault.envelope import KEY_BYTES, KEY_ID_BYTES, DataKey, Place, key_id_of
from quietline.vault.ports import Kms

SQL = load_sql("keys.sql")
ROTATION = load_sql("rotation.sql")
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
        self._epoch = 0  # counts changes of keys
        self._retired: dict[bytes, DataKey] = {}  # of the batch that was re-sealed last
        self._guard = Lock()

    def key(self, owner: Owner) -> DataKey:
        """The owner's key. Raises KeyGoneError when there is none."""
        held, epoch = self._cached(owner), self._epoch
        if held:
            return held
        rows = self._database.read(SQL["key_by_owner"], owner.row())
        if not rows:
            raise KeyGoneError("keys: no key on record for this value")
        (key_id, wrapped) = rows[0]
        return self._keep(owner, DataKey(key_id, self._kms.unwrap(wrapped, context_of(owner, key_id))), epoch)

    def make(self, *owners: Owner, fresh: frozenset[str] = frozenset()) -> None:
        """Make the keys that are missing, durable in one transaction. fresh: subjects that surely have none yet."""
        epoch, missing = self._epoch, [owner for owner in owners if not self._cached(owner)]
        if missing:
            made = self._database.write(lambda connection: self._make_all(connection, missing, fresh))
            for owner, key in made:
                self._keep(owner, key, epoch)

    def key_or_new(self, owner: Owner) -> DataKey:
        """The owner's key; a new one is durable before it is returned."""
        self.make(owner)
        return self.key(owner)

    def open(self, sealed: bytes, owner: Owner, place: Place) -> bytes:
        """Open under the owner's key, chosen by id. Raises TamperError (KeyGoneError where the key is no more)."""
        key, wanted = self.key(owner), key_id_of(sealed)
        if wanted != key.id:
            key = self._other(owner, wanted)
        return key.open(sealed, place)

    # -- rotation (rotate_data.py): two keys of an owner side by side, until every value is under the new one

    def begin_next(self, owners: Sequence[Owner]) -> None:
        """Keys that take the place of these; durable. What is sealed from now on is sealed under them."""
        fresh = [(owner, secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(KEY_BYTES)) for owner in owners]
        rows = [(key_id, self._kms.wrap(key, context_of(owner, key_id)), *owner.row()) for owner, key_id, key in fresh]
        self._database.write(lambda connection: connection.executemany(ROTATION["add_next"], rows))
        self._uncache(owners)

    def finish_next(self, owners: Sequence[Owner], progress: Row) -> None:
        """The old keys go for good, with `progress` in the same transaction.

        Who has read a value under an old key a moment ago may still open it, until the next batch begins.
        """
        retired = [key for owner in owners if (key := self._stored(owner, "old_key"))]
        with self._guard:
            self._retired = {key.id: key for key in retired}
        rows = [owner.row() for owner in owners]

        def work(connection: sqlite3.Connection) -> None:
            for statement in ("drop_old", "take_next", "drop_next"):
                connection.executemany(ROTATION[statement], rows)
            connection.execute(ROTATION["put_rotation"], progress)

        self._database.write(work)
        self._database.scrub()

    def settle(self) -> None:
        """Forget the last batch's old keys."""
        with self._guard:
            self._retired.clear()

    def _other(self, owner: Owner, key_id: bytes) -> DataKey:
        """The owner's key of this id, while a rotation has two. Raises TamperError."""
        rows = self._database.read(SQL["key_by_id"], (*owner.row(), key_id))
        if rows:
            return DataKey(key_id, self._kms.unwrap(rows[0][0], context_of(owner, key_id)))
        with self._guard:
            retired = self._retired.get(key_id)
        if not retired:
            raise TamperError("keys: this value was sealed under another owner's key")
        return retired

    def _stored(self, owner: Owner, statement: str) -> DataKey | None:
        rows = self._database.read(ROTATION[statement], owner.row())
        return DataKey(rows[0][0], self._kms.unwrap(rows[0][1], context_of(owner, rows[0][0]))) if rows else None

    def _uncache(self, owners: Sequence[Owner]) -> None:
        """After their rows have changed: who has read one before keeps it no longer than their question takes."""
        with self._guard:
            self._epoch += 1
            self._retired.clear()
            for owner in owners:
                self._cache.pop(owner.row(), None)

    def add_secret(self, name: str) -> bytes:
        """A secret with new bytes; what stood under this name is gone."""
        self.drop_secrets([name])
        return self.secret(name)

    def drop_secrets(self, names: Sequence[str]) -> None:
        """Destroy these secrets: the rows, the memory and the write-ahead log."""
        with self._guard:
            for name in names:
                self._secrets.pop(name, None)
        self._database.write(lambda db: db.executemany(ROTATION["drop_secret"], [(name,) for name in names]))
        self._database.scrub()

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
        rows = [owner.row() for owner in owners]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(SQL["destroy_keys"], rows)
            connection.executemany(SQL["destroy_next_keys"], rows)

        self._database.write(work)
        self._uncache(owners)
        self._database.scrub()

    def forget(self) -> None:
        """Drop every unwrapped key. Python cannot wipe them: the process should end soon after."""
        with self._guard:
            self._cache.clear()
            self._secrets.clear()
            self._retired.clear()

    def _make_all(
        self, connection: sqlite3.Connection, owners: list[Owner], fresh: frozenset[str]
    ) -> list[tuple[Owner, DataKey]]:
        made, rows = [], []
        for owner in dict.fromkeys(owners):
            if owner.subject in fresh or not connection.execute(SQL["key_by_owner"], owner.row()).fetchone():
                key_id, key = secrets.token_bytes(KEY_ID_BYTES), secrets.token_bytes(KEY_BYTES)
                rows.append((key_id, *owner.row(), self._kms.wrap(key, context_of(owner, key_id))))
                made.append((owner, DataKey(key_id, key)))
        connection.executemany(SQL["add_key"], sorted(rows))  # in the tree's order: fewer pages are touched twice
        return made

    def _load_secret(self, name: str) -> bytes | None:
        rows = self._database.read(SQL["secret"], (name,))
        return self._kms.unwrap(rows[0][0], secret_context(name)) if rows else None

    def _add_secret(self, connection: sqlite3.Connection, name: str) -> bytes:
        found = connection.execute(SQL["secret"], (name,)).fetchone()
        if found:
            return self._kms.unwrap(found[0], secret_context(name))
        fresh = secrets.token_bytes(KEY_BYTES)
        connection.execute(SQL["add_secret"], (name, self._kms.wrap(fresh, secret_context(name))))
        return fresh

    def _cached(self, owner: Owner) -> DataKey | None:
        with self._guard:
            held = self._cache.get(owner.row())
            if held:
                self._cache.move_to_end(owner.row())
            return held

    def _keep(self, owner: Owner, key: DataKey, epoch: int) -> DataKey:
        """Not where keys have changed since the row was read: this one may be the old one."""
        with self._guard:
            if epoch == self._epoch:
                self._cache[owner.row()] = key
            while len(self._cache) > CACHED_KEYS:
                self._cache.popitem(last=False)
        return key


def context_of(owner: Owner, key_id: bytes) -> bytes:
    """What a wrapped data key is bound to."""
    parts = [b"data-key", key_id, *(part.encode() for part in owner.row())]
    return b"".join(struct.pack("!I", len(part)) + part for part in parts)


def secret_context(name: str) -> bytes:
    """What a wrapped secret is bound to."""
    return b"secret:" + name.encode()
