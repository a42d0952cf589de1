"""Frames between our own processes: a 4-byte big-endian length, then a JSON object, over a Unix stream socket.

The caller is known from the kernel (SO_PEERCRED), never from the frame. Values in frames may be personal: nothing here
logs them, and errors name only the operation.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quietline import errors

MAX_FRAME = 4 * 1024 * 1024  # bytes; the largest is a ledger export page
HEAD = struct.Struct("!I")
CHUNK = 65_536  # bytes read at once
_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps makes one at each call with separators
BACKLOG = 1_024  # connections that may wait to be accepted
FULL_QUEUE_RETRY = 0.01  # seconds

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other end, by the kernel's word."""

    pid: int
    uid: int
    gid: int


Handler = Callable[[Peer, Frame], Awaitable[Frame]]
Subscriber = Callable[[Peer, Frame], AsyncIterator[Frame]]


def encode(frame: Frame) -> bytes:
    """The bytes of a frame. Raises ProtocolError above 4 MiB."""
    body = _ENCODER.encode(frame).encode()
    if len(body) > MAX_FRAME:
        raise errors.ProtocolError("wire: frame longer than 4 MiB")
    return HEAD.pack(len(body)) + body


class Frames:
    """Cuts a stream into frames; several that arrive together are read together."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()

    async def next(self) -> Frame | None:
        """The next frame, None at the end, even of one that is torn. Raises ProtocolError on nonsense."""
        while (frame := self._cut()) is None:
            data = await self._reader.read(CHUNK)
            if not data:
                return None
            self._buffer += data
        return frame

    def _cut(self) -> Frame | None:
        """The first frame of the buffer, None while it is not whole."""
        if len(self._buffer) < HEAD.size:
            return None
        (length,) = HEAD.unpack_from(self._buffer)
        if length > MAX_FRAME:
            raise errors.ProtocolError("wire: frame longer than 4 MiB")
        end = HEAD.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEAD.size : end])
        del self._buffer[:end]
        return _read_body(body)


def _read_body(body: bytes) -> Frame:
    try:
        frame = json.loads(body)
    except ValueError:
        raise errors.ProtocolError("wire: frame is not JSON") from None
    if not isinstance(frame, dict):
        raise errors.ProtocolError("wire: frame is not an object")
    return frame


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end, by the kernel's word (unix(7), SO_PEERCRED)."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Peer(*struct.unpack("3i", raw))


_CODES: dict[str, type[errors.QuietlineError]] = {
    "locked": errors.VaultLocked,
    "ledger": errors.LedgerUnavailable,
    "edge": errors.EdgeUnavailable,
    "relay": errors.RelayUnavailable,
    "unavailable": errors.Unavailable,
    "tamper": errors.TamperError,
    "protocol": errors.ProtocolError,
    "config": errors.ConfigError,
}


_NAMES = {kind: code for code, kind in _CODES.items()}


def to_error(error: errors.QuietlineError) -> Frame:
    """The error as data: the code of its class or of the nearest parent, and for a denial its reason and advice."""
    if isinstance(error, errors.Denied):
        code = "signed-out" if isinstance(error, errors.NotSignedIn) else "denied"
        return {"code": code, "reason": error.reason, "advice": error.advice, "message": str(error)}
    code = next((_NAMES[kind] for kind in type(error).__mro__ if kind in _NAMES), "unavailable")
    return {"code": code, "message": str(error)}


def from_error(data: Frame) -> errors.QuietlineError:
    """The same error again, on the other side."""
    code = data.get("code", "")
    if code in ("denied", "signed-out"):
        kind = errors.NotSignedIn if code == "signed-out" else errors.Denied
        return kind(str(data.get("reason", "")), str(data.get("advice", "")))
    return _CODES.get(code, errors.Unavailable)(str(data.get("message", "")))


class WireServer:
    """Serves operations on a Unix socket. A connection's requests run concurrently; answers carry their ids."""

    def __init__(
        self, path: Path, handle: Handler, subscribe: Subscriber | None = None, max_pending: int = 256
    ) -> None:
        self._path = path
        self._handle = handle
        self._subscribe = subscribe
        self._max_pending = max_pending
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.StreamWriter] = set()

    async def start(self, mode: int = 0o666) -> None:
        """Listen. Who may do what is decided per operation by user id, so the socket itself is open to local users."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), backlog=BACKLOG)
        self._path.chmod(mode)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            for writer in tuple(self._clients):
                writer.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = peer_of(writer.get_extra_info("socket"))
        frames, slots = Frames(reader), asyncio.Semaphore(self._max_pending)
        self._clients.add(writer)
        try:
            async with asyncio.TaskGroup() as answers:
                while (frame := await frames.next()) is not None:
                    await slots.acquire()
                    answers.create_task(self._answer(peer, frame, writer, slots))
                writer.close()  # the peer left: subscriptions end on their next write
        except* (ConnectionError, errors.ProtocolError):
            writer.close()
        finally:
            self._clients.discard(writer)

    async def _answer(self, peer: Peer, frame: Frame, writer: asyncio.StreamWriter, slots: asyncio.Semaphore) -> None:
        try:
            if frame.get("op") == "subscribe" and self._subscribe:
                await _push(self._subscribe(peer, frame), writer)
            else:
                await _send(writer, {"id": frame.get("id"), **await _outcome(self._handle, peer, frame)})
        finally:
            slots.release()


async def _outcome(handle: Handler, peer: Peer, frame: Frame) -> Frame:
    try:
        return {"ok": await handle(peer, frame)}
    except errors.QuietlineError as error:
        return {"error": to_error(error)}


async def _push(events: AsyncIterator[Frame], writer: asyncio.StreamWriter) -> None:
    async for event in events:
        if writer.is_closing():
            return
        await _send(writer, event)


async def _send(writer: asyncio.StreamWriter, frame: Frame) -> None:
    if not writer.is_closing():
        writer.write(encode(frame))
        await writer.drain()


async def _connect(line: socket.socket, path: Path) -> None:
    """Connect, waiting while the queue of unaccepted connections is full: unix(7) says EAGAIN then, which asyncio takes
    for "under way" (EINPROGRESS) and hands out a socket that is not connected."""
    while True:
        try:
            return line.connect(str(path))
        except BlockingIOError:
            await asyncio.sleep(FULL_QUEUE_RETRY)


class WireClient:
    """One connection, many requests under way; reconnects on the next call after it broke.

    `call` raises the error the other side raised, or Unavailable when it cannot be reached or takes too long.
    """

    def __init__(
        self, path: Path, timeout: float = 10.0, unavailable: type[errors.Unavailable] = errors.Unavailable
    ) -> None:
        self._path = path
        self._timeout = timeout
        self._unavailable = unavailable
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._next_id = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()

    async def call(self, op: str, timeout: float | None = None, **fields: Any) -> Frame:  # noqa: ASYNC109
        """Ask and wait. `timeout` in seconds, else the client's own."""
        writer = await self._connected()
        self._next_id += 1
        answer = self._waiting[self._next_id] = asyncio.get_running_loop().create_future()
        request = self._next_id
        try:
            writer.write(encode({"id": request, "op": op, **fields}))
            async with asyncio.timeout(timeout or self._timeout):  # wait_for may lose a cancellation before Python 3.12
                frame = await answer
        except (TimeoutError, ConnectionError):
            raise self._unavailable(f"{self._path.name}: no answer to {op}") from None
        finally:
            self._waiting.pop(request, None)
        if "error" in frame:
            raise from_error(frame["error"])
        result: Frame = frame["ok"]
        return result

    async def events(self, **fields: Any) -> AsyncIterator[Frame]:
        """A subscription on a connection of its own; ends with Unavailable when the other side goes."""
        reader, writer = await self._open()
        try:
            writer.write(encode({"id": 0, "op": "subscribe", **fields}))
            frames = Frames(reader)
            while (frame := await frames.next()) is not None:
                yield frame
            raise ConnectionResetError
        except ConnectionError:
            raise self._unavailable(f"{self._path.name}: the event stream ended") from None
        finally:
            writer.close()

    async def close(self) -> None:
        if self._writer:
            self._writer.close()
        if self._reading:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def _connected(self) -> asyncio.StreamWriter:
        if self._writer is not None and not self._writer.is_closing():
            return self._writer
        async with self._connecting:
            if self._writer is None or self._writer.is_closing():
                reader, self._writer = await self._open()
                self._reading = asyncio.get_running_loop().create_task(self._read(reader, self._writer))
            return self._writer

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            async with asyncio.timeout(self._timeout):
                await _connect(line, self._path)
            return await asyncio.open_unix_connection(sock=line)
        except OSError as error:  # TimeoutError is one
            line.close()
            raise self._unavailable(f"{self._path.name}: cannot connect ({error.strerror or 'no answer'})") from None
        except asyncio.CancelledError:
            line.close()
            raise

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(reader)
        try:
            while (frame := await frames.next()) is not None:
                waiting = self._waiting.get(frame.get("id", 0))
                if waiting and not waiting.done():
                    waiting.set_result(frame)
        except (OSError, errors.ProtocolError):
            pass  # the waiters below are told
        finally:
            writer.close()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionResetError("closed"))
