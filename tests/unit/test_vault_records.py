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
