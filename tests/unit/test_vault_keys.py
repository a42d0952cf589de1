"""The key ring: one key per owner, durable before use, gone for good when destroyed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietline.errors import ConfigError, TamperError, Unavailable
from quietline.testing.vault import MemoryKms
from quietline.vault import keys
from quietline.vault.database import Database
from quietline.vault.envelope import Place
from quietline.vault.keys import KeyGoneError, Keyring, Owner, open_keys_database

ANA = Owner("brand", "cu_1", "contact")
PLACE = Place("brand", "re_1", "contact.name", "contact", 1)


@pytest.fixture
def kms() -> MemoryKms:
    return MemoryKms()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_keys_database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def ring(database: Database, kms: MemoryKms) -> Keyring:
    return Keyring(database, kms)


def test_each_owner_has_a_key_of_its_own(ring: Keyring) -> None:
    owners = [
        ANA,
        Owner("franchise-a", "cu_1", "contact"),
        Owner("brand", "cu_2", "contact"),
        Owner("brand", "cu_1", "invoice"),
    ]
    ring.make(*owners)
    assert len({ring.key(owner).id for owner in owners}) == 4


def test_a_key_outlives_the_process(ring: Keyring, database: Database, kms: MemoryKms) -> None:
    sealed = ring.key_or_new(ANA).seal(b"Ana", PLACE)
    assert Keyring(database, kms).open(sealed, ANA, PLACE) == b"Ana"
    assert Keyring(database, kms).key(ANA).id == ring.key(ANA).id


def test_no_key_no_value(ring: Keyring) -> None:
    with pytest.raises(KeyGoneError):
        ring.key(ANA)


def test_another_owners_ciphertext_is_refused(ring: Keyring) -> None:
    bob = Owner("brand", "cu_2", "contact")
    ring.make(ANA, bob)
    with pytest.raises(TamperError, match="another owner"):
        ring.open(ring.key(bob).seal(b"Bob", PLACE), ANA, PLACE)


def test_destroyed_is_destroyed_in_every_file(
    ring: Keyring, database: Database, kms: MemoryKms, tmp_path: Path
) -> None:
    sealed = ring.key_or_new(ANA).seal(b"Ana", PLACE)
    (wrapped,) = database.read("SELECT wrapped FROM data_key")[0]
    ring.destroy(ANA)
    for holder in (ring, Keyring(database, kms)):
        with pytest.raises(KeyGoneError):
            holder.open(sealed, ANA, PLACE)
    assert wrapped not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_a_key_row_given_to_someone_else_does_not_open(
    ring: Keyring, database: Database, kms: MemoryKms, tmp_path: Path
) -> None:
    ring.make(ANA)
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute("UPDATE data_key SET subject = 'cu_2'")
    connection.close()
    with pytest.raises(TamperError):
        Keyring(database, kms).key(Owner("brand", "cu_2", "contact"))


def test_secrets_are_made_once_and_kept(ring: Keyring, database: Database, kms: MemoryKms) -> None:
    one = ring.secret("index/contact.phone")
    assert len(one) == 32
    assert one != ring.secret("index/contact.email")
    assert one == ring.secret("index/contact.phone") == Keyring(database, kms).secret("index/contact.phone")


def test_many_threads_agree_on_one_key(database: Database, kms: MemoryKms) -> None:
    rings = [Keyring(database, kms) for _ in range(4)]
    found: list[tuple[bytes, bytes]] = []
    threads = [threading.Thread(target=lambda r=r: found.append((r.key_or_new(ANA).id, r.secret("s")))) for r in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_unreachable_key_service_fails_closed(ring: Keyring, kms: MemoryKms) -> None:
    ring.make(ANA)
    ring.forget()
    kms.fault = Unavailable("kms: no answer")
    with pytest.raises(Unavailable):
        ring.key(ANA)


def test_a_key_that_was_made_is_at_hand(ring: Keyring, kms: MemoryKms) -> None:
    ring.make(ANA)
    kms.fault = Unavailable("kms: no answer")
    place = Place("brand", "re_1", "contact.name", "contact", 1)
    assert ring.key(ANA).open(ring.key(ANA).seal(b"x", place), place) == b"x"


def test_forgetting_asks_the_key_service_again(ring: Keyring, kms: MemoryKms) -> None:
    ring.key_or_new(ANA)
    ring.forget()
    kms.fault = Unavailable("kms: no answer")
    with pytest.raises(Unavailable):
        ring.key(ANA)


def test_memory_is_bounded(ring: Keyring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "CACHED_KEYS", 2)
    owners = [Owner("brand", f"cu_{n}", "contact") for n in range(4)]
    ids = [ring.key_or_new(owner).id for owner in owners]
    assert len(ring._cache) == 2
    assert [ring.key(owner).id for owner in owners] == ids


def test_nothing_prints_a_key(ring: Keyring) -> None:
    key = ring.key_or_new(ANA)
    assert repr(key) == f"DataKey({key.id.hex()})"


def test_the_database_is_for_its_owner_alone_and_durable(database: Database, tmp_path: Path) -> None:
    assert (tmp_path / "keys.db").stat().st_mode & 0o777 == 0o600
    assert database.read("PRAGMA journal_mode") == [("wal",)]
    assert database.read("PRAGMA synchronous") == [(2,)]
    assert database.read("PRAGMA secure_delete") == [(1,)]


def test_a_failed_write_leaves_nothing(database: Database) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO secret VALUES ('half', x'00')")
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        database.write(work)
    assert database.read("SELECT * FROM secret") == []
    assert database.write(lambda connection: connection.in_transaction)


def test_a_sql_error_becomes_unavailable_without_values(database: Database) -> None:
    with pytest.raises(Unavailable, match="CONSTRAINT"):
        database.write(lambda c: c.execute("INSERT INTO secret VALUES (NULL, NULL)"))


def test_a_newer_file_is_refused(database: Database, tmp_path: Path) -> None:
    database.write(lambda connection: None)
    with sqlite3.connect(tmp_path / "keys.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigError, match="newer"):
        open_keys_database(tmp_path)
