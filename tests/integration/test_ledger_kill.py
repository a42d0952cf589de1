"""kill -9 of the writer, again and again: no acknowledged entry is lost, and the log never forks.

30 rounds, and 300 more with QUIETLINE_SOAK=1.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.export import export_ledger
from quietline.ledger.log import ORIGIN
from quietline.ledger.merkle import leaf_hash
from quietline.ledger.tiles import tiles_of_level, unpack_entries
from quietline.ledger.verify import verify_directory

SOAK = pytest.mark.skipif(not os.environ.get("QUIETLINE_SOAK"), reason="QUIETLINE_SOAK=1 runs it")
VKEY = NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(32))).vkey

WRITER = """
import asyncio, os, sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from quietline.ledger.log import open_log
from quietline.ledger.ports import Entry
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer

async def main():
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    log = await open_log(Path(sys.argv[1]), signer=key, sealer=MemorySealer())
    async def produce():
        while True:
            log.append_soon(Entry(Kind.CALL_ARRIVED, 1.0))
            receipt = await log.append(Entry(Kind.LOOK_ALLOWED, 2.0, "c-1", {"field": "contact.name"}))
            os.write(1, f"{receipt.index} {receipt.leaf}\\n".encode())
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(produce())
asyncio.run(main())
"""


def write_until_killed(database: Path, seconds: float) -> dict[int, str]:
    """Receipts the writer gave before it was killed `seconds` after its first."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(database)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    raw = os.read(writer.stdout.fileno(), 65_536)
    killed = time.monotonic() + seconds
    os.set_blocking(writer.stdout.fileno(), False)
    while time.monotonic() < killed:
        raw += read_ready(writer.stdout.fileno())
        time.sleep(0.001)
    os.kill(writer.pid, signal.SIGKILL)
    os.set_blocking(writer.stdout.fileno(), True)
    with writer.stdout as rest:
        raw += rest.read()
    assert writer.wait(10) == -signal.SIGKILL
    whole = raw[: raw.rindex(b"\n")].decode().split("\n")
    return {int(index): leaf for index, leaf in (line.split(" ") for line in whole)}


def read_ready(handle: int) -> bytes:
    try:
        return os.read(handle, 65_536)
    except BlockingIOError:
        return b""


def leaves_of(copy: Path, size: int) -> list[str]:
    bundles = (unpack_entries((copy / tile.entries_path).read_bytes()) for tile in tiles_of_level(0, size))
    return [leaf_hash(entry).hex() for bundle in bundles for entry in bundle]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [30, pytest.param(300, marks=[pytest.mark.soak, SOAK])])
def test_kill_9(tmp_path: Path, rounds: int) -> None:
    chance, acknowledged, earlier = random.Random(9), dict[int, str](), None
    for number in range(rounds):
        got = write_until_killed(tmp_path / "ledger.db", chance.uniform(0.0, 0.08))
        assert got, "the writer gave no receipt"
        assert not got.keys() & acknowledged.keys(), "an index was given twice: a fork"
        acknowledged |= got
        copy = tmp_path / "copy"
        export_ledger(tmp_path / "ledger.db", copy, bodies=False)
        size = verify_directory(copy, VKEY, earlier).size
        leaves = leaves_of(copy, size)
        lost = [index for index, leaf in acknowledged.items() if index >= size or leaves[index] != leaf]
        assert not lost, f"round {number}: acknowledged, then gone: {lost[:5]}"
        earlier = (copy / "checkpoint").read_bytes()
    assert len(acknowledged) >= rounds
