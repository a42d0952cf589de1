"""The link of a receipt: made, checked, and what guessing or altering one comes to."""

from __future__ import annotations

import hashlib

import hypothesis.strategies as st
import pytest
from hypothesis import given

from quietline.errors import Denied
from quietline.vault.receipt_links import LENGTH, check_link, make_link, name_of

KEY = bytes(range(32))
UNTIL = 1_800_000_000.0


def test_a_link_is_good_until_its_end() -> None:
    link = make_link(KEY, UNTIL)
    assert check_link(KEY, link, UNTIL - 1) == name_of(link) == hashlib.sha256(link.encode()).hexdigest()
    with pytest.raises(Denied) as late:
        check_link(KEY, link, UNTIL)
    assert late.value.reason == "receipt-unknown"


def test_a_link_fits_a_path_and_a_message() -> None:
    link = make_link(KEY, UNTIL)
    assert len(link) == LENGTH
    assert link.replace("-", "").replace("_", "").isalnum()


def test_no_two_are_alike() -> None:
    assert len({make_link(KEY, UNTIL) for _ in range(100)}) == 100


def test_another_key_makes_none_of_ours() -> None:
    with pytest.raises(Denied):
        check_link(KEY, make_link(bytes(32), UNTIL), 0.0)


@given(st.integers(0, LENGTH - 1), st.sampled_from("ABCxyz019-_"))
def test_one_character_changed_is_another_link(place: int, letter: str) -> None:
    link = make_link(KEY, UNTIL)
    altered = link[:place] + letter + link[place + 1 :]
    if altered != link:
        with pytest.raises(Denied):
            check_link(KEY, altered, 0.0)


@given(st.text(max_size=80))
def test_whatever_is_no_link_is_refused_in_the_same_words(text: str) -> None:
    with pytest.raises(Denied) as refused:
        check_link(KEY, text, 0.0)
    assert (refused.value.reason, refused.value.advice) == (
        "receipt-unknown",
        "This receipt has expired, or there never was one under this link.",
    )


@pytest.mark.parametrize("padded", ["=", "==", "A", "\n"])
def test_a_link_has_one_spelling(padded: str) -> None:
    with pytest.raises(Denied):
        check_link(KEY, make_link(KEY, UNTIL) + padded, 0.0)
