"""The garbage collector's setting: fewer looks, and cycles still go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from quietline import collector


class Knot:
    """Holds itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture
def settled() -> Iterator[None]:
    before = gc.get_threshold()
    collector.settle()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_the_start_has_made_is_not_looked_at_again(settled: None) -> None:
    assert gc.get_freeze_count() > 1_000
    assert gc.isenabled()
    assert gc.get_threshold() == (collector.YOUNG, *collector.OLDER)


def test_cycles_made_later_are_freed_without_being_asked(settled: None) -> None:
    knots = [weakref.ref(Knot()) for _ in range(10)]
    kept = []
    while any(knot() for knot in knots):
        kept.append([])  # each is one more object that the collector counts
        assert len(kept) <= 2 * collector.YOUNG
