"""An import cut off before or after any of its durable writes, then run again, ends as one that was not cut off."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.sealed import Ticket
from quietline.testing.vault import MemoryKms
from quietline.vault.blind_index import CUSTOMER_KEY, EMAIL, ORDER, PHONE, BlindIndex, normalise
from quietline.vault.database import Database
from quietline.vault.importing import read_batch
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import Records, open_records_database
from quietline.vault.storing import Importer, Outcome

T = Ticket("admin", "import", 1)
FIELDS = ("contact.name", "contact.phone", "contact.email", "delivery.address")
Customers = dict[str, dict[str, Any]]


class PowerCut(Exception):
    """At a write of the test's choice."""


class House:
    """Both databases and an importer over them, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.keys, self.rows = open_keys_database(folder), open_records_database(folder)
        self.ring = Keyring(self.keys, MemoryKms())
        self.index, self.records = BlindIndex(self.keys, self.ring), Records(self.rows, self.ring, day=lambda: 20_000)
        self.importer = Importer(self.ring, self.index, self.records, "GB")

    def load(self, customers: Customers) -> Outcome:
        batch = [{"key": key, **customer} for key, customer in customers.items()]
        return self.importer.store(read_batch(batch, {"brand"}), T)

    def close(self) -> None:
        self.keys.close()
        self.rows.close()

    # What a caller and an agent would find

    def whole(self, customers: Customers) -> dict[str, Any]:
        """By each shop key: the values of customer and orders, and whether every index leads there."""
        return {key: self._one(key, customer) for key, customer in customers.items()}

    def _one(self, key: str, customer: dict[str, Any]) -> dict[str, Any]:
        token = self.index.find("brand", CUSTOMER_KEY, key)
        orders = sorted(
            self._plain(token, "order.reference", record.id)
            for record in self.records.every(token)
            if record.kind == "order"
        )
        led = {name: token in self.index.every("brand", name, normal) for name, normal in _indexed(customer)}
        return {"orders": orders, "led": led, **{name: self._plain(token, name) for name in FIELDS}}

    def _plain(self, token: str, name: str, record: str = "") -> str:
        value = self.records.open(token, name, T, record)
        return value.open(T) if value else ""


def _indexed(customer: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in (PHONE, EMAIL):
        if normal := normalise(name, customer["fields"].get(name, ""), "GB"):
            yield name, normal
    for order in customer["orders"]:
        yield ORDER, str(normalise(ORDER, order[ORDER]))


@contextmanager
def house() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="ql-import-") as name:
        made = House(Path(name))
        try:
            yield made
        finally:
            made.close()


@contextmanager
def cut(at: int, after: bool) -> Iterator[None]:
    """The power goes at this write, counted from 0 over both databases: before it, or once it is durable."""
    count, real = 0, Database.write

    def write(self: Database, work: Any) -> Any:
        nonlocal count
        count += 1
        if count - 1 == at and not after:
            raise PowerCut
        made = real(self, work)
        if count - 1 == at:
            raise PowerCut
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "write", write)
        yield


@st.composite
def customers(draw: st.DrawFn) -> Customers:
    """A few customers; no two share a number, for what then happens is another test's."""
    made: Customers = {}
    for number in draw(st.lists(st.integers(0, 30), min_size=1, max_size=3, unique=True)):
        given = {
            "contact.name": draw(st.sampled_from(["", "Ana Example", "Bob Example"])),
            "contact.phone": draw(st.sampled_from(["", f"020 7946 00{number:02d}", "withheld"])),
            "contact.email": draw(st.sampled_from(["", f"c{number}@example.com"])),
            "delivery.address": draw(st.sampled_from(["", "1 Test Lane"])),
        }
        count = draw(st.integers(0, 2))
        orders = [{"order.reference": f"QL-{number}-{place}", "order.status": "delivered"} for place in range(count)]
        made[f"C-{number}"] = {"fields": {name: value for name, value in given.items() if value}, "orders": orders}
    return made


@settings(max_examples=12, deadline=None)
@given(customers(), st.integers(0, 5), st.booleans())
def test_cut_off_anywhere_the_same_batch_completes_it(wanted: Customers, at: int, after: bool) -> None:
    with house() as whole, house() as broken:
        whole.load(wanted)
        with cut(at, after), suppress(PowerCut):
            broken.load(wanted)
        broken.load(wanted)
        found, expected = broken.whole(wanted), whole.whole(wanted)
        for key, customer in expected.items():
            # An order whose record was written and not its way there stands twice; none is lost, none is another's.
            assert set(found[key].pop("orders")) == set(customer.pop("orders"))
        assert found == expected
        assert broken.records.count() == whole.records.count()
        again = broken.load(wanted)
        assert (again.new, again.changed, again.unchanged) == (0, 0, len(wanted))


@settings(max_examples=12, deadline=None)
@given(customers(), customers(), st.integers(0, 5), st.booleans())
def test_a_change_cut_off_anywhere_is_completed_too(old: Customers, new: Customers, at: int, after: bool) -> None:
    with house() as whole, house() as broken:
        for each in (whole, broken):
            each.load(old)
        whole.load(new)
        with cut(at, after), suppress(PowerCut):
            broken.load(new)
        broken.load(new)
        found, expected = broken.whole(new), whole.whole(new)
        for key, customer in expected.items():
            assert set(found[key].pop("orders")) == set(customer.pop("orders"))
        assert found == expected


@settings(max_examples=12, deadline=None)
@given(customers(), customers())
def test_a_dry_run_says_what_the_real_one_then_does(old: Customers, new: Customers) -> None:
    with house() as made:
        made.load(old)
        batch = read_batch([{"key": key, **customer} for key, customer in new.items()], {"brand"})
        dry = made.importer.compare(batch, T)
        assert made.importer.store(batch, T) == dry
        again = made.importer.compare(batch, T)
        assert (again.new, again.changed, again.unchanged) == (0, 0, len(new))


@settings(max_examples=8, deadline=None)
@given(customers())
def test_what_is_not_given_stays_as_it_was(wanted: Customers) -> None:
    """A file with fewer columns takes nothing away."""
    with house() as made:
        made.load(wanted)
        before = made.whole(wanted)
        made.load({key: {"fields": {}, "orders": []} for key in wanted})
        assert made.whole(wanted) == before
