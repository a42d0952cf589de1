"""A thief holds every file of the vault except the unseal secret: nothing in them opens a value or finds a caller."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import sqlite3
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quietline.errors import Denied
from quietline.sealed import Sealed
from quietline.testing.key_shop import PASS, TICKET, KeyShop
from quietline.vault import kms_file
from quietline.vault.blind_index import PHONE
from quietline.vault.envelope import HEADER_BYTES, NONCE_BYTES, Place
from quietline.vault.keys import Owner, open_keys_database
from quietline.vault.records import CUSTOMER, NewRecord

AREA = "+441632"  # Ofcom keeps 01632 for drama: six digits follow, a million numbers
NUMBERS = [f"{AREA}960{number:03}" for number in range(0, 1_000, 50)]
KEY = 32
PASSWORDS = [b"password", b"quietline", b"correct horse", b"12345678", PASS[:-1]]


def message(number: str) -> bytes:
    """What the index makes its token of; no secret (blind_index.py)."""
    return len(b"brand").to_bytes(4, "big") + b"brand" + number.encode()


@pytest.fixture(scope="module")
def loot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of every file, the write-ahead logs with it, taken while the vault is open."""
    folder = tmp_path_factory.mktemp("vault")
    with KeyShop(folder) as shop:
        for place, number in enumerate(NUMBERS):
            customer = f"cu_{place:03}"
            values = {"contact.phone": Sealed(number), "contact.name": Sealed("Ana Example")}
            shop.records.add([NewRecord("brand", customer, CUSTOMER, values)], TICKET)
            shop.index.replace("brand", customer, [(PHONE, number)])
        taken = tmp_path_factory.mktemp("loot") / "vault"
        shutil.copytree(folder, taken)
        yield taken


def values_of(folder: Path) -> Iterator[bytes]:
    """Every value in every file: blobs and texts of the databases, texts of the JSON."""
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                for row in database.execute(f"SELECT * FROM {table}"):
                    yield from (each if isinstance(each, bytes) else str(each).encode() for each in row)
    for value in json.loads((folder / "kms.json").read_text()).values():
        yield str(value).encode()


def key_like(folder: Path) -> set[bytes]:
    """Every 32 bytes in a row of any value, and of what it is in hex or base64; hashes of the shorter ones."""
    found: set[bytes] = set()
    for value in set(values_of(folder)):
        for form in forms(value):
            found.update(form[at : at + KEY] for at in range(len(form) - KEY + 1))
            found.add(hashlib.sha256(form).digest())
    return found


def forms(value: bytes) -> Iterator[bytes]:
    yield value
    if re.fullmatch(rb"(?:[0-9a-f]{2})+", value):
        yield bytes.fromhex(value.decode())
    if re.fullmatch(rb"[A-Za-z0-9+/]{16,}={0,2}", value) and len(value) % 4 == 0:
        yield b64decode(value)


def tokens(folder: Path) -> set[bytes]:
    with closing(sqlite3.connect(folder / "keys.db")) as database:
        return {token for (token,) in database.execute("SELECT token FROM blind_index")}


def sealed(folder: Path) -> list[tuple[bytes, Place]]:
    """The values with their places, which are no secret."""
    with closing(sqlite3.connect(folder / "records.db")) as database:
        return [
            (blob, Place("brand", record, name, data_class, revision))
            for record, name, data_class, revision, blob in database.execute(
                "SELECT record, name, class, revision, sealed FROM field"
            )
        ]


def opens(key: bytes, blob: bytes, place: Place) -> bool:
    nonce, body = blob[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES], blob[HEADER_BYTES + NONCE_BYTES :]
    try:
        AESGCM(key).decrypt(nonce, body, blob[:HEADER_BYTES] + place.encode())
    except InvalidTag:
        return False
    return True


def found_by(key: bytes, numbers: Iterator[str] | list[str], index: set[bytes]) -> list[str]:
    return [number for number in numbers if hmac.digest(key, message(number), "sha256") in index]


def test_nothing_key_like_in_the_files_finds_a_caller(loot: Path) -> None:
    index, candidates = tokens(loot), key_like(loot)
    assert len(candidates) > 1_500
    assert len(index) == len(NUMBERS)
    assert not [key for key in candidates if found_by(key, NUMBERS[:1], index)]


def test_nothing_key_like_in_the_files_opens_a_value(loot: Path) -> None:
    (blob, place), candidates = sealed(loot)[0], key_like(loot)
    assert not [key for key in candidates if opens(key, blob, place)]


def test_nothing_key_like_in_the_files_opens_a_wrapped_key(loot: Path) -> None:
    with closing(sqlite3.connect(loot / "keys.db")) as database:
        ((wrapped,),) = database.execute("SELECT wrapped FROM secret WHERE name = 'index/contact.phone'").fetchall()
    header, candidates = wrapped[:11], key_like(loot)
    for key in candidates:
        with pytest.raises(InvalidTag):
            AESGCM(key).decrypt(wrapped[11:23], wrapped[23:], header + b"secret:index/contact.phone")


def test_a_whole_area_code_run_against_the_index_finds_nobody(loot: Path) -> None:
    """A million numbers, as a table made without the key would have them: no row is a bare hash of a number."""
    index, start = tokens(loot), message(AREA)
    space = (hashlib.sha256(start + b"%06d" % line).digest() for line in range(1_000_000))
    assert index.isdisjoint(space)


def test_with_the_index_key_the_same_search_finds_everybody(loot: Path) -> None:
    """So the searches above look in the right place; and that key is wrapped, as this one had to be unwrapped."""
    with KeyShop(loot) as shop:
        key = shop.keyring.secret("index/contact.phone")
        (blob, place), *_ = sealed(loot)
        owner = Owner("brand", shop.records.customer_of(place.record), place.data_class)
        data = shop.keyring.key(owner)
        assert data.open(blob, place)
    space = [f"{AREA}960{line:03}" for line in range(1_000)]
    assert found_by(key, space, tokens(loot)) == NUMBERS
    assert key not in key_like(loot)


@pytest.mark.parametrize("guess", PASSWORDS)
def test_a_guessed_passphrase_opens_nothing(loot: Path, guess: bytes) -> None:
    with pytest.raises(Denied):
        kms_file.unseal(loot / "kms.json", guess)


def test_equal_values_of_two_controllers_share_no_row(loot: Path) -> None:
    """What one franchisee's rows tell cannot be joined with another's."""
    with KeyShop(loot) as shop:
        assert shop.index.token("brand", PHONE, NUMBERS[0]) != shop.index.token("franchise-a", PHONE, NUMBERS[0])


def test_no_number_and_no_name_is_in_any_file(loot: Path) -> None:
    needles = [*(number.encode() for number in NUMBERS), b"Ana Example", *(number[3:].encode() for number in NUMBERS)]
    for path in loot.iterdir():
        raw = path.read_bytes()
        assert not [needle for needle in needles if needle in raw], path.name


def test_a_stolen_row_does_not_say_which_customers_share_a_value(loot: Path) -> None:
    """Equal names are sealed under different keys and nonces: no two ciphertexts are alike, nor tokens of one value."""
    blobs = [blob for blob, place in sealed(loot) if place.field == "contact.name"]
    assert len({blob[HEADER_BYTES + NONCE_BYTES :] for blob in blobs}) == len(blobs) == len(NUMBERS)
    keys = open_keys_database(loot)
    try:
        assert keys.read("SELECT count(DISTINCT token) FROM blind_index") == [(len(NUMBERS),)]
    finally:
        keys.close()
