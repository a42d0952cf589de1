"""Bare SIP on the wire for the edge's tests: messages as text, and peers over UDP, TLS and WSS.

Bare text on purpose: a test must be able to send what no SIP library would.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
import secrets
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/SAVP 0 101\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
)
PLAIN_SDP = SDP.replace("RTP/SAVP", "RTP/AVP").split("a=crypto")[0]
WAIT = 5.0  # seconds for any single answer


def token(length: int = 8) -> str:
    """Random hex of this length."""
    return secrets.token_hex(length // 2)


@dataclass
class Message:
    """One SIP message as it stood on the wire."""

    start: str
    headers: list[tuple[str, str]]
    body: str
    raw: str

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """Reads it as it is, without judging."""
        raw = data.decode("utf-8", "replace")
        head, _, body = raw.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        pairs = [line.partition(":") for line in lines]
        return cls(start, [(name.strip().lower(), value.strip()) for name, _, value in pairs], body, raw)

    @property
    def code(self) -> int:
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        return "" if self.code else self.start.split()[0]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def tag(self, name: str) -> str:
        """The tag of From or To; "" where there is none."""
        found = re.search(r";tag=([^;>\s]+)", self.get(name))
        return found.group(1) if found else ""


def answer(request: Message, code: int, reason: str = "X", *, extra: str = "", body: str = "", to_tag: str = "") -> str:
    """A response to `request` (RFC 3261 §8.2.6), with Record-Route copied (§12.1.1)."""
    to = request.get("to")
    if ";tag=" not in to and code > 100:
        to += f";tag={to_tag or token()}"
    lines = [f"SIP/2.0 {code} {reason}"]
    lines += [f"Via: {via}" for via in request.all("via")] + [f"Record-Route: {r}" for r in request.all("record-route")]
    lines += [f"{name}: {request.get(name.lower())}" for name in ("From", "Call-ID", "CSeq")] + [f"To: {to}"]
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return "\r\n".join(lines) + f"\r\n{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"


class Peer:
    """Anything that sends and receives SIP messages; what arrives is queued."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[Message] = asyncio.Queue()
        self.host = ""
        self.transport_name = "UDP"

    async def send(self, text: str | bytes) -> None:
        raise AssertionError("a Peer sends by its transport")

    async def receive(self, wait: float = WAIT) -> Message:
        """The next message; raises TimeoutError."""
        return await asyncio.wait_for(self.inbox.get(), wait)

    async def final(self, wait: float = WAIT) -> Message:
        """The next final response, provisional ones skipped."""
        while True:
            message = await self.receive(wait)
            if message.code >= 200:
                return message

    async def request(self, method: str, wait: float = WAIT) -> Message:
        """The next request of this method, others skipped."""
        while True:
            message = await self.receive(wait)
            if message.method == method:
                return message

    async def nothing(self, wait: float = 0.5) -> bool:
        """Whether nothing at all arrives."""
        try:
            await self.receive(wait)
        except TimeoutError:
            return True
        return False


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, got: Callable[[bytes], None]) -> None:
        self._got = got

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data.strip():
            self._got(data)


class UdpPeer(Peer):
    """A UDP socket of its own toward one address."""

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__()
        self.target = target

    async def open(self, source: tuple[str, int]) -> UdpPeer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self.got), local_addr=source)
        name = self._transport.get_extra_info("sockname")
        self.host = f"{name[0]}:{name[1]}"
        return self

    def got(self, data: bytes) -> None:
        self.inbox.put_nowait(Message.parse(data))

    async def send(self, text: str | bytes) -> None:
        self._transport.sendto(text.encode() if isinstance(text, str) else text, self.target)

    async def close(self) -> None:
        self._transport.close()


class FakeController(UdpPeer):
    """Stands where the controller does: answers OPTIONS; INVITEs by `on_invite`, everything else with 200."""

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(target)
        self.code = 200
        self.extra = ""
        self.pings = 0
        self.body = SDP

    def got(self, data: bytes) -> None:
        """Answers the edge's OPTIONS by itself; keeps everything else."""
        message = Message.parse(data)
        if message.method == "OPTIONS" and not message.tag("to"):
            self.pings += 1
            self._reply(answer(message, 200))
            return
        self.inbox.put_nowait(message)
        if message.method == "INVITE" and self.code:
            self._reply(answer(message, 100))
            body, contact = (self.body, f"Contact: <sip:ctl@{self.host}>\r\n") if self.code < 300 else ("", "")
            self._reply(answer(message, self.code, extra=contact + self.extra, body=body))
        elif message.method in ("BYE", "CANCEL", "INFO", "UPDATE"):
            self._reply(answer(message, 200))

    def _reply(self, text: str) -> None:
        self._transport.sendto(text.encode(), self.target)


class StreamPeer(Peer):
    """TLS: messages are framed by Content-Length (RFC 3261 §18.3)."""

    def __init__(self) -> None:
        super().__init__()
        self.transport_name = "TLS"
        self.closed = asyncio.Event()

    async def open(
        self, address: str, port: int, tls: ssl.SSLContext, source: str | None = None, name: str = "quietline.local"
    ) -> StreamPeer:
        local = (source, 0) if source else None
        self.reader, self.writer = await asyncio.wait_for(
            asyncio.open_connection(address, port, ssl=tls, server_hostname=name, local_addr=local), WAIT
        )
        host = self.writer.get_extra_info("sockname")
        if host is None:
            raise ConnectionError("closed at once")
        self.host = f"[{host[0]}]:{host[1]}" if ":" in host[0] else f"{host[0]}:{host[1]}"
        await self._hand_shake(name, port)
        self._task = asyncio.create_task(self._read())
        return self

    async def _hand_shake(self, name: str, port: int) -> None:
        """Nothing more to do on plain TLS."""

    async def _next(self) -> bytes:
        head = (await self.reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
        length = re.search(rb"(?im)^content-length\s*:\s*(\d+)", head)
        return head + (await self.reader.readexactly(int(length.group(1))) if length else b"")

    async def _read(self) -> None:
        try:
            while True:
                self.inbox.put_nowait(Message.parse(await self._next()))
        except (OSError, asyncio.IncompleteReadError):
            self.closed.set()

    async def send(self, text: str | bytes) -> None:
        self.writer.write(self._frame(text.encode() if isinstance(text, str) else text))
        await self.writer.drain()

    def _frame(self, data: bytes) -> bytes:
        return data

    def cut(self, *, reset: bool = False) -> None:
        """Drop the connection without a word, as a killed process does; `reset` frees the port at once (RST)."""
        if reset:
            connection = self.writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.writer.transport.abort()


class WsPeer(StreamPeer):
    """WSS (RFC 7118): one message a frame."""

    def __init__(self, origin: str | None = "https://quietline.local") -> None:
        super().__init__()
        self.transport_name = "WSS"
        self.origin = origin
        self.status = ""

    async def _hand_shake(self, name: str, port: int) -> None:
        origin = f"Origin: {self.origin}\r\n" if self.origin is not None else ""
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self.writer.write(
            f"GET / HTTP/1.1\r\nHost: {name}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{origin}"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n".encode()
        )
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT)
        self.host = f"{token()}.invalid"  # RFC 7118 §5.1: a browser has no address to name
        self.status = head.decode().split("\r\n", maxsplit=1)[0].removeprefix("HTTP/1.1 ")

    async def _next(self) -> bytes:
        while True:
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            data = await self.reader.readexactly(size)
            if first & 0x0F in (1, 2):
                return data
            if first & 0x0F == 9:  # ping: answered as browsers do (RFC 6455 §5.5.3)
                self.writer.write(self._masked(0x8A, data))

    def _frame(self, data: bytes) -> bytes:
        return self._masked(0x81, data)

    @staticmethod
    def _masked(first: int, data: bytes) -> bytes:
        mask = secrets.token_bytes(4)
        size = struct.pack(">BB", first, 0x80 | len(data)) if len(data) < 126 else b""
        size = size or struct.pack(">BBH", first, 0x80 | 126, len(data))
        return size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


@dataclass
class Request:
    """A request to write. `extra` is header lines, each with CRLF."""

    method: str = "INVITE"
    uri: str = "sip:+442079460100@quietline.local"
    caller: str = "<sip:+442079460001@caller.example>"
    to: str = ""
    body: str = ""
    extra: str = ""
    call_id: str = field(default_factory=lambda: token(16))
    from_tag: str = field(default_factory=token)
    to_tag: str = ""
    cseq: int = 1
    contact_user: str = "phone"
    routes: list[str] = field(default_factory=list)

    def text(self, peer: Peer) -> str:
        """As it goes out on this peer's transport."""
        kind = "Content-Type: application/sdp\r\n" if self.body else ""
        to = (self.to or f"<{self.uri}>") + (f";tag={self.to_tag}" if self.to_tag else "")
        contact = f"<sip:{self.contact_user}@{peer.host};transport={peer.transport_name.lower().replace('wss', 'ws')}>"
        return (
            f"{self.method} {self.uri} SIP/2.0\r\nVia: SIP/2.0/{peer.transport_name} {peer.host};"
            f"branch=z9hG4bK{token(12)};rport\r\n"
            + "".join(f"Route: {route}\r\n" for route in self.routes)
            + f"From: {self.caller};tag={self.from_tag}\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\n"
            f"CSeq: {self.cseq} {self.method}\r\nMax-Forwards: 70\r\nContact: {contact}\r\n"
            f"{self.extra}{kind}Content-Length: {len(self.body.encode())}\r\n\r\n{self.body}"
        )

    def within(self, answered: Message, method: str, cseq: int = 2, body: str = "") -> Request:
        """A request in the dialog that `answered` (the 2xx) made (RFC 3261 §12.2.1.1)."""
        target = re.search(r"<([^>]+)>", answered.get("contact"))
        assert target, "a 2xx to INVITE has a Contact"
        routes = [part.strip() for line in reversed(answered.all("record-route")) for part in line.split(",")[::-1]]
        return replace(
            self, method=method, uri=target.group(1), to=self.to or f"<{self.uri}>", to_tag=answered.tag("to"),
            cseq=cseq, body=body, routes=routes, extra="",
        )  # fmt: skip


def ha1(user: str, password: str, realm: str = "quietline.local") -> str:
    """RFC 7616 §3.4.2; MD5 is what phones speak."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode()).hexdigest()  # noqa: S324


def credentials(challenge: str, method: str, uri: str, user: str, digest: str, header: str = "Authorization") -> str:
    """The header line that answers `challenge`."""
    nonce = re.search(r'nonce="([^"]+)"', challenge)
    assert nonce, "a challenge has a nonce"
    ha2 = hashlib.md5(f"{method}:{uri}".encode()).hexdigest()  # noqa: S324
    text = f"{digest}:{nonce.group(1)}:00000001:c0ffee:auth:{ha2}"
    response = hashlib.md5(text.encode()).hexdigest()  # noqa: S324
    return (
        f'{header}: Digest username="{user}",realm="quietline.local",nonce="{nonce.group(1)}",uri="{uri}",qop=auth,'
        f'nc=00000001,cnonce="c0ffee",response="{response}",algorithm=MD5\r\n'
    )


async def sign_in(
    peer: Peer, user: str, password: str, *, aor: str = "", digest: str = "", expires: int = 300
) -> list[Message]:
    """REGISTER, and once more with credentials when challenged; every final answer in order."""
    address = f"<sip:{aor or user}@quietline.local>"
    first = Request(
        "REGISTER", "sip:quietline.local", address, to=address, extra=f"Expires: {expires}\r\n", contact_user=user
    )
    await peer.send(first.text(peer))
    answers = [await peer.final()]
    if answers[0].code == 401:
        line = credentials(
            answers[0].get("www-authenticate"), "REGISTER", first.uri, user, digest or ha1(user, password)
        )
        await peer.send(replace(first, cseq=2, extra=first.extra + line).text(peer))
        answers.append(await peer.final())
    return answers
