"""Import: every fault names its place and never its value; running again changes nothing but what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quietline.errors import ConfigError
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault import MemoryKms
from quietline.testing.vault_house import ANA
from quietline.vault.blind_index import CUSTOMER_KEY, EMAIL, ORDER, PHONE, BlindIndex
from quietline.vault.importing import read_batch
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import Records, open_records_database
from quietline.vault.storing import Importer

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
        self.index, self.records = BlindIndex(self.keys, self.ring), Records(self.rows, self.ring)
        self.importer = Importer(self.ring, self.index, self.records, "GB")

    def load(self, *customers: dict[str, Any]) -> int:
        return self.importer.store(read_batch(list(customers), {"brand", "franchise-a"}), T).with_phone

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
