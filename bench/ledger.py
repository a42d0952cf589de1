"""Durable ledger entries a second at 1, 16 and 64 producers, beside the disk's own sync rate and a plain SQLite group
commit, taken by turns in one run; then verification and proofs.

Run: python bench/ledger.py [seconds for each row, default 2]. Prints a table, writes bench/out/ledger.json.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import resource
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.table import Table

from quietline.ledger.checkpoint import NoteVerifier
from quietline.ledger.log import TileLog, open_log
from quietline.ledger.ports import Entry
from quietline.ledger.verify import Copy
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer

OUT = Path(__file__).with_name("out") / "ledger.json"
PRODUCERS = (1, 16, 64)
TURNS = 3  # each row is the median of this many turns
VERIFIED = 200_000  # entries of the log that is verified
FIELDS = {"agent": "ag_3f2a90c1", "field": "contact.name", "reason": "order_status", "assurance": 2}
Row = dict[str, Any]


class PlainGroup:
    """The bound: the same queue, thread and group commit, but rows of the same size and nothing else."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute("CREATE TABLE row (idx INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        self._inbox: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    async def append(self) -> None:
        future = self._loop.create_future()
        self._inbox.put((os.urandom(240), future))
        await future

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join()
        self._db.close()

    def _run(self) -> None:
        while (first := self._inbox.get()) is not None:
            group = [first]
            while not self._inbox.empty() and (more := self._inbox.get()) is not None:
                group.append(more)
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO row (body) VALUES (?)", [(body,) for body, _ in group])
            self._db.execute("COMMIT")
            self._loop.call_soon_threadsafe(lambda done: [future.set_result(None) for _, future in done], group)


async def load(append: Callable[[], Awaitable[object]], producers: int, seconds: float) -> Row:
    """Entries a second, CPU and latency of `producers` that each wait for one entry before the next."""
    taken: list[float] = []
    end = time.perf_counter() + seconds

    async def produce() -> None:
        while (start := time.perf_counter()) < end:
            await append()
            taken.append(time.perf_counter() - start)

    started, used = time.perf_counter(), cpu()
    async with asyncio.TaskGroup() as group:
        for _ in range(producers):
            group.create_task(produce())
    rate = len(taken) / (time.perf_counter() - started)
    cost = (cpu() - used) / len(taken) * 1e6
    return {"rate": rate, "p50": statistics.median(taken), "p99": statistics.quantiles(taken, n=100)[98], "cpu": cost}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def sync_floor(folder: Path, seconds: float) -> Row:
    """One 4 KiB write and fdatasync at a time: what the disk allows."""
    handle = os.open(folder / "floor", os.O_CREAT | os.O_RDWR)
    taken, page = [], os.urandom(4096)
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        os.pwrite(handle, page, len(taken) % 1000 * 4096)
        os.fdatasync(handle)
        taken.append(time.perf_counter() - start)
    os.close(handle)
    return {
        "rate": len(taken) / sum(taken),
        "p50": statistics.median(taken),
        "p99": statistics.quantiles(taken, n=100)[98],
    }


async def turn(folder: Path, log: TileLog, seconds: float) -> dict[str, Row]:
    """Everything once, so that what else the machine does hits all alike."""
    found = {"sync": await asyncio.to_thread(sync_floor, folder, seconds / 2)}
    for producers in PRODUCERS:
        plain = PlainGroup(folder / f"plain-{producers}-{time.monotonic_ns()}.db")
        found[f"plain.{producers}"] = await load(plain.append, producers, seconds)
        plain.close()
        found[f"ledger.{producers}"] = await load(lambda: append(log), producers, seconds)
    return found


async def append(log: TileLog) -> None:
    await log.append(Entry(Kind.LOOK_ALLOWED, time.time(), "cu_9d31", FIELDS))


async def measure(folder: Path, seconds: float) -> tuple[dict[str, Row], Row]:
    log = await open_log(folder / "ledger.db", signer=Ed25519PrivateKey.generate(), sealer=MemorySealer())
    turns = [await turn(folder, log, seconds) for _ in range(TURNS)]
    merged = {
        name: {key: statistics.median(one[name][key] for one in turns) for key in row} for name, row in turns[0].items()
    }
    while log.size < VERIFIED:
        for _ in range(5_000):
            log.append_soon(Entry(Kind.CALL_ARRIVED, 1.0))
        while log.health().queued:  # noqa: ASYNC110 - the log counts, it signals nothing
            await asyncio.sleep(0.01)
    exported = time.perf_counter()
    made = await log.export(folder / "copy")
    rates = {"size": made.size, "export": made.size / (time.perf_counter() - exported)}
    await log.close()
    return merged, rates | verification(folder / "copy", made.vkey)


def verification(copy: Path, vkey: str) -> Row:
    started = time.perf_counter()
    opened = Copy(copy, NoteVerifier(vkey))
    size = opened.verify().size
    took = time.perf_counter() - started
    proofs = []
    for index in range(7, size, size // 300):
        start = time.perf_counter()
        opened.check_entry(index)
        proofs.append(time.perf_counter() - start)
    return {"verify": size / took, "proof": statistics.median(proofs)}


def rows(merged: dict[str, Row], rates: Row) -> list[Row]:
    made: list[Row] = []
    for n in PRODUCERS:
        ours, plain = merged[f"ledger.{n}"], merged[f"plain.{n}"]
        made.append({"name": f"ledger.entries_per_s.{n}", "value": round(ours["rate"]), "unit": "durable entries/s"})
        made[-1] |= {"peer": "plain SQLite group commit", "ratio": round(ours["rate"] / plain["rate"], 2)}
        made.append({"name": f"ledger.p50_ms.{n}", "value": round(ours["p50"] * 1e3, 3), "unit": "ms"})
        made.append({"name": f"ledger.p99_ms.{n}", "value": round(ours["p99"] * 1e3, 3), "unit": "ms"})
        made.append({"name": f"ledger.cpu_us.{n}", "value": round(ours["cpu"], 1), "unit": "µs CPU an entry"})
    ratio = merged["ledger.64"]["rate"] / merged["plain.64"]["rate"]
    made.append({"name": "ledger.bound_ratio.64", "value": round(ratio, 3), "unit": "of a plain SQLite group commit"})
    made.append({"name": "disk.syncs_per_s", "value": round(merged["sync"]["rate"]), "unit": "fdatasync/s"})
    made.append({"name": "verify.entries_per_s", "value": round(rates["verify"]), "unit": "entries/s"})
    made.append({"name": "ledger.export_per_s", "value": round(rates["export"]), "unit": "entries/s"})
    made.append({"name": "ledger.proof_us", "value": round(rates["proof"] * 1e6), "unit": "µs"})
    return made


def show(merged: dict[str, Row], rates: Row) -> None:
    table = Table(title="Ledger: durable entries (median of three turns; producers wait for each entry)")
    for heading in ("case", "entries/s", "p50 ms", "p99 ms", "µs CPU an entry"):
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for name, row in merged.items():
        spent = f"{row['cpu']:.1f}" if "cpu" in row else ""
        table.add_row(name, f"{row['rate']:,.0f}", f"{row['p50'] * 1e3:.3f}", f"{row['p99'] * 1e3:.3f}", spent)
    Console().print(table)
    print(
        f"verify {rates['verify']:,.0f} entries/s, export {rates['export']:,.0f} entries/s ({rates['size']:,} entries);"
    )
    print(f"one inclusion proof, made and checked: {rates['proof'] * 1e6:,.0f} µs")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        merged, rates = uvloop.run(measure(Path(folder), seconds))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows(merged, rates), indent=1, ensure_ascii=False) + "\n", "utf-8")
    show(merged, rates)


if __name__ == "__main__":
    main()
