"""Customers and their orders, every value sealed on its own. Ids are random tokens; nothing here can be read from disk.

Methods block: call them off the event loop. An import writes keys, then records, then index rows, so a crash between
them leaves keys nobody uses, or a customer nobody finds, and the same import run again completes it.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quietline.errors import TamperError
from quietline.sealed import Sealed, Ticket
from quietline.vault.database import Database, load_sql
from quietline.vault.envelope import DataKey, Place
from quietline.vault.keys import Keyring, Owner
from quietline.vault.schema import FIELDS, DataClass, FieldSpec

SQL = load_sql("records.sql")
TOKEN_BYTES = 16
CUSTOMER, ORDER, NOTE, TICKET = "customer", "order", "note", "ticket"
CONSENT, RECORDING = "consent", "recording"
DAY_SECONDS = 86_400
_KINDS = {"order": ORDER, "service": NOTE, "ticket": TICKET, "invoice": ORDER, "consent": CONSENT}
_KINDS["recording"] = RECORDING


@dataclass(frozen=True, slots=True)
class NewRecord:
    """Fields to seal as one record of a customer.

    kind: "customer", "order" (its invoice with it), "note", "ticket", "consent", "recording". record: one to update,
    "" for a new one. day: UTC days since 1970 when it was placed or written, 0 for today. first: the customer has no
    record yet, so nothing is looked for.
    """

    controller: str
    customer: str
    kind: str
    fields: dict[str, Sealed[str]] = field(repr=False)
    record: str = ""
    day: int = 0
    first: bool = False


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record, unopened. `day`: UTC days since 1970, 0 where it was written before days were kept."""

    id: str
    kind: str
    day: int
    fields: tuple[str, ...]


def new_token(prefix: str) -> str:
    """A random token; says nothing about whom it names."""
    return f"{prefix}_{secrets.token_hex(TOKEN_BYTES)}"


def kind_of(name: str) -> str:
    """The kind of record that keeps this field."""
    return _KINDS.get(name.partition(".")[0], CUSTOMER)


def owners_of(controller: str, customer: str) -> list[Owner]:
    """The keys a customer has: one per retention class."""
    return [Owner(controller, customer, data_class) for data_class in DataClass]


def open_records_database(folder: Path) -> Database:
    """`records.db` below `folder`."""
    return Database(folder / "records.db", tuple(f"records_{number:04}.sql" for number in range(1, 5)))


def today() -> int:
    """UTC days since 1970."""
    return int(time.time()) // DAY_SECONDS


class Records:
    """Sealed rows. `ticket` names who writes or opens, and the ledger entry that was durable first.

    `fields`: every field that may be stored, by name; `day`: today, UTC days since 1970.
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        fields: Mapping[str, FieldSpec] = FIELDS,
        day: Callable[[], int] = today,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self.fields = fields  # every field that may be stored or shown
        self._day = day

    def add(self, records: Sequence[NewRecord], ticket: Ticket) -> list[str]:
        """Seal and store, in one transaction; the records' ids. A customer has one "customer" record, updated.

        A value that stands there already is not written again, so that `changed` means another value.
        """
        self._keyring.make(
            *(Owner(r.controller, r.customer, self.fields[name].data_class) for r in records for name in r.fields)
        )
        return self._database.write(lambda connection: self._add_all(connection, records, ticket))

    def open(self, customer: str, name: str, ticket: Ticket, record: str = "") -> Sealed[str] | None:
        """The value of a field in `record`, else in the customer's latest one; None where there is none.

        Raises TamperError.
        """
        if not isinstance(ticket, Ticket):
            raise TypeError("a stored value opens only with a Ticket")
        found = self._database.read(SQL["latest"], (customer, kind_of(name)))
        if not found:
            return None
        latest, controller = found[0]
        record = record or latest
        rows = self._database.read(SQL["field"], (record, name))
        return (
            self._unseal(Owner(controller, customer, self.fields[name].data_class), record, name, rows[0])
            if rows
            else None
        )

    def has(self, customer: str) -> set[str]:
        """Names of the fields that this customer has, unopened."""
        return {name for (name,) in self._database.read(SQL["field_names"], (customer,))}

    def controller_of(self, customer: str) -> str:
        """Who is the GDPR controller of this customer; "" for a customer we do not have."""
        rows = self._database.read(SQL["controller_of"], (customer,))
        return str(rows[0][0]) if rows else ""

    def customer_of(self, record: str) -> str:
        """Whose record this is; "" for none we have."""
        rows = self._database.read(SQL["customer_of"], (record,))
        return str(rows[0][0]) if rows else ""

    def count(self) -> int:
        """How many customers there are."""
        return int(self._database.read(SQL["count"])[0][0])

    def every(self, customer: str) -> list[StoredRecord]:
        """The customer's records, oldest first, with the names of their fields, unopened."""
        found: dict[str, tuple[str, int, list[str]]] = {}
        for record, kind, day, name in self._database.read(SQL["every"], (customer,)):
            found.setdefault(record, (kind, day, []))[2].append(name)
        return [StoredRecord(record, kind, day, tuple(names)) for record, (kind, day, names) in found.items()]

    def changed(self, customer: str, name: str) -> int:
        """The day (UTC days since 1970) on which another value replaced the first one; 0 for never."""
        rows = self._database.read(SQL["changed"], (customer, kind_of(name), name))
        return int(rows[0][0]) if rows else 0

    def last_activity(self, customer: str) -> int:
        """The latest day on any record of the customer, UTC days since 1970; 0 for none known."""
        return int(self._database.read(SQL["last_activity"], (customer,))[0][0] or 0)

    def differs(self, new: NewRecord, record: str, ticket: Ticket) -> bool:
        """Whether storing these fields in `record` would change a value. Raises TamperError."""
        held = self._held(self._database.read, record)
        return any(not self._same(new, record, name, held.get(name), ticket) for name in new.fields)

    def latest(self, customer: str, kind: str) -> str:
        """The id of the customer's latest record of this kind, "" for none."""
        rows = self._database.read(SQL["latest"], (customer, kind))
        return str(rows[0][0]) if rows else ""

    def erase(self, customer: str, classes: Iterable[str] = tuple(DataClass)) -> None:
        """Destroy these classes' keys first: from then on no copy of a ciphertext opens. Then their rows."""
        controller, gone = self.controller_of(customer), list(classes)
        self._keyring.destroy(*(Owner(controller, customer, data_class) for data_class in gone))
        # Crash here: the rows stay, unreadable; the same call again removes them.
        self._database.write(lambda connection: _erase(connection, customer, gone))
        self._database.scrub()

    def stored(self, page: int = 2_000) -> Iterator[tuple[str, str, int, str, str]]:
        """(customer, record, day, field, class) of every value, unopened; `page` customers a read."""
        rows = self._database.read(SQL["stored"], ("", page))
        while rows:
            yield from rows
            rows = self._database.read(SQL["stored"], (rows[-1][0], page))

    def drop(self, customer: str, values: Sequence[tuple[str, str]]) -> None:
        """Delete these (record, field) values of a customer, from the write-ahead log too. Their class's key stays."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(SQL["drop_field"], values)
            connection.execute(SQL["erase_empty"], (customer,))

        if values:
            self._database.write(work)
            self._database.scrub()

    def scrub(self) -> None:
        """What was replaced is gone from the write-ahead log too. Raises Unavailable while that is being read."""
        self._database.scrub()

    def _add_all(self, connection: sqlite3.Connection, records: Sequence[NewRecord], ticket: Ticket) -> list[str]:
        ids: list[str] = []
        made: list[tuple[str, str, str, str, int]] = []
        rows: list[tuple[str, str, str, int, bytes, int]] = []
        held = {new.customer: new.record for new in records if new.record and new.kind == CUSTOMER}
        for new in records:
            record = new.record or self._own_record(connection, new, held)
            fresh = not record
            if fresh:
                record = new_token("re")
                made.append((record, new.controller, new.customer, new.kind, new.day or self._day()))
            if new.kind == CUSTOMER:
                held[new.customer] = record
            rows += self._rows(connection, new, record, fresh, ticket)
            ids.append(record)
        connection.executemany(SQL["add_record"], made)
        connection.executemany(SQL["put_field"], sorted(rows))
        return ids

    def _own_record(self, connection: sqlite3.Connection, new: NewRecord, held: dict[str, str]) -> str:
        """A customer has one record of kind "customer"; of the others it has many."""
        if new.kind != CUSTOMER:
            return ""
        if new.customer in held or new.first:
            return held.get(new.customer, "")
        found = connection.execute(SQL["latest"], (new.customer, CUSTOMER)).fetchone()
        return str(found[0]) if found else ""

    def _rows(
        self, connection: sqlite3.Connection, new: NewRecord, record: str, fresh: bool, ticket: Ticket
    ) -> list[tuple[str, str, str, int, bytes, int]]:
        held = {} if fresh else self._held(lambda sql, given: connection.execute(sql, given).fetchall(), record)
        changed, rows = 0 if fresh else self._day(), []
        keys: dict[str, DataKey] = {}
        for name, value in new.fields.items():
            if self._same(new, record, name, held.get(name), ticket):
                continue
            data_class = self.fields[name].data_class
            revision = held[name][1] + 1 if name in held else 1
            key = keys.get(data_class) or self._keyring.key(Owner(new.controller, new.customer, data_class))
            keys[data_class] = key
            sealed = key.seal(value.open(ticket).encode(), Place(new.controller, record, name, data_class, revision))
            rows.append((record, name, data_class.value, revision, sealed, changed))
        return rows

    @staticmethod
    def _held(read: Callable[[str, tuple[str]], list[Any]], record: str) -> dict[str, tuple[str, int, bytes]]:
        return {
            name: (data_class, revision, sealed) for name, data_class, revision, sealed in read(SQL["held"], (record,))
        }

    def _same(self, new: NewRecord, record: str, name: str, row: tuple[str, int, bytes] | None, ticket: Ticket) -> bool:
        if row is None:
            return False
        try:
            stored = self._unseal(Owner(new.controller, new.customer, self.fields[name].data_class), record, name, row)
        except TamperError:
            return False  # a value that does not open is replaced by one that does; looks tell of tampering
        return stored.open(ticket) == new.fields[name].open(ticket)

    def _unseal(self, owner: Owner, record: str, name: str, row: tuple[str, int, bytes]) -> Sealed[str]:
        data_class, revision, sealed = row
        if data_class != owner.data_class:
            raise TamperError("records: a field's class was changed behind our back")
        place = Place(owner.controller, record, name, data_class, revision)
        return Sealed(self._keyring.open(sealed, owner, place).decode())


def _erase(connection: sqlite3.Connection, customer: str, classes: Sequence[str]) -> None:
    connection.executemany(SQL["erase_class"], [(customer, each) for each in classes])
    connection.execute(SQL["erase_empty"], (customer,))
