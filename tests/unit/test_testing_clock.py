"""The clock that moves when told to."""

from __future__ import annotations

import pytest

from quietline.clock import Clock
from quietline.testing.clock import ManualClock


def test_it_stands_still_until_told() -> None:
    clock: Clock = ManualClock()
    assert (clock.wall(), clock.monotonic()) == (1_767_225_600.0, 1_000.0)
    assert (clock.wall(), clock.monotonic()) == (1_767_225_600.0, 1_000.0)


def test_both_readings_advance() -> None:
    clock = ManualClock(wall=100.0, monotonic=5.0)
    clock.advance(2.5)
    assert (clock.wall(), clock.monotonic()) == (102.5, 7.5)


def test_wall_time_may_be_corrected_monotonic_may_not() -> None:
    clock = ManualClock(wall=100.0, monotonic=5.0)
    clock.step_wall(-50.0)
    assert (clock.wall(), clock.monotonic()) == (50.0, 5.0)
    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(-1.0)
