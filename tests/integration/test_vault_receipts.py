"""Receipts on the real vault: who gets one, what it says, that it is proven, what may be chosen, when it is gone."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from quietline.errors import Denied, TamperError, Unavailable
from quietline.ledger.call_receipt import verify_call_receipt
from quietline.ledger.vocabulary import Kind
from quietline.rights.breach import classes_of
from quietline.sealed import SIGNALLING, Ticket
from quietline.testing.vault_house import ANA, Connected, VaultHouse
from quietline.vault import receipts
from quietline.vault.guards_client import GuardsVaultClient
from quietline.vault.receipt_links import name_of

TEST = Ticket("test", "test", SIGNALLING)
pytestmark = pytest.mark.asyncio(loop_scope="module")


class House(VaultHouse):
    """With the web process's client for receipts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, opens_per_minute=100_000)
        self.guards = GuardsVaultClient(self.config.paths.vault_socket)
        self.eva = ""
        self.session = ""

    @property
    def parts(self) -> Any:
        return self.service._open

    async def ended_call(self) -> Connected:
        """A call on which the card was shown, a name was opened, and something was refused."""
        call = await self.call(self.eva)
        self.parts.grants.raise_assurance(call.leg, 2)  # codes are counted by number, and this is one number
        await self.desk.card(self.session, call.grant)
        await self.desk.open(self.session, call.grant, "contact.name", "complaint")
        with pytest.raises(Denied):
            await self.desk.open(self.session, call.grant, "contact.phone", "complaint")
        await call.hangs_up()
        return call

    async def message(self) -> str:
        """What the customer's phone got."""
        for _ in range(300):
            if self.channel.sent:
                to, text, ticket = self.channel.sent.pop()
                assert to.open(ticket) == "+442079460001"
                return text.open(ticket)
            await asyncio.sleep(0.01)
        raise AssertionError("no message was sent")

    async def link(self) -> str:
        """A new receipt's link."""
        call = await self.ended_call()
        await self.guards.receipt_send(self.session, call.grant)
        return (await self.message()).split("/r/")[1].split(" ")[0]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    made = House(tmp_path_factory.mktemp("receipts"))
    async with made:
        await made.admin.import_customers([ANA])
        made.eva = await made.agent()
        made.session = await made.signed_in()
        yield made
        await made.guards.close()


async def refused(act: Awaitable[object]) -> str:
    with pytest.raises(Denied) as error:
        await act
    return error.value.reason


async def test_the_customer_is_sent_a_link_to_the_desks_own_origin(house: House) -> None:
    call = await house.ended_call()
    await house.guards.receipt_send(house.session, call.grant)
    text = await house.message()
    assert "https://" in text
    assert "/r/" in text
    assert "30 days" in text
    assert "Ana" not in text


async def test_it_says_who_looked_at_what_and_every_line_is_proven(house: House) -> None:
    document = await house.guards.receipt_document(await house.link())
    vkey = await asyncio.to_thread(house.parts.guards.book._reader.vkey)
    lines = verify_call_receipt(json.dumps(document).encode(), vkey, classes_of)
    assert [(each.action, each.kinds, each.reason) for each in lines] == [
        ("card", ("invoice",), ""),
        ("reveal", ("contact",), "complaint"),
    ]
    assert {(each.role, each.store) for each in lines} == {("agent", "high-street")}
    assert document["call"]["store"] == "High Street"
    assert document["call"]["stores"] == {"high-street": "High Street"}
    assert document["ledger_key"] == vkey


async def test_it_names_no_member_of_staff_and_holds_no_value(house: House) -> None:
    document = await house.guards.receipt_document(await house.link())
    text = json.dumps(document)
    assert "Eva" not in text
    assert "Ana Example" not in text
    assert "020 7946" not in text


async def test_only_after_the_call_and_once(house: House) -> None:
    call = await house.call(house.eva)
    assert await refused(house.guards.receipt_send(house.session, call.grant)) == "call-live"
    await call.hangs_up()
    await house.guards.receipt_send(house.session, call.grant)
    await house.message()
    assert await refused(house.guards.receipt_send(house.session, call.grant)) == "receipt-sent"
    assert await refused(house.guards.receipt_send(house.session, "gr_none")) == "not-your-call"


async def test_a_stranger_gets_none(house: House) -> None:
    call = await house.call(house.eva, "+442079460888")
    await call.hangs_up()
    assert await refused(house.guards.receipt_send(house.session, call.grant)) == "nobody-matched"


async def test_a_contact_that_was_changed_lately_gets_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changed the number yesterday may not be the customer."""
    today = int(time.time()) // 86_400
    call = await house.ended_call()
    monkeypatch.setattr(house.parts.records, "changed", lambda customer, name: today - 1)
    await house.guards.receipt_send(house.session, call.grant)
    await asyncio.sleep(0.1)
    assert not house.channel.sent
    monkeypatch.setattr(house.parts.records, "changed", lambda customer, name: today - receipts.SETTLED_DAYS)
    other = await house.ended_call()
    await house.guards.receipt_send(house.session, other.grant)
    assert "/r/" in await house.message()


async def test_the_link_is_not_kept(house: House) -> None:
    link = await house.link()
    folder = house.config.paths.state / "vault"
    kept = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert link.encode() not in kept
    assert name_of(link).encode() in kept


@pytest.mark.parametrize("link", ["", "x", "A" * 54, "../../etc/passwd", "é" * 54])
async def test_a_guess_opens_nothing(house: House, link: str) -> None:
    assert await refused(house.guards.receipt_document(link)) == "receipt-unknown"
    assert await refused(house.guards.receipt_choose(link, "recording", True)) == "receipt-unknown"


async def test_choices_are_kept_with_the_words_they_were_made_by(house: House) -> None:
    link = await house.link()
    before = (await house.guards.receipt_document(link))["choices"]
    assert [each["purpose"] for each in before] == list(receipts.CHOICES)
    assert not any(each["given"] for each in before)
    after = await house.guards.receipt_choose(link, "recording", given=True)
    assert {each["purpose"]: each["given"] for each in after["choices"]} == {"recording": True, "follow-up": False}
    again = await house.guards.receipt_choose(link, "recording", given=False)
    assert not any(each["given"] for each in again["choices"])
    assert (await house.guards.receipt_document(link))["choices"] == again["choices"]
    customer = (await house.parts.guards.receipts._find(link)).customer
    records = [each for each in house.parts.records.every(customer) if each.kind == "consent"]
    assert len(records) == 2
    wording = house.parts.records.open(customer, "consent.wording", TEST, records[0].id)
    assert wording.open(TEST) == receipts.CHOICES["recording"]
    entries = await asyncio.to_thread(house.parts.guards.book._reader.of, customer)
    kinds = [each.entry.kind for each in entries if (each.entry.fields or {}).get("how") == "page"]
    assert kinds == [Kind.CONSENT_GIVEN, Kind.CONSENT_REFUSED]


async def test_a_choice_nobody_offers_is_refused(house: House) -> None:
    link = await house.link()
    assert await refused(house.guards.receipt_choose(link, "everything", given=True)) == "unknown-choice"


async def test_it_expires_and_is_forgotten(house: House) -> None:
    link = await house.link()
    part = house.parts.guards.receipts
    kept = await part._find(link)
    part._remembered.put(f"receipt/{name_of(link)}", replace(kept, until=time.time() - 1).dump())
    assert await refused(house.guards.receipt_document(link)) == "receipt-unknown"
    await part.sweep()
    assert part._remembered.get(f"receipt/{name_of(link)}") is None


async def test_an_erased_customers_receipt_is_gone(house: House) -> None:
    link = await house.link()
    part = house.parts.guards.receipts
    part.bar = lambda customer: Denied("erased", "gone")
    try:
        assert await refused(house.guards.receipt_document(link)) == "receipt-unknown"
        await part.sweep()
    finally:
        part.bar = house.parts.desk.looks.bar
    assert await refused(house.guards.receipt_document(link)) == "receipt-unknown"


async def test_a_gateway_that_fails_is_in_the_ledger_and_nobody_waits(house: House) -> None:
    call = await house.ended_call()
    house.channel.fault = Unavailable("code gateway: answered 500")
    try:
        await house.guards.receipt_send(house.session, call.grant)
        await asyncio.sleep(0.2)
    finally:
        house.channel.fault = None
    await house.parts.journal.receipt(Kind.FAULT, part="test")
    newest = await asyncio.to_thread(lambda: list(house.parts.guards.book._reader.back())[:5])
    assert "receipt" in [(each.entry.fields or {}).get("part") for each in newest]


async def test_a_receipt_outlives_a_restart(house: House) -> None:
    link = await house.link()
    before = await house.guards.receipt_document(link)
    await house.guards.close()
    await house.restart()
    house.guards = GuardsVaultClient(house.config.paths.vault_socket)
    after = await house.guards.receipt_document(link)
    assert [line["index"] for line in after["lines"]] == [line["index"] for line in before["lines"]]


async def test_a_saved_one_that_is_none_is_not_taken() -> None:
    good = receipts.Kept("cu_1", "brand", "leg", "High Street", 1.5, 2.5, (3, 4))
    assert receipts.load_kept(good.dump()) == good
    for broken in ({}, {**good.dump(), "looks": "x"}):
        with pytest.raises(TamperError):
            receipts.load_kept(broken)
