"""What the vault's parts lend to the rights desk: grants that forget, records that are counted and dropped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.access.grants import Grants
from quietline.errors import Denied
from quietline.sealed import Sealed, Ticket
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import NewRecord, Records, open_records_database

NOW = 1_795_000_000.0
TICKET = Ticket("test", "rights", 0)


class PlainKms:
    """Wraps nothing."""

    key_id = "test.1"

    def wrap(self, key: bytes, context: bytes) -> bytes:
        return key

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        return wrapped


# -- grants


def a_floor(customers: list[str]) -> Grants:
    """A call of each customer, each with an agent of their own."""
    grants = Grants()
    for place, customer in enumerate(customers):
        grants.leg_arrived(f"leg-{place}", customer, 2, NOW)
        grants.connect(f"leg-{place}", f"agent-leg-{place}", f"ag_{place}", NOW)
    return grants


@given(st.lists(st.sampled_from(["cu_ana", "cu_ben", ""]), max_size=8))
def test_an_erased_customer_is_on_no_leg_and_on_no_live_grant(customers: list[str]) -> None:
    grants = a_floor(customers)
    closed = grants.forget_customer("cu_ana", NOW + 1)
    assert {each.agent for each in closed} == {
        f"ag_{place}" for place, each in enumerate(customers) if each == "cu_ana"
    }
    assert "cu_ana" not in str(grants.changes())
    for place, customer in enumerate(customers):
        live = grants.of_agent(f"ag_{place}")
        assert [each.customer for each in live] == ([] if customer == "cu_ana" else [customer])
    assert grants.forget_customer("cu_ana", NOW + 2) == []


def test_who_takes_the_call_over_gets_nobody() -> None:
    grants = a_floor(["cu_ana"])
    grants.forget_customer("cu_ana", NOW + 1)
    handed_on = grants.connect("leg-0", "another-leg", "ag_9", NOW + 2)
    assert handed_on.customer == ""


def test_a_grant_in_its_wrap_up_forgets_too() -> None:
    grants = a_floor(["cu_ana"])
    (grant,) = grants.of_agent("ag_0")
    grants.hang_up("leg-0", NOW + 1)
    assert grants.forget_customer("cu_ana", NOW + 2) == []
    assert grants.find(grant.id, "ag_0").customer == ""
    with pytest.raises(Denied, match="call-ended"):
        grants.still_live(grant.id, "ag_0", NOW + 2)


# -- records


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    keys, rows = open_keys_database(tmp_path), open_records_database(tmp_path)
    yield Records(rows, Keyring(keys, PlainKms()))
    for each in (keys, rows):
        each.close()


def store(records: Records, customer: str, kind: str = "customer", day: int = 20_000, **fields: str) -> str:
    sealed = {name.replace("_", ".", 1): Sealed(value) for name, value in fields.items()}
    (made,) = records.add([NewRecord("brand", customer, kind, sealed, day=day)], TICKET)
    return made


@pytest.mark.parametrize("page", [1, 2, 100])
def test_every_value_is_counted_once_however_many_are_read_at_a_time(records: Records, page: int) -> None:
    wanted = set()
    for place in range(5):
        customer = f"cu_{place}"
        record = store(records, customer, contact_name="Ana", contact_phone="+442079460001", day=place + 1)
        wanted |= {(customer, record, place + 1, name, "contact") for name in ("contact.name", "contact.phone")}
        order = store(records, customer, "order", order_total="£1", day=place + 9)
        wanted.add((customer, order, place + 9, "order.total", "invoice"))
    found = list(records.stored(page))
    assert len(found) == len(wanted)
    assert set(found) == wanted
    assert [row[0] for row in found] == sorted(row[0] for row in found)


def test_single_values_go_and_an_empty_record_with_them(records: Records, tmp_path: Path) -> None:
    old = store(records, "cu_1", "order", order_total="£1", order_status="sent")
    new = store(records, "cu_1", "order", order_total="£2")
    records.drop("cu_1", [(old, "order.total")])
    assert [each.fields for each in records.every("cu_1")] == [("order.status",), ("order.total",)]
    records.drop("cu_1", [(old, "order.status")])
    assert [each.id for each in records.every("cu_1")] == [new]
    records.drop("cu_1", [])
    assert records.every("cu_1")


def test_what_was_dropped_is_in_no_file(records: Records, tmp_path: Path) -> None:
    old = store(records, "cu_1", "order", order_total="£1")
    store(records, "cu_1", "order", order_total="£2")
    sealed = _sealed(tmp_path, old)
    assert sealed in _everything(tmp_path)
    records.drop("cu_1", [(old, "order.total")])
    assert sealed not in _everything(tmp_path)


def _sealed(folder: Path, record: str) -> bytes:
    with closing(sqlite3.connect(f"file:{folder / 'records.db'}?mode=ro", uri=True)) as db:
        (raw,) = db.execute("SELECT sealed FROM field WHERE record = ?", (record,)).fetchone()
    return bytes(raw)


def _everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("records.db*")))


def test_a_replaced_value_is_gone_once_the_log_is_scrubbed(records: Records, tmp_path: Path) -> None:
    record = store(records, "cu_1", contact_name="Anna")
    sealed = _sealed(tmp_path, record)
    store(records, "cu_1", contact_name="Ana")
    records.scrub()
    assert sealed not in _everything(tmp_path)
    opened = records.open("cu_1", "contact.name", TICKET)
    assert opened is not None
    assert opened.open(TICKET) == "Ana"
