"""Bodies, salts and leaves."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import pytest

from quietline.errors import TamperError
from quietline.ledger.ports import Entry
from quietline.ledger.records import LEAF_BYTES, check_commitment, commitment, decode_body, encode_body
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed

ENTRY = Entry(Kind.LOOK_ALLOWED, 1_700_000_000.25, "c-7", {"field": "contact.name", "assurance": 2, "late": False})


def test_canonical() -> None:
    assert encode_body(ENTRY) == (
        b'{"at":1700000000.25,"fields":{"assurance":2,"field":"contact.name","late":false},'
        b'"kind":"look.allowed","subject":"c-7"}'
    )


def test_order_of_fields_and_kind_of_number_do_not_matter() -> None:
    one = Entry(Kind.FAULT, 5, "", {"a": 1, "b": 2})
    two = Entry(Kind.FAULT, 5.0, "", {"b": 2, "a": 1})
    assert encode_body(one) == encode_body(two)


@pytest.mark.parametrize("entry", [ENTRY, Entry(Kind.FAULT, 0.0), Entry(Kind.NOTE_WRITTEN, 1.5, "ü\n")])
def test_there_and_back(entry: Entry) -> None:
    assert decode_body(encode_body(entry)) == entry


class Word(StrEnum):
    ONE = "one"


@pytest.mark.parametrize("value", [Sealed("+442079460001"), None, ["a"], {"a": 1}, b"a", Word.ONE])
def test_only_plain_fields(value: object) -> None:
    with pytest.raises(TypeError, match=r"field number of fault is a") as raised:
        encode_body(Entry(Kind.FAULT, 1.0, "", {"number": value}))  # type: ignore[dict-item]
    assert "7946" not in str(raised.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_only_finite_numbers(number: float) -> None:
    with pytest.raises(ValueError):
        encode_body(Entry(Kind.FAULT, 1.0, "", {"n": number}))
    with pytest.raises(ValueError, match="finite"):
        encode_body(Entry(Kind.FAULT, number))


def test_bodies_are_bounded() -> None:
    with pytest.raises(ValueError, match="at most 16384"):
        encode_body(Entry(Kind.FAULT, 1.0, "", {"text": "x" * 17_000}))


def test_leaf() -> None:
    salt, body = bytes(32), b"{}"
    leaf = commitment(salt, body)
    assert leaf == b"\x01" + hashlib.sha256(salt + body).digest()
    assert len(leaf) == LEAF_BYTES
    assert check_commitment(leaf, salt + body) == body


@pytest.mark.parametrize("opened", [bytes(32) + b"{ }", b"\x01" + bytes(31) + b"{}", b"", bytes(31)])
def test_another_body_or_salt(opened: bytes) -> None:
    with pytest.raises(TamperError, match="commits to"):
        check_commitment(commitment(bytes(32), b"{}"), opened)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"kind":"no.such","at":1,"subject":"","fields":{}}'])
def test_bodies_that_are_no_entry(body: bytes) -> None:
    with pytest.raises(TamperError, match="no entry"):
        decode_body(body)
