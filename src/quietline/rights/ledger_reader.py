"""The ledger as the rights desk reads it: entries by subject or from first to last, opened and checked, and proofs.

Blocks; a connection of its own for each question, read only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from quietline.errors import TamperError
from quietline.ledger.checkpoint import NoteVerifier
from quietline.ledger.merkle import inclusion_proof
from quietline.ledger.ports import BodySealer, Entry
from quietline.ledger.records import check_commitment, decode_body
from quietline.ledger.store import level_bytes, open_reader, read_head
from quietline.ledger.tiles import TILE_WIDTH, TileSource, nodes_from_tiles
from quietline.rights.store import SQL
from quietline.vault.keys import KeyGoneError

PAGE = 4_096  # entries read at a time
BACK = 256  # the same, from the end


@dataclass(frozen=True, slots=True)
class Placed:
    """One entry and where it stands."""

    index: int
    entry: Entry


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """That one entry stands in the log: salt and body, the leaf's way to the root, the signed root."""

    index: int
    opened: bytes  # salt ‖ body; the leaf commits to it
    hashes: tuple[bytes, ...]
    checkpoint: str  # a signed note


class LedgerReader:
    """Over `ledger.db`; `sealer` opens the bodies. Entries whose body was erased are passed over."""

    def __init__(self, path: Path, sealer: BodySealer) -> None:
        self._path = path
        self._sealer = sealer

    def of(self, subject: str) -> list[Placed]:
        """Everything about one subject, oldest first. Raises TamperError where a body is not what its leaf says."""
        with closing(open_reader(self._path)) as db:
            rows = db.execute(SQL["bodies_of"], (subject,)).fetchall()
        return [placed for row in rows if (placed := self._placed(row))]

    def all(self) -> Iterator[Placed]:
        """Every entry that has a body, oldest first; 100,000 take a few seconds."""
        with closing(open_reader(self._path)) as db:
            start = 0
            while rows := db.execute(SQL["bodies"], (start, PAGE)).fetchall():
                yield from (placed for row in rows if (placed := self._placed(row)))
                start = rows[-1][0] + 1

    def back(self) -> Iterator[Placed]:
        """Every entry that has a body, newest first; read in pages, so that who stops early has read little."""
        with closing(open_reader(self._path)) as db:
            end = read_head(db).size
            while end > 0:
                start = max(0, end - BACK)
                rows = [row for row in db.execute(SQL["bodies"], (start, BACK)).fetchall() if row[0] < end]
                yield from (placed for row in reversed(rows) if (placed := self._placed(row)))
                end = start

    def proof(self, index: int) -> Proof:
        """Of one entry, under the checkpoint that is durable now. Raises IndexError when there is none, or no body."""
        with closing(open_reader(self._path)) as db:
            db.execute("BEGIN")  # one moment: SQLite snapshot isolation
            row = db.execute(SQL["body"], (index,)).fetchone()
            if row is None:
                raise IndexError(f"ledger: no entry {index} with a body")
            head = read_head(db)
            hashes = tuple(inclusion_proof(index, head.size, nodes_from_tiles(_source(db, head.size))))
        return Proof(index, self._opened(row), hashes, head.note.decode())

    def vkey(self) -> str:
        """The log's verifier key."""
        with closing(open_reader(self._path)) as db:
            return NoteVerifier(read_head(db).vkey).vkey

    def _placed(self, row: tuple[int, str, bytes, bytes]) -> Placed | None:
        try:
            opened = self._opened(row)
        except KeyGoneError:
            return None  # erased: its leaf stays, and says nothing
        return Placed(row[0], decode_body(check_commitment(row[3], opened)))

    def _opened(self, row: tuple[int, str, bytes, bytes]) -> bytes:
        index, subject, sealed, leaf = row
        opened = self._sealer.open_body(subject, sealed)
        if decode_body(check_commitment(leaf, opened)).subject != subject:
            raise TamperError(f"ledger: the body of entry {index} stands under another subject")
        return opened


def _source(db: sqlite3.Connection, size: int) -> TileSource:
    def hashes(level: int, index: int) -> bytes:
        width = min(TILE_WIDTH, (size >> 8 * level) - index * TILE_WIDTH)
        return level_bytes(db, level, index, width)

    return hashes
