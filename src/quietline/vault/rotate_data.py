"""A customer's values under fresh keys, the old ones destroyed: what an old copy of a key opens grows no further.

For each batch of customers: new keys beside the old ones (keys.db), every value re-sealed (records.db), the old keys
deleted (keys.db). Whoever reads meanwhile finds either by its id; whoever writes seals under the new one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from quietline.errors import TamperError
from quietline.vault.database import Database
from quietline.vault.envelope import Place, key_id_of
from quietline.vault.keys import KeyGoneError, Keyring, Owner
from quietline.vault.rotation import DATA, SQL, Progress, State, put
from quietline.vault.schema import DataClass

BATCH = 50  # customers a round; each round waits for the disk three times
_CLASSES = frozenset(DataClass)


class DataRotation:
    """See `rotation.Rotation`. Ledger bodies and people's names keep their keys: those files are written once."""

    def __init__(self, keys: Database, records: Database, keyring: Keyring, batch: int = BATCH) -> None:
        self._keys, self._records, self._keyring, self._batch = keys, records, keyring, batch

    def start(self, now: float) -> Progress:
        (total,) = self._keys.read(SQL["count_subjects"])[0]
        progress = Progress(DATA, State.RUNNING, "", 0, total, now)
        self._keys.write(lambda connection: put(connection, progress))
        return progress

    def step(self, progress: Progress, now: float) -> Progress:
        left = [Owner(*row) for row in self._keys.read(SQL["next_keys"])]
        if left:  # a crash came between: their new keys are there, and nothing else is known for sure
            self._reseal(left)
            self._keyring.finish_next(left, progress.row())
        subjects = [subject for (subject,) in self._keys.read(SQL["subjects_after"], (progress.cursor, self._batch))]
        if not subjects:
            self._keyring.settle()
            done = progress.ended(now)
            self._keys.write(lambda connection: put(connection, done))
            return done
        owners = [owner for subject in subjects for owner in self._owners(subject)]
        further = progress.further(subjects[-1], len(subjects))
        self._keyring.begin_next(owners)
        # Crash here: new keys that seal nothing yet, or what was written since.
        self._reseal(owners)
        # Crash here: every value is under the new keys, and the old ones are still there.
        self._keyring.finish_next(owners, further.row())
        return further

    def _owners(self, subject: str) -> list[Owner]:
        rows = self._keys.read(SQL["owners_of"], (subject,))
        return [Owner(*row) for row in rows if row[2] in _CLASSES]

    def _reseal(self, owners: Sequence[Owner]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for owner in owners:
                self._reseal_one(connection, owner)

        self._records.write(work)

    def _reseal_one(self, connection: sqlite3.Connection, owner: Owner) -> None:
        try:
            key = self._keyring.key(owner)
        except KeyGoneError:
            return  # erased meanwhile
        for record, name, data_class, revision, sealed in connection.execute(
            SQL["sealed_of"], (owner.subject, owner.controller)
        ).fetchall():
            if data_class == owner.data_class and key_id_of(sealed) != key.id:
                place = Place(owner.controller, record, name, data_class, revision)
                self._replace(connection, (owner, place), sealed)

    def _replace(self, connection: sqlite3.Connection, at: tuple[Owner, Place], sealed: bytes) -> None:
        owner, place = at
        try:
            plain = self._keyring.open(sealed, owner, place)
        except TamperError:
            return  # noise already; the look that meets it tells of tampering
        fresh = self._keyring.key(owner).seal(plain, place)
        connection.execute(SQL["reseal"], (fresh, place.record, place.field, sealed))
