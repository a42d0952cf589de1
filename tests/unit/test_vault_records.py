"""Sealed rows: what goes in comes out, and any change behind our back is found."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietline.errors import TamperError
from quietline.sealed import Sealed, Ticket
from quietline.testing.vault import MemoryKms
from quietline.vault.keys import KeyGoneError, Keyring, open_keys_database
from quietline.vault.records import NewRecord, Records, new_token, open_records_database

TICKET = Ticket("ag_1", "order_status", 7)
ANA = {"contact.name": "Ana Example", "contact.phone": "+442079460001", "delivery.address": "1 Test Lane"}
BOB = {"contact.name": "Bob Example", "contact.phone": "+442079460002", "delivery.address": "2 Test Lane"}


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    keys, rows = open_keys_database(tmp_path), open_records_database(tmp_path)
    yield Records(rows, Keyring(keys, MemoryKms()))
    keys.close()
    rows.close()


def customer(records: Records, who: str, values: dict[str, str], kind: str = "customer") -> None:
    sealed = {name: Sealed(value) for name, value in values.items()}
    records.add([NewRecord("brand", who, kind, sealed)], TICKET)


def plain(records: Records, who: str, name: str) -> str | None:
    value = records.open(who, name, TICKET)
    return value.open(TICKET) if value else None


def test_what_goes_in_comes_out_sealed(records: Records) -> None:
    customer(records, "cu_1", ANA)
    assert {name: plain(records, "cu_1", name) for name in ANA} == ANA
    assert repr(records.open("cu_1", "contact.name", TICKET)) == "•••"


def test_what_is_not_there_is_none(records: Records) -> None:
    customer(records, "cu_1", {"contact.name": "Ana Example"})
    assert records.open("cu_1", "contact.phone", TICKET) is None
    assert records.open("cu_1", "order.total", TICKET) is None
    assert records.open("cu_9", "contact.name", TICKET) is None


def test_the_latest_order_is_shown(records: Records) -> None:
    customer(records, "cu_1", ANA)
    for reference in ("QL-1", "QL-2", "QL-3"):
        customer(records, "cu_1", {"order.reference": reference}, "order")
    assert plain(records, "cu_1", "order.reference") == "QL-3"
    assert records.has("cu_1") == {*ANA, "order.reference"}


def test_a_changed_customer_keeps_one_record(records: Records) -> None:
    customer(records, "cu_1", ANA)
    customer(records, "cu_1", {"contact.name": "Ana New"})
    assert plain(records, "cu_1", "contact.name") == "Ana New"
    assert plain(records, "cu_1", "contact.phone") == ANA["contact.phone"]
    assert records.count() == 1


def test_opening_needs_a_ticket(records: Records) -> None:
    customer(records, "cu_1", ANA)
    with pytest.raises(TypeError, match="Ticket"):
        records.open("cu_1", "contact.name", "because")  # type: ignore[arg-type]


def test_nothing_readable_is_in_the_files(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", ANA)
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for value in ANA.values():
        assert value.encode() not in raw


def fields_of(folder: Path) -> dict[tuple[str, str], bytes]:
    connection = sqlite3.connect(folder / "records.db")
    rows = connection.execute("SELECT record, name, sealed FROM field").fetchall()
    connection.close()
    return {(record, name): sealed for record, name, sealed in rows}


def overwrite(folder: Path, at: tuple[str, str], sealed: bytes) -> None:
    connection = sqlite3.connect(folder / "records.db")
    connection.execute("UPDATE field SET sealed = ? WHERE record = ? AND name = ?", (sealed, *at))
    connection.commit()
    connection.close()


def test_any_swap_of_any_two_ciphertexts_is_found(records: Records, tmp_path: Path) -> None:
    """Promise 1's rows: every ordered pair of six stored values, within and across customers and classes."""
    customer(records, "cu_1", ANA)
    customer(records, "cu_2", BOB)
    stored = fields_of(tmp_path)
    assert len(stored) == 6
    owner = {record: who for who in ("cu_1", "cu_2") for record in [record_of(tmp_path, who)]}
    for there, here in itertools.permutations(stored, 2):
        overwrite(tmp_path, here, stored[there])
        with pytest.raises(TamperError):
            records.open(owner[here[0]], here[1], TICKET)
        overwrite(tmp_path, here, stored[here])
    assert plain(records, "cu_1", "contact.name") == ANA["contact.name"]


def record_of(folder: Path, who: str) -> str:
    connection = sqlite3.connect(folder / "records.db")
    (record,) = connection.execute("SELECT id FROM record WHERE customer = ?", (who,)).fetchone()
    connection.close()
    return str(record)


def test_any_flipped_byte_is_found(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", {"contact.name": "Ana"})
    ((at, sealed),) = fields_of(tmp_path).items()
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        overwrite(tmp_path, at, bytes(changed))
        with pytest.raises(TamperError):
            records.open("cu_1", "contact.name", TICKET)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE field SET class = 'invoice'",
        "UPDATE field SET revision = 2",
        "UPDATE record SET controller = 'franchise-a'",
        "UPDATE record SET customer = CASE customer WHEN 'cu_1' THEN 'cu_2' ELSE 'cu_1' END",
    ],
)
def test_a_changed_column_is_found(records: Records, tmp_path: Path, sql: str) -> None:
    customer(records, "cu_1", {"contact.name": "Ana"})
    customer(records, "cu_2", {"contact.name": "Bob"})
    connection = sqlite3.connect(tmp_path / "records.db")
    connection.execute(sql)
    connection.commit()
    connection.close()
    with pytest.raises(TamperError):
        records.open("cu_1", "contact.name", TICKET)


def test_an_older_value_of_the_same_field_does_not_pass(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", {"contact.name": "Ana Old"})
    ((at, old),) = fields_of(tmp_path).items()
    customer(records, "cu_1", {"contact.name": "Ana New"})
    overwrite(tmp_path, at, old)
    with pytest.raises(TamperError):
        records.open("cu_1", "contact.name", TICKET)


def test_erasing_a_class_leaves_the_others(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", ANA)
    before = fields_of(tmp_path)
    records.erase("cu_1")
    assert records.open("cu_1", "contact.name", TICKET) is None
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(sealed in raw for sealed in before.values())


def test_a_restored_row_of_an_erased_customer_does_not_open(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", ANA)
    connection = sqlite3.connect(tmp_path / "records.db")
    copy = list(connection.iterdump())
    connection.close()
    records.erase("cu_1")
    connection = sqlite3.connect(tmp_path / "records.db")
    for line in copy:
        if line.startswith("INSERT") and "sqlite_sequence" not in line:
            connection.execute(line)
    connection.commit()
    connection.close()
    with pytest.raises(KeyGoneError):
        records.open("cu_1", "contact.name", TICKET)


def test_tokens_are_random() -> None:
    assert len({new_token("cu") for _ in range(100)}) == 100


# Days, changes, classes


class Almanac:
    """Today, as the test says."""

    def __init__(self) -> None:
        self.now = 20_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def dated(tmp_path: Path) -> Iterator[tuple[Records, Almanac]]:
    keys, rows, day = open_keys_database(tmp_path), open_records_database(tmp_path), Almanac()
    yield Records(rows, Keyring(keys, MemoryKms()), day=day), day
    keys.close()
    rows.close()


def test_a_value_that_stands_there_already_is_not_written_again(dated: tuple[Records, Almanac], tmp_path: Path) -> None:
    records, day = dated
    customer(records, "cu_1", ANA)
    before = fields_of(tmp_path)
    day.now += 5
    customer(records, "cu_1", ANA)
    assert fields_of(tmp_path) == before
    assert records.changed("cu_1", "contact.phone") == 0


def test_another_value_is_dated(dated: tuple[Records, Almanac]) -> None:
    records, day = dated
    customer(records, "cu_1", ANA)
    day.now += 5
    customer(records, "cu_1", {**ANA, "contact.phone": BOB["contact.phone"]})
    assert records.changed("cu_1", "contact.phone") == 20_005
    assert records.changed("cu_1", "contact.name") == 0


def test_a_contact_added_later_counts_as_changed(dated: tuple[Records, Almanac]) -> None:
    """Who takes over an account adds a number of their own: that is no contact of old standing."""
    records, day = dated
    customer(records, "cu_1", {"contact.name": "Ana Example"})
    day.now += 1
    customer(records, "cu_1", {"contact.phone": "+442079460003"})
    assert records.changed("cu_1", "contact.phone") == 20_001


def test_every_record_is_listed_unopened_with_its_day(dated: tuple[Records, Almanac]) -> None:
    records, day = dated
    customer(records, "cu_1", ANA)
    order = {"order.reference": Sealed("QL-1")}
    records.add([NewRecord("brand", "cu_1", "order", order, day=19_000)], TICKET)
    day.now += 30
    customer(records, "cu_1", {"service.note": "called twice"}, "note")
    assert [(each.kind, each.day, each.fields) for each in records.every("cu_1")] == [
        ("customer", 20_000, tuple(sorted(ANA))),
        ("order", 19_000, ("order.reference",)),
        ("note", 20_030, ("service.note",)),
    ]
    assert records.last_activity("cu_1") == 20_030
    assert records.last_activity("cu_9") == 0


def test_erasing_some_classes_leaves_the_others(records: Records) -> None:
    customer(records, "cu_1", ANA)
    customer(records, "cu_1", {"order.reference": "QL-1"}, "order")
    customer(records, "cu_1", {"service.note": "called twice"}, "note")
    records.erase("cu_1", ("contact", "service"))
    assert records.has("cu_1") == {"delivery.address", "order.reference"}
    assert plain(records, "cu_1", "order.reference") == "QL-1"
    assert {each.kind for each in records.every("cu_1")} == {"customer", "order"}  # the note's record went with it


def test_differs_tells_whether_storing_would_change_a_value(records: Records) -> None:
    customer(records, "cu_1", ANA)
    record = records.latest("cu_1", "customer")
    same = NewRecord("brand", "cu_1", "customer", {"contact.name": Sealed("Ana Example")})
    other = NewRecord("brand", "cu_1", "customer", {"contact.name": Sealed("Ana New")})
    more = NewRecord("brand", "cu_1", "customer", {"contact.email": Sealed("ana@example.com")})
    assert [records.differs(each, record, TICKET) for each in (same, other, more)] == [False, True, True]
    assert plain(records, "cu_1", "contact.name") == "Ana Example"


def test_a_value_spoilt_on_the_disk_is_replaced_by_the_next_import(records: Records, tmp_path: Path) -> None:
    customer(records, "cu_1", ANA)
    (at, _), *_ = fields_of(tmp_path)
    overwrite(tmp_path, (at, "contact.name"), b"\x01" + b"x" * 60)
    customer(records, "cu_1", ANA)
    assert plain(records, "cu_1", "contact.name") == "Ana Example"


def test_two_writings_of_one_new_customer_in_one_batch_make_one_record(records: Records) -> None:
    one, two = ({name: Sealed(value)} for name, value in list(ANA.items())[:2])
    records.add([NewRecord("brand", "cu_1", "customer", fields) for fields in (one, two)], TICKET)
    assert len(records.every("cu_1")) == 1
    assert records.has("cu_1") == set(list(ANA)[:2])
