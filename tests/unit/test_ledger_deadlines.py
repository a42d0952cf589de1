"""One timer for many waits."""

from __future__ import annotations

import asyncio

import pytest

from quietline.errors import LedgerUnavailable
from quietline.ledger.deadlines import Deadlines


async def test_each_wait_ends() -> None:
    deadlines = Deadlines(0.02)
    waits = [deadlines.future() for _ in range(3)]
    await asyncio.sleep(0.01)
    waits.append(deadlines.future())
    for wait in waits:
        with pytest.raises(LedgerUnavailable, match=r"within 0\.02 s"):
            await wait


async def test_those_done_or_cancelled_are_left_alone() -> None:
    deadlines = Deadlines(0.01)
    done, cancelled, late = (deadlines.future() for _ in range(3))
    done.set_result(7)
    cancelled.cancel()
    with pytest.raises(LedgerUnavailable):
        await late
    assert await done == 7
    assert cancelled.cancelled()


async def test_the_timer_starts_again() -> None:
    deadlines = Deadlines(0.01)
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await deadlines.future()


async def test_stop_gives_up_all_that_waits() -> None:
    deadlines = Deadlines(60.0)
    waits = [deadlines.future() for _ in range(2)]
    deadlines.stop()
    for wait in waits:
        with pytest.raises(LedgerUnavailable):
            await wait
