"""The receipt of an erasure: what went, what stays and why, who was told, and proof that the ledger says the same.

    {"statement": {…}, "entry": base64(salt ‖ body), "index": n, "proof": [hex, …], "checkpoint": signed note}

as one line of canonical JSON inside a signed note (C2SP signed-note) under the ledger's own key. Verified offline, with
the ledger's verifier key and nothing else:

1. the note is signed by the ledger's key
2. the ledger's entry names the SHA-256 of the statement
3. the entry stands in the tree: its leaf and the proof lead to the root
4. that root is in a checkpoint signed by the same key

A receipt's text can never be taken for a checkpoint: its first line is HEADER, and a checkpoint's is the log's origin.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quietline.errors import TamperError
from quietline.ledger.checkpoint import NoteSigner, NoteVerifier
from quietline.ledger.merkle import leaf_hash, verify_inclusion
from quietline.ledger.records import SALT_BYTES, commitment, decode_body
from quietline.ledger.vocabulary import Kind
from quietline.rights.ledger_reader import Proof

HEADER = "quietline erasure receipt v1"


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """A receipt that verifies."""

    statement: Mapping[str, Any]
    index: int  # of the ledger's entry
    size: int  # of the log the checkpoint signs
    origin: str


def canonical(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys, no spaces, ASCII: equal statements have equal digests."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest_of(statement: Mapping[str, Any]) -> str:
    """SHA-256, hex, of the canonical statement: what the ledger's entry carries."""
    return hashlib.sha256(canonical(statement).encode()).hexdigest()


def write_receipt(statement: Mapping[str, Any], proof: Proof, signer: NoteSigner) -> bytes:
    """The signed note."""
    whole = {
        "statement": statement,
        "index": proof.index,
        "entry": base64.b64encode(proof.opened).decode(),
        "proof": [each.hex() for each in proof.hashes],
        "checkpoint": proof.checkpoint,
    }
    return signer.sign(f"{HEADER}\n{canonical(whole)}\n")


def verify_receipt(receipt: bytes, vkey: str) -> Checked:
    """All four steps. Raises TamperError naming the one that fails, ConfigError for what is no verifier key."""
    whole = _read(NoteVerifier(vkey).open(receipt))  # (1)
    try:
        statement, index = dict(whole["statement"]), int(whole["index"])
        opened = base64.b64decode(whole["entry"], validate=True)
        hashes = [bytes.fromhex(each) for each in whole["proof"]]
        note = str(whole["checkpoint"]).encode()
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise TamperError("receipt: a part is missing or not of its form") from None
    _check_entry(opened, statement)  # (2)
    head = NoteVerifier(vkey).checkpoint(note)  # (4)
    leaf = leaf_hash(commitment(opened[:SALT_BYTES], opened[SALT_BYTES:]))
    verify_inclusion(leaf, index, head.size, hashes, head.root)  # (3)
    return Checked(statement, index, head.size, head.origin)


def _read(text: str) -> dict[str, Any]:
    lines = text.split("\n")
    if len(lines) != 3 or lines[0] != HEADER:
        raise TamperError("receipt: signed, but no erasure receipt")
    try:
        whole = json.loads(lines[1])
    except ValueError:
        raise TamperError("receipt: its second line is not JSON") from None
    if not isinstance(whole, dict):
        raise TamperError("receipt: its second line is not an object")
    return whole


def _check_entry(opened: bytes, statement: Mapping[str, Any]) -> None:
    entry = decode_body(opened[SALT_BYTES:])
    fields = entry.fields or {}
    if entry.kind is not Kind.RECORDS_ERASED or fields.get("statement") != digest_of(statement):
        raise TamperError("receipt: the ledger's entry tells of another erasure than the statement")
