"""A blind index under a new key: written beside the old one, filled, cut over, the old rows and the old key destroyed.

Rows are made anew from the stored values, for a token does not tell what it was made of. So an index whose value we do
not keep (logins, the shop's own keys) cannot be given another key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace

from quietline.errors import ConfigError, TamperError
from quietline.sealed import SIGNALLING, Ticket
from quietline.vault.blind_index import CUSTOMER_KEY, LOGIN, ORDER, ORDER_RECORD, BlindIndex, IndexRow, Names, normalise
from quietline.vault.database import Database
from quietline.vault.keys import Keyring
from quietline.vault.records import Records, kind_of
from quietline.vault.rotation import INDEX, SQL, Progress, State, put

BATCH = 100  # customers a transaction
DELETED = 5_000  # old rows a transaction
NOT_KEPT = frozenset({LOGIN, CUSTOMER_KEY})
_TICKET = Ticket("vault", "index-rotation", SIGNALLING)


class IndexRotation:
    """See `rotation.Rotation`; one field's. `country`: by whose rules national numbers are read (ISO 3166)."""

    def __init__(
        self, databases: tuple[Database, Database], keyring: Keyring, parts: tuple[BlindIndex, Records], field: str,
        country: str, batch: int = BATCH,
    ) -> None:  # fmt: skip
        self._keys, self._rows = databases
        self._keyring, (self._index, self._records) = keyring, parts
        self._field, self._country, self._batch = field, country, batch

    def start(self, now: float) -> Progress:
        """Raises ConfigError for an index whose values are not kept."""
        if self._field in NOT_KEPT:
            raise ConfigError(f"key rotate index: the values behind {self._field} are not kept; it keeps its key")
        names = self._purged()
        base, _, number = names.present.partition("@")
        coming = names.coming or f"{base}@{int(number or 1) + 1}"
        self._keyring.secret(f"index/{coming}")
        (total,) = self._rows.read(SQL["count_customers"])[0]
        progress = Progress(INDEX + self._field, State.RUNNING, "", 0, total, now)
        self._keys.write(lambda connection: put(connection, progress))
        # Crash here: the first step does what comes next.
        self._index.rename(self._field, replace(names, coming=coming))
        return progress

    def step(self, progress: Progress, now: float) -> Progress:
        if progress.state is State.CLEARING:
            return self._clear(progress, now)
        names = self._index.names(self._field)
        if not names.coming:
            return self._cut_short(progress, names, now)
        customers = [row[0] for row in self._rows.read(SQL["customers_after"], (progress.cursor, self._batch))]
        if not customers:
            return self._cut(progress, names, now)
        further = progress.further(customers[-1], len(customers))
        self._index.copy([row for customer in customers for row in self._values(customer)], further.row())
        return further

    def _cut_short(self, progress: Progress, names: Names, now: float) -> Progress:
        """A crash came after the progress was written: either before the new name, or after the cut."""
        if names.past:
            return replace(progress, state=State.CLEARING)
        ended = progress.ended(now, State.BLOCKED)
        self._keys.write(lambda connection: put(connection, ended))
        return self.start(now)

    def _values(self, customer: str) -> Iterator[IndexRow]:
        source = ORDER if self._field == ORDER_RECORD else self._field
        controller = self._records.controller_of(customer)
        for record in self._records.every(customer):
            if record.kind == kind_of(source) and source in record.fields:
                normal = self._normal(customer, source, record.id)
                if normal:
                    subject = record.id if self._field == ORDER_RECORD else customer
                    yield IndexRow(controller, subject, self._field, normal)

    def _normal(self, customer: str, source: str, record: str) -> str | None:
        try:
            value = self._records.open(customer, source, _TICKET, record)
        except TamperError:
            return None  # erased meanwhile, or noise; then the row stays behind, and the cut is not made
        return normalise(self._field, value.open(_TICKET), self._country) if value else None

    def _cut(self, progress: Progress, names: Names, now: float) -> Progress:
        """Look up the new rows from now on, if they are as many as the old ones."""
        present, coming = (self._count(name) for name in (names.present, names.coming))
        if present != coming:
            return self._give_up(progress, names, now)
        clearing = replace(progress, state=State.CLEARING)
        self._index.rename(self._field, Names(names.coming, "", names.present))
        # Crash here: `past` is named, so the next step goes on with deleting.
        self._keys.write(lambda connection: put(connection, clearing))
        return clearing

    def _give_up(self, progress: Progress, names: Names, now: float) -> Progress:
        blocked = progress.ended(now, State.BLOCKED)
        self._keys.write(lambda connection: put(connection, blocked))
        # Crash here: rows are still written under both names, and the next rotation goes on with these.
        self._index.rename(self._field, Names(names.present, "", names.coming))
        self._purged()
        return blocked

    def _clear(self, progress: Progress, now: float) -> Progress:
        self._purged()
        ended = progress.ended(now)
        self._keys.write(lambda connection: put(connection, ended))
        self._keys.scrub()
        return ended

    def _purged(self) -> Names:
        """Delete what stands under the past name, then its key; the names that are left."""
        names = self._index.names(self._field)
        while names.past and self._delete(names.past):
            pass
        if names.past:
            self._keyring.drop_secrets([f"index/{names.past}"])
            # Crash here: the name is still there, with no rows and no key; the next time it is dropped.
            self._index.rename(self._field, replace(names, past=""))
        return self._index.names(self._field)

    def _delete(self, name: str) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(SQL["drop_rows"], (name, DELETED)).rowcount

        return self._keys.write(work)

    def _count(self, name: str) -> int:
        return int(self._keys.read(SQL["count_rows"], (name,))[0][0])
