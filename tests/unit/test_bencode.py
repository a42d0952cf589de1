"""Bencode: known encodings, and where decoding stops."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from quietline.errors import ProtocolError
from quietline.telephony.bencode import MAX_DEPTH, decode, encode

KNOWN: list[tuple[Any, bytes]] = [  # BEP 3's own examples, and what ng needs beside them
    ("spam", b"4:spam"),
    ("", b"0:"),
    (3, b"i3e"),
    (-3, b"i-3e"),
    (0, b"i0e"),
    (["spam", "eggs"], b"l4:spam4:eggse"),
    ({"cow": "moo", "spam": "eggs"}, b"d3:cow3:moo4:spam4:eggse"),
    ({"spam": ["a", "b"]}, b"d4:spaml1:a1:bee"),
    ({}, b"de"),
    ("é", b"2:\xc3\xa9"),
]


@pytest.mark.parametrize(("value", "data"), KNOWN)
def test_known_values_both_ways(value: Any, data: bytes) -> None:
    assert encode(value) == data
    assert decode(data) == value


def test_truth_values_travel_as_numbers_and_tuples_as_lists() -> None:
    assert encode(True) == b"i1e"
    for _ in range(2):  # the second time from what was kept
        assert encode({"x": ("a", 1)}) == b"d1:xl1:ai1eee"


class Word(StrEnum):
    MUSIC = "music"


def test_a_closed_word_is_its_text() -> None:
    assert encode([Word.MUSIC]) == b"l5:musice"


@pytest.mark.parametrize("value", [None, 1.5, {"a": None}, {1: "a"}, [b"x"], (None,)])
def test_what_bencode_cannot_carry_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError, match="bencode"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"i", b"ie", b"i-e", b"i1", b"i1.5e", b"i--1e", b"4:spa", b"-1:a", b"4spam", b"99999999999999999999999:a",
     b"l", b"l1:a", b"d", b"d1:a", b"d1:ae", b"di1e1:ae", b"x", b"4:spamx", b"i1e ", b"\xff"],
)  # fmt: skip
def test_broken_bytes_are_a_protocol_error_that_says_where(data: bytes) -> None:
    with pytest.raises(ProtocolError, match=r"bencode: .*byte \d+"):
        decode(data)


def test_nesting_has_a_limit() -> None:
    assert decode(b"l" * MAX_DEPTH + b"e" * MAX_DEPTH)
    with pytest.raises(ProtocolError, match="nested deeper"):
        decode(b"l" * 50_000)


def test_text_that_is_no_utf_8_is_read_with_replacements() -> None:
    assert decode(b"2:\xffa") == "�a"
