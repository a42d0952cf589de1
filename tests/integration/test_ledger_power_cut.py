"""Power cuts: files as a disk may hold them when the power goes during a commit. What was acknowledged is always there.

A disk that was told to sync has everything written before; of what was written since, any sectors in any order. So each
commit's files are kept from before and after, and mixed sector by sector. WAL and FULL: first the write-ahead log is
synced, then a checkpoint may write the database (sqlite.org/wal.html), so they are never torn both at once.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.export import export_ledger
from quietline.ledger.log import ORIGIN, open_log
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import Entry, Receipt
from quietline.ledger.verify import verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECTOR = 512
CHECKPOINT_PAGES = 24  # often, so that the write-ahead log is reused within the test
COMMITS = 60


@dataclass(frozen=True)
class Files:
    """The bytes of database and write-ahead log."""

    db: bytes
    wal: bytes

    @classmethod
    def of(cls, path: Path) -> Files:
        wal = path.with_name(path.name + "-wal")
        return cls(path.read_bytes(), wal.read_bytes() if wal.exists() else b"")

    def put(self, folder: Path) -> Path:
        """As found after the power came back: no shared-memory file, for that was in memory."""
        folder.mkdir()
        (folder / "ledger.db").write_bytes(self.db)
        (folder / "ledger.db-wal").write_bytes(self.wal)
        return folder / "ledger.db"


class Recorder:
    """A `Durability` that commits for real, and keeps the files from before and after each commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits: list[tuple[Files, Files]] = []
        self.sizes: list[int] = []  # entries in the log after each commit: those that may be acknowledged then

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        before = Files.of(self.path)
        connection.execute("COMMIT")
        self.commits.append((before, Files.of(self.path)))
        self.sizes += connection.execute("SELECT size FROM head").fetchone()


@dataclass(frozen=True)
class Story:
    """What happened: each commit's files, and the leaves that were acknowledged by its end."""

    commits: Sequence[tuple[Files, Files]]
    acknowledged: Sequence[list[str]]


async def write(folder: Path) -> Story:
    chance, path = random.Random(11), folder / "ledger.db"
    disk, leaves = Recorder(path), dict[int, str]()
    log = await open_log(path, signer=KEY, sealer=MemorySealer(), durability=disk)
    for _ in range(COMMITS):
        count = chance.choice((1, 1, 2, 7, 40))
        receipts = await asyncio.gather(*(log.append(entry(n)) for n in range(count)))
        leaves |= {each.index: each.leaf for each in receipts}
    await log.close()
    return Story(tuple(disk.commits), [[leaves[at] for at in range(size)] for size in disk.sizes])


def entry(n: int) -> Entry:
    return Entry(Kind.LOOK_ALLOWED, 1_700_000_000.0, f"cu_{n % 5}", {"n": n, "field": "contact.name"})


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return asyncio.run(write(tmp_path_factory.mktemp("ledger")))


def torn(before: bytes, after: bytes, chance: random.Random, kept: float) -> bytes:
    """Each sector from before or after; where the file grew it may also be shorter, or have zeros in between."""
    longest = max(len(before), len(after))
    end = len(before) if len(after) <= len(before) else chance.randint(len(before), len(after))
    mixed = bytearray()
    for at in range(0, longest, SECTOR):
        old, new = before[at : at + SECTOR], after[at : at + SECTOR]
        mixed += new if chance.random() < kept else old or bytes(len(new))
    return bytes(mixed[: max(end, min(len(before), len(after)))])


async def reopened(path: Path) -> tuple[int, list[str], Receipt]:
    """Open it as after any crash; its size and leaves as found, and a new entry's receipt."""
    log = await open_log(path, signer=KEY, sealer=MemorySealer())
    size = log.size
    with closing(sqlite3.connect(path)) as db:
        found = [leaf_hash(row[0]).hex() for row in db.execute("SELECT record FROM leaf ORDER BY idx")]
    receipt = await log.append(entry(0))
    await log.close()
    return size, found, receipt


def holds(found: list[str], acknowledged: list[str]) -> bool:
    return found[: len(acknowledged)] == acknowledged


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_a_log_torn_in_its_last_write_has_all_that_was_acknowledged(story: Story, tmp_path: Path, kept: float) -> None:
    chance = random.Random(int(kept * 100))
    for number in range(1, len(story.commits)):
        before, after = story.commits[number]
        files = Files(before.db, torn(before.wal, after.wal, chance, kept))
        size, found, receipt = asyncio.run(reopened(files.put(tmp_path / str(number))))
        earlier, now = story.acknowledged[number - 1], story.acknowledged[number]
        assert holds(found, earlier), f"commit {number}: an acknowledged entry is gone"
        assert size in (len(earlier), len(now)), "a commit is there whole or not at all"
        assert size == len(found) == receipt.index


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_database_torn_in_a_checkpoint_is_made_whole(story: Story, tmp_path: Path, kept: float) -> None:
    chance, checkpoints = random.Random(int(kept * 100)), 0
    for number, (before, after) in enumerate(story.commits):
        if before.db == after.db:
            continue
        checkpoints += 1
        files = Files(torn(before.db, after.db, chance, kept), after.wal)
        _, found, _ = asyncio.run(reopened(files.put(tmp_path / str(number))))
        assert found == story.acknowledged[number], f"commit {number}: not what was acknowledged"
    assert checkpoints > 3


def test_what_was_recovered_verifies_offline_and_continues_the_earlier_log(story: Story, tmp_path: Path) -> None:
    vkey, chance, earlier = NoteSigner(ORIGIN, KEY).vkey, random.Random(3), None
    for number in range(1, len(story.commits), 7):
        before, after = story.commits[number]
        path = Files(before.db, torn(before.wal, after.wal, chance, 0.5)).put(tmp_path / str(number))
        asyncio.run(log_is_sound(path))
        export_ledger(path, tmp_path / f"copy-{number}", bodies=False)
        verified = verify_directory(tmp_path / f"copy-{number}", vkey, earlier)
        assert verified.size >= len(story.acknowledged[number - 1])
        earlier = (tmp_path / f"copy-{number}" / "checkpoint").read_bytes()


async def log_is_sound(path: Path) -> None:
    await (await open_log(path, signer=KEY, sealer=MemorySealer())).close()


def test_an_acknowledged_commit_that_never_was_synced_would_be_missed(story: Story, tmp_path: Path) -> None:
    """The control: on a disk that lies, or with synchronous=OFF, the last commit's files are those from before it."""
    number = len(story.commits) - 1
    _, found, _ = asyncio.run(reopened(story.commits[number][0].put(tmp_path / "lost")))
    assert not holds(found, story.acknowledged[number])
