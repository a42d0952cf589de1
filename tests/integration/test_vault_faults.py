"""Written before shown: what the page gets while the ledger stalls, fails, or the call ends meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from quietline.errors import Denied, LedgerUnavailable, TamperError
from quietline.ledger.vocabulary import Kind
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault import MemoryLedger
from quietline.testing.vault_house import ANA, ANA_NUMBER, VaultHouse
from quietline.vault.records import Records

T = Ticket("test", "test", 0)


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
async def house(tmp_path: Path, ledger: MemoryLedger) -> AsyncIterator[VaultHouse]:
    async with VaultHouse(tmp_path, ledger, ledger_wait_seconds=0.5) as house:
        await house.admin.import_customers([ANA])
        yield house


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the values that were really opened, in order."""
    names: list[str] = []
    open_ = Records.open

    def watched(self: Records, customer: str, name: str, ticket: Ticket, record: str = "") -> Sealed[str] | None:
        names.append(name)
        return open_(self, customer, name, ticket, record)

    monkeypatch.setattr(Records, "open", watched)
    return names


async def at_work(house: VaultHouse) -> tuple[str, str, object]:
    agent = await house.agent()
    token = await house.signed_in()
    call = await house.call(agent)
    await house.step_up(call.leg)
    return token, call.grant, call


async def test_a_stalled_ledger_keeps_the_field_masked(
    house: VaultHouse, ledger: MemoryLedger, opened: list[str]
) -> None:
    token, grant, _ = await at_work(house)
    opened.clear()
    ledger.running.clear()
    asked = asyncio.ensure_future(house.desk.open(token, grant, "contact.name", "order_status"))
    await asyncio.sleep(0.3)
    assert not asked.done()
    assert opened == []
    ledger.running.set()
    assert (await asked).open(T) == "Ana Example"
    assert opened == ["contact.name"]


async def test_a_ledger_that_stalls_too_long_refuses(
    house: VaultHouse, ledger: MemoryLedger, opened: list[str]
) -> None:
    token, grant, _ = await at_work(house)
    opened.clear()
    ledger.running.clear()
    for asked in (house.desk.open(token, grant, "contact.name", "order_status"), house.desk.card(token, grant)):
        with pytest.raises(LedgerUnavailable):
            await asked
    assert opened == []


async def test_a_failing_ledger_refuses_every_look(house: VaultHouse, ledger: MemoryLedger, opened: list[str]) -> None:
    token, grant, call = await at_work(house)
    opened.clear()
    ledger.fault = LedgerUnavailable("ledger: the disk is full")
    asked = [
        house.desk.open(token, grant, "contact.name", "order_status"),
        house.desk.card(token, grant),
        house.desk.write_note(token, grant, Sealed("a note")),
        house.calls.send_code(call.leg),  # type: ignore[attr-defined]
        house.signed_in(),
        house.admin.import_customers([ANA]),
        house.agent("max"),
    ]
    for each in asked:
        with pytest.raises(LedgerUnavailable):
            await each
    assert opened == []
    assert (await house.admin.status())["ledger"] == "failing"


async def test_a_call_that_ends_while_the_ledger_writes_shows_nothing(
    house: VaultHouse, ledger: MemoryLedger, opened: list[str]
) -> None:
    token, grant, call = await at_work(house)
    opened.clear()
    ledger.running.clear()
    asked = asyncio.ensure_future(house.desk.open(token, grant, "contact.name", "order_status"))
    await asyncio.sleep(0.2)
    await call.hangs_up()  # type: ignore[attr-defined]
    ledger.running.set()
    with pytest.raises(Denied) as refusal:
        await asked
    assert refusal.value.reason == "call-ended"
    assert opened == []


async def test_the_entry_stands_before_the_value_opens(
    house: VaultHouse, ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, grant, _ = await at_work(house)
    seen: list[dict[str, object]] = []
    open_ = Records.open

    def watched(self: Records, customer: str, name: str, ticket: Ticket, record: str = "") -> Sealed[str] | None:
        entry = ledger.entries[ticket.entry]
        assert entry.kind is Kind.LOOK_ALLOWED
        assert entry.subject == customer
        seen.append(dict(entry.fields or {}))
        return open_(self, customer, name, ticket, record)

    monkeypatch.setattr(Records, "open", watched)
    await house.desk.open(token, grant, "contact.name", "order_status")
    assert [(each["field"], each["reason"], each["grant"]) for each in seen] == [
        ("contact.name", "order_status", grant)
    ]
    assert "order-status-needs" in str(seen[0]["basis"])


async def test_refusals_are_written_down_without_the_words_asked(house: VaultHouse, ledger: MemoryLedger) -> None:
    token, grant, _ = await at_work(house)
    for field, reason in (("delivery.address", "order_status"), ("Ana Example", "+442079460001")):
        with pytest.raises(Denied):
            await house.desk.open(token, grant, field, reason)
    refused = ledger.of(Kind.LOOK_REFUSED)
    assert [(each["field"], each["reason"], each["why"]) for each in refused] == [
        ("delivery.address", "order_status", "reason-does-not-need-it"),
        ("unknown", "unknown", "unknown-field"),
    ]


async def test_no_entry_holds_anything_personal(house: VaultHouse, ledger: MemoryLedger) -> None:
    token, grant, call = await at_work(house)
    await house.desk.card(token, grant)
    await house.desk.open(token, grant, "contact.name", "order_status")
    await house.desk.write_note(token, grant, Sealed("a private remark"))
    with pytest.raises(Denied):
        await house.desk.sign_in("Ana Example", Sealed("x" * 20), "192.0.2.7")
    await call.hangs_up()  # type: ignore[attr-defined]
    await house.desk.wrap_up(token, grant)
    written = repr(ledger.entries)
    for plain in ("Ana Ex", "79460001", "7946 0001", "Test Lane", "QL-1044", "kettle", "remark", "Eva Ex", "192.0.2"):
        assert plain not in written


async def test_the_story_in_order(house: VaultHouse, ledger: MemoryLedger) -> None:
    token, grant, call = await at_work(house)
    await house.desk.card(token, grant)
    await call.hangs_up()  # type: ignore[attr-defined]
    story = [kind for kind in ledger.kinds() if kind not in ("staff.changed", "certificate.set")]
    assert story == [
        "policy.loaded",
        "config.loaded",
        "key.changed",
        "records.imported",
        "session.opened",
        "call.arrived",
        "call.matched",
        "grant.opened",
        "code.sent",
        "code.passed",
        "look.allowed",
        "grant.closed",
    ]


@pytest.mark.parametrize(
    ("file", "sql", "part"),
    [
        ("records.db", "UPDATE field SET sealed = zeroblob(60)", "records"),
        ("staff.db", "UPDATE staff SET role = 'supervisor'", "staff"),
    ],
)
async def test_what_was_changed_behind_our_back_is_refused_and_written_down(
    house: VaultHouse, ledger: MemoryLedger, file: str, sql: str, part: str
) -> None:
    token, grant, _ = await at_work(house)
    connection = sqlite3.connect(house.config.paths.state / "vault" / file)
    connection.execute(sql)
    connection.commit()
    connection.close()
    with pytest.raises(TamperError):
        await house.desk.card(token, grant)
    assert [each["part"] for each in ledger.of(Kind.TAMPER_FOUND)] == [part]


async def test_a_gateway_that_fails_is_written_down_and_not_heard(house: VaultHouse, ledger: MemoryLedger) -> None:
    from quietline.errors import Unavailable

    agent = await house.agent()
    call = await house.call(agent)
    house.channel.fault = Unavailable("code gateway: answered 500")
    assert await house.calls.send_code(call.leg) is True
    await asyncio.sleep(0.2)
    assert [each["part"] for each in ledger.of(Kind.FAULT)] == ["code_gateway"]


async def test_without_a_gateway_step_up_is_unavailable(tmp_path: Path, ledger: MemoryLedger) -> None:
    from quietline.errors import Unavailable

    house = VaultHouse(tmp_path, ledger)
    house.with_channel = False
    async with house:
        agent = await house.agent()
        call = await house.call(agent)
        with pytest.raises(Unavailable, match="no code gateway"):
            await house.calls.send_code(call.leg)


async def test_known_and_unknown_callers_cost_the_same_work(house: VaultHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-up for each, whatever there is to find; the answer then waits for the same moment (pace.py)."""
    from quietline.vault.blind_index import BlindIndex

    asked: list[str] = []
    find, token = BlindIndex.every_by, BlindIndex.token

    def found(self: BlindIndex, field: str, value: bytes) -> list[str]:
        asked.append(f"found {field}")
        return find(self, field, value)

    def hashed(self: BlindIndex, controller: str, field: str, normalised: str) -> bytes:
        asked.append(f"hashed {field}")
        return token(self, controller, field, normalised)

    monkeypatch.setattr(BlindIndex, "every_by", found)
    monkeypatch.setattr(BlindIndex, "token", hashed)
    headers = [house.caller_leg(number) for number in (ANA_NUMBER, "+442079460999", "anonymous", "")]
    for header in headers:
        await house.calls.match(header)
    assert asked == ["hashed contact.phone", "found contact.phone"] * 4


async def test_a_wrong_file_keeps_the_vault_locked(house: VaultHouse) -> None:
    from quietline.errors import Unavailable
    from quietline.testing.vault_house import PASSPHRASE

    await house.admin.seal()
    await asyncio.sleep(0.3)
    (house.config.paths.state / "vault" / "records.db").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable):
        await house.admin.unseal(PASSPHRASE)
    assert (await house.admin.status())["locked"] is True
