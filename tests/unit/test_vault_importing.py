"""Import: every fault names its place and never its value; running again changes nothing but what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quietline.config import CustomField
from quietline.errors import ConfigError
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault import MemoryKms
from quietline.testing.vault_house import ANA
from quietline.vault.blind_index import CUSTOMER_KEY, EMAIL, LOYALTY, ORDER, PHONE, BlindIndex
from quietline.vault.custom import catalogue
from quietline.vault.importing import day_of, read_batch, read_each
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import Records, open_records_database
from quietline.vault.storing import Importer, Outcome, Twins

T = Ticket("admin", "import", 3)
BRANDS = {"brand"}


def test_a_right_batch_is_read_sealed() -> None:
    (customer,) = read_batch([ANA], BRANDS)
    assert (customer.controller, len(customer.fields), len(customer.orders)) == ("brand", 4, 2)
    assert all(isinstance(value, Sealed) for value in customer.fields.values())
    assert "Ana" not in repr(customer)
    assert "C-1001" not in repr(customer)


def test_empty_values_are_left_out() -> None:
    (customer,) = read_batch([{"key": "1", "fields": {"contact.name": " ", "contact.email": "a@example.com"}}], BRANDS)
    assert set(customer.fields) == {"contact.email"}


@pytest.mark.parametrize(
    ("batch", "named"),
    [
        (None, "list"),
        ([], "list"),
        ({}, "list"),
        ([ANA] * 1_001, "list"),
        ([1], "customer 1"),
        ([{}], "key"),
        ([{"key": ""}], "key"),
        ([{"key": 7}], "key"),
        ([{"key": "1", "controller": "else"}], "controller"),
        ([{"key": "1", "surprise": 1}], "nothing else"),
        ([{"key": "1", "fields": []}], "fields"),
        ([{"key": "1", "fields": {"contact.shoe": "x"}}], "unknown field"),
        ([{"key": "1", "fields": {"order.reference": "x"}}], "unknown field"),
        ([{"key": "1", "fields": {"contact.name": 7}}], r"contact\.name"),
        ([{"key": "1", "fields": {"contact.name": "x" * 2_001}}], r"contact\.name"),
        ([{"key": "1", "orders": {}}], "orders"),
        ([{"key": "1", "orders": [{}]}], r"order\.reference"),
        ([{"key": "1", "orders": [{"order.reference": "1"}, {"contact.name": "x"}]}], "order 2"),
        ([ANA, {"key": "2", "fields": {"x": "y"}}], "customer 2"),
        ([ANA, ANA], "twice"),
    ],
)
def test_a_wrong_batch_names_the_place(batch: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named) as error:
        read_batch(batch, BRANDS)
    assert "Ana" not in str(error.value)


class Shop:
    """Everything an import writes to."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.rows = open_keys_database(folder), open_records_database(folder)
        self.ring = Keyring(self.keys, MemoryKms())
        known = catalogue([CustomField("custom.club", "Club", indexed=True)])
        self.index, self.records = BlindIndex(self.keys, self.ring), Records(self.rows, self.ring, known)
        self.importer = Importer(self.ring, self.index, self.records, "GB")

    def load(self, *customers: dict[str, Any]) -> int:
        return self.outcome(*customers).with_phone

    def outcome(self, *customers: dict[str, Any], twins: Twins = Twins.KEEP, dry: bool = False) -> Outcome:
        work = self.importer.compare if dry else self.importer.store
        return work(read_batch(list(customers), {"brand", "franchise-a"}, self.records.fields), T, twins)

    def plain(self, customer: str, name: str) -> str:
        value = self.records.open(customer, name, T)
        return value.open(T) if value else ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.keys.close()
    shop.rows.close()


def test_a_customer_is_found_by_every_index(shop: Shop) -> None:
    assert shop.load(ANA) == 1
    found = {
        shop.index.find("brand", PHONE, "+442079460001"),
        shop.index.find("brand", EMAIL, "ana@example.com"),
        shop.index.find("brand", ORDER, "QL10441"),
        shop.index.find("brand", ORDER, "QL10442"),
        shop.index.find("brand", CUSTOMER_KEY, "C-1001"),
    }
    assert len(found) == 1
    assert shop.plain(found.pop(), "order.reference") == "QL-10442"


def test_running_again_updates_in_place(shop: Shop) -> None:
    shop.load(ANA)
    customer = shop.index.find("brand", CUSTOMER_KEY, "C-1001")
    changed = {**ANA, "fields": {"contact.phone": "020 7946 0002"}, "orders": [{"order.reference": "QL 10441"}]}
    shop.load(changed)
    assert shop.index.find("brand", CUSTOMER_KEY, "C-1001") == customer
    assert shop.index.find("brand", PHONE, "+442079460001") == ""
    assert shop.index.find("brand", PHONE, "+442079460002") == customer
    assert shop.plain(customer, "contact.name") == "Ana Example"
    assert shop.plain(customer, "order.reference") == "QL-10442"  # an older order, changed, does not become the latest
    assert shop.rows.read("SELECT count(*) FROM record") == [(3,)]


def test_two_controllers_with_one_key_are_two_customers(shop: Shop) -> None:
    shop.load(ANA, {**ANA, "controller": "franchise-a"})
    one = shop.index.find("brand", PHONE, "+442079460001")
    other = shop.index.find("franchise-a", PHONE, "+442079460001")
    assert one
    assert other
    assert one != other


@pytest.mark.parametrize("number", ["withheld", "ask the neighbour", "12"])
def test_a_number_that_cannot_match_is_kept_but_not_indexed(shop: Shop, number: str) -> None:
    assert shop.load({"key": "1", "fields": {"contact.phone": number}}) == 0
    customer = shop.index.find("brand", CUSTOMER_KEY, "1")
    assert shop.plain(customer, "contact.phone") == number


def test_a_crash_before_the_records_is_completed_by_the_next_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> list[str]:
        raise OSError("power cut")

    monkeypatch.setattr(Records, "add", crash)
    with pytest.raises(OSError, match="power cut"):
        shop.load(ANA)
    monkeypatch.undo()
    assert shop.index.find("brand", PHONE, "+442079460001") == ""
    shop.load(ANA)
    assert shop.plain(shop.index.find("brand", PHONE, "+442079460001"), "contact.name") == "Ana Example"
    assert shop.rows.read("SELECT count(DISTINCT customer) FROM record") == [(1,)]


# What is told: new, changed, unchanged


ANA_FIELDS: Any = ANA["fields"]
BOB: dict[str, Any] = {"key": "C-2", "fields": {"contact.name": "Bob Example", "contact.phone": "020 7946 0002"}}


def told(outcome: Outcome) -> tuple[int, int, int]:
    return outcome.new, outcome.changed, outcome.unchanged


def everything(shop: Shop) -> list[Any]:
    """Every row of both databases."""
    tables = ((shop.keys, ("data_key", "blind_index")), (shop.rows, ("record", "field")))
    return [database.read(f"SELECT * FROM {table} ORDER BY 1, 2") for database, names in tables for table in names]


def test_new_then_unchanged_then_changed(shop: Shop) -> None:
    assert told(shop.outcome(ANA, BOB)) == (2, 0, 0)
    before = everything(shop)
    assert told(shop.outcome(ANA, BOB)) == (0, 0, 2)
    assert everything(shop) == before  # nothing at all was written
    moved = {**BOB, "fields": {**BOB["fields"], "contact.phone": "020 7946 0003"}}
    assert told(shop.outcome(ANA, moved)) == (0, 1, 1)
    more = {**ANA, "orders": [*ANA["orders"], {"order.reference": "QL-10443"}]}
    assert told(shop.outcome(more)) == (0, 1, 0)


def test_a_dry_run_tells_the_same_and_writes_nothing(shop: Shop) -> None:
    shop.load(ANA)
    before = everything(shop)
    moved = {**ANA, "fields": {"contact.phone": "020 7946 0009"}}
    assert told(shop.outcome(moved, BOB, dry=True)) == (1, 1, 0)
    assert everything(shop) == before
    assert told(shop.outcome(moved, BOB)) == (1, 1, 0)


def test_a_number_that_becomes_none_leads_nowhere_any_more(shop: Shop) -> None:
    shop.load(ANA)
    shop.load({**ANA, "fields": {"contact.phone": "withheld"}})
    assert shop.index.find("brand", PHONE, "+442079460001") == ""


def test_a_crash_before_the_index_is_seen_and_mended(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = BlindIndex.write, 0

    def second_write_crashes(self: BlindIndex, *rows: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("power cut")
        real(self, *rows)

    monkeypatch.setattr(BlindIndex, "write", second_write_crashes)
    with pytest.raises(OSError, match="power cut"):
        shop.load(BOB)
    monkeypatch.undo()
    assert shop.index.find("brand", PHONE, "+442079460002") == ""
    assert told(shop.outcome(BOB)) == (0, 1, 0)
    assert shop.index.find("brand", PHONE, "+442079460002") != ""
    assert told(shop.outcome(BOB)) == (0, 0, 1)


# Duplicates


@pytest.mark.parametrize(
    "shared",
    [
        {"fields": {"contact.phone": "+44 20 7946 0001"}},
        {"fields": {"contact.email": "ANA@example.com"}},
        {"fields": {"contact.loyalty": "6331-77"}},
        {"fields": {"custom.club": "m 5"}},
        {"orders": [{"order.reference": "ql 10441"}]},
    ],
    ids=["phone", "email", "loyalty", "own field", "order"],
)
@pytest.mark.parametrize("where", ["on record", "in the batch"])
def test_a_duplicate_is_found_by_every_index(shop: Shop, shared: dict[str, Any], where: str) -> None:
    fields: Any = {**ANA_FIELDS, "contact.loyalty": "633177", "custom.club": "M5"}
    first = {**ANA, "fields": fields}
    other = {"key": "C-9", **shared}
    if where == "on record":
        shop.load(first)
        outcome = shop.outcome(other)
    else:
        outcome = shop.outcome(first, BOB, other)
    assert outcome.twins == ((0,) if where == "on record" else (2,))


def test_kept_a_shared_number_identifies_neither(shop: Shop) -> None:
    outcome = shop.outcome(ANA, {"key": "C-9", "fields": {"contact.phone": "020 7946 0001"}})
    assert (outcome.new, outcome.twins) == (2, (1,))
    assert shop.index.find("brand", PHONE, "+442079460001") == ""


def test_skipped_a_duplicate_is_not_stored_and_told_by_field(shop: Shop) -> None:
    shop.load(ANA)
    before = everything(shop)
    outcome = shop.outcome({"key": "C-9", "fields": {"contact.phone": "020 7946 0001"}}, twins=Twins.SKIP)
    assert outcome.rejected == ((0, ": contact.phone: another customer has it; not stored"),)
    assert told(outcome) == (0, 0, 0)
    assert everything(shop) == before


def test_merged_a_duplicate_is_the_known_customer_under_both_keys(shop: Shop) -> None:
    shop.load(ANA)
    ana = shop.index.find("brand", CUSTOMER_KEY, "C-1001")
    twin = {"key": "W-7", "fields": {"contact.phone": "020 7946 0001", "contact.loyalty": "633177"}}
    outcome = shop.outcome(twin, twins=Twins.MERGE)
    assert (told(outcome), outcome.twins) == ((0, 1, 0), (0,))
    assert {shop.index.find("brand", CUSTOMER_KEY, key) for key in ("C-1001", "W-7")} == {ana}
    assert shop.index.find("brand", LOYALTY, "633177") == ana
    assert told(shop.outcome(twin)) == (0, 0, 1)
    assert shop.records.count() == 1


def test_who_fits_two_customers_is_merged_with_neither(shop: Shop) -> None:
    shop.load(ANA, BOB)
    both = {"key": "C-9", "fields": {"contact.phone": "020 7946 0002", "contact.email": "ana@example.com"}}
    outcome = shop.outcome(both, twins=Twins.MERGE)
    assert "several customers" in outcome.rejected[0][1]


def test_one_order_number_of_two_customers_never_mixes_their_orders(shop: Shop) -> None:
    """The record found by an order's number must be this customer's: another's key would not open it."""
    mine = {"key": "C-9", "orders": [{"order.reference": "QL-10442", "order.items": "a rug"}]}
    shop.load(ANA)
    shop.load(mine)
    shop.load(mine)
    ana, other = (shop.index.find("brand", CUSTOMER_KEY, key) for key in ("C-1001", "C-9"))
    assert shop.plain(ana, "order.items") == "a kettle"
    assert shop.plain(other, "order.items") == "a rug"
    assert len(shop.records.every(other)) == 1


# What is refused


@pytest.mark.parametrize("name", ["contact.address", "delivery.instructions", "delivery.address"])
def test_a_card_number_in_any_free_text_is_refused_by_field(name: str) -> None:
    wrong = {"key": "1", "fields": {name: "charge 4111 1111 1111 1111 please"}}
    reading = read_each([ANA, wrong, BOB], BRANDS)
    assert [place for place, _ in reading.customers] == [1, 3]
    ((place, reason),) = reading.rejected
    assert (place, "payment card number" in reason, name in reason) == (2, True, True)
    assert "4111" not in reason


def test_what_looks_like_a_card_number_is_kept_where_people_type_nothing() -> None:
    assert not read_each([{"key": "1", "fields": {"contact.loyalty": "4111111111111111"}}], BRANDS).rejected


def test_the_same_key_twice_in_a_batch_is_refused_the_second_time() -> None:
    reading = read_each([ANA, ANA, {**ANA, "controller": "franchise-a"}], {"brand", "franchise-a"})
    assert [place for place, _ in reading.rejected] == [2]


def test_an_order_knows_its_day(shop: Shop) -> None:
    order = {"order.reference": "QL-1", "order.placed": "2026-03-01T10:00:00"}
    shop.load({"key": "1", "orders": [order]})
    (record,) = shop.records.every(shop.index.find("brand", CUSTOMER_KEY, "1"))
    assert record.day == day_of("2026-03-01") == 20_513
    assert (
        "2026-11-24" in read_each([{"key": "1", "orders": [{**order, "order.placed": "soon"}]}], BRANDS).rejected[0][1]
    )


@pytest.mark.parametrize("text", ["soon", "", "2026-13-01", "24.11.2026", "1969-01-01"])
def test_what_is_no_day(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        day_of(text)


def test_an_invoice_stands_in_its_orders_record(shop: Shop) -> None:
    shop.load({"key": "1", "orders": [{"order.reference": "QL-1", "invoice.number": "R-1"}]})
    customer = shop.index.find("brand", CUSTOMER_KEY, "1")
    assert shop.plain(customer, "invoice.number") == "R-1"
