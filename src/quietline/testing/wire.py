"""How a simulated phone reaches the edge: TLS, TCP or UDP, any socket (also one in another network namespace)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from quietline.errors import ConfigError, ProtocolError
from quietline.testing.sip_text import Message, take_message

SocketFactory = Callable[[int, int], socket.socket]
CONNECT_WITHIN = 10.0  # seconds


@dataclass(frozen=True, slots=True)
class Edge:
    """A public port of the edge. `domain` goes into URIs and is the name its certificate must carry."""

    host: str
    port: int
    transport: str = "tls"  # "tls" | "tcp" | "udp"
    domain: str = ""  # "": the host
    ca: Path | None = None  # PEM of the authority that signed the edge's certificate; None: the machine's own
    certificate: Path | None = None  # PEM of our own certificate, for a trunk with mutual TLS
    key: Path | None = None

    @property
    def name(self) -> str:
        return self.domain or self.host

    def tls(self) -> ssl.SSLContext:
        """A client context, TLS 1.2 at least. Raises ConfigError for a certificate that cannot be loaded."""
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"edge {self.host}:{self.port}: cannot load a certificate ({error})") from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class Wire:
    """One flow to the edge. `received` keeps every message as it came, for leak checks."""

    def __init__(
        self, edge: Edge, on_message: Callable[[Message], None], sockets: SocketFactory = socket.socket
    ) -> None:
        self.edge = edge
        self.received: list[bytes] = []
        self.sent: list[bytes] = []
        self.malformed = 0
        self.lost = asyncio.Event()  # the connection is closed, by whom ever
        self._on_message = on_message
        self._sockets = sockets
        self._transport: asyncio.Transport | asyncio.DatagramTransport | None = None
        self._write: Callable[[bytes], None] = self.received.append  # replaced by `open`
        self.local: tuple[str, int] = ("", 0)

    async def open(self) -> None:
        """Connect. Raises OSError or ssl.SSLError as the network says, TimeoutError after 10 s."""
        async with asyncio.timeout(CONNECT_WITHIN):
            sock = await self._connected()
            self.local = cast(tuple[str, int], sock.getsockname()[:2])
            await self._attach(sock)

    async def _connected(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.edge.host else socket.AF_INET
        sock = self._sockets(family, socket.SOCK_DGRAM if self.edge.transport == "udp" else socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (self.edge.host, self.edge.port))
        except BaseException:
            sock.close()
            raise
        return sock

    async def _attach(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if self.edge.transport == "udp":
            datagrams, _ = await loop.create_datagram_endpoint(partial(_Datagrams, self), sock=sock)
            self._transport, self._write = datagrams, datagrams.sendto
            return
        tls = self.edge.tls() if self.edge.transport == "tls" else None
        name = self.edge.name if tls else None
        stream, _ = await loop.create_connection(partial(_Stream, self), sock=sock, ssl=tls, server_hostname=name)
        self._transport, self._write = stream, stream.write

    def send(self, message: Message) -> None:
        """Raises ProtocolError when the wire is not open."""
        self.send_bytes(message.encode())

    def send_bytes(self, data: bytes) -> None:
        """Send what may be no SIP at all."""
        if self._transport is None or self._transport.is_closing():
            raise ProtocolError("wire: not open, or lost")
        self.sent.append(data)
        self._write(data)

    def deliver(self, data: bytes) -> None:
        """A whole message arrived; what cannot be read is counted."""
        self.received.append(data)
        try:
            message = Message.parse(data)
        except ProtocolError:
            self.malformed += 1
            return
        self._on_message(message)

    async def close(self) -> None:
        """Close in order; after one second without the other side's agreement, at once."""
        if self._transport:
            self._transport.close()
        try:
            async with asyncio.timeout(1.0):
                await self.lost.wait()
        except TimeoutError:
            self.abort()
            await asyncio.sleep(0)
        self._transport = None

    def abort(self) -> None:
        """Gone without a word, as a phone whose plug was pulled (over TCP the kernel still sends RST)."""
        if self._transport:
            self._transport.abort()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.strip():
            self._wire.deliver(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost.set()


class _Stream(asyncio.Protocol):
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            if self._buffer.startswith(b"\r\n\r\n"):  # RFC 5626 §4.4.1: ping, answered by a pong
                self._transport.write(b"\r\n")
            while self._buffer.startswith(b"\r\n"):
                del self._buffer[:2]
            message = take_message(self._buffer)
            if message is None:
                return
            self._wire.deliver(message)

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.lost.set()
