"""The load generator: carriers that call and phones that answer, each a process of its own: its CPU is not counted.

    python bench/load.py callers|phones        JSON lines on standard input and output

Debian's sipp has no TLS, hence this one. It writes pre-built messages over persistent TLS connections (or UDP) and
reads no more of an answer than it must; it shares no code with `quietline.sip`. Phones send no RTP and answer at once.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import json
import re
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import uvloop

LENGTH = re.compile(rb"\r\n(?:Content-Length|l)\s*:\s*(\d+)", re.IGNORECASE)
COPIED = (b"via:", b"from:", b"call-id:", b"cseq:", b"record-route:")
KEYS = {  # RFC 4568 §6.1, RFC 7714 §14: key and salt; zeros will do, for no audio follows
    b"AES_CM_128_HMAC_SHA1_80": base64.b64encode(bytes(30)),
    b"AEAD_AES_128_GCM": base64.b64encode(bytes(28)),
    b"AEAD_AES_256_GCM": base64.b64encode(bytes(44)),
}
BUFFER = 4 * 1024 * 1024
GRACE = 3.0  # seconds for the last calls to end


class Wire(Protocol):
    """Carries whole SIP messages; `name` is what Via and Contact say."""

    name: str
    transport: str

    def send(self, message: bytes) -> None: ...


Hear = Callable[[bytes, Wire], None]


class Tls(asyncio.Protocol):
    """One connection; messages are cut by Content-Length (RFC 3261 §18.3)."""

    transport = "TLS"

    def __init__(self, hear: Hear) -> None:
        self._hear, self._buffer = hear, bytearray()
        self.name, self.writer = "", cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.writer = cast("asyncio.Transport", transport)
        self.name = "{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def send(self, message: bytes) -> None:
        self.writer.write(message)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while (end := buffer.find(b"\r\n\r\n")) >= 0:
            found = LENGTH.search(buffer, 0, end + 4)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(buffer) < whole:
                return
            message = bytes(buffer[:whole])
            del buffer[:whole]
            self._hear(message, self)


class Udp(asyncio.DatagramProtocol):
    """One socket toward one peer."""

    transport = "UDP"

    def __init__(self, hear: Hear) -> None:
        self._hear, self.name = hear, ""
        self.writer = cast("asyncio.DatagramTransport", None)
        self.peer: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.writer = cast("asyncio.DatagramTransport", transport)
        self.name = "{}:{}".format(*transport.get_extra_info("sockname")[:2])

    def send(self, message: bytes) -> None:
        self.writer.sendto(message, self.peer)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.peer = addr
        self._hear(data, self)


async def connect(hear: Hear, where: dict[str, Any]) -> Tls | Udp:
    """`where`: host, port, source, and for TLS ca, certificate, key."""
    loop = asyncio.get_running_loop()
    source = where.get("source") or "127.0.0.1"
    if "ca" in where:
        context = ssl.create_default_context(cafile=where["ca"])
        context.check_hostname = False  # reached by address
        if where.get("certificate"):
            context.load_cert_chain(where["certificate"], where["key"])
        _, tls = await loop.create_connection(
            lambda: Tls(hear), where["host"], where["port"], ssl=context, local_addr=(source, 0)
        )
        return tls
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setblocking(False)
    sock.bind((source, where.get("own_port", 0)))
    _, udp = await loop.create_datagram_endpoint(lambda: Udp(hear), sock=sock)
    udp.peer = (where["host"], where["port"])
    return udp


def value(message: bytes, name: bytes) -> bytes:
    """The first header of this name as Kamailio writes it, b"" for none."""
    start = message.find(b"\r\n" + name + b": ")
    if start < 0:
        return b""
    start += len(name) + 4
    return message[start : message.find(b"\r\n", start)]


def offer(host: str, srtp: bool, port: int = 40_000) -> bytes:
    """A caller's or a plain phone's description; the key is fixed, for no audio follows."""
    crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "QUJD" * 10 + "\r\n" if srtp else ""
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} {'RTP/SAVP' if srtp else 'RTP/AVP'} 0 8 101\r\n"
        f"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n{crypto}a=sendrecv\r\n"
    ).encode()


# -- callers


@dataclass(slots=True)
class Dialled:
    """One call under way."""

    wire: Wire
    sent: float
    tag: str
    number: str
    dialled: str
    call_id: bytes
    answered: float = 0.0
    target: bytes = b""
    route: bytes = b""
    to: bytes = b""


@dataclass(slots=True)
class Tally:
    """What became of a run's calls; seconds."""

    started: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    handshakes: list[float] = field(default_factory=list)
    ended: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    ended_by_us: int = 0
    late: float = 0.0


class Callers:
    """A carrier: `rate` calls a second, each held for `hold` seconds."""

    def __init__(self, where: dict[str, Any], numbers: list[str], dialled: str) -> None:
        self._where, self._numbers, self._dialled = where, numbers, dialled
        self._loop = asyncio.get_running_loop()
        self._wires: list[Tls | Udp] = []
        self._calls: dict[bytes, Dialled] = {}
        self._hold = 0.0
        self._salt = secrets.token_hex(4)
        self._count = 0
        self.tally = Tally()
        host = where.get("media") or "127.0.0.1"
        self._body = offer(host, where["srtp"])
        self._fresh = bool(where.get("fresh"))
        self._opening: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        for _ in range(0 if self._fresh else self._where.get("connections", 4)):
            self._wires.append(await connect(self._hear, self._where))

    async def run(self, rate: float, seconds: float, hold: float) -> dict[str, Any]:
        self.tally, self._hold = Tally(), hold
        cpu, begin = time.process_time(), self._loop.time()
        for number in range(int(rate * seconds)):
            due = begin + number / rate
            ahead = due - self._loop.time()
            if ahead > 0:
                await asyncio.sleep(ahead)
            elif number % 32 == 0:
                await asyncio.sleep(0)
            self.tally.late = max(self.tally.late, -ahead)
            self._start()
        took = self._loop.time() - begin
        until = self._loop.time() + hold + GRACE
        while self._calls and self._loop.time() < until:  # noqa: ASYNC110 - a generator may poll
            await asyncio.sleep(0.05)
        return self._result(took, time.process_time() - cpu)

    def _result(self, took: float, cpu: float) -> dict[str, Any]:
        tally, lost = self.tally, len(self._calls)
        self._calls.clear()
        return {
            "started": tally.started,
            "answers": tally.answers,
            "handshakes": tally.handshakes,
            "ended": tally.ended,
            "refused": tally.refused,
            "unfinished": lost,
            "hung_up_on": tally.ended_by_us,
            "late": tally.late,
            "seconds": took,
            "cpu": cpu,
        }

    def _start(self) -> None:
        self._count += 1
        if not self._fresh:
            self._invite(self._wires[self._count % len(self._wires)], self._loop.time())
            return
        task = self._loop.create_task(self._connect_and_invite())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect_and_invite(self) -> None:
        begin = self._loop.time()
        wire = await connect(self._hear, self._where)
        self.tally.handshakes.append(self._loop.time() - begin)
        self._invite(wire, self._loop.time())

    def _invite(self, wire: Tls | Udp, now: float) -> None:
        n = self._count
        number = self._numbers[n % len(self._numbers)]
        call = Dialled(wire, now, f"t{n:x}", number, self._dialled, f"{self._salt}-{n}".encode())
        self._calls[call.call_id] = call
        self.tally.started.append(now)
        uri = f"sip:{self._dialled}@quietline.local".encode()
        wire.send(self._request(call, b"INVITE", 1, uri, b"<" + uri + b">", b"", self._body))

    def _request(
        self, call: Dialled, method: bytes, cseq: int, uri: bytes, to: bytes, route: bytes, body: bytes
    ) -> bytes:
        wire = call.wire
        kind = b"Content-Type: application/sdp\r\n" if body else b""
        if method == b"INVITE":
            kind += f"P-Asserted-Identity: <sip:{call.number}@carrier.example>\r\n".encode()
        return (
            b"%b %b SIP/2.0\r\nVia: SIP/2.0/%b %b;rport;branch=z9hG4bK%b%d%b\r\n%bMax-Forwards: 70\r\n"
            b"From: <sip:%b@carrier.example>;tag=%b\r\nTo: %b\r\nCall-ID: %b\r\nCSeq: %d %b\r\n"
            b"Contact: <sip:c@%b;transport=%b>\r\n%bContent-Length: %d\r\n\r\n%b"
        ) % (
            method, uri, wire.transport.encode(), wire.name.encode(), call.call_id, cseq, method, route,
            call.number.encode(), call.tag.encode(), to, call.call_id, cseq, method,
            wire.name.encode(), wire.transport.lower().encode(), kind, len(body), body,
        )  # fmt: skip

    def _hear(self, message: bytes, wire: Wire) -> None:
        call = self._calls.get(value(message, b"Call-ID"))
        if not message.startswith(b"SIP/2.0 "):
            self._asked(message, wire, call)
        elif call is not None:
            code = int(message[8:11])
            if code >= 200:
                self._told(message, code, call)

    def _asked(self, message: bytes, wire: Wire, call: Dialled | None) -> None:
        if message.startswith(b"ACK"):
            return
        wire.send(response(message, b"200 OK", b""))
        if message.startswith(b"BYE") and call is not None:
            self.tally.ended_by_us += 1
            self._over(call)

    def _told(self, message: bytes, code: int, call: Dialled) -> None:
        if value(message, b"CSeq").endswith(b"BYE"):
            self.tally.ended += code == 200
            self._over(call)
        elif code >= 300:
            self.tally.refused[str(code)] = self.tally.refused.get(str(code), 0) + 1
            uri = f"sip:{self._dialled}@quietline.local".encode()
            call.wire.send(self._request(call, b"ACK", 1, uri, value(message, b"To"), b"", b""))
            self._over(call)
        else:
            self._answered(message, call)

    def _answered(self, message: bytes, call: Dialled) -> None:
        if not call.answered:
            call.answered = self._loop.time()
            self.tally.answers.append(call.answered - call.sent)
            contact = value(message, b"Contact")
            call.target = contact[contact.find(b"<") + 1 : contact.find(b">")]
            call.to = value(message, b"To")
            routes = [line[14:] for line in message.split(b"\r\n") if line.startswith(b"Record-Route: ")]
            call.route = b"".join(b"Route: " + line + b"\r\n" for line in reversed(routes))
            self._loop.call_later(self._hold, self._bye, call)
        call.wire.send(self._request(call, b"ACK", 1, call.target, call.to, call.route, b""))

    def _bye(self, call: Dialled) -> None:
        if call.call_id in self._calls:
            call.wire.send(self._request(call, b"BYE", 2, call.target, call.to, call.route, b""))

    def _over(self, call: Dialled) -> None:
        self._calls.pop(call.call_id, None)
        if self._fresh:
            call.wire.writer.close()  # type: ignore[attr-defined]


# -- phones


def response(request: bytes, status: bytes, tag: bytes, extra: bytes = b"", body: bytes = b"") -> bytes:
    """RFC 3261 §8.2.6."""
    lines = [b"SIP/2.0 " + status]
    for line in request[: request.find(b"\r\n\r\n")].split(b"\r\n")[1:]:
        start = line[:13].lower()
        if start.startswith(COPIED):
            lines.append(line)
        elif start.startswith(b"to:"):
            lines.append(line + (b";tag=" + tag if tag and b";tag=" not in line else b""))
    return b"\r\n".join(lines) + b"\r\n%bContent-Length: %d\r\n\r\n%b" % (extra, len(body), body)


def answer_to(offered: bytes) -> bytes:
    """An answer to our own product's offer: its first crypto line's tag and suite, a key of zeros."""
    found = re.search(rb"a=crypto:(\d+) (\S+) ", offered)
    body = offer("127.0.0.1", False, 41_000)
    if found is None:
        return body
    crypto = b"a=crypto:%b %b inline:%b\r\na=sendrecv" % (found[1], found[2], KEYS[found[2]])
    return body.replace(b"RTP/AVP", b"RTP/SAVP").replace(b"a=sendrecv", crypto)


class Phones:
    """A block of agents' phones on a few connections: register by digest, ring, answer at once, say OK to the rest."""

    def __init__(self, where: dict[str, Any]) -> None:
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._wires: list[Tls | Udp] = []
        self.rung: list[float] = []
        self.ended = 0
        self._count = 0

    async def open(self) -> int:
        """The own port of the first wire."""
        for _ in range(self._where.get("connections", 1)):
            self._wires.append(await connect(self._hear, self._where))
        return int(self._wires[0].name.rpartition(":")[2])

    async def register(self, people: Iterable[tuple[str, str]], realm: str) -> None:
        """Each `(user, password)` over TLS, one wire after the other."""
        for place, (user, password) in enumerate(people):
            wire = self._wires[place % len(self._wires)]
            challenge = await self._registered(wire, user, realm, 1, b"")
            while challenge.startswith(b"SIP/2.0 503"):  # an edge that has just started asks to come again
                await asyncio.sleep(0.5)
                challenge = await self._registered(wire, user, realm, 1, b"")
            nonce = re.search(rb'nonce="([^"]*)"', challenge)
            if nonce is None:
                raise SystemExit(f"REGISTER was answered {challenge[:40]!r}")
            header = digest(user, password, realm, nonce[1].decode())
            said = await self._registered(wire, user, realm, 2, header)
            if not said.startswith(b"SIP/2.0 200"):
                raise SystemExit(f"REGISTER was answered {said[:40]!r}")

    async def _registered(self, wire: Tls | Udp, user: str, realm: str, cseq: int, header: bytes) -> bytes:
        call_id = f"r-{user}-{secrets.token_hex(4)}".encode()
        self._waiting[call_id] = self._loop.create_future()
        wire.send(
            b"REGISTER sip:%b SIP/2.0\r\nVia: SIP/2.0/TLS %b;rport;branch=z9hG4bK%b%d\r\nMax-Forwards: 70\r\n"
            b"From: <sip:%b@%b>;tag=r\r\nTo: <sip:%b@%b>\r\nCall-ID: %b\r\nCSeq: %d REGISTER\r\n"
            b"Contact: <sip:%b@%b;transport=tls>\r\nExpires: 600\r\n%bContent-Length: 0\r\n\r\n"
            % (
                realm.encode(), wire.name.encode(), call_id, cseq, user.encode(), realm.encode(), user.encode(),
                realm.encode(), call_id, cseq, user.encode(), wire.name.encode(), header,
            )
        )  # fmt: skip
        return await asyncio.wait_for(self._waiting[call_id], 10)

    def _hear(self, message: bytes, wire: Wire) -> None:
        if message.startswith(b"INVITE "):
            self._rung(message, wire)
        elif message.startswith(b"SIP/2.0 "):
            waiting = self._waiting.get(value(message, b"Call-ID"))
            if waiting and not waiting.done():
                waiting.set_result(message)
        elif not message.startswith(b"ACK "):
            self.ended += message.startswith(b"BYE ")
            wire.send(response(message, b"200 OK", b"p"))

    def _rung(self, message: bytes, wire: Wire) -> None:
        self.rung.append(self._loop.time())
        self._count += 1
        tag = b"p%d" % self._count
        contact = b"Contact: <sip:p@%b;transport=%b>\r\n" % (wire.name.encode(), wire.transport.lower().encode())
        wire.send(response(message, b"180 Ringing", tag, contact))
        extra = contact + b"Content-Type: application/sdp\r\n"
        wire.send(response(message, b"200 OK", tag, extra, answer_to(message)))


def digest(user: str, password: str, realm: str, nonce: str) -> bytes:
    """RFC 2617 §3.2.2 with qop auth."""

    def md5(text: str) -> str:
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    uri = f"sip:{realm}"
    said = md5(f"{md5(f'{user}:{realm}:{password}')}:{nonce}:00000001:c:auth:{md5(f'REGISTER:{uri}')}")
    return (
        f'Authorization: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5, '
        f'qop=auth, nc=00000001, cnonce="c", response="{said}"\r\n'
    ).encode()


# -- the process


async def lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=2**24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


def say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def callers(orders: asyncio.StreamReader) -> None:
    setting = json.loads(await orders.readline())
    us = Callers(setting["where"], setting["numbers"], setting["dialled"])
    await us.open()
    say({"ready": True})
    while line := await orders.readline():
        say(await us.run(**json.loads(line)))


async def phones(orders: asyncio.StreamReader) -> None:
    setting = json.loads(await orders.readline())
    us = Phones(setting["where"])
    port = await us.open()
    await us.register(setting.get("people", ()), setting.get("realm", ""))
    say({"ready": True, "port": port})
    cpu = time.process_time()
    while await orders.readline():
        say({"rung": us.rung, "ended": us.ended, "cpu": time.process_time() - cpu})
        us.rung, us.ended, cpu = [], 0, time.process_time()


async def main() -> None:
    gc.freeze()
    orders = await lines()
    await {"callers": callers, "phones": phones}[sys.argv[1]](orders)


if __name__ == "__main__":
    uvloop.run(main())
