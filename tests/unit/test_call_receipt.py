"""A call's receipt held against the ledger, offline: each line proven, and each way to falsify one is found."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError, TamperError
from quietline.ledger.call_receipt import MOST_LINES, Line, as_document, line_of, proven, verify_call_receipt
from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.merkle import inclusion_proof, leaf_hash, tree_hash
from quietline.ledger.ports import Entry
from quietline.ledger.records import SALT_BYTES, commitment, encode_body
from quietline.ledger.vocabulary import Kind
from quietline.rights.breach import classes_of

NAME = "test/ledger"
SIGNER = NoteSigner(NAME, Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = NoteSigner(NAME, Ed25519PrivateKey.from_private_bytes(bytes([1] * 32)))


def entry(number: int, kind: Kind = Kind.LOOK_ALLOWED, **fields: str) -> Entry:
    known = {
        "agent": "ag_1",
        "role": "agent",
        "store": "high-street",
        "action": "reveal",
        "field": "contact.name delivery.address",
        "reason": "complaint",
    }
    return Entry(kind, 1_800_000_000.0 + number, "cu_1", {**known, **fields})


class Log:
    """A ledger of a few entries, in memory."""

    def __init__(self, *entries: Entry, signer: NoteSigner = SIGNER) -> None:
        self.entries = entries
        self.opened = [bytes([n]) * SALT_BYTES + encode_body(each) for n, each in enumerate(entries)]
        self.leaves = [leaf_hash(commitment(each[:SALT_BYTES], each[SALT_BYTES:])) for each in self.opened]
        head = Checkpoint(NAME, len(entries), tree_hash(self.leaves))
        self.note = signer.sign(head.text()).decode()

    def node(self, height: int, index: int) -> bytes:
        return tree_hash(self.leaves[index << height : (index + 1) << height])

    def line(self, index: int) -> dict[str, Any]:
        proof = inclusion_proof(index, len(self.entries), self.node)
        return proven(line_of(self.entries[index], classes_of), index, self.opened[index], proof, self.note)

    def receipt(self, *indexes: int) -> dict[str, Any]:
        return as_document({"store": "High Street"}, [self.line(index) for index in indexes], SIGNER.vkey)


LOG = Log(*(entry(number) for number in range(5)))


def verified(receipt: dict[str, Any]) -> list[Line]:
    return verify_call_receipt(json.dumps(receipt).encode(), SIGNER.vkey, classes_of)


def test_every_line_verifies_and_says_what_the_ledger_says() -> None:
    lines = verified(LOG.receipt(0, 3, 4))
    assert [each.at for each in lines] == [1_800_000_000.0, 1_800_000_003.0, 1_800_000_004.0]
    assert lines[0] == Line(1_800_000_000.0, "agent", "high-street", ("contact", "delivery"), "complaint", "reveal")


def test_a_call_on_which_nobody_looked_has_no_lines() -> None:
    assert verified(LOG.receipt()) == []


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("role", "supervisor"),
        ("store", "station"),
        ("kinds", ["contact"]),
        ("kinds", []),
        ("reason", "order_status"),
        ("action", "card"),
        ("at", 1_800_000_009.0),
    ],
)
def test_a_line_that_says_something_else_is_found(part: str, value: object) -> None:
    receipt = LOG.receipt(0, 2)
    receipt["lines"][1][part] = value
    with pytest.raises(TamperError, match="line 2: the ledger's entry says something else"):
        verified(receipt)


def moved(line: dict[str, Any]) -> None:
    line["index"] = 1


def shorter(line: dict[str, Any]) -> None:
    line["proof"].pop()


def longer(line: dict[str, Any]) -> None:
    line["proof"].append("00" * 32)


def beyond(line: dict[str, Any]) -> None:
    line["index"] = 5


def another_salt(line: dict[str, Any]) -> None:
    opened = bytearray(base64.b64decode(line["entry"]))
    opened[0] ^= 1
    line["entry"] = base64.b64encode(bytes(opened)).decode()


def another_head(line: dict[str, Any]) -> None:
    line["checkpoint"] = Log(*(entry(n, reason="order_status") for n in range(5))).note


@pytest.mark.parametrize("change", [moved, shorter, longer, beyond, another_salt, another_head])
def test_an_entry_that_does_not_stand_in_the_log_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    receipt = LOG.receipt(2)
    change(receipt["lines"][0])
    with pytest.raises(TamperError, match="line 1"):
        verified(receipt)


def test_another_key_signs_nothing_of_ours() -> None:
    forged = Log(*(entry(number) for number in range(3)), signer=OTHER)
    with pytest.raises(TamperError, match="line 1"):
        verified(forged.receipt(0))
    assert verify_call_receipt(json.dumps(forged.receipt(0)).encode(), OTHER.vkey, classes_of)


def test_an_entry_of_another_kind_is_no_look() -> None:
    log = Log(entry(0, Kind.NOTE_WRITTEN), entry(1))
    with pytest.raises(TamperError, match="something else"):
        verified(log.receipt(0))


@pytest.mark.parametrize("part", ["at", "role", "kinds", "index", "entry", "proof", "checkpoint"])
def test_a_part_that_is_missing_or_wrong_is_said(part: str) -> None:
    receipt = LOG.receipt(1)
    del receipt["lines"][0][part]
    with pytest.raises(TamperError, match="line 1: a part is missing"):
        verified(receipt)


@pytest.mark.parametrize(("part", "value"), [("at", "soon"), ("index", "x"), ("entry", "!"), ("proof", ["zz"])])
def test_a_part_of_another_form_is_said(part: str, value: object) -> None:
    receipt = LOG.receipt(1)
    receipt["lines"][0][part] = value
    with pytest.raises(TamperError, match="line 1: a part is missing"):
        verified(receipt)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"receipt": "another", "lines": []}',
        b'{"receipt": "quietline call receipt v1"}',
        json.dumps({"receipt": "quietline call receipt v1", "lines": [{}] * (MOST_LINES + 1)}).encode(),
    ],
)
def test_what_is_no_receipt_is_said(raw: bytes) -> None:
    with pytest.raises(TamperError, match="receipt"):
        verify_call_receipt(raw, SIGNER.vkey, classes_of)


def test_a_key_that_is_none_is_said() -> None:
    with pytest.raises((ConfigError, TamperError)):
        verify_call_receipt(json.dumps(LOG.receipt(0)).encode(), "nonsense", classes_of)


def test_the_receipt_names_nobody() -> None:
    words = {name: value for name, value in LOG.line(0).items() if name not in ("entry", "proof", "checkpoint")}
    assert "ag_1" not in str(words)
    assert "cu_1" not in str(words)
