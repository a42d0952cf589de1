"""What a log asks of a witness (C2SP tlog-witness, "add-checkpoint"), written and read. Pure.

old <size>
<a hash in base64>        the consistency proof from that size, a line each, at most 63
                          an empty line
<the checkpoint, signed>
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from quietline.errors import TamperError
from quietline.ledger.merkle import HASH_BYTES

MOST_HASHES = 63  # tlog-witness: the proof MUST have at most 63 lines
MOST_BYTES = 65_536 + 8_192
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """`old`: the size that the log believes the witness has seen."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def encode(self) -> bytes:
        """The body of the request."""
        hashes = b"".join(base64.b64encode(each) + b"\n" for each in self.proof)
        return b"old %d\n%s\n%s" % (self.old, hashes, self.note)

    @classmethod
    def parse(cls, body: bytes) -> AddCheckpoint:
        """Raises TamperError saying what is not as it should be."""
        if len(body) > MOST_BYTES:
            raise TamperError(f"add-checkpoint: {len(body)} bytes, at most {MOST_BYTES} are read")
        head, blank, note = body.partition(b"\n\n")
        first, *hashes = head.split(b"\n")
        old = _OLD.fullmatch(first)
        if not blank or not old:
            raise TamperError("add-checkpoint: want a line `old SIZE`, the proof, an empty line, the checkpoint")
        if len(hashes) > MOST_HASHES:
            raise TamperError(f"add-checkpoint: a proof of {len(hashes)} hashes, at most {MOST_HASHES}")
        return cls(int(old[1]), tuple(_hashes(hashes)), note)


def _hashes(lines: Sequence[bytes]) -> list[bytes]:
    found = []
    for number, line in enumerate(lines, 2):
        try:
            raw = base64.b64decode(line, validate=True)
        except ValueError:
            raw = b""
        if len(raw) != HASH_BYTES or base64.b64encode(raw) != line:
            raise TamperError(f"add-checkpoint: line {number} is not a SHA-256 hash in base64")
        found.append(raw)
    return found
