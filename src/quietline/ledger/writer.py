"""The one thread that writes: all that waits goes into one transaction under one signed checkpoint.

1. gather what waits, entries kept from a failed commit first
2. seal each body, hash each leaf
3. grow a copy of the tree, sign its checkpoint
4. commit: leaves, bodies, tiles, head, all or nothing
5. take the copy for the tree and tell those who wait; or, on failure, tell them so, keep the rest and look at the file
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from quietline.clock import Clock
from quietline.errors import LedgerUnavailable, QuietlineError, TamperError, Unavailable
from quietline.ledger.checkpoint import Checkpoint, NoteSigner
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import BodySealer, Entry, Field, Receipt
from quietline.ledger.records import SALT_BYTES, commitment, encode_body
from quietline.ledger.store import Group, LedgerFile
from quietline.ledger.tiles import Tree
from quietline.ledger.vocabulary import Kind

log = structlog.get_logger(__name__)

GROUP_ENTRIES = 4_096  # of one commit; bounds memory and the time one commit takes
SOON_SECONDS = 0.1  # entries that nobody waits for come together for so long; one that is waited for ends it
RETRY_SECONDS = (0.05, 1.0)  # first and longest pause between tries while entries are kept
DISK_ERRORS = (sqlite3.Error, OSError)


class Item:
    """An entry on its way. `reply` is whom to tell (None: nobody waits), `outcome` what."""

    __slots__ = ("body", "outcome", "reply", "subject")

    def __init__(self, subject: str, body: bytes, reply: asyncio.Future[Receipt] | None = None) -> None:
        self.subject = subject
        self.body = body
        self.reply = reply
        self.outcome: Receipt | Exception | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request to delete bodies, in line with the writes. `done` is called on the writer thread."""

    indexes: Sequence[int]
    done: Callable[[Exception | None], None]


@dataclass(slots=True)
class Trouble:
    """What went wrong and has no entry yet; becomes one FAULT entry once commits succeed again."""

    failures: int = 0
    refused: int = 0
    lost: int = 0

    def __bool__(self) -> bool:
        return bool(self.failures or self.refused or self.lost)


Record = tuple[Item, bytes, bytes | None]  # an item, its leaf, its sealed body (None: erased)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A commit that failed: until the file is read again nobody knows whether it holds the group."""

    size: int
    root: bytes
    unawaited: Sequence[Item]


class Writer:
    """Owns the file and the tree. `submit` and the counts are for the front; the rest runs on the writer thread."""

    def __init__(
        self,
        file: LedgerFile,
        signer: NoteSigner,
        sealer: BodySealer,
        clock: Clock,
        tell: Callable[[list[Item]], None],
        queue_entries: int,
    ) -> None:
        """Loads the tree and starts the thread. Raises what `LedgerFile.load` does, the file closed again."""
        self._file = file
        try:
            self._tree = file.load()
        except BaseException:
            file.close()
            raise
        self._signer = signer
        self._sealer = sealer
        self._clock = clock
        self._tell = tell
        self._queue_entries = queue_entries
        self._inbox: queue.SimpleQueue[Item | Erasure | None] = queue.SimpleQueue()
        self._hurry = threading.Event()  # something in the inbox should not wait for company
        self._guard = threading.Lock()
        self._trouble = Trouble()  # under _guard
        self._kept: deque[Item] = deque()
        self._doubt: Doubt | None = None
        self._erasures: list[Erasure] = []
        self._pause = RETRY_SECONDS[0]
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self.queued = 0  # entries that nobody waits for and that are not durable yet; under _guard
        self.failures = 0
        self.lost = 0
        self.unsealed = 0  # recorded without a body, because their subject has been erased
        self.reason = ""  # why the last commit failed; "" when it did not
        self.busy_since: float | None = None  # monotonic seconds, while a group is being written
        self._thread.start()

    # -- for the front, on any thread

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def size(self) -> int:
        return self._tree.size

    def submit(self, item: Item | Erasure | None) -> None:
        """What somebody waits for; None ends the thread."""
        self._inbox.put(item)
        self._hurry.set()

    def submit_soon(self, item: Item) -> bool:
        """False when the queue is full: the entry is lost, and the ledger will say how many were."""
        with self._guard:
            if self.queued >= self._queue_entries:
                self.lost += 1
                self._trouble.lost += 1
                return False
            self.queued += 1
        self._inbox.put(item)
        return True

    def stop(self, seconds: float) -> int:
        """Write what is queued, then end. Returns how many entries could not be written."""
        self.submit(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise LedgerUnavailable(f"ledger: the last commit has not ended within {seconds:.0f} s")
        self._file.close()
        return self.queued

    # -- the writer thread

    def _run(self) -> None:
        while self._round():
            pass

    def _round(self) -> bool:
        """One group. False once stopped, and once nothing is left that the disk still takes."""
        items, failures = self._gather(), self.failures
        self.busy_since = self._clock.monotonic()
        try:
            if self._settle(items):
                self._commit(self._group(items))
        finally:
            self.busy_since = None
        self._erase()
        left = bool(self._kept or self._trouble) and self.failures == failures
        return left or not self._stopping

    def _gather(self) -> list[Item]:
        """(1) Whatever waits, up to a group; blocks while there is nothing to do."""
        owed, items = self._take_trouble(), list[Item]()
        wait = self._pause if self.reason else None
        try:
            self._take(self._inbox.get(bool(self.reason) or not owed, wait), items)
            self._linger(items)
            while len(items) < GROUP_ENTRIES:
                self._take(self._inbox.get_nowait(), items)
        except queue.Empty:
            pass
        return items + owed

    def _group(self, items: list[Item]) -> list[Item]:
        """Kept entries first, so that what nobody waits for stays in its order; what does not fit goes behind them."""
        kept = [self._kept.popleft() for _ in range(min(len(self._kept), GROUP_ENTRIES))]
        if not self._kept:
            return kept + items
        self._kept.extend(item for item in items if item.reply is None)
        return kept + [item for item in items if item.reply is not None]

    def _linger(self, items: Sequence[Item]) -> None:
        """A commit costs far more than an entry (bench/calls.py: a third of the vault's CPU a call), so entries that
        nobody waits for share one."""
        if items and items[0].reply is None:
            self._hurry.wait(SOON_SECONDS)
        self._hurry.clear()  # before the inbox is emptied: what is put from now on sets it again

    def _take(self, got: Item | Erasure | None, items: list[Item]) -> None:
        if got is None:
            self._stopping = True
        elif isinstance(got, Erasure):
            self._erasures.append(got)
        elif got.reply is None or not got.reply.done():  # nobody wants what was given up while it queued
            items.append(got)

    def _take_trouble(self) -> list[Item]:
        """The FAULT entry that is owed, if one is. While commits fail it also is what the disk is tried with."""
        if not self._trouble or self._kept or self._doubt:
            return []
        with self._guard:
            trouble, self._trouble = self._trouble, Trouble()
            self.queued += 1
        counts = {"failures": trouble.failures, "refused": trouble.refused, "lost": trouble.lost}
        fields: dict[str, Field] = {"part": "ledger", **counts}
        return [Item("", encode_body(Entry(Kind.FAULT, self._clock.wall(), "", fields)))]

    def _settle(self, items: Sequence[Item]) -> bool:
        """After a failed commit: read the file again and learn what it holds. False while that fails too."""
        if self._doubt is None:
            return True
        doubt = self._doubt
        try:
            self._file.roll_back()
            self._tree = self._file.load()
        except (*DISK_ERRORS, TamperError) as error:
            self._failed(items, error)
            return False
        self._doubt = None
        if (self._tree.size, self._tree.root) == (doubt.size, doubt.root):
            self._written(len(doubt.unawaited))  # it had landed: writing the group again would record it twice
        else:
            self._kept.extendleft(reversed(doubt.unawaited))
        return True

    def _commit(self, items: Sequence[Item]) -> None:
        records = self._seal(items)
        if not records:
            return
        tree = self._tree.copy()
        try:
            group = self._build(tree, records)
            self._file.write(group)  # (4)
        except DISK_ERRORS as error:
            unawaited = [item for item, _, _ in records if item.reply is None]
            self._doubt = Doubt(tree.size, tree.root, unawaited)
            self._failed([item for item, _, _ in records if item.reply is not None], error)
        else:
            self._committed(tree, records)

    def _seal(self, items: Sequence[Item]) -> list[Record]:
        """(2) Each item with its leaf and sealed body; what cannot be sealed now is refused or kept."""
        salts = os.urandom(SALT_BYTES * len(items))
        records = []
        for at, item in enumerate(items):
            salt = salts[at * SALT_BYTES : (at + 1) * SALT_BYTES]
            try:
                sealed = self._sealer.seal_body(item.subject, salt + item.body)
            except (Unavailable, *DISK_ERRORS) as error:
                self._failed([item], error)
            except QuietlineError as error:
                records += self._without_body(item, commitment(salt, item.body), error)
            else:
                records.append((item, commitment(salt, item.body), sealed))
        return records

    def _without_body(self, item: Item, leaf: bytes, error: QuietlineError) -> list[Record]:
        """The subject's key is gone for good: who waits is told; an unawaited entry is recorded without its body."""
        if item.reply is not None:
            item.outcome = error
            self._tell([item])
            return []
        self.unsealed += 1
        return [(item, leaf, None)]

    def _build(self, tree: Tree, records: Sequence[Record]) -> Group:
        """(3) Grow `tree` by the records and sign its checkpoint."""
        first = tree.size
        for at, (item, leaf, _) in enumerate(records, first):
            hashed = leaf_hash(leaf)
            tree.append(hashed)
            item.outcome = Receipt(at, hashed.hex())
        return Group(
            leaves=[(at, leaf) for at, (_, leaf, _) in enumerate(records, first)],
            bodies=[(at, item.subject, sealed) for at, (item, _, sealed) in enumerate(records, first) if sealed],
            tiles=tree.take_tiles(),
            tree=tree,
            note=self._signer.sign(Checkpoint(self._signer.name, tree.size, tree.root).text()),
        )

    def _committed(self, tree: Tree, records: Sequence[Record]) -> None:
        """(5) Only now does anyone hear of it."""
        self._tree = tree
        awaited = [item for item, _, _ in records if item.reply is not None]
        self._written(len(records) - len(awaited))
        if not self._kept:
            self.reason, self._pause = "", RETRY_SECONDS[0]
        if awaited:
            self._tell(awaited)

    def _written(self, count: int) -> None:
        with self._guard:
            self.queued -= count

    def _failed(self, items: Sequence[Item], error: Exception) -> None:
        """Who waits is refused; what nobody waits for is kept for the next good commit."""
        reason = getattr(error, "sqlite_errorname", None) or type(error).__name__
        awaited = [item for item in items if item.reply is not None]
        self._kept.extend(item for item in items if item.reply is None)
        with self._guard:
            self._trouble.failures += 1
            self._trouble.refused += len(awaited)
        if not self.reason:
            log.error("ledger cannot be written", reason=reason)
        self.reason, self.failures = reason, self.failures + 1
        self._pause = min(self._pause * 2, RETRY_SECONDS[1])
        for item in awaited:
            item.outcome = LedgerUnavailable(f"ledger: the entry could not be made durable ({reason})")
        if awaited:
            self._tell(awaited)

    def _erase(self) -> None:
        while self._erasures:
            erasure = self._erasures.pop()
            try:
                self._file.erase(erasure.indexes)
            except DISK_ERRORS as error:
                self._file.roll_back()
                erasure.done(LedgerUnavailable(f"ledger: bodies could not be erased ({type(error).__name__})"))
            except LedgerUnavailable as error:
                erasure.done(error)
            else:
                erasure.done(None)
