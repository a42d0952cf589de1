"""One-time sign-in words: long, typed as people type, good for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.words import is_word, new_word, stored_word, word_fits

NOW = 1_795_500_000.0
WORD = "0KQF-M2XT-1RBD-HW4P-0ZNC-E6VA"
STORED = stored_word(WORD, NOW + 100)


def test_a_word_has_120_random_bits_and_no_letters_that_look_alike() -> None:
    words = {new_word() for _ in range(200)}
    assert len(words) == 200
    assert all(len(word.replace("-", "")) == 24 for word in words)
    assert not set("".join(words)) & set("ILOU")


def test_nothing_of_it_is_stored() -> None:
    assert is_word(STORED)
    assert not is_word("$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA")
    assert not any(group in STORED for group in WORD.split("-"))


@pytest.mark.parametrize(
    "typed", [WORD, WORD.lower(), WORD.replace("-", ""), f"  {WORD} ", "oKQF M2XT lRBD HW4P OZNC E6VA"]
)
def test_however_it_is_typed(typed: str) -> None:
    assert word_fits(STORED, typed, NOW)


def test_its_time_runs_out() -> None:
    assert word_fits(STORED, WORD, NOW + 99)
    assert not word_fits(STORED, WORD, NOW + 100)


@given(st.text(max_size=40))
def test_nothing_else_fits(typed: str) -> None:
    assert not word_fits(STORED, typed, NOW)


@pytest.mark.parametrize("stored", ["", "word$", "word$$", f"word$x${'0' * 64}", f"words{STORED[4:]}", STORED[:-1]])
def test_what_is_no_stored_word_never_fits(stored: str) -> None:
    assert not word_fits(stored, WORD, NOW)
