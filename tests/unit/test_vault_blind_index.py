"""Numbers as they are written, and rows that lead to customers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietline.errors import TamperError
from quietline.testing.vault import MemoryKms
from quietline.vault.blind_index import EMAIL, LOGIN, LOYALTY, ORDER, PHONE, BlindIndex, normalise, normalise_phone
from quietline.vault.database import Database
from quietline.vault.keys import Keyring, open_keys_database


@pytest.mark.parametrize(
    ("raw", "country", "expected"),
    [
        ("+442079460001", "GB", "+442079460001"),
        ("00442079460001", "GB", "+442079460001"),
        ("02079460001", "GB", "+442079460001"),
        ("020 7946 0001", "GB", "+442079460001"),
        ("+44 (0)20 7946 0001", "US", "+442079460001"),
        ("0044 (0) 20 7946 0001", "GB", "+442079460001"),
        ("(020) 7946-0001", "GB", "+442079460001"),
        ("tel:+44-20-7946-0001;phone-context=example.com", "GB", "+442079460001"),
        ("+44 20 7946\u20110001", "GB", "+442079460001"),
        ("\uff0b\uff14\uff14\uff12\uff10\uff17\uff19\uff14\uff16\uff10\uff10\uff10\uff11", "GB", "+442079460001"),
        ("(212) 555-0142", "US", "+12125550142"),
        ("2125550142", "US", "+12125550142"),
        ("12125550142", "US", "+12125550142"),
        ("+390600000000", "IT", "+390600000000"),  # Italy keeps its leading 0
        ("anonymous", "GB", None),
        ("Anonymous", "GB", None),
        ("restricted", "GB", None),
        ("unavailable", "GB", None),
        ("withheld", "GB", None),
        ("", "GB", None),
        ("   ", "GB", None),
        ("+", "GB", None),
        ("agent_7", "GB", None),
        ("0800 FLOWERS", "GB", None),
        ("02079460001 x12", "GB", None),
        ("+442079460001#12", "GB", None),
        ("12", "GB", None),
        ("+1" + "5" * 30, "GB", None),
        ("0" * 70, "GB", None),
        ("02079460001", "ZZ", None),
    ],
)
def test_phone_numbers(raw: str, country: str, expected: str | None) -> None:
    assert normalise_phone(raw, country) == expected


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        (EMAIL, " Ana.Example@Example.COM ", "ana.example@example.com"),
        (EMAIL, "  ", None),
        (LOGIN, "ANA", "ana"),
        (ORDER, "ql-10 442", "QL10442"),
        (ORDER, "--", None),
        (PHONE, "02079460001", "+442079460001"),
        (LOYALTY, "6331 0000-1234", "633100001234"),
        ("custom.club", " m-77 ", "M77"),
        ("customer.key", " C-1 ", "C-1"),
    ],
)
def test_other_fields(field: str, raw: str, expected: str | None) -> None:
    assert normalise(field, raw) == expected


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_keys_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def index(database: Database) -> BlindIndex:
    return BlindIndex(database, Keyring(database, MemoryKms()))


NUMBER = "+442079460001"


def test_a_number_leads_to_its_customer_and_to_nobody_elsewhere(index: BlindIndex) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    assert index.find("brand", PHONE, NUMBER) == "cu_1"
    assert index.find("brand", PHONE, "+442079460002") == ""
    assert index.find("franchise-a", PHONE, NUMBER) == ""
    assert index.find("brand", ORDER, NUMBER) == ""


def test_a_shared_number_identifies_nobody(index: BlindIndex) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    index.replace("brand", "cu_2", [(PHONE, NUMBER)])
    assert index.find("brand", PHONE, NUMBER) == ""


def test_a_new_number_replaces_the_old_and_leaves_other_fields(index: BlindIndex) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER), (EMAIL, "ana@example.com")])
    index.replace("brand", "cu_1", [(PHONE, "+442079460002")])
    assert index.find("brand", PHONE, NUMBER) == ""
    assert index.find("brand", PHONE, "+442079460002") == "cu_1"
    assert index.find("brand", EMAIL, "ana@example.com") == "cu_1"


def test_erasing_leaves_no_row_and_no_trace_in_the_files(index: BlindIndex, tmp_path: Path) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    token = index.token("brand", PHONE, NUMBER)
    assert token in files_of(tmp_path)
    index.erase("cu_1")
    assert index.find("brand", PHONE, NUMBER) == ""
    assert token not in files_of(tmp_path)


def files_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_a_row_pointed_at_someone_else_is_found(index: BlindIndex, tmp_path: Path) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    change_behind_our_back(tmp_path, "UPDATE blind_index SET subject = 'cu_2'")
    with pytest.raises(TamperError):
        index.find("brand", PHONE, NUMBER)


def test_a_row_of_another_number_is_found(index: BlindIndex, tmp_path: Path) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    other = index.token("brand", PHONE, "+442079460002")
    change_behind_our_back(tmp_path, "UPDATE blind_index SET token = ?", other)
    with pytest.raises(TamperError):
        index.find("brand", PHONE, "+442079460002")


def change_behind_our_back(folder: Path, sql: str, *values: bytes) -> None:
    connection = sqlite3.connect(folder / "keys.db")
    connection.execute(sql, values)
    connection.commit()
    connection.close()


def test_the_number_is_nowhere_in_the_file(index: BlindIndex, tmp_path: Path) -> None:
    index.replace("brand", "cu_1", [(PHONE, NUMBER)])
    for form in (NUMBER.encode(), NUMBER[1:].encode(), NUMBER[3:].encode()):
        assert form not in files_of(tmp_path)


def test_a_field_without_a_key_is_refused(index: BlindIndex) -> None:
    with pytest.raises(ValueError, match="no index key"):
        index.token("brand", "contact.name", "Ana")
