"""Canary customers: which touch is told, and how often."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from quietline.access.canary_customers import MOST_TOLD, QUIET, CanaryBook


def test_a_touch_of_a_canary_is_told_and_of_others_not() -> None:
    book = CanaryBook(["cu_1"])
    assert book.touched("cu_1", "ag_1", "card", 0.0)
    assert not book.touched("cu_2", "ag_1", "card", 0.0)
    assert not book.touched("", "ag_1", "card", 0.0)


def test_the_same_touch_is_told_again_after_a_while_only() -> None:
    book = CanaryBook(["cu_1"])
    assert book.touched("cu_1", "ag_1", "card", 10.0)
    assert not book.touched("cu_1", "ag_1", "card", 10.0 + QUIET - 0.1)
    assert book.touched("cu_1", "ag_1", "card", 10.0 + QUIET)


def test_another_person_or_another_way_is_told_at_once() -> None:
    book = CanaryBook(["cu_1", "cu_2"])
    assert book.touched("cu_1", "ag_1", "card", 0.0)
    assert book.touched("cu_1", "ag_2", "card", 0.0)
    assert book.touched("cu_1", "ag_1", "reveal", 0.0)
    assert book.touched("cu_2", "ag_1", "card", 0.0)


def test_one_that_is_watched_no_more_is_quiet() -> None:
    book = CanaryBook()
    book.add("cu_1")
    assert "cu_1" in book
    book.remove("cu_1")
    book.remove("cu_1")
    assert not book.touched("cu_1", "ag_1", "card", 0.0)
    assert len(book) == 0


def test_a_clock_that_is_set_back_silences_nothing() -> None:
    book = CanaryBook(["cu_1"])
    assert book.touched("cu_1", "ag_1", "card", 1_000.0)
    assert book.touched("cu_1", "ag_1", "card", 10.0)


def test_the_list_is_not_printed() -> None:
    assert "cu_1" not in repr(CanaryBook(["cu_1"]))


def test_what_is_remembered_of_touches_is_bounded() -> None:
    book = CanaryBook(["cu_1"])
    for number in range(MOST_TOLD + 50):
        assert book.touched("cu_1", f"ag_{number}", "card", 0.0)
    assert not book.touched("cu_1", f"ag_{MOST_TOLD + 49}", "card", 0.0)
    assert book.touched("cu_1", "ag_0", "card", 0.0)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 500)), max_size=40))
def test_no_touch_goes_untold_for_longer_than_the_quiet(touches: list[tuple[str, str, float]]) -> None:
    book, told = CanaryBook(["c"]), dict[tuple[str, str], float]()
    for who, how, now in sorted(touches, key=lambda each: each[2]):
        news = book.touched("c", who, how, now)
        assert news == ((who, how) not in told or now - told[(who, how)] >= QUIET)
        if news:
            told[(who, how)] = now
