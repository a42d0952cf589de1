"""When new callers are refused for want of time; and the socket that tells how late we are."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from quietline.telephony import datagrams as module
from quietline.telephony.admission import INTERVAL, LEAST, MEMORY, Admission
from quietline.telephony.datagrams import SO_TIMESTAMPNS, Datagrams, waited

LATE, GOOD = 0.2, 0.01
STEP = 0.004  # seconds between messages


def over(admission: Admission, lateness: list[float], start: float = 0.0) -> list[bool]:
    """What each wake-up brings, one a step."""
    return [admission.busy(late, start + at * STEP) for at, late in enumerate(lateness)]


def test_a_burst_is_taken_on_and_a_load_that_lasts_is_not() -> None:
    burst = max(LEAST, round(INTERVAL / STEP)) - 1
    assert not any(over(Admission(0.03), [LATE] * burst + [GOOD] * 5 + [LATE] * burst))
    refused = over(Admission(0.03), [LATE] * 3 * burst)
    assert (refused[:burst], refused[burst:]) == ([False] * burst, [True] * 2 * burst)


def test_a_few_messages_prove_nothing_however_late_and_neither_does_one_moment() -> None:
    slow = Admission(0.03)
    assert not any(slow.busy(LATE, second) for second in range(LEAST - 1))
    crowd = Admission(0.03)
    assert not any(crowd.busy(LATE, 0.0) for _ in range(10 * LEAST))


def test_one_message_in_time_ends_it_and_an_overload_that_comes_back_soon_needs_no_new_proof() -> None:
    admission = Admission(0.03)
    over(admission, [LATE] * 100)
    assert over(admission, [GOOD, LATE, GOOD, LATE], 0.5) == [False, True, False, True]
    assert over(admission, [GOOD, LATE, GOOD], 0.52 + MEMORY) == [False, False, False]


@given(st.lists(st.floats(0.0, 0.5), max_size=200))
def test_who_is_served_in_time_is_never_refused(lateness: list[float]) -> None:
    refused = over(Admission(0.03), lateness)
    assert not any(no for no, late in zip(refused, lateness, strict=True) if late <= 0.03)


@given(st.lists(st.floats(0.031, 5.0), min_size=60, max_size=90), st.lists(st.floats(0.0, 5.0), max_size=30))
def test_who_is_always_late_refuses(always: list[float], before: list[float]) -> None:
    admission = Admission(0.03)
    over(admission, before)
    assert all(over(admission, always, len(before) * STEP)[LEAST:])


# -- the socket


class Heard:
    """A socket and what came in."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, tuple[str, int], float]] = []
        self.socket = Datagrams(("127.0.0.1", 0), lambda *message: self.messages.append(message))
        self.port = self.socket._socket.getsockname()[1]
        self.far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.far.bind(("127.0.0.1", 0))

    def send(self, data: bytes) -> None:
        self.far.sendto(data, ("127.0.0.1", self.port))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.messages) < count:
                await asyncio.sleep(0.001)


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    one = Heard()
    yield one
    one.socket.close()
    one.socket.close()  # harmless
    one.far.close()


async def test_datagrams_come_in_order_from_whom_they_came(heard: Heard) -> None:
    count = 3 * module.BATCH
    for number in range(count):
        heard.send(b"%d" % number)
    await heard.until(count)
    assert [data for data, _, _ in heard.messages] == [b"%d" % number for number in range(count)]
    assert {source for _, source, _ in heard.messages} == {heard.far.getsockname()}


async def test_it_tells_how_late_it_is_by_the_oldest(heard: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", Later(0.25))
    heard.send(b"a")
    heard.send(b"b")
    await heard.until(2)
    first, second = (late for _, _, late in heard.messages)
    assert first >= 0.25
    assert first == second


class Later:
    """The wall clock of a process that is behind."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def time(self) -> float:
        return time.time() + self._seconds


async def test_an_answer_goes_out_and_one_that_cannot_is_said_and_lost(heard: Heard) -> None:
    heard.far.settimeout(5)
    with capture_logs() as logs:
        heard.socket.sendto(b"x" * 70_000, heard.far.getsockname())
        heard.socket.sendto(b"answer", heard.far.getsockname())
    assert heard.far.recv(100) == b"answer"
    assert [each["bytes"] for each in logs] == [70_000]


async def test_closing_within_a_batch_ends_it(heard: Heard) -> None:
    closing = Datagrams(("127.0.0.1", 0), lambda *_: closing.close())
    address = closing._socket.getsockname()
    heard.far.sendto(b"a", address)
    heard.far.sendto(b"b", address)
    async with asyncio.timeout(5):
        while closing._socket.fileno() >= 0:
            await asyncio.sleep(0.001)


async def test_a_port_that_is_taken_is_an_error(heard: Heard) -> None:
    with pytest.raises(OSError, match="in use"):
        Datagrams(("127.0.0.1", heard.port), lambda *_: None)


def stamp(seconds: int, nanoseconds: int) -> tuple[int, int, bytes]:
    return socket.SOL_SOCKET, SO_TIMESTAMPNS, struct.pack("@ll", seconds, nanoseconds)


def test_lateness_is_read_from_the_kernels_stamp_and_never_negative() -> None:
    assert waited([stamp(1_732_440_000, 500_000_000)], 1_732_440_001.0) == pytest.approx(0.5)
    assert waited([stamp(1_732_440_002, 0)], 1_732_440_001.0) == 0.0  # the clock was set back
    assert (
        waited([], 1.0) == waited([(0, 0, b"")], 1.0) == waited([(socket.SOL_SOCKET, SO_TIMESTAMPNS, b"x")], 1.0) == 0
    )
