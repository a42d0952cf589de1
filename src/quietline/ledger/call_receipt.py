"""The receipt of a call: what a customer is told of who looked, and how it is held against the ledger, offline. Pure.

    {"receipt": "quietline call receipt v1", "call": {…}, "lines": [{line}, …]}
    line: {"at", "role", "store", "kinds", "reason", "action", "index", "entry": base64(salt ‖ body), "proof": [hex, …],
           "checkpoint": signed note}

Each line is verified with the ledger's verifier key and nothing else:

1. its checkpoint is signed by the ledger's key
2. the leaf of its entry stands in the tree of that checkpoint, at its index
3. the entry is an allowed look, and says the same time, role, store, kinds of data, reason and action as the line

What it cannot show: that no further look exists whose line was left out.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from quietline.errors import TamperError
from quietline.ledger.checkpoint import NoteVerifier
from quietline.ledger.merkle import leaf_hash, verify_inclusion
from quietline.ledger.ports import Entry
from quietline.ledger.records import SALT_BYTES, commitment, decode_body
from quietline.ledger.vocabulary import Kind

HEADER: Final = "quietline call receipt v1"
MOST_LINES: Final = 1_000
KindsOf = Callable[[str], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One look, in the customer's words. `at`: UTC seconds; `kinds`: data classes of the fields."""

    at: float
    role: str
    store: str
    kinds: tuple[str, ...]
    reason: str
    action: str


def line_of(entry: Entry, kinds_of: KindsOf) -> Line:
    """What the receipt says of this entry. `kinds_of`: field names, separated by spaces -> their data classes."""
    fields = {name: str(value) for name, value in (entry.fields or {}).items()}
    kinds = tuple(sorted(set(kinds_of(fields.get("field", "")))))
    return Line(
        entry.at,
        fields.get("role", ""),
        fields.get("store", ""),
        kinds,
        fields.get("reason", ""),
        fields.get("action", ""),
    )


def proven(line: Line, index: int, opened: bytes, hashes: Iterable[bytes], checkpoint: str) -> dict[str, Any]:
    """The line as the receipt carries it, with its proof."""
    proof = {"index": index, "entry": base64.b64encode(opened).decode(), "proof": [each.hex() for each in hashes]}
    return {**asdict(line), "kinds": list(line.kinds), **proof, "checkpoint": checkpoint}


def verify_call_receipt(raw: bytes, vkey: str, kinds_of: KindsOf) -> list[Line]:
    """Every line, checked. Raises TamperError naming the line and the step, ConfigError for what is no verifier key."""
    verifier = NoteVerifier(vkey)
    return [_verify(number, line, verifier, kinds_of) for number, line in enumerate(_lines(raw), 1)]


def _lines(raw: bytes) -> list[Any]:
    try:
        whole = json.loads(raw)
        lines = whole["lines"] if whole["receipt"] == HEADER else None
    except (ValueError, KeyError, TypeError):
        raise TamperError("receipt: this is no call receipt") from None
    if not isinstance(lines, list) or len(lines) > MOST_LINES:
        raise TamperError("receipt: its lines are missing or too many")
    return lines


def _verify(number: int, line: Any, verifier: NoteVerifier, kinds_of: KindsOf) -> Line:
    try:
        said = Line(
            float(line["at"]), line["role"], line["store"], tuple(line["kinds"]), line["reason"], line["action"]
        )
        index, opened = int(line["index"]), base64.b64decode(line["entry"], validate=True)
        hashes = [bytes.fromhex(each) for each in line["proof"]]
        note = str(line["checkpoint"]).encode()
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        raise TamperError(f"receipt: line {number}: a part is missing or not of its form") from None
    try:
        head = verifier.checkpoint(note)  # (1)
        leaf = leaf_hash(commitment(opened[:SALT_BYTES], opened[SALT_BYTES:]))
        verify_inclusion(leaf, index, head.size, hashes, head.root)  # (2)
    except TamperError as error:
        raise TamperError(f"receipt: line {number}: {error}") from None
    entry = decode_body(opened[SALT_BYTES:])
    if entry.kind is not Kind.LOOK_ALLOWED or line_of(entry, kinds_of) != said:  # (3)
        raise TamperError(f"receipt: line {number}: the ledger's entry says something else")
    return said


def as_document(call: Mapping[str, Any], lines: list[dict[str, Any]], vkey: str) -> dict[str, Any]:
    """The whole receipt. `vkey` is a convenience: who verifies takes the key from elsewhere."""
    return {"receipt": HEADER, "call": dict(call), "lines": lines, "ledger_key": vkey}
