"""SIP over TCP to the edge: one connection that we open, so that nobody but the edge can speak to us.

Requests and responses go both ways over it (RFC 5923). It is opened again when it is lost; until then a bounded number
of messages waits. Dialogs outlive it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog

from quietline.errors import ProtocolError
from quietline.sip.framing import Framer
from quietline.sip.session import Address

log = structlog.get_logger()

BACKLOG = 1_024  # messages kept while there is no connection; the oldest go first
RETRY = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds between tries; the last repeats
CONNECT_WAIT = 2.0  # seconds


class EdgeStream(asyncio.Protocol):
    """The wire of a `SipEndpoint` over TCP. `heard` gets each whole message."""

    def __init__(self, edge: Address, heard: Callable[[bytes], None]) -> None:
        self._edge = edge
        self._heard = heard
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque(maxlen=BACKLOG)
        self._dialling: asyncio.Task[None] | None = None
        self._closed = False

    async def connect(self) -> None:
        """Open the connection, trying until it stands or `close` is called."""
        tries = 0
        while not self._closed:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_WAIT):
                    await asyncio.get_running_loop().create_connection(lambda: self, *self._edge)
                return
            await asyncio.sleep(RETRY[min(tries, len(RETRY) - 1)])
            tries += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._framer = cast("asyncio.Transport", transport), Framer()
        if self._closed:
            self._transport.close()
        while self._waiting:
            self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        try:
            messages = self._framer.feed(data)
        except ProtocolError:
            log.warning("the edge's stream is broken and opened anew")
            assert self._transport
            self._transport.abort()
            return
        for message in messages:
            self._heard(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if not self._closed:
            self._dialling = asyncio.get_running_loop().create_task(self.connect())

    def sendto(self, data: bytes, to: Address) -> None:
        """Send to the edge; `to` is not looked at, for there is nobody else."""
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)
        else:
            self._waiting.append(data)

    def close(self) -> None:
        """Stop at once and for good."""
        self._closed = True
        if self._dialling:
            self._dialling.cancel()
        if self._transport:
            self._transport.close()
