"""The SQLite wrapper: durable, one writer, nothing left behind, clear faults."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quietline.errors import ConfigError, Unavailable
from quietline.vault import database as module
from quietline.vault.database import Database, load_sql


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "keys.db", ("keys_0001.sql",))
    yield database
    database.close()


def put(name: str) -> object:
    return lambda connection: connection.execute("INSERT INTO secret VALUES (?, x'00')", (name,))


def names(database: Database) -> set[str]:
    return {name for (name,) in database.read("SELECT name FROM secret")}


def test_named_statements_are_found_by_name() -> None:
    statements = load_sql("keys.sql")
    assert statements["secret"] == "SELECT wrapped FROM secret WHERE name = ?"
    assert all(text and "-- name" not in text for text in statements.values())


NUMBERED = re.compile(r"\?[0-9]+")


@pytest.mark.parametrize("file", ["keys.sql", "records.sql"])
def test_every_statement_fits_the_schema(file: str, tmp_path: Path) -> None:
    folder = Path(module.__file__).parent / "sql"
    connection = sqlite3.connect(":memory:")
    for migration in sorted(folder.glob(file.replace(".sql", "_*.sql"))):
        connection.executescript(migration.read_text())
    for name, text in load_sql(file).items():
        connection.execute(
            f"EXPLAIN {text}", (None,) * (len(set(NUMBERED.findall(text))) or text.count("?"))
        ).fetchall()
        assert name.isidentifier()
    connection.close()


def test_a_write_is_seen_by_every_thread(database: Database) -> None:
    database.write(put("one"))  # type: ignore[arg-type]
    found: list[set[str]] = []
    threads = [threading.Thread(target=lambda: found.append(names(database))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"one"}] * 4


def test_writes_from_many_threads_are_one_after_the_other(database: Database) -> None:
    threads = [threading.Thread(target=database.write, args=(put(str(n)),)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(database) == {str(n) for n in range(20)}


def test_a_write_is_on_the_disk_when_it_returns(database: Database, tmp_path: Path) -> None:
    """A copy taken without closing, as a power cut would leave it."""
    database.write(put("kept"))  # type: ignore[arg-type]
    (tmp_path / "copy").mkdir()
    for path in tmp_path.glob("keys.db*"):
        if not path.name.endswith("-shm"):
            (tmp_path / "copy" / path.name).write_bytes(path.read_bytes())
    copy = Database(tmp_path / "copy" / "keys.db", ("keys_0001.sql",))
    assert names(copy) == {"kept"}
    copy.close()


def test_opening_again_applies_only_what_is_new(tmp_path: Path) -> None:
    first = Database(tmp_path / "records.db", ("records_0001.sql",))
    first.write(
        lambda c: c.execute("INSERT INTO record (id, controller, customer, kind) VALUES ('r', 'b', 'c', 'order')")
    )
    first.close()
    second = Database(tmp_path / "records.db", ("records_0001.sql", "records_0002.sql"))
    assert second.read("SELECT id FROM record") == [("r",)]
    assert second.read("SELECT count(*) FROM remembered") == [(0,)]
    assert second.read("PRAGMA user_version") == [(2,)]
    second.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Database(tmp_path / "keys.db", ("keys_0001.sql",)).close()
    with pytest.raises(Unavailable):
        Database(tmp_path / "keys.db", ("keys_0001.sql", "keys_0001.sql"))  # makes the same tables again
    again = Database(tmp_path / "keys.db", ("keys_0001.sql",))
    assert again.read("PRAGMA user_version") == [(1,)]
    again.close()


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(Unavailable, match=r"keys\.db"):
        Database(tmp_path / "keys.db", ("keys_0001.sql",))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "records.db", ("records_0001.sql", "records_0002.sql")).close()
    with pytest.raises(ConfigError, match="newer Quietline"):
        Database(tmp_path / "records.db", ("records_0001.sql",))


def test_scrubbing_waits_for_no_reader_but_says_so(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.write(put("one"))  # type: ignore[arg-type]
    reader = sqlite3.connect(tmp_path / "keys.db", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM secret").fetchall()
    database.write(put("two"))  # type: ignore[arg-type]
    database.write(lambda connection: connection.execute("PRAGMA busy_timeout=50").fetchall())
    with pytest.raises(Unavailable, match="try again"):
        database.scrub()
    reader.close()
    database.scrub()
    assert (tmp_path / "keys.db-wal").stat().st_size == 0


def test_a_write_that_takes_too_long_is_given_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WRITE_SECONDS", 0.05)
    done = threading.Event()
    with pytest.raises(Unavailable, match="no write within"):
        database.write(lambda connection: done.wait(5))
    done.set()
    time.sleep(0.05)


def test_closing_ends_the_writer(tmp_path: Path) -> None:
    database = Database(tmp_path / "keys.db", ("keys_0001.sql",))
    database.close()
    with pytest.raises(RuntimeError):
        database.write(put("late"))  # type: ignore[arg-type]
