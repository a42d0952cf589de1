"""Who was erased stays erased, whatever older copy of a database comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quietline.errors import TamperError
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.testing.vault import MemoryKms
from quietline.vault.blind_index import ORDER, ORDER_RECORD, PHONE, BlindIndex, IndexRow
from quietline.vault.bodies import body_owner
from quietline.vault.database import Database
from quietline.vault.keys import KeyGoneError, Keyring, Owner, open_keys_database
from quietline.vault.records import CUSTOMER, NewRecord, Records, open_records_database
from quietline.vault.records import ORDER as ORDER_KIND
from quietline.vault.replay import open_tombstones
from quietline.vault.tombstones import NAME, Tombstone, Tombstones, read_tombstones

TICKET = Ticket("test", "test", SIGNALLING)
PHONE_NUMBER = "+442079460001"
CONTACT = ("contact",)


class Shop:
    """Both databases with one customer, who has a phone number and an order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kms = MemoryKms()
        self.open()

    def open(self) -> None:
        self.keys, self.rows = open_keys_database(self.folder), open_records_database(self.folder)
        self.keyring = Keyring(self.keys, self.kms)
        self.index, self.records = BlindIndex(self.keys, self.keyring), Records(self.rows, self.keyring)
        self.stones = open_tombstones(self.folder, self.keys, self.rows, lambda: 1_000.0)

    def add(self, customer: str) -> str:
        fields = {"contact.phone": Sealed("020 7946 0001")}
        order = {"order.reference": Sealed("QL-1"), "order.total": Sealed("20")}
        made = [
            NewRecord("brand", customer, CUSTOMER, fields),
            NewRecord("brand", customer, ORDER_KIND, order),
        ]
        record = self.records.add(made, TICKET)[1]
        self.keyring.make(body_owner(customer))
        self.index.write([IndexRow("brand", customer, PHONE, PHONE_NUMBER)])
        self.index.write(
            (), [IndexRow("brand", customer, ORDER, "QL1"), IndexRow("brand", record, ORDER_RECORD, "QL1")]
        )
        return record

    def close(self) -> None:
        self.keys.close()
        self.rows.close()

    def copy(self, *names: str) -> None:
        """Keep these files as they are now; `bring_back` puts them in the place of the present ones."""
        self.keys.scrub()
        self.rows.scrub()
        for name in names:
            shutil.copy(self.folder / name, self.folder / f"{name}.old")

    def bring_back(self, *names: str) -> None:
        self.close()
        for name in names:
            for rest in ("-wal", "-shm"):
                (self.folder / (name + rest)).unlink(missing_ok=True)
            shutil.copy(self.folder / f"{name}.old", self.folder / name)
        self.open()

    def erase(self, customer: str, *classes: str) -> None:
        """What the rights desk does, in short."""
        self.stones.add(customer, "brand", classes)
        self.index.write((), (), [(customer, PHONE)])
        self.keyring.destroy(*(Owner("brand", customer, each) for each in classes), body_owner(customer))
        self.records.erase(customer, classes)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def stones_at(path: Path) -> Tombstones:
    return Tombstones(path, lambda: 7.0)


def test_an_erasure_stands_once_however_often_it_is_said(tmp_path: Path) -> None:
    stones = stones_at(tmp_path / NAME)
    stones.add("cu_1", "brand", ("service", "contact"))
    stones.add("cu_1", "brand", ("contact", "service"))
    assert stones.every() == [Tombstone("cu_1", "brand", ("contact", "service"), 7.0)]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


def test_databases_that_live_are_told_how_many_there_are(tmp_path: Path) -> None:
    told: list[int] = []
    stones = Tombstones(tmp_path / NAME, lambda: 7.0, told.append)
    for customer in ("cu_1", "cu_2", "cu_1"):
        stones.add(customer, "brand", CONTACT)
    assert told == [1, 2]


def test_a_line_torn_by_a_crash_is_passed_over_and_the_next_begins_anew(tmp_path: Path) -> None:
    stones = stones_at(tmp_path / NAME)
    stones.add("cu_1", "brand", CONTACT)
    whole = (tmp_path / NAME).read_bytes()
    stones.add("cu_2", "brand", CONTACT)
    second = (tmp_path / NAME).read_bytes()[len(whole) :]
    for cut in range(1, len(second)):
        (tmp_path / NAME).write_bytes(whole + second[:cut])
        stones.add("cu_3", "brand", CONTACT)
        found = [each.customer for each in stones.every()]
        assert found in (["cu_1", "cu_3"], ["cu_1", "cu_2", "cu_3"])


@pytest.mark.parametrize("junk", ["no json\n", '{"customer": "cu_9"}\n', "[]\n", '{"customer": 1, "at": "x"}\n'])
def test_a_damaged_line_is_never_passed_over(tmp_path: Path, junk: str) -> None:
    stones_at(tmp_path / NAME).add("cu_1", "brand", CONTACT)
    with (tmp_path / NAME).open("a") as stream:
        stream.write(junk)
    with pytest.raises(TamperError, match="line 2"):
        read_tombstones(tmp_path / NAME)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"), st.sets(st.sampled_from("pqr"))), max_size=12))
def test_what_is_taken_in_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, given_stones: list) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("stones") / NAME
    made = [Tombstone(who, by, tuple(sorted(classes)), 7.0) for who, by, classes in given_stones]
    fresh = stones_at(path).extend(made)
    assert fresh >= len(set(made))
    assert set(read_tombstones(path)) == set(made)
    assert stones_at(path).extend(made) == 0


def test_a_customer_brought_back_by_older_databases_is_erased_again(shop: Shop) -> None:
    shop.add("cu_1")
    shop.copy("keys.db", "records.db")
    shop.erase("cu_1", "contact", "invoice")
    shop.bring_back("keys.db", "records.db")
    assert shop.index.every("brand", PHONE, PHONE_NUMBER) == []
    assert shop.index.every("brand", ORDER, "QL1") == []
    assert shop.index.every("brand", ORDER_RECORD, "QL1") == []
    assert shop.records.has("cu_1") == set()
    with pytest.raises(KeyGoneError):
        shop.keyring.key(Owner("brand", "cu_1", "contact"))
    with pytest.raises(KeyGoneError):
        shop.keyring.key(body_owner("cu_1"))


def test_what_the_law_keeps_is_left(shop: Shop) -> None:
    record = shop.add("cu_1")
    shop.copy("keys.db", "records.db")
    shop.erase("cu_1", "contact")
    shop.bring_back("keys.db", "records.db")
    assert shop.index.every("brand", ORDER, "QL1") == ["cu_1"]
    assert shop.index.every("brand", ORDER_RECORD, "QL1") == [record]
    assert shop.records.has("cu_1") == {"order.reference", "order.total"}
    total = shop.records.open("cu_1", "order.total", TICKET)
    assert total is not None
    assert total.open(TICKET) == "20"


@pytest.mark.parametrize("name", ["keys.db", "records.db"])
def test_one_older_database_alone_is_enough_to_begin(shop: Shop, name: str) -> None:
    shop.add("cu_1")
    shop.copy(name)
    shop.erase("cu_1", "contact", "invoice")
    shop.bring_back(name)
    assert shop.records.has("cu_1") == set()
    assert not shop.keys.read("SELECT 1 FROM data_key WHERE subject = 'cu_1'")
    assert not shop.keys.read("SELECT 1 FROM blind_index")


def test_the_wrapped_key_is_in_no_file_afterwards(shop: Shop) -> None:
    shop.add("cu_1")
    wrapped = [row[0] for row in shop.keys.read("SELECT wrapped FROM data_key WHERE subject = 'cu_1'")]
    shop.copy("keys.db", "records.db")
    shop.erase("cu_1", "contact", "invoice")
    assert all(key in (shop.folder / "keys.db.old").read_bytes() for key in wrapped)
    shop.bring_back("keys.db", "records.db")
    for file in shop.folder.iterdir():
        if not file.name.endswith(".old"):
            assert not [key for key in wrapped if key in file.read_bytes()], file.name


def test_who_came_back_as_a_customer_is_left_alone(shop: Shop) -> None:
    """A merge may lead to the token whose orders the law kept; the next start must not erase what is new."""
    shop.add("cu_1")
    shop.erase("cu_1", "contact")
    shop.records.add([NewRecord("brand", "cu_1", CUSTOMER, {"contact.phone": Sealed("020 7946 0002")})], TICKET)
    shop.close()
    shop.open()
    assert "contact.phone" in shop.records.has("cu_1")


def test_an_erasure_that_a_crash_cut_short_after_its_tombstone_is_harmless(shop: Shop) -> None:
    shop.add("cu_1")
    (shop.folder / NAME).write_text('{"customer": "cu_1", "controller": "brand", "classes": ["contact"], "at": 1.0}\n')
    shop.close()
    shop.open()
    assert "contact.phone" not in shop.records.has("cu_1")


def seen(database: Database) -> int:
    return int(database.read("SELECT lines FROM erasures_seen")[0][0])


def test_both_databases_know_how_far_they_are(shop: Shop) -> None:
    shop.stones.add("cu_8", "brand", CONTACT)
    shop.stones.add("cu_9", "brand", CONTACT)
    assert (seen(shop.keys), seen(shop.rows)) == (2, 2)
