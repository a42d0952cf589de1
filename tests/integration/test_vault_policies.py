"""Policies from a folder of the house's own, taken in while the vault runs: all of a set or none of it."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from quietline.access.cedar import POLICIES
from quietline.access.in_force import load_policies
from quietline.errors import ConfigError, Denied, LedgerUnavailable
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Ticket
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, PASSPHRASE, Connected, VaultHouse
from quietline.vault.ports import CallEvent

pytestmark = pytest.mark.asyncio(loop_scope="module")

T = Ticket("test", "test", 0)
SHIPPED = load_policies().digest
NOT_RIGHT = {
    "is no Cedar": ("allow everybody;", "strict validation"),
    "has no id": ("permit (principal, action, resource);", "@id"),
    "names a field wrongly": ('@id("x") permit (principal, action, resource) when { resource.nope == 1 };', "nope"),
    "errs when it is asked": (
        '@id("x") forbid (principal, action, resource) when { context.minuteOfDay + 9223372036854775807 > 0 };',
        "cannot be evaluated",
    ),
    "may err on another day": (
        '@id("policy/x") forbid (principal, action == Action::"note", resource) when { 2 * context.weekday > 14 };',
        "can err when it is asked",
    ),
    "says no without a word": (
        '@id("x") forbid (principal in Role::"auditor", action == Action::"note", resource);',
        "begins with a word that the page explains",
    ),
}


@dataclass
class Shared:
    """One vault for all of these tests; each begins with the shipped rules in its folder, and an empty ledger."""

    house: VaultHouse
    folder: Path
    ledger: MemoryLedger
    agents: int = 0

    async def begin(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for path in POLICIES.iterdir():
            shutil.copy(path, self.folder)
        await self.house.admin.call("policy_reload")
        self.ledger.entries.clear()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    folder, ledger = tmp_path_factory.mktemp("policies"), MemoryLedger()
    shutil.copytree(POLICIES, folder, dirs_exist_ok=True)
    async with VaultHouse(tmp_path_factory.mktemp("house"), ledger, policies=str(folder)) as house:
        await house.admin.import_customers([ANA])
        yield Shared(house, folder, ledger)


@pytest_asyncio.fixture(loop_scope="module")
async def house(shared: Shared) -> VaultHouse:
    await shared.begin()
    return shared.house


@pytest.fixture
def folder(shared: Shared) -> Path:
    """The house's own rules."""
    return shared.folder


@pytest.fixture
def ledger(shared: Shared) -> MemoryLedger:
    return shared.ledger


async def verified(house: VaultHouse) -> tuple[Connected, str]:
    login = f"robin-{secrets.token_hex(4)}"
    agent = await house.agent(login)
    call = await house.call(agent)
    await house.step_up(call.leg)
    return call, await house.signed_in(login)


async def phone(house: VaultHouse, call: Connected, token: str) -> str:
    """The number, or why it stays closed."""
    try:
        return (await house.desk.open(token, call.grant, "contact.phone", "order_status")).open(T)
    except Denied as refusal:
        return refusal.reason


def opened_wide(folder: Path) -> None:
    """A rule that gives what the shipped ones do not."""
    rule = '@id("courier") permit (principal, action == Action::"reveal", resource == Field::"contact.phone");'
    (folder / "own.cedar").write_text(rule)


async def test_a_new_set_decides_from_the_reload_on_and_its_hash_is_in_the_ledger(house, folder, ledger) -> None:
    call, token = await verified(house)
    assert await phone(house, call, token) == "reason-does-not-need-it"
    opened_wide(folder)
    assert await phone(house, call, token) == "reason-does-not-need-it"  # the file alone changes nothing
    state = await house.admin.call("policy_reload")
    assert (state["changed"], state["reviewed"], state["folder"]) == (True, False, str(folder))
    assert await phone(house, call, token) == "020 7946 0001"
    (reloaded,) = ledger.of(Kind.POLICY_LOADED)
    assert reloaded == {"digest": state["digest"], "before": SHIPPED, "reviewed": False}


async def test_a_card_already_drawn_is_decided_anew(house, folder) -> None:
    call, token = await verified(house)

    async def reasons() -> list[str]:
        card = await house.desk.card(token, call.grant)
        return list(next(each for each in card["fields"] if each["name"] == "contact.phone")["reasons"])

    before = await reasons()
    opened_wide(folder)
    await house.admin.call("policy_reload")
    assert "order_status" not in before
    assert "order_status" in await reasons()  # the memory of answers is by the set that gave them


async def test_a_set_that_is_not_right_is_refused_and_the_old_one_stays(house, folder, ledger) -> None:
    call, token = await verified(house)
    for what, (text, complaint) in NOT_RIGHT.items():
        (folder / "own.cedar").write_text(text)
        with pytest.raises(ConfigError, match=complaint):
            await house.admin.call("policy_reload")
        assert (await house.admin.call("policy_status"))["digest"] == SHIPPED, what
    assert (await house.desk.open(token, call.grant, "contact.name", "order_status")).open(T) == "Ana Example"
    assert ledger.of(Kind.POLICY_REFUSED) == [{"digest": SHIPPED}] * len(NOT_RIGHT)
    assert ledger.of(Kind.POLICY_LOADED) == []


async def test_a_set_that_breaks_a_promise_is_refused_though_it_is_good_cedar(house, folder) -> None:
    guards = (folder / "guards.cedar").read_text()
    (folder / "guards.cedar").write_text(guards.replace("context.now < context.certifiedUntil", "true"))
    with pytest.raises(ConfigError, match="promise 5: trained people only"):
        await house.admin.call("policy_reload")
    assert (await house.admin.call("policy_status"))["digest"] == SHIPPED


async def test_no_set_comes_in_that_the_ledger_did_not_take(house, folder, ledger) -> None:
    call, token = await verified(house)
    opened_wide(folder)
    ledger.fault = LedgerUnavailable("ledger: the disk is full")
    with pytest.raises(LedgerUnavailable):
        await house.admin.call("policy_reload")
    ledger.fault = None
    assert await phone(house, call, token) == "reason-does-not-need-it"


async def test_only_what_was_reviewed_comes_in(house, folder, ledger) -> None:
    opened_wide(folder)
    reviewed = load_policies(folder).digest
    (folder / "own.cedar").write_text((folder / "own.cedar").read_text().replace("contact.phone", "contact.email"))
    with pytest.raises(ConfigError, match="not what was reviewed"):
        await house.admin.call("policy_reload", reviewed=reviewed)
    opened_wide(folder)
    state = await house.admin.call("policy_reload", reviewed=reviewed)
    assert (state["digest"], state["reviewed"], state["changed"]) == (reviewed, True, True)
    assert ledger.of(Kind.POLICY_LOADED)[-1] == {"digest": reviewed, "before": SHIPPED, "reviewed": True}


async def test_a_review_holds_over_a_restart_until_the_text_is_another(house, folder, ledger) -> None:
    await house.admin.call("policy_reload", reviewed=SHIPPED)
    await house.restart()
    assert (await house.admin.call("policy_status"))["reviewed"] is True
    assert ledger.of(Kind.POLICY_LOADED)[-1] == {"digest": SHIPPED, "reviewed": True}
    opened_wide(folder)
    await house.restart()
    state = await house.admin.call("policy_status")
    assert (state["reviewed"], state["digest"]) == (False, load_policies(folder).digest)


async def test_a_reload_of_the_same_text_changes_nothing_and_writes_nothing(house, ledger) -> None:
    state = await house.admin.call("policy_reload")
    assert (state["changed"], state["digest"]) == (False, SHIPPED)
    assert ledger.of(Kind.POLICY_LOADED) == []


async def test_what_is_no_hash_is_refused(house) -> None:
    for word in ("yes", "A" * 64, "0" * 63):
        with pytest.raises(ConfigError, match="the hash that"):
            await house.admin.call("policy_reload", reviewed=word)


async def test_a_vault_does_not_open_with_a_set_that_is_not_right(house, folder) -> None:
    (folder / "own.cedar").write_text("allow everybody;")
    await house.stop()
    await house.start()
    with pytest.raises(ConfigError, match="strict validation"):
        await house.admin.unseal(PASSPHRASE)
    assert (await house.admin.status())["locked"]
    (folder / "own.cedar").unlink()
    await house.admin.unseal(PASSPHRASE)


async def test_a_zone_that_is_none_is_refused(tmp_path: Path) -> None:
    house = VaultHouse(tmp_path, MemoryLedger(), policy_zone="Europe/Atlantis")
    await house.start()
    try:
        with pytest.raises(ConfigError, match="policy_zone"):
            await house.admin.init(PASSPHRASE)
    finally:
        await house.stop()


async def test_the_score_comes_from_the_real_ledger(tmp_path: Path) -> None:
    async with VaultHouse(tmp_path) as house:
        await house.admin.import_customers([ANA])
        assert await house.admin.call("policy_minimum", until=4e9) == {"rows": []}
        call, token = await verified(house)
        await house.calls.note_events([CallEvent("call.queued", call.leg, {"queue": "orders"})])
        await house.desk.card(token, call.grant)  # order reference, status and items of two orders: three fields
        await house.desk.open(token, call.grant, "contact.name", "order_status")
        with pytest.raises(Denied):
            await house.desk.open(token, call.grant, "contact.phone", "order_status")
        row = {"calls": 1, "revealed": 4, "needed": 4, "score": 1.0, "beyond": 0, "by mistake": 0}
        answer = await house.admin.call("policy_minimum", by="queue", until=4e9)
        assert answer["rows"] == [{"queue": "orders", **row}, {"queue": "all", **row}]
        with pytest.raises(ConfigError, match="by: one of"):
            await house.admin.call("policy_minimum", by="customer", until=4e9)
