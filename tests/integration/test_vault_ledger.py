"""The vault over the real ledger and a disk in trouble: nothing is shown that is not on the disk first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline.errors import LedgerUnavailable, TamperError
from quietline.ledger.verify import verify_directory
from quietline.sealed import Ticket
from quietline.testing.ledger import TroubledDisk, disk_full
from quietline.testing.vault_house import ANA, Connected, VaultHouse

T = Ticket("test", "test", 0)


@pytest.fixture
def disk() -> TroubledDisk:
    return TroubledDisk()


@pytest.fixture
async def house(tmp_path: Path, disk: TroubledDisk) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path, disk=disk, ledger_wait_seconds=1.0) as house:
        await house.admin.import_customers([ANA])
        yield house
        disk.fault = None
        disk.release()


async def at_work(house: VaultHouse) -> tuple[str, Connected]:
    agent = await house.agent()
    return await house.signed_in(), await house.call(agent)


async def test_a_sync_that_is_held_up_keeps_the_field_masked(house: VaultHouse, disk: TroubledDisk) -> None:
    token, call = await at_work(house)
    await asyncio.sleep(0.1)
    disk.hold()
    asked = asyncio.ensure_future(house.desk.open(token, call.grant, "order.status", "order_status"))
    assert await asyncio.to_thread(disk.reached.wait, 5)
    await asyncio.sleep(0.2)
    assert not asked.done()
    disk.release()
    assert (await asked).open(T) == "on its way"


async def test_a_sync_held_up_too_long_is_a_refusal(house: VaultHouse, disk: TroubledDisk) -> None:
    token, call = await at_work(house)
    disk.hold()
    with pytest.raises(LedgerUnavailable):
        await house.desk.open(token, call.grant, "order.status", "order_status")


async def test_a_sync_that_fails_is_a_refusal_and_calls_go_on(house: VaultHouse, disk: TroubledDisk) -> None:
    token, call = await at_work(house)
    disk.fault = disk_full()
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await house.desk.open(token, call.grant, "order.status", "order_status")
        with pytest.raises(LedgerUnavailable):
            await house.desk.card(token, call.grant)
    leg = house.caller_leg()
    await house.calls.arrive(leg)
    assert (await house.calls.match(leg)).assurance == 1
    assert (await house.admin.status())["ledger"] == "failing"
    disk.fault = None
    for _ in range(60):
        if (await house.admin.status())["ledger"] == "ok":
            break
        await asyncio.sleep(0.1)
    assert (await house.desk.open(token, call.grant, "order.status", "order_status")).open(T) == "on its way"


async def test_what_is_exported_verifies_and_names_no_one(house: VaultHouse, tmp_path: Path) -> None:
    token, call = await at_work(house)
    await house.desk.card(token, call.grant)
    await call.hangs_up()
    entries = (await house.admin.call("ledger_export", directory=str(tmp_path / "out")))["entries"]
    vkey = (tmp_path / "out" / "vkey").read_text()
    assert verify_directory(tmp_path / "out", vkey).size == entries
    bundle = next(path for path in (tmp_path / "out" / "tile" / "entries").rglob("*") if path.is_file())
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"\xff")
    with pytest.raises(TamperError):
        verify_directory(tmp_path / "out", vkey)
    for path in (tmp_path / "out").rglob("*"):
        if path.is_file():
            assert b"Ana Ex" not in path.read_bytes()


async def test_bodies_open_with_the_vaults_keys(house: VaultHouse) -> None:
    await at_work(house)
    await asyncio.sleep(0.2)
    parts = house.service._open
    assert parts is not None
    log = parts.ledger._log  # type: ignore[attr-defined]
    entries = [(await log.read(index)).entry for index in range(log.size)]
    kinds = [entry.kind.value for entry in entries]
    assert kinds[0] == "policy.loaded"
    assert {"records.imported", "staff.changed", "session.opened", "call.arrived", "grant.opened"} <= set(kinds)
    matched = entries[kinds.index("call.matched")]
    assert matched.subject.startswith("cu_")
    assert set(matched.fields) == {"leg", "assurance"}


async def test_the_same_ledger_goes_on_after_a_restart(house: VaultHouse, tmp_path: Path) -> None:
    await at_work(house)
    before = (await house.admin.call("ledger_export", directory=str(tmp_path / "one")))["entries"]
    await house.restart()
    after = (await house.admin.call("ledger_export", directory=str(tmp_path / "two")))["entries"]
    assert after > before
    checkpoint = (tmp_path / "one" / "checkpoint").read_bytes()
    vkey = (tmp_path / "one" / "vkey").read_text()
    assert verify_directory(tmp_path / "two", vkey, earlier=checkpoint).size == after
