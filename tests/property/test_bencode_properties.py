"""Bencode: every value comes back, and no bytes do harm."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ProtocolError
from quietline.telephony.bencode import decode, encode

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.integers(-(2**62), 2**62) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


def deep(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(deep, inner), default=0) if isinstance(value, list | dict) else 0


@given(VALUES.filter(lambda value: deep(value) < 14))
def test_what_is_encoded_comes_back(value: Any) -> None:
    assert decode(encode(value)) == value


@given(st.binary(max_size=200) | st.text("0123456789:ilde-", max_size=60).map(str.encode))
def test_any_bytes_decode_or_are_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        decode(data)


@given(VALUES.filter(lambda value: deep(value) < 14), st.data())
def test_no_beginning_of_a_message_is_taken_for_the_whole(value: Any, data: st.DataObject) -> None:
    encoded = encode(value)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    try:
        decoded = decode(encoded[:cut])
    except ProtocolError:
        return
    assert decoded != value
