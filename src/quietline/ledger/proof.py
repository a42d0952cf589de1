"""A proof that one entry is in the log, as a file of its own (C2SP tlog-proof). Whoever has it and the verifier key
needs nothing else: no copy of the log, no network, none of us.

    c2sp.org/tlog-proof@v1
    extra <base64>            the entry as it stands in the log: version and commitment
    index <n>
    <hash in base64>          the inclusion proof (RFC 6962 §2.1.1), leaf side first; an empty line ends it
    <the signed checkpoint>
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from quietline.errors import TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteVerifier
from quietline.ledger.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from quietline.ledger.records import LEAF_BYTES

HEADER = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 63
MOST_BYTES = 131_072
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Proof:
    """`record`: the entry in the log, 33 bytes. `note`: the signed checkpoint that it leads to."""

    record: bytes
    index: int
    hashes: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The file."""
        lines = [HEADER, f"extra {_base64(self.record)}", f"index {self.index}", *map(_base64, self.hashes)]
        return "".join(f"{line}\n" for line in [*lines, ""]).encode() + self.note

    @classmethod
    def parse(cls, raw: bytes) -> Proof:
        """Raises TamperError naming the line."""
        head, blank, note = raw[:MOST_BYTES].partition(b"\n\n")
        lines = head.decode("utf-8", "replace").split("\n")
        if not blank or len(lines) < 3 or lines[0] != HEADER or len(raw) > MOST_BYTES:
            raise TamperError(f"proof: not a file that begins with {HEADER}, an entry, an index and a checkpoint")
        index = _INDEX.fullmatch(lines[2])
        if not index:
            raise TamperError("proof: line 3 is not `index` and a number")
        if len(lines) - 3 > MOST_HASHES:
            raise TamperError(f"proof: {len(lines) - 3} hashes, and no log needs more than {MOST_HASHES}")
        return cls(_record(lines[1]), int(index[1]), _hashes(lines[3:]), note)

    def check(self, verifier: NoteVerifier) -> Checkpoint:
        """The checkpoint that the entry is under. Raises TamperError unless the log's key has signed it."""
        checkpoint = verifier.checkpoint(self.note)
        verify_inclusion(leaf_hash(self.record), self.index, checkpoint.size, self.hashes, checkpoint.root)
        return checkpoint

    @property
    def leaf(self) -> str:
        """The leaf hash, hex: what receipts and the vault call an entry."""
        return leaf_hash(self.record).hex()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _record(line: str) -> bytes:
    word, _, text = line.partition(" ")
    raw = _decoded(text, 2)
    if word != "extra" or len(raw) != LEAF_BYTES:
        raise TamperError(f"proof: line 2 is not `extra` and an entry of {LEAF_BYTES} bytes")
    return raw


def _hashes(lines: Sequence[str]) -> tuple[bytes, ...]:
    found = tuple(_decoded(line, number) for number, line in enumerate(lines, 4))
    for number, raw in enumerate(found, 4):
        if len(raw) != HASH_BYTES:
            raise TamperError(f"proof: line {number} is not a SHA-256 hash")
    return found


def _decoded(text: str, number: int) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise TamperError(f"proof: line {number} is not base64") from None
    if _base64(raw) != text:
        raise TamperError(f"proof: line {number} is not canonical base64")
    return raw
