"""Whom a supervisor supervises, by the real vault: the role, the store walls, and who is in service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from quietline.config import Store
from quietline.errors import Denied, NotSignedIn
from quietline.testing.vault_house import PASSWORD, VaultHouse


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[VaultHouse]:
    house = VaultHouse(tmp_path)
    house.config = replace(house.config, stores=(*house.config.stores, Store("hub", "Service hub")))
    async with house:
        yield house


async def people(house: VaultHouse) -> dict[str, str]:
    """One agent in each store; login -> token."""
    return {
        "eva": await house.agent(name="Eva Example"),
        "sam": await house.agent("sam", name="Sam Sample", store="station"),
    }


async def supervisor(house: VaultHouse, store: str) -> str:
    """Signed in; the session's token."""
    account = {"login": "boss", "name": "Bo Boss", "password": PASSWORD, "store": store, "role": "supervisor"}
    await house.admin.call("staff_add", **account)
    return await house.signed_in("boss")


async def test_a_hubs_supervisor_sees_everybody(house: VaultHouse) -> None:
    known = await people(house)
    roster = await house.desk.roster(await supervisor(house, "hub"))
    assert roster.store == ""
    assert roster.names[known["eva"]] == "Eva Example"
    assert set(roster.names.values()) == {"Eva Example", "Sam Sample", "Bo Boss"}


async def test_a_stores_supervisor_sees_that_store_only(house: VaultHouse) -> None:
    await people(house)
    roster = await house.desk.roster(await supervisor(house, "station"))
    assert roster.store == "station"
    assert set(roster.names.values()) == {"Sam Sample", "Bo Boss"}


async def test_an_agent_lists_nobody(house: VaultHouse) -> None:
    await people(house)
    with pytest.raises(Denied) as refused:
        await house.desk.roster(await house.signed_in())
    assert refused.value.reason == "policy"


async def test_a_session_is_needed(house: VaultHouse) -> None:
    with pytest.raises(NotSignedIn):
        await house.desk.roster("nobody's")


async def test_who_left_is_not_on_it(house: VaultHouse) -> None:
    known = await people(house)
    token = await supervisor(house, "hub")
    await house.admin.call("end_service", agent=known["sam"])
    assert known["sam"] not in (await house.desk.roster(token)).names
    assert "Sam Sample" not in repr(await house.desk.roster(token))
