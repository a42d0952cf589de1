"""The log on a real file: durable before told, one commit for many, faults, recovery, erasure."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.errors import ConfigError, LedgerUnavailable, TamperError, VaultLocked
from quietline.ledger.log import Limits, TileLog, open_log
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.ports import Entry
from quietline.ledger.records import commitment
from quietline.ledger.verify import verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import KeyErased, MemorySealer, TroubledDisk, disk_full

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BRIEF = Limits(wait_seconds=0.2, stall_seconds=0.05, waiting_entries=4, queued_entries=5, close_seconds=5.0)


def entry(n: int, subject: str = "c-1") -> Entry:
    return Entry(Kind.LOOK_ALLOWED, 1_700_000_000.0 + n, subject, {"n": n})


class Bench:
    """A log with everything that can go wrong at hand."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.disk = TroubledDisk()
        self.sealer = MemorySealer()

    @asynccontextmanager
    async def log(self, limits: Limits | None = None) -> AsyncIterator[TileLog]:
        log = await open_log(self.path, signer=KEY, sealer=self.sealer, durability=self.disk, limits=limits)
        try:
            yield log
        finally:
            self.disk.fault = None
            self.disk.release()
            await log.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.005)


async def kinds(log: TileLog) -> list[tuple[str, object]]:
    found = []
    for index in range(log.size):
        recorded = await log.read(index)
        assert recorded.entry is not None
        found.append((recorded.entry.kind.value, (recorded.entry.fields or {}).get("n")))
    return found


def verifies(log: TileLog, folder: Path) -> int:
    return verify_directory(folder, (folder / "vkey").read_text()).size


async def test_receipts_in_order(bench: Bench) -> None:
    async with bench.log() as log:
        receipts = [await log.append(entry(n)) for n in range(3)]
        assert [receipt.index for receipt in receipts] == [0, 1, 2]
        assert log.size == 3
        for n, receipt in enumerate(receipts):
            recorded = await log.read(n)
            assert (recorded.leaf, recorded.entry) == (receipt.leaf, entry(n))
        with pytest.raises(IndexError, match="no entry 3"):
            await log.read(3)


async def test_equal_entries_have_different_leaves(bench: Bench) -> None:
    """The salt: a leaf tells nothing about its body, not even that another is the same."""
    async with bench.log() as log:
        leaves = {(await log.append(entry(0))).leaf for _ in range(5)}
    assert len(leaves) == 5


async def test_append_waits_for_the_disk_and_many_share_one_commit(bench: Bench) -> None:
    async with bench.log() as log:
        bench.disk.hold()
        first = asyncio.create_task(log.append(entry(0)))
        await asyncio.to_thread(bench.disk.reached.wait, 10)
        rest = [asyncio.create_task(log.append(entry(n))) for n in range(1, 33)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in (first, *rest))
        assert log.size == 0
        bench.disk.release()
        receipts = await asyncio.gather(first, *rest)
        assert [receipt.index for receipt in receipts] == list(range(33))
        assert bench.disk.commits == 2


async def test_a_held_disk_refuses_in_time_and_shows(bench: Bench) -> None:
    async with bench.log(BRIEF) as log:
        bench.disk.hold()
        with pytest.raises(LedgerUnavailable, match=r"within 0\.2 s"):
            await log.append(entry(0))
        assert (log.health().state, log.health().waiting) == ("stalled", 0)
        with pytest.raises(LedgerUnavailable, match=r"within 0\.2 s"):
            await log.append(entry(1))
        log.append_soon(entry(2))
        bench.disk.release()
        await until(lambda: log.size == 2 and log.health().state == "ok")
        # What was under way still came to stand; what had only queued when it was given up did not.
        assert [n for _, n in await kinds(log)] == [0, 2]
        assert (await log.append(entry(3))).index == 2


async def test_the_caller_s_own_deadline(bench: Bench) -> None:
    async with bench.log() as log:
        bench.disk.hold()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await log.append(entry(0))
        bench.disk.release()
        assert (await log.append(entry(1))).index == 1


async def test_appends_at_one_time_are_bounded(bench: Bench) -> None:
    async with bench.log(BRIEF) as log:
        bench.disk.hold()
        waiting = [asyncio.create_task(log.append(entry(n))) for n in range(4)]
        await until(lambda: log.health().waiting == 4)
        with pytest.raises(LedgerUnavailable, match="4 appends are waiting"):
            await log.append(entry(9))
        bench.disk.release()
        await asyncio.gather(*waiting)


@pytest.mark.parametrize("fault", [disk_full(), sqlite3.OperationalError("disk I/O error")], ids=["os", "sqlite"])
async def test_a_failing_disk_refuses_then_recovers_by_itself(bench: Bench, fault: Exception) -> None:
    async with bench.log() as log:
        await log.append(entry(0))
        bench.disk.fault = fault
        with pytest.raises(LedgerUnavailable, match="could not be made durable"):
            await log.append(entry(1))
        log.append_soon(entry(2))
        log.append_soon(entry(3))
        await until(lambda: log.health().failures > 1)
        assert (log.health().state, log.size) == ("failing", 1)
        assert log.health().queued >= 2
        bench.disk.fault = None
        await until(lambda: log.health().queued == 0 and log.health().state == "ok")
        found = await kinds(log)
        assert [n for kind, n in found if kind == "look.allowed"] == [0, 2, 3]  # kept in order, the refused one not
        assert "fault" in {kind for kind, _ in found}  # the ledger tells of its own trouble
        assert (await log.append(entry(4))).index == len(found)


async def test_failing_alone_recovers_too(bench: Bench) -> None:
    """With nothing kept, the fault entry that is owed is what the disk is tried with."""
    async with bench.log() as log:
        bench.disk.fault = disk_full()
        with pytest.raises(LedgerUnavailable):
            await log.append(entry(0))
        bench.disk.fault = None
        await until(lambda: log.health().state == "ok" and log.size > 0)
        recorded = await log.read(0)
        assert recorded.entry is not None
        assert recorded.entry.kind is Kind.FAULT
        assert recorded.entry.fields == {"part": "ledger", "failures": 1, "refused": 1, "lost": 0}


async def test_a_stop_right_after_trouble_still_tells_of_it(bench: Bench) -> None:
    async with bench.log() as log:
        bench.disk.fault = disk_full()
        with pytest.raises(LedgerUnavailable):
            await log.append(entry(0))
        bench.disk.fault = None
    async with bench.log() as log:
        assert [kind for kind, _ in await kinds(log)] == ["fault"]


async def test_an_error_after_the_write_records_nothing_twice(bench: Bench) -> None:
    async with bench.log() as log:
        bench.disk.hold()
        blocked = asyncio.create_task(log.append(entry(0)))
        await asyncio.to_thread(bench.disk.reached.wait, 10)
        log.append_soon(entry(1))
        doubtful = asyncio.create_task(log.append(entry(2)))
        await asyncio.sleep(0.01)
        bench.disk.fault_after = disk_full()
        bench.disk.release()
        with pytest.raises(LedgerUnavailable):
            await blocked  # it had landed, but the disk said otherwise: nothing may be shown for it
        assert (await doubtful).index == 2
        await until(lambda: log.health().queued == 0)
        assert [n for kind, n in await kinds(log) if kind == "look.allowed"] == [0, 1, 2]


async def test_an_error_after_the_write_with_entries_nobody_waits_for(bench: Bench) -> None:
    async with bench.log() as log:
        bench.disk.fault_after = disk_full()
        log.append_soon(entry(0))
        await until(lambda: log.health().failures == 1 and log.health().queued == 0)
        assert [n for kind, n in await kinds(log) if kind == "look.allowed"] == [0]


async def test_overflow_is_counted_and_told(bench: Bench) -> None:
    async with bench.log(BRIEF) as log:
        bench.disk.hold()
        log.append_soon(entry(0))
        await asyncio.to_thread(bench.disk.reached.wait, 10)
        for n in range(1, 8):
            log.append_soon(entry(n))
        assert (log.health().queued, log.health().lost) == (5, 3)
        bench.disk.release()
        await until(lambda: log.size == 6)
        recorded = await log.read(5)
        assert recorded.entry is not None
        assert (recorded.entry.kind, (recorded.entry.fields or {})["lost"]) == (Kind.FAULT, 3)


async def test_a_locked_sealer_refuses_those_who_wait_and_keeps_the_rest(bench: Bench) -> None:
    async with bench.log() as log:
        bench.sealer.fault = VaultLocked("the vault has no key")
        log.append_soon(entry(0))
        with pytest.raises(LedgerUnavailable, match="VaultLocked"):
            await log.append(entry(1))
        assert log.health().state == "failing"
        bench.sealer.fault = None
        await until(lambda: log.health().queued == 0 and log.health().state == "ok")
        assert [n for kind, n in await kinds(log) if kind == "look.allowed"] == [0]


async def test_a_subject_that_was_erased(bench: Bench) -> None:
    async with bench.log() as log:
        bench.sealer.fault = KeyErased("this subject was erased")
        with pytest.raises(KeyErased):
            await log.append(entry(0))
        log.append_soon(entry(1))
        await until(lambda: log.size == 1)
        assert (await log.read(0)).entry is None
        assert log.health().unsealed == 1


async def test_a_bad_entry_harms_nobody_else(bench: Bench) -> None:
    async with bench.log() as log:
        with pytest.raises(TypeError):
            await log.append(Entry(Kind.FAULT, 1.0, "", {"x": []}))  # type: ignore[dict-item]
        with pytest.raises(ValueError):
            log.append_soon(Entry(Kind.FAULT, float("nan")))
        assert (await log.append(entry(0))).index == 0


async def test_it_goes_on_where_it_stopped(bench: Bench) -> None:
    leaves = []
    for start in (0, 300, 600):
        async with bench.log() as log:
            assert log.size == start
            receipts = await asyncio.gather(*(log.append(entry(n)) for n in range(start, start + 300)))
            leaves += [receipt.leaf for receipt in receipts]
    async with bench.log() as log:
        assert [(await log.read(index)).leaf for index in (0, 299, 300, 899)] == [leaves[i] for i in (0, 299, 300, 899)]


async def test_close_writes_what_is_queued(bench: Bench) -> None:
    async with bench.log() as log:
        for n in range(100):
            log.append_soon(entry(n))
    async with bench.log() as log:
        assert log.size == 100


async def test_close_says_what_it_could_not_write(bench: Bench) -> None:
    log = await open_log(bench.path, signer=KEY, sealer=bench.sealer, durability=bench.disk)
    bench.disk.fault = disk_full()
    log.append_soon(entry(0))
    with pytest.raises(LedgerUnavailable, match="1 entries unwritten"):
        await log.close()
    with pytest.raises(LedgerUnavailable, match="closed"):
        await log.append(entry(1))
    with pytest.raises(LedgerUnavailable, match="closed"):
        log.append_soon(entry(1))


async def test_close_on_a_held_disk_tells_everyone(bench: Bench) -> None:
    limits = Limits(wait_seconds=30.0, close_seconds=0.1)
    log = await open_log(bench.path, signer=KEY, sealer=bench.sealer, durability=bench.disk, limits=limits)
    bench.disk.hold()
    waiting = asyncio.create_task(log.append(entry(0)))
    await asyncio.to_thread(bench.disk.reached.wait, 10)
    with pytest.raises(LedgerUnavailable, match="has not ended"):
        await log.close()
    with pytest.raises(LedgerUnavailable, match="no durable entry"):
        await waiting
    bench.disk.release()


async def test_one_writer_only(bench: Bench) -> None:
    async with bench.log():
        with pytest.raises(LedgerUnavailable, match="another process"):
            await open_log(bench.path, signer=KEY, sealer=bench.sealer)
    async with bench.log():
        pass


async def test_another_key_or_origin(bench: Bench) -> None:
    async with bench.log() as log:
        await log.append(entry(0))
    with pytest.raises(TamperError, match="another key"):
        await open_log(bench.path, signer=Ed25519PrivateKey.generate(), sealer=bench.sealer)
    with pytest.raises(TamperError, match="another key or origin"):
        await open_log(bench.path, signer=KEY, sealer=bench.sealer, origin="elsewhere.example/log")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE leaf SET record = x'01' || zeroblob(32) WHERE idx = 599",
        "DELETE FROM leaf WHERE idx = 599",
        "INSERT INTO leaf VALUES (600, x'01' || zeroblob(32))",
        "UPDATE head SET size = 599",
        "UPDATE head SET edge = zeroblob(length(edge))",
        "UPDATE head SET checkpoint = replace(checkpoint, '600', '601')",
        "UPDATE tile SET hashes = zeroblob(64) WHERE level = 1",
        "DELETE FROM head",
    ],
)
async def test_what_is_stored_must_match_what_was_signed(bench: Bench, change: str) -> None:
    async with bench.log() as log:
        await asyncio.gather(*(log.append(entry(n)) for n in range(600)))
    with closing(sqlite3.connect(bench.path)) as db:
        db.execute(change)
        db.commit()
    with pytest.raises(TamperError):
        await open_log(bench.path, signer=KEY, sealer=bench.sealer)


async def test_a_rewritten_end_with_its_edge_made_to_fit(bench: Bench) -> None:
    """Leaf and edge agree with one another; only the signature does not."""
    async with bench.log() as log:
        await log.append(entry(0))
    forged = commitment(bytes(32), b"{}")
    with closing(sqlite3.connect(bench.path)) as db:
        db.execute("UPDATE leaf SET record = ?", (forged,))
        db.execute("UPDATE head SET edge = ?", (leaf_hash(forged),))
        db.commit()
    with pytest.raises(TamperError, match="signed checkpoint does not match the stored edge"):
        await open_log(bench.path, signer=KEY, sealer=bench.sealer)


class Inspector:
    """A `Durability` that notes how the connection is set before it commits."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []

    def commit(self, connection: sqlite3.Connection) -> None:
        (mode,), (sync,) = (connection.execute(f"PRAGMA {name}").fetchone() for name in ("journal_mode", "synchronous"))
        self.seen.append((mode, sync))
        connection.execute("COMMIT")


async def test_every_commit_is_synced(bench: Bench) -> None:
    """kill -9 cannot show this, a power cut would: WAL with synchronous=FULL (2) syncs the log at each commit."""
    inspector = Inspector()
    log = await open_log(bench.path, signer=KEY, sealer=bench.sealer, durability=inspector)
    await log.append(entry(0))
    await log.close()
    assert inspector.seen == [("wal", 2)]


async def test_no_ledger_of_ours(bench: Bench) -> None:
    bench.path.write_bytes(b"not a database, but long enough to be taken for one" * 10)
    with pytest.raises((ConfigError, LedgerUnavailable)):
        await open_log(bench.path, signer=KEY, sealer=bench.sealer)


async def test_a_swapped_body_is_noticed(bench: Bench) -> None:
    async with bench.log() as log:
        for n in range(2):
            await log.append(entry(n))
        with closing(sqlite3.connect(bench.path)) as db:
            db.execute("UPDATE body SET sealed = (SELECT sealed FROM body WHERE idx = 1) WHERE idx = 0")
            db.commit()
        with pytest.raises(TamperError, match="commits to"):
            await log.read(0)


async def test_erasure_breaks_no_proof_and_leaves_nothing(bench: Bench, tmp_path: Path) -> None:
    async with bench.log() as log:
        await asyncio.gather(*(log.append(entry(n, f"c-{n % 3}")) for n in range(300)))
        with closing(sqlite3.connect(bench.path)) as db:
            sealed = [row[0] for row in db.execute("SELECT sealed FROM body WHERE subject = 'c-1'")]
        assert await log.erase("c-1") == 100
        assert await log.erase("c-1") == 0
        assert (await log.read(1)).entry is None
        assert (await log.read(2)).entry == entry(2, "c-2")
        raw = b"".join(file.read_bytes() for file in bench.path.parent.glob("ledger.db*"))
        assert not any(part in raw for part in sealed)
        await log.export(tmp_path / "copy")
        assert verifies(log, tmp_path / "copy") == 300


async def test_erasing_the_key_is_enough(bench: Bench, tmp_path: Path) -> None:
    async with bench.log() as log:
        await log.append(entry(0, "c-9"))
        bench.sealer.forget("c-9")
        with pytest.raises(TamperError, match="gone"):
            await log.read(0)
        await log.export(tmp_path / "copy")
        assert verifies(log, tmp_path / "copy") == 1


async def test_erasure_on_a_failing_disk_says_so(bench: Bench) -> None:
    async with bench.log() as log:
        await log.append(entry(0))
        bench.disk.fault = disk_full()
        with pytest.raises(LedgerUnavailable, match="erased"):
            await log.erase("c-1")
        bench.disk.fault = None
        assert await log.erase("c-1") == 1


async def test_nothing_secret_in_the_file(bench: Bench) -> None:
    """Neither the signing key nor a plain body nor a salt."""
    async with bench.log() as log:
        await log.append(Entry(Kind.LOOK_ALLOWED, 1.0, "c-1", {"reason": "canary-reason"}))
    raw = b"".join(file.read_bytes() for file in bench.path.parent.glob("ledger.db*"))
    assert b"canary-reason" not in raw
    assert KEY.private_bytes_raw() not in raw
    assert bench.path.stat().st_mode & 0o777 == 0o600


FULL = """
import asyncio, resource, signal, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from quietline.errors import LedgerUnavailable
from quietline.ledger.log import open_log
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    log = await open_log(Path(sys.argv[1]), signer=key, sealer=MemorySealer())
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    entry, done = Entry(Kind.FAULT, 1.0, "", {"pad": "x" * 4000}), 0
    try:
        for _ in range(1000):
            await log.append(entry)
            done += 1
    except LedgerUnavailable:
        log.append_soon(Entry(Kind.CALL_ARRIVED, 2.0))
        assert log.health().state == "failing", log.health()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    async with asyncio.timeout(20):
        while log.health().state != "ok" or log.health().queued:
            await asyncio.sleep(0.01)
    receipt = await log.append(entry)
    found = [(await log.read(at)).entry.kind.value for at in range(log.size)]
    await log.close()
    print(done, receipt.index, found.count("call.arrived"))
asyncio.run(main())
"""


def test_a_file_system_that_really_refuses(tmp_path: Path) -> None:
    """The kernel refuses every write beyond a size (RLIMIT_FSIZE), then allows them again."""
    run = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "ledger.db")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    done, index, arrived = map(int, run.stdout.split()[-3:])
    assert 0 < done < 1000
    assert index >= done + 1
    assert arrived == 1
