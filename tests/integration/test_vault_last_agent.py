"""Whom a customer spoke with last: known for the stated time, over a restart, and gone with the customer."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.errors import Unavailable
from quietline.testing.clock import ManualClock
from quietline.testing.vault import MemoryKms, MemoryLedger
from quietline.testing.vault_house import ANA, ANA_NUMBER, FRANCHISE_NUMBER, VaultHouse
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.last_agent import PREFIX, LastAgents
from quietline.vault.records import open_records_database
from quietline.vault.remembered import Remembered

WEEK = 604_800.0
STRANGER = "+442079460999"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[VaultHouse]:
    """One vault with one customer and two agents for all; each test leaves nobody remembered."""
    async with VaultHouse(tmp_path_factory.mktemp("house"), MemoryLedger()) as house:
        await house.admin.import_customers([ANA])
        for login in ("eva", "lou"):
            await house.agent(login)
        yield house


@pytest_asyncio.fixture(loop_scope="module")
async def agents(house: VaultHouse) -> AsyncIterator[tuple[str, str]]:
    staff = [member.agent for member in await house.calls.staff()]
    yield staff[0], staff[1]
    last = known(house)
    await last.forget(*list(last._talks))


def known(house: VaultHouse) -> LastAgents:
    unsealed = house.service._open
    assert unsealed
    return unsealed.calls.last_agents


def rows(house: VaultHouse) -> list[str]:
    """Names in the file, as whoever reads the disk sees them."""
    path = house.config.paths.state / "vault" / "records.db"
    with closing(sqlite3.connect(path)) as db:
        return [name for (name,) in db.execute("SELECT name FROM remembered WHERE name LIKE 'last_agent/%'")]


async def last_agent(house: VaultHouse, number: str = ANA_NUMBER, **fields: str) -> str:
    """What routing is told when this number calls now."""
    header = house.caller_leg(number, **fields)
    match = await house.calls.arrive_and_match(header)
    house.edge.hang_up(header)
    await house.calls.hang_up(match.leg)
    return match.last_agent


# -- what routing is told


async def test_a_first_call_knows_nobody_and_the_next_knows_the_agent(
    house: VaultHouse, agents: tuple[str, str]
) -> None:
    assert await last_agent(house) == ""
    call = await house.call(agents[0])
    await call.hangs_up()
    assert await last_agent(house) == agents[0]


async def test_the_latest_talk_counts(house: VaultHouse, agents: tuple[str, str]) -> None:
    for agent in (*agents, agents[0], agents[1]):
        await (await house.call(agent)).hangs_up()
        assert await last_agent(house) == agent


async def test_who_was_handed_on_knows_the_second_agent(house: VaultHouse, agents: tuple[str, str]) -> None:
    call = await house.call(agents[0])
    await house.calls.connect(call.leg, house.agent_leg(agents[1]))
    await call.hangs_up()
    assert await last_agent(house) == agents[1]


@pytest.mark.parametrize(
    ("number", "fields"),
    [
        (STRANGER, {}),
        (ANA_NUMBER, {"privacy": "1"}),
        (ANA_NUMBER, {"trunk": ""}),
        (ANA_NUMBER, {"dialled": FRANCHISE_NUMBER}),
        ("", {}),
    ],
    ids=["stranger", "withheld", "no named trunk", "another controller's store", "no number"],
)
async def test_who_is_not_recognised_has_no_last_agent(
    house: VaultHouse, agents: tuple[str, str], number: str, fields: dict[str, str]
) -> None:
    """Neither is told for such a caller, nor kept of a talk with one."""
    await (await house.call(agents[0])).hangs_up()
    assert await last_agent(house, number, **fields) == ""
    await (await house.call(agents[1], number, **fields)).hangs_up()
    assert await last_agent(house, number, **fields) == ""
    assert await last_agent(house) == agents[0]
    assert len(known(house)._talks) == 1


async def test_a_call_that_no_agent_took_changes_nothing(house: VaultHouse, agents: tuple[str, str]) -> None:
    await (await house.call(agents[0])).hangs_up()
    header = house.caller_leg()
    match = await house.calls.arrive_and_match(header)
    house.edge.hang_up(header)
    with pytest.raises(Exception, match="call"):
        await house.calls.connect(match.leg, house.agent_leg(agents[1]))
    await house.calls.hang_up(match.leg)
    assert await last_agent(house) == agents[0]


async def test_routing_learns_no_customer_no_number_and_no_time(house: VaultHouse, agents: tuple[str, str]) -> None:
    """The token of the customer is another one at each call, so that two calls cannot be told to be one person's."""
    await (await house.call(agents[0])).hangs_up()
    header = house.caller_leg()
    match = asdict(await house.calls.arrive_and_match(header))
    customer = next(iter(known(house)._talks))
    assert set(match) == {"leg", "customer", "assurance", "last_agent"}
    assert customer not in match.values()
    assert ANA_NUMBER not in str(match)


async def test_a_callers_callback_knows_them_too(house: VaultHouse, agents: tuple[str, str]) -> None:
    await (await house.call(agents[0])).hangs_up()
    header = house.caller_leg()
    await house.calls.arrive_and_match(header)
    callback = await house.calls.keep_callback(header)
    await house.calls.dial_callback(callback.token, house.agent_leg(agents[1]))
    match = await house.calls.answer_callback(callback.token, house.edge.called(ANA_NUMBER))
    assert match.last_agent == agents[0]


# -- what is kept


async def test_it_is_on_disk_soon_sealed_and_known_after_a_restart(house: VaultHouse, agents: tuple[str, str]) -> None:
    await (await house.call(agents[0])).hangs_up()
    await known(house).save()
    (name,) = rows(house)
    assert name == f"last_agent/{next(iter(known(house)._talks))}"
    raw = b"".join(path.read_bytes() for path in (house.config.paths.state / "vault").glob("records.db*"))
    assert name.encode() in raw
    assert b'"at"' not in raw
    await house.restart()
    assert await last_agent(house) == agents[0]


async def test_the_vault_stores_it_by_itself(house: VaultHouse, agents: tuple[str, str]) -> None:
    """`stop` stores what is new at the latest; in between it is a matter of SAVE_SECONDS."""
    await (await house.call(agents[0])).hangs_up()
    await house.restart()
    assert len(rows(house)) == 1


async def test_nothing_is_left_of_who_is_forgotten(house: VaultHouse, agents: tuple[str, str]) -> None:
    await (await house.call(agents[0])).hangs_up()
    last = known(house)
    await last.save()
    await last.forget(*list(last._talks))
    assert rows(house) == []
    assert await last_agent(house) == ""


# -- the part alone


@pytest.fixture
def remembered(tmp_path: Path) -> AsyncIterator[Remembered]:  # type: ignore[misc]
    keys, database = open_keys_database(tmp_path), open_records_database(tmp_path)
    yield Remembered(database, Keyring(keys, MemoryKms()))  # type: ignore[misc]
    keys.close()
    database.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_a_talk_counts_for_the_stated_time_and_is_then_deleted(
    remembered: Remembered, clock: ManualClock
) -> None:
    last = LastAgents(remembered, clock, WEEK)
    last.spoke("cu_1", "ag_1")
    await last.save()
    clock.advance(WEEK - 1)
    last.spoke("cu_2", "ag_2")
    await last.save()
    await last.expire()
    assert (last.of("cu_1"), last.of("cu_2")) == ("ag_1", "ag_2")
    clock.advance(1)
    assert (last.of("cu_1"), last.of("cu_2")) == ("", "ag_2")  # before anything swept
    await last.expire()
    assert remembered.all(PREFIX).keys() == {"cu_2"}


async def test_another_talk_begins_the_time_anew(remembered: Remembered, clock: ManualClock) -> None:
    last = LastAgents(remembered, clock, 100.0)
    last.spoke("cu_1", "ag_1")
    last.spoke("cu_2", "ag_1")
    clock.advance(60)
    last.spoke("cu_1", "ag_1")
    clock.advance(60)
    await last.expire()
    assert (last.of("cu_1"), last.of("cu_2")) == ("ag_1", "")


async def test_another_life_forgets_what_became_too_old(remembered: Remembered, clock: ManualClock) -> None:
    first = LastAgents(remembered, clock, 100.0)
    for customer, wait in (("cu_3", 10), ("cu_1", 50), ("cu_2", 45)):
        first.spoke(customer, "ag_1")
        clock.advance(wait)
    await first.save()
    second = LastAgents(remembered, clock, 100.0)
    second.restore(remembered.all(PREFIX).items())
    assert [second.of(each) for each in ("cu_1", "cu_2", "cu_3")] == ["ag_1", "ag_1", ""]
    await second.expire()
    assert remembered.all(PREFIX).keys() == {"cu_1", "cu_2"}


async def test_a_house_that_wants_none_keeps_none(remembered: Remembered, clock: ManualClock) -> None:
    last = LastAgents(remembered, clock, 0.0)
    last.spoke("cu_1", "ag_1")
    await last.save()
    assert last.of("cu_1") == ""
    assert remembered.all(PREFIX) == {}


async def test_a_full_disk_costs_nothing_and_is_tried_again(
    remembered: Remembered, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = LastAgents(remembered, clock, WEEK)
    last.spoke("cu_1", "ag_1")

    def full(*_: object) -> None:
        raise Unavailable("records.db: disk full")

    with monkeypatch.context() as broken:
        broken.setattr(remembered, "update", full)
        await last.save()
        assert last.of("cu_1") == "ag_1"
    await last.save()
    assert remembered.all(PREFIX)["cu_1"]["agent"] == "ag_1"


async def test_who_is_forgotten_while_their_row_is_written_stays_forgotten(
    remembered: Remembered, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure and the periodic writing meet: the writer's thread comes last, and must not bring the row back."""
    last = LastAgents(remembered, clock, WEEK)
    last.spoke("cu_1", "ag_1")
    write = remembered.update

    def late(values: dict[str, dict[str, str]], forget: tuple[str, ...] = ()) -> None:
        if values:
            last._talks.clear()
        write(values, forget)

    monkeypatch.setattr(remembered, "update", late)
    await last.save()
    assert remembered.all(PREFIX) == {}
