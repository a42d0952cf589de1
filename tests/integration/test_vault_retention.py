"""Retention in the real vault: by class, by hand and by itself; holds win; the index loses what the records lose."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rights_parts import PHONE, RightsHouse, files_with, rights_house

from quietline.errors import Denied, LedgerUnavailable
from quietline.ledger.vocabulary import Kind
from quietline.rights.keeping import Keeping

YEARS_5, YEARS_7, DAY = 5 * 366, 7 * 366, 86_400


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[RightsHouse]:
    async with rights_house(tmp_path) as house:
        yield house


def change(desk: RightsHouse, sql: str, *given: Any) -> None:
    """Only a record's day, which is no secret and no part of what vouches for a value: an old customer in no time."""
    with closing(sqlite3.connect(desk.folder / "records.db")) as db:
        db.execute(sql, given)
        db.commit()


def rows(desk: RightsHouse, file: str, sql: str, *given: Any) -> list[Any]:
    with closing(sqlite3.connect(f"file:{desk.folder / file}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute(sql, given)]


async def aged(desk: RightsHouse, days: int, value: str = "+442079460001", kind: str = "") -> str:
    """The customer, every record (of a kind) so many days old."""
    customer = await desk.customer(value)
    today = int(desk.parts.eraser._parts.now()) // DAY
    one_kind = " AND kind = ?" if kind else ""
    change(
        desk, f"UPDATE record SET day = ? WHERE customer = ?{one_kind}", today - days, customer, *([kind] * bool(kind))
    )
    return customer


def classes_of(desk: RightsHouse, customer: str) -> set[str]:
    sql = "SELECT DISTINCT f.class FROM field f JOIN record r ON r.id = f.record WHERE r.customer = ?"
    return set(rows(desk, "records.db", sql, customer))


def keys_of(desk: RightsHouse, customer: str) -> set[str]:
    return set(rows(desk, "keys.db", "SELECT class FROM data_key WHERE subject = ?", customer))


async def run(desk: RightsHouse) -> dict[str, Any]:
    return await desk.asks("right_retention", run=True)


async def test_a_dry_run_counts_and_changes_nothing(desk: RightsHouse) -> None:
    ana = await aged(desk, YEARS_5)
    before = classes_of(desk, ana)
    report = await desk.asks("right_retention")
    assert report == {
        "customers": 1,
        "values": {"contact": 3, "delivery": 1},
        "held": 0,
        "undated": 0,
        "dry_run": True,
    }
    assert classes_of(desk, ana) == before
    assert desk.entries(Kind.RETENTION_RUN) == []


async def test_classes_whose_time_is_over_go_with_their_keys_and_index_rows(desk: RightsHouse) -> None:
    ana = await aged(desk, YEARS_5)
    assert (await run(desk))["customers"] == 1
    assert classes_of(desk, ana) == {"invoice"}
    assert not {"contact", "delivery"} & keys_of(desk, ana)
    assert await desk.customer() == ""
    assert await desk.customer("QL10442", "order.reference") == ana
    assert (await run(desk))["customers"] == 0


async def test_the_next_class_goes_when_its_time_comes(desk: RightsHouse) -> None:
    ana = await aged(desk, YEARS_7)
    assert (await run(desk))["customers"] == 1
    assert classes_of(desk, ana) == set()
    assert rows(
        desk, "keys.db", "SELECT count(*) FROM blind_index WHERE subject = ? AND field != 'customer.key'", ana
    ) == [0]


async def test_one_old_order_goes_alone_and_is_found_no_more(desk: RightsHouse) -> None:
    ana = await desk.customer()
    first = rows(desk, "records.db", "SELECT id FROM record WHERE customer = ? AND kind = 'order' ORDER BY seq", ana)[0]
    today = int(desk.parts.eraser._parts.now()) // DAY
    change(desk, "UPDATE record SET day = ? WHERE id = ?", today - YEARS_7, first)
    sealed = rows(desk, "records.db", "SELECT sealed FROM field WHERE record = ?", first)
    assert (await run(desk))["values"] == {"invoice": 4}
    assert await desk.customer("QL10441", "order.reference") == ""
    assert await desk.customer("QL10442", "order.reference") == ana
    assert await desk.customer() == ana
    assert [found for raw in sealed if (found := files_with(desk.folder, raw))] == []


async def test_a_customer_who_still_buys_keeps_their_contact(desk: RightsHouse) -> None:
    ana = await aged(desk, YEARS_5, kind="customer")
    assert (await run(desk))["customers"] == 0
    assert await desk.customer() == ana


async def test_a_legal_hold_wins(desk: RightsHouse) -> None:
    ana = await aged(desk, YEARS_5)
    until = desk.parts.eraser._parts.now() + 3_600
    hold = await desk.asks("right_hold", field="contact.phone", value=PHONE, reason="tax-audit", until=until)
    assert (await run(desk))["held"] == 1
    assert "contact" in classes_of(desk, ana)
    await desk.asks("right_lift_hold", hold=hold["id"])
    assert (await run(desk))["customers"] == 1


async def test_what_has_no_day_stays_and_is_counted(desk: RightsHouse) -> None:
    ben = await desk.customer("+442079460002")
    change(desk, "UPDATE record SET day = 0 WHERE customer = ?", ben)
    report = await run(desk)
    assert (report["customers"], report["undated"]) == (0, 3)
    assert await desk.customer("+442079460002") == ben


async def test_it_is_in_the_ledger_before_it_is_done(desk: RightsHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = await aged(desk, YEARS_5)

    async def no_ledger(*_: object, **__: object) -> None:
        raise LedgerUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(desk.parts._parts.journal), "first", no_ledger)
        with pytest.raises(LedgerUnavailable):
            await run(desk)
    assert "contact" in classes_of(desk, ana)
    await run(desk)
    (entry,) = desk.entries(Kind.RETENTION_RUN)
    fields = entry.fields or {}
    assert (fields["customers"], fields["contact_values"], fields["held"]) == (1, 3, 0)
    assert ana not in str(fields)


async def test_who_may_look_and_who_may_run(desk: RightsHouse) -> None:
    assert (await desk.asks("right_retention", "una"))["dry_run"]
    with pytest.raises(Denied, match="privacy_officer"):
        await desk.asks("right_retention", "una", run=True)
    with pytest.raises(Denied, match="auditor"):
        await desk.asks("right_retention", "adam")


async def test_it_runs_by_itself(tmp_path: Path) -> None:
    async with rights_house(tmp_path, retention_seconds=0.05) as desk:
        ana = await aged(desk, YEARS_5)
        for _ in range(200):
            if "contact" not in classes_of(desk, ana):
                break
            await asyncio.sleep(0.02)
        assert classes_of(desk, ana) == {"invoice"}


async def test_a_run_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def fails_once(self: Keeping) -> Any:
        tried.append(1)
        if len(tried) == 1:
            raise LedgerUnavailable("not now")
        return plan(self)

    plan = Keeping._plan
    monkeypatch.setattr(Keeping, "_plan", fails_once)
    async with rights_house(tmp_path, retention_seconds=0.02):
        for _ in range(200):
            if len(tried) > 1:
                break
            await asyncio.sleep(0.02)
    assert len(tried) > 1
