"""A UDP socket that is emptied at each wake-up and knows how long the oldest datagram waited in it.

asyncio's own transport tells neither. The kernel stamps a datagram as it arrives (socket(7), SO_TIMESTAMPNS), by the
wall clock; a clock that is set meanwhile makes one reading wrong, so decisions need several.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()

Address = tuple[str, int]
Hear = Callable[[bytes, Address, float], None]

LARGEST = 65_535  # bytes of a datagram
RECEIVE_BUFFER = 4 * 1024 * 1024  # bytes: a burst of some 4,000 INVITEs while the loop is busy
BATCH = 64  # datagrams in one go; then the loop's other work has its turn
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
_STAMP = struct.Struct("@ll")
_SPACE = socket.CMSG_SPACE(_STAMP.size)


class Datagrams:
    """Bound to one address; `hear(data, source, waited)` for each datagram. `waited` is the seconds that the oldest of
    those read together had to wait: how far behind the process is. Not safe across threads."""

    def __init__(self, address: Address, hear: Hear) -> None:
        """Raises OSError when the port is taken."""
        self._hear = hear
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(LARGEST)
        self._view = memoryview(self._buffer)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.setblocking(False)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket.fileno(), self._read)

    def sendto(self, data: bytes, to: Address) -> None:
        """What cannot be sent is lost, as UDP may lose it: retransmissions deal with that."""
        try:
            self._socket.sendto(data, to)
        except OSError as error:
            log.warning("a datagram could not be sent", error=type(error).__name__, bytes=len(data))

    def close(self) -> None:
        """Harmless when closed."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _read(self) -> None:
        oldest: float | None = None
        for _ in range(BATCH):
            try:
                size, stamps, _, source = self._socket.recvmsg_into([self._buffer], _SPACE)
            except BlockingIOError:
                return
            if oldest is None:
                oldest = waited(stamps, time.time())
            self._hear(bytes(self._view[:size]), source, oldest)
            if self._socket.fileno() < 0:
                return


def waited(stamps: list[tuple[int, int, bytes]], wall: float) -> float:
    """Seconds since the kernel took the datagram, 0 where it does not say or the clock was set back."""
    for level, kind, data in stamps:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == _STAMP.size:
            seconds, nanoseconds = _STAMP.unpack(data)
            return max(0.0, wall - float(seconds) - float(nanoseconds) / 1e9)
    return 0.0
