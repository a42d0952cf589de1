"""The log on a disk that fails before or after it wrote, a sealer that is locked, and restarts, against a model.

What was acknowledged stands where its receipt says. What nobody waited for stands once, in its order. What was refused
stands at most once: the disk may have written it and said otherwise.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.errors import LedgerUnavailable, VaultLocked
from quietline.ledger.checkpoint import NoteSigner
from quietline.ledger.log import ORIGIN, TileLog, open_log
from quietline.ledger.ports import Entry, Receipt
from quietline.ledger.verify import verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.testing.ledger import MemorySealer, TroubledDisk, disk_full

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VKEY = NoteSigner(ORIGIN, KEY).vkey
STEP = st.sampled_from(["append", "append", "soon", "soon", "fails", "fails after", "locked", "works", "restart"])


@dataclass
class Model:
    """What must be true of the log, by the entries' numbers."""

    receipts: dict[int, Receipt] = field(default_factory=dict)
    soon: list[int] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)


class House:
    """A log, its disk and its sealer."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.disk, self.sealer = TroubledDisk(), MemorySealer()
        self.model = Model()
        self.log: TileLog

    async def open(self) -> None:
        self.log = await open_log(self.path, signer=KEY, sealer=self.sealer, durability=self.disk)

    async def close(self) -> None:
        """A clean stop on a disk that works again: what is queued is written."""
        self.works()
        await self.log.close()

    def works(self) -> None:
        self.disk.fault = self.disk.fault_after = self.sealer.fault = None

    async def take(self, number: int, step: str) -> None:
        if step == "append":
            await self.append(number)
        elif step == "soon":
            self.log.append_soon(entry(number))
            self.model.soon.append(number)
        elif step == "restart":
            await self.close()
            await self.open()
        elif step == "works":
            self.works()
        elif step == "locked":
            self.sealer.fault = VaultLocked("locked")
        else:
            setattr(self.disk, "fault" if step == "fails" else "fault_after", disk_full())

    async def append(self, number: int) -> None:
        try:
            self.model.receipts[number] = await self.log.append(entry(number))
        except (LedgerUnavailable, VaultLocked):
            self.model.refused.add(number)


def entry(number: int) -> Entry:
    return Entry(Kind.LOOK_ALLOWED, 1.0, "cu_1", {"n": number})


async def recorded(log: TileLog) -> list[tuple[int, str]]:
    """Each entry's number (-1: the ledger's own) and leaf, in order."""
    rows = [await log.read(index) for index in range(log.size)]
    return [(int((row.entry.fields or {}).get("n", -1)) if row.entry else -2, row.leaf) for row in rows]


def check(found: list[tuple[int, str]], model: Model) -> None:
    for number, receipt in model.receipts.items():
        assert found[receipt.index] == (number, receipt.leaf), "acknowledged, and not where the receipt says"
    numbers = [number for number, _ in found if number >= 0]
    assert len(set(numbers)) == len(numbers), "recorded twice"
    assert [number for number in numbers if number in set(model.soon)] == model.soon, "lost, or out of order"
    assert set(numbers) - set(model.soon) - model.receipts.keys() <= model.refused


@given(steps=st.lists(STEP, min_size=1, max_size=16))
@settings(max_examples=50, deadline=None)
def test_the_log_and_its_disk_against_a_model(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(follow(Path(folder), steps))


async def follow(folder: Path, steps: list[str]) -> None:
    house = House(folder)
    await house.open()
    for number, step in enumerate(steps):
        await house.take(number, step)
    await house.close()
    await house.open()
    check(await recorded(house.log), house.model)
    await house.log.export(folder / "copy")
    size = house.log.size
    assert verify_directory(folder / "copy", VKEY).size == size
    await house.close()
