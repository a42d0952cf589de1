"""Brings a customer's file together: opens every value, reads the ledger, takes out what is somebody else's. Blocks."""

from __future__ import annotations

from collections.abc import Callable, Collection

from quietline.errors import TamperError
from quietline.rights.access_file import SECRET_FIELDS, AccessFile, Record, Value, calls_of, looks_of
from quietline.rights.books import RightsBooks
from quietline.rights.parts import Parts
from quietline.rights.redact import redact
from quietline.rights.requests import Request
from quietline.sealed import Ticket
from quietline.vault.blind_index import EMAIL, PHONE
from quietline.vault.records import StoredRecord


class Gatherer:
    """`ticket` names the privacy officer, and the ledger entry that was durable first."""

    def __init__(self, parts: Parts, books: RightsBooks) -> None:
        self._parts, self._books = parts, books

    def file(self, request: Request, ticket: Ticket, withheld: Collection[str] = ()) -> AccessFile:
        """The whole answer. `withheld`: kinds of records left out to protect others (GDPR 15(4)).

        Raises TamperError: a file with a value missing would say too little without saying so.
        """
        parts, customer = self._parts, request.customer
        own = [value for name in (PHONE, EMAIL) if (value := self._value(customer, name, ticket, ""))]
        staff = self._staff_names(ticket)
        records = tuple(
            self._record(customer, stored, ticket, own, staff)
            for stored in parts.records.every(customer)
            if stored.kind not in withheld
        )
        entries = parts.reader.of(customer)
        return AccessFile(
            request.id,
            request.controller,
            parts.now(),
            records,
            calls_of(entries),
            looks_of(entries, self._who()),
            dict(self._books.recipients),
            tuple(sorted(withheld)),
        )

    def _record(self, customer: str, stored: StoredRecord, ticket: Ticket, own: list[str], staff: list[str]) -> Record:
        values = []
        for name in stored.fields:
            spec = self._parts.records.fields.get(name)
            if name in SECRET_FIELDS or spec is None:
                continue
            plain = self._value(customer, name, ticket, stored.id)
            text = redact(plain, own, staff) if spec.free_text and stored.kind != "customer" else plain
            values.append(Value(name, spec.label, spec.data_class.value, text))
        return Record(stored.kind, stored.day, tuple(values))

    def _value(self, customer: str, name: str, ticket: Ticket, record: str) -> str:
        value = self._parts.records.open(customer, name, ticket, record)
        return value.open(ticket) if value else ""

    def _who(self) -> Callable[[str], tuple[str, str]]:
        members = {each.agent: each for each in self._parts.identity.roll().members}

        def role_and_store(agent: str) -> tuple[str, str]:
            member = members.get(agent)
            return (member.role.value, member.store) if member else ("former staff", "")

        return role_and_store

    def _staff_names(self, ticket: Ticket) -> list[str]:
        names = []
        for member in self._parts.identity.roll().members:
            try:
                names.append(self._parts.identity.display_name(member.agent).open(ticket))
            except TamperError:
                continue  # a row that is not ours has no name to take out
        return names
