"""No change to a stored ciphertext goes unnoticed: no flipped bit, no cut, no swap with any other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import TamperError
from quietline.vault.envelope import OVERHEAD_BYTES, DataKey, Place

KEY = DataKey(b"k" * 8, b"\x01" * 32)
words = st.text(max_size=12)
places = st.builds(Place, words, words, words, words, st.integers(0, 9))


@given(st.binary(max_size=200), places)
def test_what_is_sealed_opens_in_its_place(plain: bytes, place: Place) -> None:
    assert KEY.open(KEY.seal(plain, place), place) == plain


@given(st.binary(max_size=60), places, st.data())
def test_any_flipped_bit_is_found(plain: bytes, place: Place, data: st.DataObject) -> None:
    sealed = bytearray(KEY.seal(plain, place))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(TamperError):
        KEY.open(bytes(sealed), place)


@given(st.binary(min_size=1, max_size=60), places, st.data())
def test_any_cut_is_found(plain: bytes, place: Place, data: st.DataObject) -> None:
    sealed = KEY.seal(plain, place)
    with pytest.raises(TamperError):
        KEY.open(sealed[: data.draw(st.integers(0, len(sealed) - 1))], place)


@given(st.binary(max_size=60), places, places)
def test_a_value_opens_in_no_other_place(plain: bytes, here: Place, there: Place) -> None:
    sealed = KEY.seal(plain, here)
    if here != there:
        with pytest.raises(TamperError):
            KEY.open(sealed, there)


@given(places, places)
def test_two_places_never_encode_alike(one: Place, other: Place) -> None:
    assert (one.encode() == other.encode()) == (one == other)


@given(st.binary(max_size=60), places)
def test_sealing_twice_gives_different_bytes_of_known_length(plain: bytes, place: Place) -> None:
    one, other = KEY.seal(plain, place), KEY.seal(plain, place)
    assert one != other
    assert len(one) == len(plain) + OVERHEAD_BYTES
