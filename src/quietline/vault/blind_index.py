"""Find a customer without storing what is looked for: a keyed HMAC-SHA256 (RFC 2104) over the normalised value.

Each field has a key of its own, and the data controller is part of the message, so that two franchisees' rows cannot be
joined. A leaked key lets every phone number be tried in half an hour: the keys are wrapped by the KMS, and rows are
deleted on erasure. Each row carries a MAC, so that nobody without the key can point a caller's token at someone else.
"""

from __future__ import annotations

import hmac
import re
import sqlite3
import struct
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field

import phonenumbers

from quietline.errors import TamperError
from quietline.vault.database import Database, Row, load_sql
from quietline.vault.keys import Keyring

SQL = load_sql("keys.sql")
ROTATION = load_sql("rotation.sql")
PHONE = "contact.phone"
EMAIL = "contact.email"
LOYALTY = "contact.loyalty"
ORDER = "order.reference"
LOGIN = "staff.login"
CUSTOMER_KEY = "customer.key"  # the importing shop system's own key
ORDER_RECORD = "order.record"  # the order's own record, so that an import run again updates it
FIELDS = (PHONE, EMAIL, LOYALTY, ORDER, LOGIN, CUSTOMER_KEY, ORDER_RECORD)
OWN = "custom."  # how the name of a house's own indexed field begins (custom.py)
MAX_RAW = 64  # characters; E.164 has 15 digits, and what is much longer is no number
# E.164 numbers that phonenumbers gives back as they are; it takes 0.1 ms for that (a property test compares the two).
PLAIN = re.compile(r"\+(?:44[1-9]|1[2-9])[0-9]{9}")
WITHHELD = frozenset({"", "anonymous", "restricted", "unavailable", "unknown", "private", "withheld", "invalid"})


@dataclass(frozen=True, slots=True)
class IndexRow:
    """This subject is found under this value, which `normalise` has passed."""

    controller: str
    subject: str
    field: str
    normalised: str = dataclass_field(repr=False)


def normalise_phone(raw: str, country: str) -> str | None:
    """E.164 ("+442079460001"), or None for what is no dialable number: withheld, anonymous, a name, an extension.

    `raw` may be a national number by the rules of `country` (ISO 3166, the trunk's), or international with + or 00,
    with spaces, dots, dashes and "(0)"; a `tel:` prefix and parameters (RFC 3966) are taken off.
    """
    return raw if PLAIN.fullmatch(raw) else _parsed(raw, country)


def _parsed(raw: str, country: str) -> str | None:
    text = unicodedata.normalize("NFKC", raw).strip().removeprefix("tel:").partition(";")[0].strip()
    if text.lower() in WITHHELD or len(text) > MAX_RAW or not _only_dial_characters(text):
        return None
    text = text.replace("(0)", "") if text.startswith(("+", "00")) else text.replace("(0)", "0")
    if text.startswith("00"):
        text = "+" + text[2:]
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _only_dial_characters(text: str) -> bool:
    """Letters would be dialled as digits ("0800 FLOWERS") by phonenumbers; a caller's number has none."""
    return any(char.isdigit() for char in text) and all(
        char.isdecimal() or char in "+()-./ \u2010\u2011\u2013" for char in text
    )


def normalise(field: str, value: str, country: str = "GB") -> str | None:
    """The one form of a value that is indexed, or None when it has none."""
    if field == PHONE:
        return normalise_phone(value, country)
    text = unicodedata.normalize("NFKC", value).strip()
    if field in (EMAIL, LOGIN):
        return text.casefold() or None
    if field in (ORDER, ORDER_RECORD, LOYALTY) or field.startswith(OWN):
        return "".join(char for char in text.upper() if char.isalnum()) or None
    return text or None


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a field's rows stand, each with a key of its own: three during a rotation, else one."""

    present: str  # what is looked up
    coming: str = ""  # written beside it, until every row is there
    past: str = ""  # what was looked up before, until its rows are deleted

    def written(self) -> tuple[str, ...]:
        return (self.present, self.coming) if self.coming else (self.present,)

    def every(self) -> tuple[str, ...]:
        return tuple(name for name in (self.present, self.coming, self.past) if name)


class BlindIndex:
    """Tokens, and the rows that lead from a token to a subject. Methods block."""

    def __init__(self, database: Database, keyring: Keyring) -> None:
        self._database = database
        self._keyring = keyring
        rows = database.read(ROTATION["index_names"])
        self._names = {field: Names(*names) for field, *names in rows}

    def token(self, controller: str, field: str, normalised: str, name: str = "") -> bytes:
        """32 bytes; equal exactly when controller, field and normalised value are equal. `name`: see `Names`."""
        if field not in FIELDS and not field.startswith(OWN):
            raise ValueError(f"blind index: no index key for field {field}")
        key = self._keyring.secret(f"index/{name or self.names(field).present}")
        return hmac.digest(key, _message(controller, normalised), "sha256")

    def names(self, field: str) -> Names:
        """Under which names this field's rows stand now."""
        return self._names.get(field, Names(field))

    def rename(self, field: str, names: Names) -> None:
        """From now on its rows stand under these; durable. No write of rows is half way."""
        self._warm([field], names)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(ROTATION["put_index_name"], (field, names.present, names.coming, names.past))
            self._names = {**self._names, field: names}

        self._database.write(work)

    def find(self, controller: str, field: str, normalised: str) -> str:
        """The subject's token; "" for nobody or several (a shared number identifies no one). Raises TamperError."""
        return self.find_by(field, self.token(controller, field, normalised))

    def find_by(self, field: str, token: bytes) -> str:
        """`find` for a token that is at hand; one made before the index changed its key leads there still."""
        found = self.every_by(field, token)
        return found[0] if len(found) == 1 else ""

    def replace(self, controller: str, subject: str, values: Iterable[tuple[str, str]]) -> None:
        """Index the subject under these (field, normalised) pairs, and for these fields under no others. Durable."""
        self.write([IndexRow(controller, subject, field, value) for field, value in values])

    def every(self, controller: str, field: str, normalised: str) -> list[str]:
        """Everybody whom this value leads to, at most 20: an import looks for twins. Raises TamperError."""
        return self.every_by(field, self.token(controller, field, normalised))

    def every_by(self, field: str, token: bytes) -> list[str]:
        """`every` for a token that is at hand; one made before the index changed its key leads there still."""
        names = self.names(field)
        rows = self._database.read(SQL["index_every"], (names.present, token))
        if not rows and names.past:
            rows = self._database.read(SQL["index_every"], (names.past, token))
        return self._checked(field, token, rows)

    def write(
        self, replacing: Iterable[IndexRow], adding: Iterable[IndexRow] = (), gone: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Many at once, in one transaction: `replacing` rows push out older ones of their subject and field.

        gone: (subject, field) pairs that lead nowhere from now on.
        """
        replaced, added = list(replacing), list(adding)
        cleared = {(row.subject, row.field) for row in replaced} | set(gone)
        self._warm({row.field for row in (*replaced, *added)})

        def work(connection: sqlite3.Connection) -> None:  # rows are made here, so that `rename` parts no write
            names = [(subject, name) for subject, field in cleared for name in self.names(field).every()]
            rows = [row for each in (*replaced, *added) for row in self._rows(each)]
            connection.executemany(SQL["index_clear"], names)
            connection.executemany(SQL["index_add"], sorted(rows))

        self._database.write(work)

    def copy(self, rows: Sequence[IndexRow], progress: Row) -> None:
        """Into the coming index, those of these rows that stand in the present one; `progress` goes along."""
        self._warm({row.field for row in rows})

        def work(connection: sqlite3.Connection) -> None:
            for row in rows:
                present, coming = self._rows(row)
                # What was changed or erased since it was read is no longer there, and is not brought back.
                if connection.execute(ROTATION["has_row"], present[:3]).fetchone():
                    connection.execute(SQL["index_add"], coming)
            connection.execute(ROTATION["put_rotation"], progress)

        self._database.write(work)

    def _checked(self, field: str, token: bytes, rows: list[Row]) -> list[str]:
        for subject, mac in rows:
            if not hmac.compare_digest(mac, self._mac(field, token, subject)):
                raise TamperError("blind index: a row was changed behind our back")
        return [str(subject) for subject, _ in rows]

    def erase(self, subject: str) -> None:
        """Delete every row of this subject, from the write-ahead log too."""
        self._database.write(lambda connection: connection.execute(SQL["index_erase"], (subject,)))
        self._database.scrub()

    def _warm(self, fields: Iterable[str], more: Names | None = None) -> None:
        """The keys into memory, before the writer's thread asks for them: it cannot wait for itself."""
        self._keyring.secret("index/rows")
        for field in fields:
            for name in (*self.names(field).written(), *(more.written() if more else ())):
                self._keyring.secret(f"index/{name}")

    def _rows(self, row: IndexRow) -> list[tuple[str, bytes, str, bytes]]:
        """What stands in the table for it: one row, and during a rotation the coming one beside it."""
        made = []
        for name in self.names(row.field).written():
            token = self.token(row.controller, row.field, row.normalised, name)
            made.append((name, token, row.subject, self._mac(row.field, token, row.subject)))
        return made

    def _mac(self, field: str, token: bytes, subject: str) -> bytes:
        message = b"".join((_length(field.encode()), token, subject.encode()))
        return hmac.digest(self._keyring.secret("index/rows"), message, "sha256")


def _length(part: bytes) -> bytes:
    return struct.pack("!I", len(part)) + part


def _message(controller: str, normalised: str) -> bytes:
    return _length(controller.encode()) + normalised.encode()
