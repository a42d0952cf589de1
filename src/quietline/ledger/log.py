"""The `Ledger` port: an asyncio front with one writer thread over SQLite, and group commit.

Life of an entry: (1) `append` encodes the body and hands it to the writer; (2) the writer takes all that waits, seals,
hashes and signs; (3) one commit makes it durable; (4) only then does `append` return. See `writer.py` for the rest.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.clock import Clock, SystemClock
from quietline.errors import LedgerUnavailable
from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.deadlines import Deadlines
from quietline.ledger.export import Exported, export_ledger
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import BodySealer, Durability, Entry, Receipt
from quietline.ledger.records import check_commitment, decode_body, encode_body
from quietline.ledger.store import CommitToDisk, LedgerFile, open_reader, read_head
from quietline.ledger.writer import Erasure, Item, Writer

ORIGIN = "quietline.local/ledger"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the ledger's waits and queues."""

    wait_seconds: float = 5.0  # an append that is not durable by then raises LedgerUnavailable
    stall_seconds: float = 1.0  # a commit that takes longer shows as "stalled"
    waiting_entries: int = 10_000  # appends at one time
    queued_entries: int = 50_000  # entries that nobody waits for
    close_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Health:
    """How the ledger does. `reason` is the last commit's error, a closed word, never data."""

    state: Literal["ok", "stalled", "failing"]
    size: int  # durable entries
    waiting: int  # appends under way
    queued: int  # entries that nobody waits for, not durable yet
    failures: int  # commits or seals that failed since the start
    lost: int  # unawaited entries dropped because the queue was full; a FAULT entry says so too
    unsealed: int  # unawaited entries recorded without a body, their subject's key being gone
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One entry as an auditor reads it. `entry` is None once its body was erased; its leaf stays."""

    index: int
    leaf: str
    entry: Entry | None


class TileLog:
    """A `Ledger`. Made by `open_log`; used from the event loop that opened it."""

    def __init__(self, path: Path, writer: Writer, sealer: BodySealer, clock: Clock, limits: Limits) -> None:
        self._path = path
        self._writer = writer
        self._sealer = sealer
        self._clock = clock
        self._limits = limits
        self._deadlines = Deadlines(limits.wait_seconds)
        self._waiting = 0
        self._closed = False

    @property
    def size(self) -> int:
        """Durable entries."""
        return self._writer.size

    async def append(self, entry: Entry) -> Receipt:
        """See `Ledger.append`. After LedgerUnavailable or a cancelled wait the entry may still come to stand there, if
        its commit was under way; one that still queued is dropped.

        Raises TypeError or ValueError for an entry that cannot be encoded (`records.encode_body`).
        """
        body = encode_body(entry)
        self._must_work()
        future = self._deadlines.future()
        self._waiting += 1
        self._writer.submit(Item(entry.subject, body, future))
        try:
            receipt: Receipt = await future
            return receipt
        finally:
            self._waiting -= 1

    def append_soon(self, entry: Entry) -> None:
        """See `Ledger.append_soon`. Never blocks, never raises for a disk; on a closed log LedgerUnavailable."""
        item = Item(entry.subject, encode_body(entry))
        if self._closed:
            raise LedgerUnavailable("ledger: closed")
        self._writer.submit_soon(item)

    def health(self) -> Health:
        """A snapshot; costs microseconds."""
        writer = self._writer
        return Health(
            state=self._state(),
            size=writer.size,
            waiting=self._waiting,
            queued=writer.queued,
            failures=writer.failures,
            lost=writer.lost,
            unsealed=writer.unsealed,
            reason=writer.reason,
        )

    async def read(self, index: int) -> Recorded:
        """One entry, opened through the sealer and checked against its leaf.

        Raises IndexError when there is none, TamperError when body and leaf do not belong together, and what the sealer
        raises for a subject whose key is gone.
        """
        leaf, subject, sealed = await asyncio.to_thread(_fetch, self._path, index)
        if sealed is None:
            return Recorded(index, leaf_hash(leaf).hex(), None)
        opened = await asyncio.to_thread(self._sealer.open_body, subject, sealed)
        return Recorded(index, leaf_hash(leaf).hex(), decode_body(check_commitment(leaf, opened)))

    async def checkpoint(self) -> bytes:
        """The signed checkpoint that is durable now, a signed note."""
        return await asyncio.to_thread(_checkpoint, self._path)

    async def export(self, directory: Path, *, bodies: bool = True) -> Exported:
        """A consistent copy in the static layout, while writing goes on. See `export.export_ledger`."""
        return await asyncio.to_thread(export_ledger, self._path, directory, bodies=bodies)

    async def erase(self, subject: str) -> int:
        """Delete the bodies (and salts) sealed under a subject; returns how many. No proof breaks.

        Raises LedgerUnavailable when they may still be in the file.
        """
        indexes = await asyncio.to_thread(_indexes_of, self._path, subject)
        if indexes:
            self._must_work()
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._writer.submit(Erasure(indexes, _teller(done)))
            async with asyncio.timeout(self._limits.close_seconds):
                await done
        return len(indexes)

    async def close(self) -> None:
        """Write what is queued and let the file go. Raises LedgerUnavailable if entries could not be written."""
        if self._closed:
            return
        self._closed = True
        try:
            unwritten = await asyncio.to_thread(self._writer.stop, self._limits.close_seconds)
        finally:
            self._deadlines.stop()
        if unwritten:
            raise LedgerUnavailable(f"ledger: closed with {unwritten} entries unwritten ({self._writer.reason})")

    def _state(self) -> Literal["ok", "stalled", "failing"]:
        since = self._writer.busy_since
        if since is not None and self._clock.monotonic() - since > self._limits.stall_seconds:
            return "stalled"
        return "failing" if self._writer.reason or not self._writer.alive else "ok"

    def _must_work(self) -> None:
        if self._closed or not self._writer.alive:
            raise LedgerUnavailable("ledger: closed" if self._closed else "ledger: its writer has died; restart")
        if self._waiting >= self._limits.waiting_entries:
            raise LedgerUnavailable(f"ledger: {self._waiting} appends are waiting already")


async def open_log(
    path: Path,
    *,
    signer: Ed25519PrivateKey,
    sealer: BodySealer,
    origin: str = ORIGIN,
    clock: Clock | None = None,
    durability: Durability | None = None,
    limits: Limits | None = None,
) -> TileLog:
    """Open the ledger, or make an empty one (mode 0600).

    signer: signs checkpoints under the name `origin`; it is held in memory only. Raises TamperError when what is stored
    does not match its last signed checkpoint, LedgerUnavailable when another process has it open.
    """
    clock, limits = clock or SystemClock(), limits or Limits()
    loop = asyncio.get_running_loop()

    def tell(items: list[Item]) -> None:
        with suppress(RuntimeError):  # the loop was closed after `close` gave up on a standing disk
            loop.call_soon_threadsafe(_resolve, items)

    def start() -> Writer:
        key = NoteSigner(origin, signer)
        try:
            file = LedgerFile(path, key, durability or CommitToDisk())
            return Writer(file, key, sealer, clock, tell, limits.queued_entries)
        except (sqlite3.Error, OSError) as error:
            reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
            raise LedgerUnavailable(f"ledger {path.name}: cannot be opened ({reason})") from None

    return TileLog(path, await asyncio.to_thread(start), sealer, clock, limits)


def _resolve(items: list[Item]) -> None:
    """On the event loop: wake all appends of one commit."""
    for item in items:
        future = item.reply
        if future is None or future.done():
            continue  # given up meanwhile
        if isinstance(item.outcome, Receipt):
            future.set_result(item.outcome)
        else:
            future.set_exception(item.outcome or LedgerUnavailable("ledger: no outcome"))


def _teller(done: asyncio.Future[None]) -> Callable[[Exception | None], None]:
    loop = asyncio.get_running_loop()

    def settle(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def tell(error: Exception | None) -> None:
        loop.call_soon_threadsafe(settle, error)

    return tell


def _fetch(path: Path, index: int) -> tuple[bytes, str, bytes | None]:
    with closing(open_reader(path)) as db:
        leaf = db.execute("SELECT CAST(record AS BLOB) FROM leaf WHERE idx = ?", (index,)).fetchone()
        body = db.execute("SELECT subject, CAST(sealed AS BLOB) FROM body WHERE idx = ?", (index,)).fetchone()
    if leaf is None:
        raise IndexError(f"ledger: no entry {index}")
    return bytes(leaf[0]), *(body or ("", None))


def _checkpoint(path: Path) -> bytes:
    with closing(open_reader(path)) as db:
        return read_head(db).note


def _indexes_of(path: Path, subject: str) -> list[int]:
    """A scan: erasure is rare, and an index on the subject would cost every append."""
    with closing(open_reader(path)) as db:
        return [row[0] for row in db.execute("SELECT idx FROM body WHERE subject = ?", (subject,))]
