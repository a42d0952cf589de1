"""What a leaf says, and what stays outside the tree. Pure.

    leaf       0x01 ‖ SHA-256(salt ‖ body)          33 bytes, kept for ever
    sealed     seal(subject, salt ‖ body)           erasable: the key, or the row
    body       canonical JSON of kind, at, subject, fields

The salt (32 random bytes) is sealed along with the body: once the subject's key is gone, so is the salt, and nobody can
try guesses of the body against the leaf.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from quietline.errors import TamperError
from quietline.ledger.ports import Entry, Field
from quietline.ledger.vocabulary import Kind

LEAF_VERSION = b"\x01"
LEAF_BYTES = 33
SALT_BYTES = 32
MAX_BODY_BYTES = 16_384
_FIELD_TYPES = frozenset((str, int, float, bool))
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode_body(entry: Entry) -> bytes:
    """Canonical JSON: sorted keys, no spaces, ASCII, so that equal entries have equal bytes.

    Raises TypeError for a field that is no plain str, int, float or bool (StrEnum included: pass its value), ValueError
    for one that is not finite or a body above 16 KiB.
    """
    fields = entry.fields or {}
    for name, value in fields.items():
        if type(value) not in _FIELD_TYPES:
            raise TypeError(f"ledger: field {name} of {entry.kind.value} is a {type(value).__name__}")
    whole = {"kind": entry.kind.value, "at": _instant(entry.at), "subject": entry.subject, "fields": dict(fields)}
    body = _encode(whole).encode()
    if len(body) > MAX_BODY_BYTES:
        raise ValueError(f"ledger: a body of {len(body)} bytes; at most {MAX_BODY_BYTES}")
    return body


def decode_body(body: bytes) -> Entry:
    """The entry of a body that `encode_body` made. Raises TamperError for anything else."""
    try:
        whole: Mapping[str, Any] = json.loads(body)
        fields: dict[str, Field] = whole["fields"]
        return Entry(Kind(whole["kind"]), whole["at"], whole["subject"], fields or None)
    except (ValueError, KeyError, TypeError):
        raise TamperError("ledger: a body that is no entry of this log") from None


def commitment(salt: bytes, body: bytes) -> bytes:
    """The leaf for this body under this salt."""
    return LEAF_VERSION + hashlib.sha256(salt + body).digest()


def check_commitment(leaf: bytes, opened: bytes) -> bytes:
    """The body out of `salt ‖ body`. Raises TamperError unless the leaf commits to it."""
    if commitment(opened[:SALT_BYTES], opened[SALT_BYTES:]) != leaf:
        raise TamperError("ledger: the body is not the one its leaf commits to")
    return opened[SALT_BYTES:]


def _instant(at: float) -> float:
    if not math.isfinite(at):
        raise ValueError("ledger: an entry's time must be finite UTC seconds")
    return float(at)
