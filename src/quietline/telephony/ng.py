"""rtpengine's ng control protocol (bencode over UDP) and the keypad events it sends back.

Facts measured with rtpengine 10.5.3.5. Loopback carries SRTP keys here and is declared as trusted.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import weakref
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from quietline.errors import ProtocolError, RelayUnavailable
from quietline.telephony.bencode import Value, decode, encode

LOOPBACK = "127.0.0.1"
TRIES = (0.3, 0.6, 1.2)  # seconds to wait for each try; a repeated cookie gets the stored answer, the command runs once
ACCEPTED = b"6:result2:oke"  # the end of every answer that is no refusal: `result` is what rtpengine writes last
KEYS = "0123456789*#ABCD"  # RFC 4733 §3.2, table 7: events 0 to 15


class RelayRefused(RelayUnavailable):
    """rtpengine answered, and said no. `reason` is its own sentence."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(f"relay: rtpengine refused {command}: {reason}")
        self.reason = reason


class NgClient(asyncio.DatagramProtocol):
    """Commands to rtpengine over UDP on loopback, one client for a whole process.

    Contract: a command is sent up to three times under one cookie and takes effect at most once. Raises
    RelayUnavailable when no try is answered (2.1 s) or when rtpengine says no. Not safe across threads.
    """

    def __init__(self, tries: tuple[float, ...] = TRIES) -> None:
        self._tries = tries
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count()
        self._waiting: dict[bytes, _Asked] = {}
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
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_result(body)

    def error_received(self, exc: Exception) -> None:
        """Connection refused: the relay is down, or not up yet. The tries go on."""

    def close(self) -> None:
        """Stop. Commands under way end as unanswered."""
        if self._transport is not None:
            self._transport.close()

    async def command(self, name: str, **fields: Value) -> dict[str, Any]:
        """One command; underscores in field names become hyphens. The answer, whose `result` was ok."""
        return _accepted(name, await self._ask(name, fields))

    async def tell(self, name: str, **fields: Value) -> None:
        """A command of whose answer only the success matters."""
        answer = await self._ask(name, fields)
        if not answer.endswith(ACCEPTED):
            _accepted(name, answer)

    async def _ask(self, name: str, fields: dict[str, Value]) -> bytes:
        cookie = f"{self._prefix}_{next(self._numbers)}".encode()
        body: dict[str, Value] = {"command": name}
        for key, value in fields.items():
            body[_wire_name(key)] = value
        asked = self._waiting[cookie] = _Asked(self._send, cookie + b" " + encode(body), self._tries)
        try:
            asked.send()
            answer = await asked.answer
        finally:
            asked.close()
            del self._waiting[cookie]
        if answer is None:
            tries = len(self._tries)
            raise RelayUnavailable(f"relay: rtpengine left {tries} tries of {name} unanswered; is it running?")
        return answer

    def _send(self, message: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise RelayUnavailable("relay: the connection to rtpengine is closed")
        self._transport.sendto(message)


class _Asked:
    """A command under way: sent again until `answer` is there, None after the last wait."""

    __slots__ = ("_loop", "_message", "_send", "_timer", "_waits", "answer")

    def __init__(self, send: Callable[[bytes], None], message: bytes, waits: tuple[float, ...]) -> None:
        self._loop = asyncio.get_running_loop()
        self._send, self._message, self._waits = send, message, iter(waits)
        self._timer: asyncio.TimerHandle | None = None
        self.answer: asyncio.Future[bytes | None] = self._loop.create_future()

    def send(self) -> None:
        """The next try. Raises RelayUnavailable where it cannot be sent."""
        wait = next(self._waits, None)
        if wait is None:
            self.answer.set_result(None)
            return
        self._send(self._message)
        self._timer = self._loop.call_later(wait, self._again)

    def _again(self) -> None:
        if self.answer.done():
            return
        try:
            self.send()
        except RelayUnavailable as error:
            self.answer.set_exception(error)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@lru_cache(maxsize=128)
def _wire_name(key: str) -> str:
    return key.replace("_", "-")


def _accepted(name: str, body: bytes) -> dict[str, Any]:
    """The answer that is no refusal. Raises RelayRefused, RelayUnavailable for one without sense."""
    answer = _dictionary(name, body)
    if answer.get("result") not in ("ok", "pong"):
        raise RelayRefused(name, _reason(answer))
    return answer


def _dictionary(name: str, body: bytes) -> dict[str, Any]:
    try:
        answer = decode(body)
    except ProtocolError as error:
        raise RelayUnavailable(f"relay: the answer to {name} cannot be read ({error})") from None
    if not isinstance(answer, dict):
        raise RelayUnavailable(f"relay: the answer to {name} is no dictionary")
    return answer


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


class Digits:
    """The keys of one leg from its making on; ends when closed, or with its last reader. At most 64 wait."""

    def __init__(self, listener: DigitListener, call: str, tag: str) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue(65)
        put = weakref.WeakMethod(self._put)
        stop = listener.listen(call, tag, lambda key: (hear := put()) and hear(key))
        self._stop = weakref.finalize(self, stop)

    def _put(self, key: str) -> None:
        if self._queue.qsize() < self._queue.maxsize - 1:
            self._queue.put_nowait(key)

    def close(self) -> None:
        if self._stop.alive:
            self._stop()
            self._queue.put_nowait("")

    def __aiter__(self) -> Digits:
        return self

    async def __anext__(self) -> str:
        key = await self._queue.get()
        if not key:
            self._queue.put_nowait("")
            raise StopAsyncIteration
        return key
