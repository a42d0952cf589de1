"""rtpengine: how it is started, its ng control protocol (bencode over UDP), and the keypad events it sends back.

Facts measured with rtpengine 10.5.3.5 in userspace. Loopback carries SRTP keys here and is declared as trusted.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import secrets
from collections.abc import Callable
from typing import Any, cast

import structlog

from quietline import config
from quietline.errors import RelayUnavailable
from quietline.telephony.bencode import Value, decode, encode

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
TRIES = (0.3, 0.6, 1.2)  # seconds to wait for each try; a repeated cookie gets the stored answer, the command runs once
ID_PREFIX = "ql-"
LIST_LIMIT = 2_800  # call ids of 23 bytes, "23:ql-…", that fit one 65,507-byte datagram
KEYS = "0123456789*#ABCD"  # RFC 4733 §3.2, table 7: events 0 to 15
WORLD, TRUNK, AGENTS, INSIDE = "world", "trunk", "agents", "inside"  # logical interfaces


def relay_id(call: str) -> str:
    """The call's id toward the relay: a digest, so that nothing of our own id can be read there."""
    return ID_PREFIX + hashlib.sha256(call.encode()).hexdigest()[:20]


def interfaces(relay: config.Relay) -> list[str]:
    """rtpengine's `--interface` values. An address may be given a side, "trunk/…" or "agents/…"; else it serves both.

    The answering side of a caller who is connected to nobody yet lies on loopback, out of the world's reach.
    """
    named = [item if "/" in item else f"{WORLD}/{item}" for item in relay.interfaces]
    return [*named, f"{INSIDE}/{LOOPBACK}"]


def side(relay: config.Relay, wanted: str) -> str:
    """The logical interface of a side: its own where the configuration names one, else the common one."""
    names = [item.split("/")[0] for item in interfaces(relay)]
    return wanted if wanted in names else names[0]


def command_line(relay: config.Relay, program: str = "rtpengine") -> list[str]:
    """Arguments that start the relay in the foreground, logging warnings only, to stderr.

    Level 4 (warning): at 6 and above rtpengine logs SDP. `silent-timeout` and `offer-timeout` are an hour, for held and
    ringing legs; the controller watches for dead peers itself.
    """
    return [
        program,
        "--foreground",
        "--log-stderr",
        "--log-level=4",
        "--table=-1",
        "--delete-delay=0",
        *(f"--interface={item}" for item in interfaces(relay)),
        f"--listen-ng={LOOPBACK}:{relay.ng_port}",
        f"--dtmf-log-dest={LOOPBACK}:{relay.digits_port}",
        f"--port-min={relay.port_min}",
        f"--port-max={relay.port_max}",
        f"--num-threads={relay.threads}",
        "--media-num-threads=1",
        "--timeout=60",
        "--silent-timeout=3600",
        "--offer-timeout=3600",
        "--tos=184",
        "--software-id=-",
    ]


class NgClient(asyncio.DatagramProtocol):
    """Commands to rtpengine over UDP on loopback, one client for a whole process.

    Contract: a command is sent up to three times under one cookie and takes effect at most once. Raises
    RelayUnavailable when no try is answered (2.1 s) or when rtpengine says no. Not safe across threads.
    """

    def __init__(self, tries: tuple[float, ...] = TRIES) -> None:
        self._tries = tries
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def connect(cls, port: int, tries: tuple[float, ...] = TRIES) -> NgClient:
        """A client of the relay on this loopback port. Succeeds whether or not the relay runs."""
        client = cls(tries)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: client, remote_addr=(LOOPBACK, port))
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # no common base class before Python 3.12

    def datagram_received(self, data: bytes, addr: Any) -> None:
        cookie, _, body = data.partition(b" ")
        waiting = self._waiting.get(cookie)
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

    def error_received(self, exc: Exception) -> None:
        """Connection refused: the relay is down, or not up yet. The tries go on."""

    def close(self) -> None:
        """Stop. Commands under way end as unanswered."""
        if self._transport is not None:
            self._transport.close()

    async def command(self, name: str, **fields: Value) -> dict[str, Any]:
        """One command; underscores in field names become hyphens. The answer, whose `result` was ok."""
        body: dict[str, Value] = {"command": name}
        body |= {key.replace("_", "-"): value for key, value in fields.items()}
        answer = decode(await self._ask(name, encode(body)))
        if not isinstance(answer, dict):
            raise RelayUnavailable(f"relay: the answer to {name} is no dictionary")
        if answer.get("result") not in ("ok", "pong"):
            raise RelayUnavailable(f"relay: rtpengine refused {name}: {_reason(answer)}")
        return answer

    async def _ask(self, name: str, body: bytes) -> bytes:
        cookie = f"{self._prefix}_{next(self._numbers)}".encode()
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[cookie] = waiting
        try:
            for seconds in self._tries:
                self._send(cookie + b" " + body)
                await asyncio.wait([waiting], timeout=seconds)
                if waiting.done():
                    return bytes(waiting.result())
        finally:
            del self._waiting[cookie]
        raise RelayUnavailable(f"relay: rtpengine left {len(self._tries)} tries of {name} unanswered; is it running?")

    def _send(self, message: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise RelayUnavailable("relay: the connection to rtpengine is closed")
        self._transport.sendto(message)


def _reason(answer: dict[str, Any]) -> str:
    """rtpengine's reason, unless it could hold more than a sentence of its own: an address, a key, a number."""
    text = str(answer.get("error-reason", ""))
    return text if text.replace(" ", "").replace("-", "").replace("_", "").isalpha() and len(text) < 80 else "no reason"


Listener = Callable[[str], None]


class DigitListener(asyncio.DatagramProtocol):
    """Keypad events, JSON over UDP from rtpengine on this machine, handed to whoever listens for the call's tag.

    Datagrams from elsewhere or without sense are counted in `ignored` and dropped. A digit is personal: it is never
    logged.
    """

    def __init__(self) -> None:
        self.ignored = 0
        self._listeners: dict[tuple[str, str], list[Listener]] = {}
        self._transport: asyncio.BaseTransport | None = None

    @classmethod
    async def open(cls, port: int) -> DigitListener:
        """Listen on this loopback port. Raises OSError when it is taken."""
        listener = cls()
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: listener, local_addr=(LOOPBACK, port))
        return listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def listen(self, call: str, tag: str, listener: Listener) -> Callable[[], None]:
        """Hear the keys of one leg; the answer stops it."""
        listeners = self._listeners.setdefault((call, tag), [])
        listeners.append(listener)

        def stop() -> None:
            if listener in listeners:
                listeners.remove(listener)
            if not listeners:
                self._listeners.pop((call, tag), None)

        return stop

    def datagram_received(self, data: bytes, addr: Any) -> None:
        event = read_digit(data) if addr[0] == LOOPBACK else None
        if event is None:
            self.ignored += 1
            return
        call, tag, key = event
        for listener in tuple(self._listeners.get((call, tag), ())):
            listener(key)


def read_digit(data: bytes) -> tuple[str, str, str] | None:
    """Call id, tag and key of one keypad event; None when it is none."""
    try:
        event = json.loads(data)
        call, tag, number = event["callid"], event["source_tag"], event["event"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not (isinstance(call, str) and isinstance(tag, str) and type(number) is int and 0 <= number < len(KEYS)):
        return None
    return call, tag, KEYS[number]
