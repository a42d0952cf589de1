"""Erasure in the real vault: keys, rows, index and ledger; and nothing of the customer is in any file after it."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rights_parts import BEN, PHONE, RightsHouse, files_with, rights_house

from quietline.errors import Denied, LedgerUnavailable
from quietline.ledger.log import ORIGIN
from quietline.ledger.store import open_reader, read_head
from quietline.ledger.verify import verify_directory
from quietline.ledger.vocabulary import Kind
from quietline.rights.receipt import verify_receipt
from quietline.sealed import Sealed
from quietline.testing.vault_house import ANA, ANA_NUMBER


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[RightsHouse]:
    async with rights_house(tmp_path) as house:
        yield house


def rows(desk: RightsHouse, file: str, sql: str, *given: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{desk.folder / file}?mode=ro", uri=True)) as db:
        return db.execute(sql, given).fetchall()


def vkey(desk: RightsHouse) -> str:
    with closing(open_reader(desk.folder / "ledger.db")) as db:
        return read_head(db).vkey


async def refusal(asked: Any) -> str:
    with pytest.raises(Denied) as refused:
        await asked
    return refused.value.reason


# -- what is gone


async def test_keys_index_rows_and_values_go_and_the_invoice_stays(desk: RightsHouse) -> None:
    ana = await desk.customer()
    before = {name for (name,) in rows(desk, "keys.db", "SELECT class FROM data_key WHERE subject = ?", ana)}
    assert {"contact", "delivery", "invoice", "ledger"} <= before
    await desk.erases(await desk.opens("erasure"))
    left = {name for (name,) in rows(desk, "keys.db", "SELECT class FROM data_key WHERE subject = ?", ana)}
    assert left == {"invoice"}
    assert rows(desk, "keys.db", "SELECT DISTINCT field FROM blind_index WHERE subject = ?", ana) == [
        ("order.reference",)
    ]
    classes = rows(
        desk,
        "records.db",
        "SELECT DISTINCT f.class FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ?",
        ana,
    )
    assert classes == [("invoice",)]


async def test_a_customer_without_orders_leaves_nothing_at_all(desk: RightsHouse) -> None:
    ben = await desk.customer("+442079460002")
    await desk.erases(await desk.opens("erasure", "020 7946 0002"))
    for file, sql in (
        ("keys.db", "SELECT count(*) FROM data_key WHERE subject = ?"),
        ("keys.db", "SELECT count(*) FROM blind_index WHERE subject = ?"),
        ("records.db", "SELECT count(*) FROM record WHERE customer = ?"),
        ("ledger.db", "SELECT count(*) FROM body WHERE subject = ?"),
    ):
        assert rows(desk, file, sql, ben) == [(0,)], sql


async def test_a_byte_search_of_every_file_and_log_finds_neither_key_nor_value(desk: RightsHouse) -> None:
    """Promise 9: the wrapped keys and sealed values as they stood on the disk before, searched for after."""
    ben = await desk.customer("+442079460002")
    wrapped = [raw for (raw,) in rows(desk, "keys.db", "SELECT wrapped FROM data_key WHERE subject = ?", ben)]
    tokens = [raw for (raw,) in rows(desk, "keys.db", "SELECT token FROM blind_index WHERE subject = ?", ben)]
    sealed = rows(
        desk, "records.db", "SELECT f.sealed FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ?", ben
    )
    needles = [*wrapped, *tokens, *(raw for (raw,) in sealed)]
    assert len(needles) >= 8
    assert all(files_with(desk.folder, needle) for needle in needles), "the search can find what is there"
    await desk.erases(await desk.opens("erasure", "020 7946 0002"))
    assert [found for needle in needles if (found := files_with(desk.folder, needle))] == []
    assert files_with(desk.folder, ben.encode()) == ["erasures.log"], (
        "the random token alone, so that restores replay it"
    )


async def test_other_customers_keep_everything(desk: RightsHouse) -> None:
    ben = await desk.customer("+442079460002")
    before = rows(desk, "keys.db", "SELECT count(*) FROM data_key WHERE subject = ?", ben)
    await desk.erases(await desk.opens("erasure"))
    assert rows(desk, "keys.db", "SELECT count(*) FROM data_key WHERE subject = ?", ben) == before
    assert await desk.customer("+442079460002") == ben


async def test_the_ledgers_own_words_about_the_customer_go_and_the_log_still_verifies(
    desk: RightsHouse, tmp_path: Path
) -> None:
    call = await desk.house.call((await desk.eva())[0])
    await desk.house.desk.card((await desk.eva())[1], call.grant)
    await call.hangs_up()
    ana = await desk.customer()
    assert [entry for entry in desk.entries() if entry.subject == ana]
    await desk.erases(await desk.opens("erasure"))
    assert [entry for entry in desk.entries() if entry.subject == ana] == []
    assert rows(desk, "ledger.db", "SELECT count(*) FROM body WHERE subject = ?", ana) == [(0,)]
    copy = tmp_path / "copy"
    await desk.house.admin.call("ledger_export", directory=str(copy))
    assert verify_directory(copy, vkey(desk)).origin == ORIGIN


# -- the live call


async def test_a_live_call_goes_on_and_shows_nothing_any_more(desk: RightsHouse) -> None:
    house, (agent, eva) = desk.house, await desk.eva()
    call = await house.call(agent)
    assert (await house.desk.card(eva, call.grant))["fields"]
    await desk.erases(await desk.opens("erasure"))
    assert await refusal(house.desk.card(eva, call.grant)) == "call-ended"
    assert await refusal(house.desk.open(eva, call.grant, "order.total", "order_status")) == "call-ended"
    assert await refusal(house.desk.write_note(eva, call.grant, Sealed("rang about a kettle"))) == "nobody-matched"
    assert await house.desk.wrap_up(eva, call.grant) == {"order_reference": "", "note": ""}
    closed = [entry.fields for entry in desk.entries(Kind.GRANT_CLOSED)]
    assert [each for each in closed if each and each.get("why") == "erased"]


async def test_who_calls_after_is_a_stranger(desk: RightsHouse) -> None:
    await desk.erases(await desk.opens("erasure"))
    match = await desk.house.calls.arrive_and_match(desk.house.caller_leg(ANA_NUMBER))
    assert (match.customer, match.assurance) == ("", 0)


async def test_a_promised_callback_is_forgotten(desk: RightsHouse) -> None:
    header = desk.house.caller_leg(ANA_NUMBER)
    await desk.house.calls.arrive_and_match(header)
    kept = await desk.house.calls.keep_callback(header)
    await desk.erases(await desk.opens("erasure"))
    dialled = desk.house.calls.dial_callback(kept.token, desk.house.agent_leg((await desk.eva())[0]))
    assert await refusal(dialled) == "callback-unknown"


async def test_whom_they_spoke_with_last_is_forgotten(desk: RightsHouse) -> None:
    call = await desk.house.call((await desk.eva())[0])
    await call.hangs_up()
    again = await desk.house.calls.arrive_and_match(desk.house.caller_leg(ANA_NUMBER))
    assert again.last_agent
    ana = await desk.customer()
    await desk.erases(await desk.opens("erasure"))
    assert desk.parts.eraser._parts.last_agents.of(ana) == ""


# -- the receipt


async def test_the_receipt_verifies_offline_and_says_what_went_and_what_stays(desk: RightsHouse) -> None:
    await desk.asks("right_recipient", name="courier", purpose="parcels")
    request = await desk.opens("erasure")
    await desk.asks("right_told", request=request, recipient="courier", how="told")
    receipt = (await desk.erases(request))[request]
    found = verify_receipt(receipt.encode(), vkey(desk))
    said = found.statement
    assert said["request"] == request
    assert "contact" in said["erased"]
    assert [each["class"] for each in said["kept"]] == ["invoice"]
    assert "17(3)(b)" in said["kept"][0]["basis"]
    assert said["recipients"][0]["name"] == "courier"
    assert said["recipients"][0]["told"].startswith("told 20")


async def test_the_receipt_names_neither_the_customer_nor_staff(desk: RightsHouse) -> None:
    ana, request = await desk.customer(), await desk.opens("erasure")
    receipt = (await desk.erases(request))[request]
    opened = base64.b64decode(json.loads(receipt.split("\n")[1])["entry"])
    for text in (receipt.encode(), opened):
        for needle in (ana.encode(), b"Ana", b"7946", b"ag_", b"dora"):
            assert needle not in text, needle


async def test_the_receipt_is_given_again_to_readers_only(desk: RightsHouse) -> None:
    request = await desk.opens("erasure")
    receipt = (await desk.erases(request))[request]
    assert (await desk.asks("right_receipt", "una", request=request))["receipt"] == receipt
    assert await refusal(desk.asks("right_receipt", "eva", request=request)) == "policy"


# -- who may, and when


async def test_it_cools_first_and_may_be_taken_back(tmp_path: Path) -> None:
    async with rights_house(tmp_path, erasure_cooling_seconds=3_600.0) as desk:
        request = await desk.opens("erasure")
        assert await refusal(desk.erases(request)) == "cooling"
        assert (await desk.asks("right_move", request=request, act="withdraw"))["state"] == "withdrawn"
        assert await refusal(desk.erases(request)) == "not-in-this-state"
        assert await desk.customer()
        refused = [entry.fields for entry in desk.entries(Kind.RIGHT_REFUSED)]
        assert [each["why"] for each in refused if each] == ["cooling", "not-in-this-state"]


async def test_a_legal_hold_wins(desk: RightsHouse) -> None:
    request = await desk.opens("erasure")
    until = desk.parts.eraser._parts.now() + 3_600
    hold = await desk.asks("right_hold", field="contact.phone", value=PHONE, reason="dispute", until=until)
    assert await refusal(desk.erases(request)) == "legal-hold"
    assert await desk.customer()
    await desk.asks("right_lift_hold", hold=hold["id"])
    assert await desk.erases(request)


async def test_several_take_two_people_with_a_session_each(desk: RightsHouse) -> None:
    both = [await desk.opens("erasure"), await desk.opens("erasure", "020 7946 0002")]
    assert await refusal(desk.erases(*both)) == "second-person"
    assert await refusal(desk.erases(*both, second=await desk.session("dora"))) == "second-person"
    assert await refusal(desk.erases(*both, second=(await desk.eva())[1])) == "policy"
    assert await refusal(desk.erases(*both, second="stolen")) == "signed-out"
    assert set(await desk.erases(*both, second=await desk.session("adam"))) == set(both)
    moved = [entry.fields or {} for entry in desk.entries(Kind.RIGHT_MOVED)]
    erased = [each for each in moved if each.get("act") == "erase"]
    assert len(erased) == 2
    assert all(each["agent"] and each["second"] and each["agent"] != each["second"] for each in erased)


async def test_recipients_are_told_or_excused_first(desk: RightsHouse) -> None:
    await desk.asks("right_recipient", name="courier", purpose="parcels")
    request = await desk.opens("erasure")
    assert await refusal(desk.erases(request)) == "recipients-untold"
    await desk.asks("right_told", request=request, recipient="courier", how="disproportionate")
    assert await desk.erases(request)


@pytest.mark.parametrize("login", ["eva", "adam", "una"])
async def test_only_a_privacy_officer_begins_it(desk: RightsHouse, login: str) -> None:
    request = await desk.opens("erasure")
    assert await refusal(desk.asks("right_erase", login, requests=[request])) == "policy"
    assert await desk.customer()


# -- crashes


@pytest.mark.parametrize("broken", ["destroy", "_receipt", "_close"])
async def test_what_a_crash_breaks_off_is_ended_at_the_next_start(
    desk: RightsHouse, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = await desk.opens("erasure")
    eraser = type(desk.parts.eraser)
    with monkeypatch.context() as patch:
        patch.setattr(eraser, broken, _stops)
        with pytest.raises(LedgerUnavailable):
            await desk.erases(request)
    shown = await desk.asks("right_show", request=request)
    assert shown["state"] == "erasing"
    await desk.restarts()
    for _ in range(300):
        if (await desk.asks("right_show", request=request))["state"] == "done":
            break
        await asyncio.sleep(0.01)
    receipt = (await desk.asks("right_receipt", request=request))["receipt"]
    assert verify_receipt(receipt.encode(), vkey(desk)).statement["request"] == request
    assert await desk.customer() == ""


def _stops(*_: object, **__: object) -> None:
    raise LedgerUnavailable("the power is out")


async def test_while_it_is_broken_off_nothing_is_shown(desk: RightsHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    call = await desk.house.call((await desk.eva())[0])
    request = await desk.opens("erasure")
    with monkeypatch.context() as patch:
        patch.setattr(type(desk.parts.eraser), "_close", _stops)
        with pytest.raises(LedgerUnavailable):
            await desk.erases(request)
    card = await desk.house.desk.card((await desk.eva())[1], call.grant)
    assert {each["state"] for each in card["fields"]} == {"refused"}  # type: ignore[attr-defined]


async def test_the_shops_next_import_makes_somebody_new(desk: RightsHouse) -> None:
    """Nothing joins the two: the shop is a recipient, and is told to forget them itself."""
    ana = await desk.customer()
    await desk.erases(await desk.opens("erasure"))
    await desk.house.admin.import_customers([ANA, BEN])
    again = await desk.customer()
    assert again
    assert again != ana


async def test_what_cannot_be_taken_back_wants_a_second_factor_where_the_role_has_one(tmp_path: Path) -> None:
    async with rights_house(tmp_path, second_factor_roles=("privacy_officer",)) as desk:
        request = await desk.opens("erasure")
        access = await desk.opens("access")
        for asked in (
            desk.erases(request),
            desk.asks("right_access", request=access, passphrase="a passphrase of theirs"),
            desk.asks("right_rectify", request=access, field="contact.name", value="Ann"),
            desk.asks("right_lift_hold", hold="lh_1"),
        ):
            assert await refusal(asked) == "set-up-second-factor"
        assert await desk.customer()
