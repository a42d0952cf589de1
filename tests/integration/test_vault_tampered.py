"""Rows of staff.db and grants.db, edited with SQLite while the vault is down: none counts, each is written down."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from quietline.access.sessions import digest_of
from quietline.errors import Denied, NotSignedIn, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Ticket
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, PASSPHRASE, VaultHouse

T = Ticket("test", "test", 0)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def house(tmp_path: Path, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path, ledger) as house:
        await house.admin.import_customers([ANA])
        yield house


def edit(house: VaultHouse, file: str, sql: str, *values: object) -> int:
    """What a thief or a rogue administrator does; how many rows it changed."""
    with closing(sqlite3.connect(house.config.paths.state / "vault" / file)) as connection, connection:
        return connection.execute(sql, values).rowcount


def rows(house: VaultHouse, file: str, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(house.config.paths.state / "vault" / file)) as connection:
        return connection.execute(sql).fetchall()


async def after(house: VaultHouse, file: str, sql: str, *values: object) -> None:
    """The vault again, with these rows edited while it was down."""
    await asyncio.sleep(0.2)  # longer than unsealed.SAVE_SECONDS
    await house.stop()
    assert edit(house, file, sql, *values) == 1
    await house.start(PASSPHRASE)


async def test_a_planted_session_signs_nobody_in(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent, now = await house.agent(), time.time()
    planted = (digest_of("known to the thief"), agent, now, now, "")
    await after(house, "staff.db", "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 0.0, '')", *planted)
    with pytest.raises(NotSignedIn):
        await house.desk.session("known to the thief")
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "session"}]
    assert rows(house, "staff.db", "SELECT * FROM sessions") == []


@pytest.mark.parametrize(
    "change",
    [
        "opened = opened + 1e6",
        "agent = (SELECT max(agent) FROM staff)",
        "voucher = ''",
        "opened = 'soon'",
        "agent = x'00'",
        "voucher = x'00'",
    ],
)
async def test_a_changed_session_is_ended(house: VaultHouse, ledger: MemoryLedger, change: str) -> None:
    agents = [await house.agent("eva"), await house.agent("max")]
    token = await house.signed_in("eva" if agents[0] < agents[1] else "max")
    await after(house, "staff.db", f"UPDATE sessions SET {change}")
    with pytest.raises(NotSignedIn):
        await house.desk.session(token)
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "session"}]
    await house.restart()
    assert len(ledger.of(Kind.TAMPER_FOUND)) == 1  # it is gone, so it is found once


async def test_a_session_of_ours_outlives_a_restart(house: VaultHouse, ledger: MemoryLedger) -> None:
    await house.agent()
    token = await house.signed_in()
    await house.restart()
    assert (await house.desk.session(token)).role == "agent"
    assert ledger.of(Kind.TAMPER_FOUND) == []


def moved(record: str, **change: object) -> str:
    return json.dumps({**json.loads(record), **change})


async def test_a_grant_moved_to_another_agent_opens_nothing(house: VaultHouse, ledger: MemoryLedger) -> None:
    call, thief = await house.call(await house.agent("eva")), await house.agent("max")
    token, owner = await house.signed_in("max"), await house.signed_in("eva")
    await house.step_up(call.leg)
    await asyncio.sleep(0.2)
    ((record,),) = rows(house, "grants.db", f"SELECT record FROM grants WHERE id = '{call.grant}'")
    await after(house, "grants.db", "UPDATE grants SET record = ? WHERE id = ?", moved(record, agent=thief), call.grant)
    for session in (token, owner):
        with pytest.raises(Denied) as refusal:
            await house.desk.open(session, call.grant, "contact.name", "order_status")
        assert refusal.value.reason in ("not-your-call", "no-call", "call-ended")
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "grant"}]
    assert (call.grant,) not in rows(house, "grants.db", "SELECT id FROM grants")


@pytest.mark.parametrize("record", ["{}", "[]", "no JSON", '{"kind": "grant", "voucher": ""}'])
async def test_a_grant_that_is_none_is_passed_over(house: VaultHouse, ledger: MemoryLedger, record: str) -> None:
    agent = await house.agent()
    token, call = await house.signed_in(), await house.call(agent)
    await house.step_up(call.leg)
    await after(house, "grants.db", "INSERT INTO grants VALUES ('gr_planted', ?)", record)
    assert (await house.desk.open(token, call.grant, "contact.name", "order_status")).open(T) == "Ana Example"
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "grant"}]


async def test_a_callers_assurance_is_not_raised_in_the_file(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent = await house.agent()
    token, call = await house.signed_in(), await house.call(agent)
    await asyncio.sleep(0.2)
    ((record,),) = rows(house, "grants.db", f"SELECT record FROM grants WHERE id = '{call.leg}'")
    await after(house, "grants.db", "UPDATE grants SET record = ? WHERE id = ?", moved(record, assurance=3), call.leg)
    with pytest.raises(Denied):
        await house.desk.open(token, call.grant, "contact.name", "order_status")
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "grant"}]


async def test_an_extended_certificate_counts_for_nothing(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent = await house.agent(certificates=("invoice",))
    await house.admin.call("certify", agent=agent, data_class="invoice", until=time.time() - 1)
    token = await house.signed_in()
    await after(house, "staff.db", "UPDATE certificates SET expires = expires + 1e6")
    (member,) = await house.calls.staff()
    assert member.certificates == {}
    with pytest.raises(TamperError):
        await house.desk.session(token)
    assert {"part": "staff"} in ledger.of(Kind.TAMPER_FOUND)


async def test_a_raised_role_signs_nobody_in(house: VaultHouse, ledger: MemoryLedger) -> None:
    agent = await house.agent()
    token = await house.signed_in()
    await after(house, "staff.db", "UPDATE staff SET role = 'administrator' WHERE agent = ?", agent)
    with pytest.raises(TamperError):
        await house.desk.session(token)
    with pytest.raises(TamperError):
        await house.signed_in()
    assert await house.calls.staff() == []
    assert {"part": "staff", "agent": agent} in ledger.of(Kind.TAMPER_FOUND)


@pytest.mark.parametrize(
    "change",
    [
        "skills = 'none'",
        "skills = '7'",
        "name = 'plain words'",
        "starts = 'soon'",
        "version = 'first'",
        "voucher = x''",
    ],
)
async def test_a_staff_row_of_odd_kinds_harms_nobody_else(house: VaultHouse, ledger: MemoryLedger, change: str) -> None:
    safe, changed = await house.agent("eva"), await house.agent("max")
    await after(house, "staff.db", f"UPDATE staff SET {change} WHERE agent = ?", changed)
    assert [member.agent for member in await house.calls.staff()] == [safe]
    assert (await house.desk.session(await house.signed_in("eva"))).agent == safe
    assert {"part": "staff"} in ledger.of(Kind.TAMPER_FOUND)


@pytest.mark.parametrize("change", ["expires = 'never'", "version = 'x'", "leaf = x'00'"])
async def test_a_certificate_of_odd_kinds_counts_for_nothing(
    house: VaultHouse, ledger: MemoryLedger, change: str
) -> None:
    agent = await house.agent(certificates=("invoice",))
    await after(house, "staff.db", f"UPDATE certificates SET {change}")
    (member,) = await house.calls.staff()
    assert (member.agent, member.certificates) == (agent, {})
    assert ledger.of(Kind.TAMPER_FOUND) == [{"part": "staff"}]
