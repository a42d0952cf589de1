"""Frames on a stream: whatever the pieces they arrive in, the same frames come out; what is no frame is an error."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import ProtocolError
from quietline.wire import MAX_FRAME, Frames, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FRAMES = st.lists(st.dictionaries(st.text(max_size=8), JSON, max_size=4), max_size=6)


def read(pieces: list[bytes]) -> list[Any]:
    """Every frame of a stream that arrives in these pieces and then ends."""

    async def run() -> list[Any]:
        reader, got = asyncio.StreamReader(), []
        frames = Frames(reader)
        reading = asyncio.ensure_future(frames.next())
        for piece in pieces:
            reader.feed_data(piece)
            await asyncio.sleep(0)
        reader.feed_eof()
        while (frame := await reading) is not None:
            got.append(frame)
            reading = asyncio.ensure_future(frames.next())
        return got

    return asyncio.run(run())


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends)]


@given(FRAMES, st.lists(st.integers(0, 10_000), max_size=8))
def test_frames_come_whole_however_they_arrive(frames: list[Any], places: list[int]) -> None:
    assert read(cut(b"".join(map(encode, frames)), places)) == frames


@given(FRAMES, st.integers(1, 10_000))
def test_a_torn_frame_is_the_end(frames: list[Any], lost: int) -> None:
    data = b"".join(map(encode, [*frames, {"torn": True}]))
    assert read([data[: len(data) - 1 - lost % len(encode({"torn": True}))]]) in (frames, frames[:-1])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x00\x00\x00\x02[]", "not an object"),
        (b"\x00\x00\x00\x02{x", "not JSON"),
        (b"\x00\x00\x00\x01\xff", "not JSON"),
        ((MAX_FRAME + 1).to_bytes(4, "big"), "4 MiB"),
    ],
)
def test_what_is_no_frame_is_an_error(data: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        read([data])


def test_a_frame_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="4 MiB"):
        encode({"x": "y" * MAX_FRAME})
