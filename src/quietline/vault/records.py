"""Customers and their orders, every value sealed on its own. Ids are random tokens; nothing here can be read from disk.

Methods block: call them off the event loop. An import writes keys, then records, then index rows, so a crash between
them leaves keys nobody uses, or a customer nobody finds, and the same import run again completes it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quietline.errors import TamperError
from quietline.sealed import Sealed, Ticket
from quietline.vault.database import Database, load_sql
from quietline.vault.envelope import Place
from quietline.vault.keys import Keyring, Owner
from quietline.vault.schema import FIELDS, DataClass

SQL = load_sql("records.sql")
TOKEN_BYTES = 16
CUSTOMER, ORDER, NOTE = "customer", "order", "note"


@dataclass(frozen=True, slots=True)
class NewRecord:
    """Fields to seal as one record of a customer. `kind`: "customer", "order", "note"; `record`: one to update."""

    controller: str
    customer: str
    kind: str
    fields: dict[str, Sealed[str]] = field(repr=False)
    record: str = ""


def new_token(prefix: str) -> str:
    """A random token; says nothing about whom it names."""
    return f"{prefix}_{secrets.token_hex(TOKEN_BYTES)}"


def kind_of(name: str) -> str:
    """The kind of record that keeps this field."""
    return {"order": ORDER, "service": NOTE}.get(name.partition(".")[0], CUSTOMER)


def owners_of(controller: str, customer: str) -> list[Owner]:
    """The keys a customer has: one per retention class."""
    return [Owner(controller, customer, data_class) for data_class in DataClass]


def open_records_database(folder: Path) -> Database:
    """`records.db` below `folder`."""
    return Database(folder / "records.db", ("records_0001.sql", "records_0002.sql"))


class Records:
    """Sealed rows. `ticket` names who writes or opens, and the ledger entry that was durable first."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring

    def add(self, records: Sequence[NewRecord], ticket: Ticket) -> list[str]:
        """Seal and store, in one transaction; the records' ids. A customer has one "customer" record, updated."""
        self._keyring.make(
            *(Owner(r.controller, r.customer, FIELDS[name].data_class) for r in records for name in r.fields)
        )
        return self._database.write(lambda connection: [self._add(connection, each, ticket) for each in records])

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
            self._unseal(Owner(controller, customer, FIELDS[name].data_class), record, name, rows[0]) if rows else None
        )

    def has(self, customer: str) -> set[str]:
        """Names of the fields that this customer has, unopened."""
        return {name for (name,) in self._database.read(SQL["field_names"], (customer,))}

    def controller_of(self, customer: str) -> str:
        """Who is the GDPR controller of this customer; "" for a customer we do not have."""
        rows = self._database.read(SQL["controller_of"], (customer,))
        return str(rows[0][0]) if rows else ""

    def count(self) -> int:
        """How many customers there are."""
        return int(self._database.read(SQL["count"])[0][0])

    def erase(self, customer: str, classes: Iterable[str] = tuple(DataClass)) -> None:
        """Destroy the keys first: from then on no copy of a ciphertext opens. Then the rows."""
        controller = self.controller_of(customer)
        self._keyring.destroy(*(Owner(controller, customer, data_class) for data_class in classes))
        # Crash here: the rows stay, unreadable; the same call again removes them.
        self._database.write(lambda connection: connection.execute(SQL["erase"], (customer,)))
        self._database.scrub()

    def _add(self, connection: sqlite3.Connection, new: NewRecord, ticket: Ticket) -> str:
        record = self._record_for(connection, new)
        for name, value in new.fields.items():
            spec = FIELDS[name]
            found = connection.execute(SQL["revision"], (record, name)).fetchone()
            revision = found[0] + 1 if found else 1
            place = Place(new.controller, record, name, spec.data_class, revision)
            key = self._keyring.key(Owner(new.controller, new.customer, spec.data_class))
            sealed = key.seal(value.open(ticket).encode(), place)
            connection.execute(SQL["put_field"], (record, name, spec.data_class, revision, sealed))
        return record

    def _record_for(self, connection: sqlite3.Connection, new: NewRecord) -> str:
        if new.record:
            return new.record
        if new.kind == CUSTOMER:
            found = connection.execute(SQL["latest"], (new.customer, CUSTOMER)).fetchone()
            if found:
                return str(found[0])
        record = new_token("re")
        connection.execute(SQL["add_record"], (record, new.controller, new.customer, new.kind))
        return record

    def _unseal(self, owner: Owner, record: str, name: str, row: tuple[str, int, bytes]) -> Sealed[str]:
        data_class, revision, sealed = row
        if data_class != owner.data_class:
            raise TamperError("records: a field's class was changed behind our back")
        place = Place(owner.controller, record, name, data_class, revision)
        return Sealed(self._keyring.open(sealed, owner, place).decode())
