"""A mailbox keeps order, waits, and loses nothing when its reader is cancelled."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from quietline.mailbox import Mailbox


async def test_what_is_there_is_read_at_once_and_in_order() -> None:
    box: Mailbox[int] = Mailbox()
    for item in range(3):
        box.put(item)
    assert len(box) == 3
    assert [await box.get() for _ in range(3)] == [0, 1, 2]
    assert len(box) == 0


async def test_a_reader_waits_for_what_is_not_there() -> None:
    box: Mailbox[str] = Mailbox()
    reading = asyncio.ensure_future(box.get())
    await asyncio.sleep(0)
    assert not reading.done()
    box.put("a")
    box.put("b")
    assert (await reading, await box.get()) == ("a", "b")


async def test_a_reader_cancelled_as_something_comes_leaves_it_for_the_next() -> None:
    box: Mailbox[str] = Mailbox()
    first = asyncio.ensure_future(box.get())
    await asyncio.sleep(0)
    box.put("a")
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert await box.get() == "a"


async def test_the_next_reader_may_come_before_the_cancelled_one_is_gone() -> None:
    box: Mailbox[str] = Mailbox()
    first = asyncio.ensure_future(box.get())
    await asyncio.sleep(0)
    second = asyncio.ensure_future(box.get())
    first.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    box.put("a")
    async with asyncio.timeout(5):
        assert await second == "a"


@given(st.lists(st.sampled_from(["put", "get", "cancel", "turn"]), max_size=40))
def test_every_item_comes_once_and_in_order(steps: list[str]) -> None:
    async def run() -> None:
        box: Mailbox[int] = Mailbox()
        put, got = 0, []
        reader: asyncio.Task[int] | None = None
        for step in [*steps, *["turn", "get", "turn", "turn"] * len(steps)]:
            if step == "put":
                box.put(put)
                put += 1
            elif step == "get" and reader is None:
                reader = asyncio.ensure_future(box.get())
            elif step == "cancel" and reader is not None:
                reader.cancel()
            elif step == "turn":
                await asyncio.sleep(0)
            if reader is not None and reader.done():
                got += [] if reader.cancelled() else [reader.result()]
                reader = None
        if reader is not None:
            reader.cancel()
        assert got == list(range(put))

    asyncio.run(run())
