"""Each role against the real vault: what a session of that role may have, with no page between."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.access.decide import TAKES_CALLS, Role
from quietline.errors import Denied
from quietline.ledger.vocabulary import Kind
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, VaultHouse
from quietline.vault.schema import DataClass, Reason

OUTSIDE = [role for role in Role if role not in TAKES_CALLS]


@pytest.fixture(scope="module")
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest_asyncio.fixture(loop_scope="module", scope="module", name="house")
async def one_house(tmp_path_factory: pytest.TempPathFactory, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    """One for all: each role has an account of its own."""
    folder: Path = tmp_path_factory.mktemp("roles")
    async with VaultHouse(folder, ledger, opens_per_minute=10_000, opens_per_leg=10_000) as house:
        await house.admin.import_customers([ANA])
        yield house


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def session(house: VaultHouse, role: Role) -> tuple[str, str]:
    """An account of this role with every certificate: its agent token and a session's."""
    login = f"robin-{role.value}"
    ends = {"ends": time.time() + 86_400} if role is Role.SEASONAL_AGENT else {}
    agent = await house.agent(login, role=role.value, **ends)
    return agent, await house.signed_in(login)


async def refusal(work: object) -> str:
    with pytest.raises(Denied) as caught:
        await work  # type: ignore[misc]
    return caught.value.reason


@pytest.mark.parametrize("role", OUTSIDE, ids=lambda role: role.value)
async def test_who_takes_no_calls_gets_nothing_even_on_a_call(
    house: VaultHouse, ledger: MemoryLedger, role: Role
) -> None:
    """A controller gone bad connects an auditor to a caller: the vault opens nothing for them."""
    agent, token = await session(house, role)
    call = await house.call(agent)
    await house.step_up(call.leg)
    card = await house.desk.card(token, call.grant)
    assert {field["state"] for field in card["fields"]} == {"refused"}  # type: ignore[attr-defined]
    for name in ANA["fields"]:  # type: ignore[attr-defined]
        for reason in Reason:
            assert await refusal(house.desk.open(token, call.grant, name, reason.value)) == "role-takes-no-calls"
    assert not [entry for entry in ledger.of(Kind.LOOK_ALLOWED) if entry["agent"] == agent]
    assert await refusal(house.desk.phone(token)) == "role-takes-no-calls"


@pytest.mark.parametrize("role", sorted(TAKES_CALLS), ids=lambda role: role.value)
async def test_who_takes_calls_gets_what_the_reason_needs(house: VaultHouse, role: Role) -> None:
    agent, token = await session(house, role)
    call = await house.call(agent)
    await house.step_up(call.leg)
    await house.desk.open(token, call.grant, "contact.name", "order_status")
    assert await refusal(house.desk.open(token, call.grant, "contact.email", "order_status")) == (
        "reason-does-not-need-it"
    )
    assert (await house.desk.phone(token))["user"] == agent
    await call.hangs_up()
    assert await refusal(house.desk.open(token, call.grant, "contact.name", "order_status")) == "call-ended"


async def test_it_is_the_role_that_decides_for_every_certificate_is_held_by_all_of_them(house: VaultHouse) -> None:
    staff = (await house.admin.call("staff_list"))["staff"]
    assert staff
    assert all(set(each["certificates"]) == set(DataClass) for each in staff)
