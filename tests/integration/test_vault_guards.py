"""Work grants, break-glass, store walls, canaries, mistakes, listening and the books of who looked, on the real vault.

One house for the module: each test makes people of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.config import Store
from quietline.errors import ConfigError, Denied
from quietline.ledger.vocabulary import Kind
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.testing.vault_house import ANA, ANA_NUMBER, FRANCHISE_NUMBER, Connected, VaultHouse
from quietline.vault.guards_client import GuardsVaultClient

TEST = Ticket("test", "test", SIGNALLING)
TEXT = Sealed("The courier stands in front of a locked gate and the parcel holds medicine that has to stay cold.")
LOW_NUMBER = "+442079460300"
BEA_NUMBER = "+442079460002"
BEA: dict[str, Any] = {
    "key": "F-1",
    "controller": "franchise-a",
    "fields": {"contact.name": "Bea Example", "contact.phone": "020 7946 0002"},
    "orders": [{"order.reference": "FA-1", "order.status": "packed", "order.items": "a chair"}],
}
NUMBERS = itertools.count()

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Hook:
    """Where alerts arrive."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)

    async def hears(self, **wanted: str) -> dict[str, Any]:
        for _ in range(300):
            for message in self.told:
                if all(message.get(name) == value for name, value in wanted.items()):
                    return message
            await asyncio.sleep(0.01)
        raise AssertionError(f"no alert {wanted}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    made = Guarded(tmp_path_factory.mktemp("guards"))
    async with made:
        await made.admin.import_customers([ANA, BEA])
        yield made
        await made.guards.close()


class Guarded(VaultHouse):
    """The house, its web client for this part, and a hub and a second store of the brand."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, opens_per_minute=100_000, opens_per_leg=1_000, work_own_seconds=3_600.0)
        more = (Store("hub", "Service hub"), Store("low-street", "Low Street", (LOW_NUMBER,)))
        self.config = replace(self.config, stores=(*self.config.stores, *more))
        self.guards = GuardsVaultClient(self.config.paths.vault_socket)
        self.hook = Hook()

    @property
    def parts(self) -> Any:
        """The open vault itself, to look at."""
        return self.service._open

    async def person(self, role: str = "agent", store: str = "high-street") -> tuple[str, str]:
        """(agent's token, session's token) of somebody new."""
        login = f"p{next(NUMBERS)}"
        agent = await self.agent(login, role=role, store=store)
        return agent, await self.signed_in(login)

    def verified(self, call: Connected) -> None:
        """As a passed code does it; codes are counted by number, and the tests have one."""
        self.parts.grants.raise_assurance(call.leg, 2)

    async def asked(self, session: str, **changes: Any) -> dict[str, Any]:
        """A break-glass about Ana."""
        given: dict[str, Any] = {
            "field": "contact.phone",
            "value": Sealed(ANA_NUMBER),
            "controller": "brand",
            "classes": ["contact"],
            "justification": TEXT,
            **changes,
        }
        return await self.guards.glass_ask(session, **given)

    async def entries(self, kind: Kind) -> list[Any]:
        """Everything of a kind in the ledger, newest first, once it is all written."""
        await self.parts.journal.receipt(Kind.FAULT, part="test")
        found = await asyncio.to_thread(lambda: list(self.parts.guards.book._reader.back()))
        return [each.entry for each in found if each.entry.kind is kind]


async def refused(act: Awaitable[object]) -> str:
    with pytest.raises(Denied) as error:
        await act
    return error.value.reason


# -- work grants


async def test_an_agent_works_on_after_the_call_by_a_work_grant(house: Guarded) -> None:
    agent, session = await house.person()
    call = await house.call(agent)
    house.verified(call)
    await call.hangs_up()
    assert await refused(house.desk.open(session, call.grant, "contact.email", "complaint")) == "call-ended"
    work = await house.guards.work_ask(session, call.grant, agent, ["contact.email"], "complaint", time.time() + 1_800)
    assert work["state"] == "open"
    value = await house.guards.work_open(session, work["id"], "contact.email")
    assert value.open(TEST) == "ana@example.com"
    look = (await house.entries(Kind.LOOK_ALLOWED))[0]
    assert look.fields["action"] == "work"
    assert look.fields["grant"] == work["id"]
    assert (look.fields["role"], look.fields["controller"]) == ("agent", "brand")


async def test_a_work_grant_shows_no_other_field_and_nobody_else(house: Guarded) -> None:
    agent, session = await house.person()
    _, other = await house.person()
    call = await house.call(agent)
    house.verified(call)
    work = await house.guards.work_ask(session, call.grant, agent, ["contact.email"], "complaint", time.time() + 60)
    assert await refused(house.guards.work_open(session, work["id"], "contact.name")) == "not-in-this-grant"
    assert await refused(house.guards.work_open(other, work["id"], "contact.email")) == "not-your-call"
    assert await refused(house.guards.work_open(session, "wg_none", "contact.email")) == "not-your-call"
    assert await refused(house.guards.work_open(session, work["id"], "no.such")) == "unknown-field"
    assert "ana@" not in str(await house.entries(Kind.LOOK_REFUSED))


async def test_policy_still_decides_under_a_work_grant(house: Guarded) -> None:
    """The call reached assurance 1 only: contact data stays closed, whatever the grant names."""
    agent, session = await house.person()
    call = await house.call(agent)
    work = await house.guards.work_ask(session, call.grant, agent, ["contact.email"], "complaint", time.time() + 60)
    assert await refused(house.guards.work_open(session, work["id"], "contact.email")) == "assurance-too-low"


async def test_a_colleagues_waits_for_a_supervisor_and_can_be_taken_back(house: Guarded) -> None:
    agent, session = await house.person()
    mate, mates = await house.person()
    _, boss = await house.person("supervisor")
    _, far = await house.person("supervisor", "low-street")
    call = await house.call(agent)
    house.verified(call)
    work = await house.guards.work_ask(session, call.grant, mate, ["contact.email"], "complaint", time.time() + 7_200)
    assert await refused(house.guards.work_open(mates, work["id"], "contact.email")) == "grant-expired"
    assert await refused(house.guards.work_agree(far, work["id"])) == "other-store"
    assert work["id"] in [each["id"] for each in await house.guards.work_list(boss)]
    assert (await house.guards.work_agree(boss, work["id"]))["state"] == "open"
    assert (await house.guards.work_open(mates, work["id"], "contact.email")).open(TEST) == "ana@example.com"
    assert (await house.guards.work_revoke(boss, work["id"]))["state"] == "over"
    assert await refused(house.guards.work_open(mates, work["id"], "contact.email")) == "grant-expired"
    changes = [each.fields["change"] for each in await house.entries(Kind.WORK_CHANGED)]
    assert changes[:3] == ["revoked", "given", "asked"]


async def test_a_work_grant_stays_within_the_company_and_the_call(house: Guarded) -> None:
    agent, session = await house.person()
    outsider, _ = await house.person("agent", "station")
    call = await house.call(agent)
    until = time.time() + 60
    ask = house.guards.work_ask
    assert await refused(ask(session, call.grant, outsider, ["contact.email"], "complaint", until)) == "other-store"
    assert await refused(ask(session, "gr_none", agent, ["contact.email"], "complaint", until)) == "not-your-call"
    assert await refused(ask(session, call.grant, "ag_none", ["contact.email"], "complaint", until)) == (
        "no-such-colleague"
    )
    assert await refused(ask(session, call.grant, agent, ["contact.phone"], "complaint", until)) == (
        "reason-does-not-need-it"
    )


async def test_an_unknown_reason_is_refused(house: Guarded) -> None:
    agent, session = await house.person()
    call = await house.call(agent)
    ask = house.guards.work_ask(session, call.grant, agent, ["contact.email"], "curiosity", time.time() + 60)
    assert await refused(ask) == "unknown-reason"


# -- opened by mistake, and one's own log


async def test_opened_by_mistake_is_written_down_once(house: Guarded) -> None:
    agent, session = await house.person()
    call = await house.call(agent)
    assert await refused(house.guards.mistaken(session, call.grant, "order.items")) == "nothing-opened"
    await house.desk.open(session, call.grant, "order.items", "order_status")
    look = (await house.entries(Kind.LOOK_ALLOWED))[0]
    await house.guards.mistaken(session, call.grant, "order.items")
    mistake = (await house.entries(Kind.LOOK_MISTAKEN))[0]
    assert mistake.fields["field"] == "order.items"
    assert mistake.fields["agent"] == look.fields["agent"] == agent
    assert await refused(house.guards.mistaken(session, call.grant, "order.items")) == "nothing-opened"


async def test_an_agent_sees_their_own_looks_and_nobody_elses(house: Guarded) -> None:
    agent, session = await house.person()
    _, others = await house.person()
    call = await house.call(agent)
    await house.desk.open(session, call.grant, "order.items", "order_status")
    await refused(house.desk.open(session, call.grant, "contact.phone", "order_status"))
    await house.guards.mistaken(session, call.grant, "order.items")
    await house.parts.journal.receipt(Kind.FAULT, part="test")
    rows = (await house.guards.my_looks(session, 0.0))["rows"]
    assert [row["what"] for row in rows] == ["mistake", "refused", "shown"]
    assert rows[2]["field"] == "order.items"
    assert rows[1]["why"] == "assurance-too-low" or rows[1]["why"] == "reason-does-not-need-it"
    assert "cu_" not in str(rows)
    assert (await house.guards.my_looks(others, 0.0))["rows"] == []


# -- break-glass


async def test_break_glass_from_asking_to_review(house: Guarded) -> None:
    house.parts.guards.alerts._hook = house.hook
    agent, session = await house.person()
    _, boss = await house.person("supervisor", "low-street")
    _, officer = await house.person("privacy_officer", "hub")
    case = await house.asked(session)
    assert case["stage"] == "asked"
    assert await refused(house.guards.glass_open(session, case["id"], "contact.name")) == "grant-expired"
    await house.hook.hears(kind="glass.asked", agent=agent)
    assert case["id"] in [each["id"] for each in await house.guards.glass_list(boss)]
    assert (await house.guards.glass_approve(boss, case["id"]))["stage"] == "open"
    assert (await house.guards.glass_open(session, case["id"], "contact.name")).open(TEST) == "Ana Example"
    assert await refused(house.guards.glass_open(session, case["id"], "delivery.address")) == "not-in-this-grant"
    await house.hook.hears(kind="look.allowed", glass=case["id"])
    look = (await house.entries(Kind.LOOK_ALLOWED))[0]
    assert (look.fields["action"], look.fields["grant"]) == ("break_glass", case["id"])
    assert (await house.guards.glass_end(session, case["id"]))["stage"] == "over"
    assert await refused(house.guards.glass_open(session, case["id"], "contact.name")) == "grant-expired"
    assert await refused(house.guards.glass_review(boss, case["id"], "justified")) == "role-may-not"
    done = await house.guards.glass_review(officer, case["id"], "justified")
    assert (done["stage"], done["looks"]) == ("reviewed", 1)
    assert "medicine" not in str(await house.entries(Kind.GLASS_ASKED))


async def test_the_requesters_own_line_does_not_approve(house: Guarded) -> None:
    _, session = await house.person()
    _, boss = await house.person("supervisor")
    case = await house.asked(session)
    assert await refused(house.guards.glass_approve(boss, case["id"])) == "same-line"
    assert await refused(house.guards.glass_approve(session, case["id"])) == "role-may-not"
    assert await refused(house.guards.glass_approve(boss, "bg_none")) == "unknown-case"
    await house.guards.glass_end(session, case["id"])


async def test_favours_are_not_returned(house: Guarded) -> None:
    _, one = await house.person("supervisor", "high-street")
    _, two = await house.person("supervisor", "low-street")
    first = await house.asked(one)
    await house.guards.glass_approve(two, first["id"])
    await house.guards.glass_end(one, first["id"])
    back = await house.asked(two)
    assert await refused(house.guards.glass_approve(one, back["id"])) == "reciprocal"
    await house.guards.glass_refuse((await house.person("supervisor", "hub"))[1], back["id"])


async def test_asking_does_not_tell_who_is_a_customer(house: Guarded) -> None:
    _, session = await house.person()
    _, boss = await house.person("supervisor", "low-street")
    case = await house.asked(session, value=Sealed("+442079460999"))
    known = await house.asked((await house.person())[1])
    hidden = {"id", "requester", "asked"}
    assert {k: v for k, v in case.items() if k not in hidden} == {k: v for k, v in known.items() if k not in hidden}
    await house.guards.glass_approve(boss, case["id"])
    assert await refused(house.guards.glass_open(session, case["id"], "contact.name")) == "not-on-record"


async def test_two_requests_at_once_make_one_case(house: Guarded) -> None:
    _, session = await house.person()
    answers = await asyncio.gather(house.asked(session), house.asked(session), return_exceptions=True)
    assert sorted(type(each).__name__ for each in answers) == ["Denied", "dict"]


async def test_a_review_that_is_overdue_suspends_the_store_and_is_told_once(house: Guarded) -> None:
    house.parts.guards.alerts._hook = house.hook
    _, session = await house.person("supervisor", "hub")
    _, boss = await house.person("supervisor", "low-street")
    _, officer = await house.person("privacy_officer", "hub")
    case = await house.asked(session)
    await house.guards.glass_approve(boss, case["id"])
    emergency = house.parts.guards.emergency
    emergency._cases[case["id"]] = replace(emergency._cases[case["id"]], opened=time.time() - 73 * 3_600)
    await emergency.sweep()
    await emergency.sweep()
    assert (await house.hook.hears(kind="glass.overdue"))["glass"] == case["id"]
    assert len([each for each in house.hook.told if each["kind"] == "glass.overdue"]) == 1
    assert await refused(house.asked((await house.person("agent", "hub"))[1])) == "break-glass-suspended"
    assert (await house.guards.alerts(officer, 0.0))["rows"][0]["kind"] == "glass.overdue"
    await house.guards.glass_review(officer, case["id"], "not-justified")
    assert (await house.asked((await house.person("agent", "hub"))[1]))["stage"] == "asked"


# -- store walls, both directions


async def test_a_franchisee_sees_its_own_customers_only(house: Guarded) -> None:
    agent, session = await house.person("agent", "station")
    own = await house.call(agent, BEA_NUMBER, dialled=FRANCHISE_NUMBER)
    assert (await house.desk.open(session, own.grant, "order.items", "order_status")).open(TEST) == "a chair"
    strange = await house.call(agent)
    assert await refused(house.desk.open(session, strange.grant, "order.items", "order_status")) == "other-store"
    assert all(field["state"] != "shown" for field in (await house.desk.card(session, strange.grant))["fields"])  # type: ignore[index, union-attr]
    assert await refused(house.asked(session)) == "other-store"


async def test_the_brand_sees_none_of_the_franchisees(house: Guarded) -> None:
    agent, session = await house.person()
    strange = await house.call(agent, BEA_NUMBER, dialled=FRANCHISE_NUMBER)
    assert await refused(house.desk.open(session, strange.grant, "order.items", "order_status")) == "other-store"
    assert await refused(house.asked(session, controller="franchise-a")) == "other-store"


async def test_a_hubs_look_stands_in_the_franchisees_log(house: Guarded) -> None:
    helper, session = await house.person("agent", "hub")
    call = await house.call(helper, BEA_NUMBER, dialled=FRANCHISE_NUMBER)
    await house.desk.open(session, call.grant, "order.items", "order_status")
    _, manager = await house.person("store_manager", "station")
    rows = (await house.guards.store_looks(manager, "station", 0.0))["rows"]
    assert rows[0]["store"] == "hub"
    assert rows[0]["outside"] is True
    assert (rows[0]["field"], rows[0]["role"], rows[0]["agent"]) == ("order.items", "agent", helper)
    assert not any(row["store"] == "high-street" for row in rows)
    assert "Bea" not in str(rows)


async def test_another_companys_log_is_not_read(house: Guarded) -> None:
    _, manager = await house.person("store_manager", "station")
    _, agent = await house.person()
    assert await refused(house.guards.store_looks(manager, "high-street", 0.0)) == "other-store"
    assert await refused(house.guards.store_looks(manager, "nowhere", 0.0)) == "other-store"
    assert await refused(house.guards.store_looks(agent, "high-street", 0.0)) == "role-may-not"
    assert await refused(house.guards.alerts(manager, 0.0)) == "role-may-not"


# -- transfers


async def test_a_transfer_moves_only_what_the_new_agent_may_have(house: Guarded) -> None:
    """The first agent is trained for contact data and has opened some; the second is not, and sees none of it."""
    first, session = await house.person()
    call = await house.call(first)
    house.verified(call)
    assert (await house.desk.open(session, call.grant, "contact.email", "complaint")).open(TEST) == "ana@example.com"
    login = f"p{next(NUMBERS)}"
    second = await house.agent(login, certificates=("invoice",))
    theirs = await house.signed_in(login)
    grant = await house.calls.connect(call.leg, house.agent_leg(second))
    assert await refused(house.desk.open(session, call.grant, "contact.email", "complaint")) == "call-ended"
    assert await refused(house.desk.open(theirs, grant, "contact.email", "complaint")) == "training-lapsed"
    shown = {each["name"]: each["state"] for each in (await house.desk.card(theirs, grant))["fields"]}  # type: ignore[index, union-attr]
    assert shown["contact.email"] == "refused"
    assert shown["order.items"] == "shown"


# -- canaries


async def test_every_touch_of_a_canary_is_told(house: Guarded) -> None:
    house.parts.guards.alerts._hook = house.hook
    _, officer = await house.person("privacy_officer", "hub")
    record = {**ANA, "key": "C-9", "fields": {**ANA["fields"], "contact.phone": "020 7946 0777"}}
    before = (await house.admin.call("canary_count", session=officer))["canaries"]
    made = await house.admin.call("canary_add", session=officer, record=record)
    assert made["canaries"] == before + 1
    agent, session = await house.person()
    call = await house.call(agent, "+442079460777")
    await house.hook.hears(kind="canary.touched", how="match")
    card = await house.desk.card(session, call.grant)
    await house.hook.hears(kind="canary.touched", how="card", agent=agent)
    await house.desk.open(session, call.grant, "order.items", "order_status")
    await house.hook.hears(kind="canary.touched", how="reveal", agent=agent)
    touched = await house.entries(Kind.CANARY_TOUCHED)
    assert {each.fields["how"] for each in touched} >= {"match", "card", "reveal"}
    assert all(each.subject for each in touched)
    real = await house.desk.card(session, (await house.call(agent)).grant)
    names = [[(each["name"], each["state"]) for each in found["fields"]] for found in (card, real)]  # type: ignore[index, union-attr]
    assert names[0] == names[1]
    assert "cu_" not in str(house.hook.told)


async def test_a_real_customer_raises_no_alarm(house: Guarded) -> None:
    before = len(await house.entries(Kind.CANARY_TOUCHED))
    agent, session = await house.person()
    call = await house.call(agent)
    await house.desk.card(session, call.grant)
    assert len(await house.entries(Kind.CANARY_TOUCHED)) == before


async def test_canaries_are_the_privacy_officers_and_have_numbers_of_their_own(house: Guarded) -> None:
    _, boss = await house.person("supervisor")
    _, officer = await house.person("privacy_officer", "hub")
    assert await refused(house.admin.call("canary_add", session=boss, record=ANA)) == "role-may-not"
    assert await refused(house.admin.call("canary_count", session=boss)) == "role-may-not"
    with pytest.raises(ConfigError, match="has this number already"):
        await house.admin.call("canary_add", session=officer, record=ANA)
    for broken in ({}, [], {**ANA, "fields": {"contact.name": "X"}}, {**ANA, "fields": {"contact.phone": 7}}):
        with pytest.raises(ConfigError, match=r"contact\.phone"):
            await house.admin.call("canary_add", session=officer, record=broken)


# -- listening


async def test_listening_needs_the_vaults_word_and_leaves_an_entry(house: Guarded) -> None:
    agent, session = await house.person()
    boss_token, boss = await house.person("supervisor")
    _, far = await house.person("supervisor", "low-street")
    call = await house.call(agent)
    assert await refused(house.guards.listen(session, call.leg)) == "role-may-not"
    assert await refused(house.guards.listen(far, call.leg)) == "other-store"
    assert await house.guards.listen(boss, call.leg) > 0
    entry = (await house.entries(Kind.LOOK_ALLOWED))[0]
    assert (entry.fields["action"], entry.fields["agent"], entry.fields["heard"]) == ("listen", boss_token, agent)
    await call.hangs_up()
    assert await refused(house.guards.listen(boss, call.leg)) == "call-ended"
    assert await refused(house.guards.listen(boss, "leg_none")) == "call-ended"


# -- a restart


async def test_what_stands_outlives_a_restart(house: Guarded) -> None:
    agent, session = await house.person()
    _, boss = await house.person("supervisor", "low-street")
    call = await house.call(agent)
    house.verified(call)
    ask = house.guards.work_ask
    kept = await ask(session, call.grant, agent, ["contact.email"], "complaint", time.time() + 600)
    ended = await ask(session, call.grant, agent, ["contact.email"], "complaint", time.time() + 600)
    await house.guards.work_open(session, kept["id"], "contact.email")
    await house.guards.work_revoke(session, ended["id"])
    case = await house.asked(session)
    await house.guards.glass_approve(boss, case["id"])
    canaries = len(house.parts.guards.canaries._book)
    await house.guards.close()
    await house.restart()
    house.guards = GuardsVaultClient(house.config.paths.vault_socket)
    held = {each["id"]: each for each in await house.guards.work_list(session)}
    assert held[kept["id"]]["looks"] == 1
    assert ended["id"] not in held
    assert (await house.guards.work_open(session, kept["id"], "contact.email")).open(TEST) == "ana@example.com"
    assert (await house.guards.glass_open(session, case["id"], "contact.name")).open(TEST) == "Ana Example"
    assert len(house.parts.guards.canaries._book) == canaries
