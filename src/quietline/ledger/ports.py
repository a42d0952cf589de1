"""What the vault needs of the ledger, and what the ledger needs of the vault."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from quietline.ledger.vocabulary import Kind

Field = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. `subject` is the token the body is sealed under ("" for none)."""

    kind: Kind
    at: float  # UTC seconds
    subject: str = ""
    fields: Mapping[str, Field] | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an entry stands. `leaf` is its RFC 6962 leaf hash, hex."""

    index: int
    leaf: str


class Ledger(Protocol):
    """An append-only log."""

    async def append(self, entry: Entry) -> Receipt:
        """Returns only once the entry is durable (fsync done) and part of a signed checkpoint.

        Raises LedgerUnavailable if that cannot be. Concurrent appends share one commit.
        """

    def append_soon(self, entry: Entry) -> None:
        """Queue an entry that nobody waits for (arrivals, offers). Bounded; on overflow or failure it is counted as a
        fault and kept for the next good commit, never lost silently."""


class BodySealer(Protocol):
    """Seals and opens entry bodies. Erasing a subject's key makes its bodies unreadable; no proof breaks."""

    def seal_body(self, subject: str, body: bytes) -> bytes: ...

    def open_body(self, subject: str, sealed: bytes) -> bytes: ...


class Durability(Protocol):
    """The moment at which a group of entries becomes durable."""

    def commit(self, connection: sqlite3.Connection) -> None:
        """End the open transaction of the ledger's own connection; it is on the disk when this returns.

        Raises sqlite3.Error or OSError when it may not be; the ledger then looks at what the file holds. Called on the
        ledger's writer thread, one at a time; may take as long as the disk takes.
        """
