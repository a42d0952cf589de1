"""A SQLite file with one writer thread and a reader connection per thread; SQL comes from named files.

WAL with synchronous=FULL: a write that returned is on the disk. secure_delete overwrites what is deleted, and `scrub`
truncates the write-ahead log, which otherwise keeps deleted pages (measured; docs/decisions/0002-vault.md).
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from quietline.errors import ConfigError, Unavailable

T = TypeVar("T")
Row = tuple[Any, ...]
WRITE_SECONDS = 10.0  # a write that takes longer is given up by its caller
BUSY_MS = 5_000
_NAMED = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load_sql(name: str, package: str = "quietline.vault.sql") -> dict[str, str]:
    """The statements of a file, by the names in its `-- name:` lines."""
    parts = _NAMED.split(files(package).joinpath(name).read_text())
    return {parts[i]: parts[i + 1].strip() for i in range(1, len(parts), 2)}


class Database:
    """One file below `state/vault`, mode 0600. Methods block: call them off the event loop."""

    def __init__(self, path: Path, migrations: Sequence[str], package: str = "quietline.vault.sql") -> None:
        self._path = path
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix=f"writer-{path.stem}")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        scripts = [files(package).joinpath(name).read_text() for name in migrations]
        self._wait(self._writer.submit(self._migrate, scripts))

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction on the writer thread; returns once it is durable."""
        return self._wait(self._writer.submit(self._transact, work))

    def scrub(self) -> None:
        """Truncate the write-ahead log, so that what was deleted is in no file. Raises Unavailable while read."""
        (busy, _, _) = self._wait(self._writer.submit(self._checkpoint))
        if busy:
            raise Unavailable(f"{self._path.name}: the write-ahead log is in use; try again")

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows, from a connection of the calling thread."""
        return self._connection().execute(sql, parameters).fetchall()

    def close(self) -> None:
        self._writer.shutdown(wait=True)
        with self._guard:
            for connection in self._open:
                with suppress(sqlite3.ProgrammingError):
                    connection.close()
            self._open.clear()

    def _wait(self, future: Future[T]) -> T:
        try:
            return future.result(WRITE_SECONDS)
        except FutureTimeout:
            raise Unavailable(f"{self._path.name}: no write within {WRITE_SECONDS:.0f} s") from None
        except sqlite3.Error as error:
            raise Unavailable(
                f"{self._path.name}: cannot write ({getattr(error, 'sqlite_errorname', 'SQLite')})"
            ) from None

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute(
            "COMMIT"
        )  # Crash before this line: nothing of `work` happened. After it: all of it is on disk.
        return result

    def _checkpoint(self) -> Row:
        row: Row = self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return row

    def _migrate(self, scripts: Sequence[str]) -> None:
        """Apply the plain-SQL migrations that this file has not had; `user_version` counts them."""
        connection = self._connection()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(scripts):
            raise ConfigError(f"{self._path.name}: written by a newer Quietline (schema {version}); upgrade first")
        for number, script in enumerate(scripts[version:], version + 1):
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")

    def _connection(self) -> sqlite3.Connection:
        held = getattr(self._local, "connection", None)
        if isinstance(held, sqlite3.Connection):
            return held
        # Only its own thread uses a connection; `close` may come from another.
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        for pragma in (f"busy_timeout={BUSY_MS}", "journal_mode=WAL", "synchronous=FULL", "secure_delete=1"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("PRAGMA foreign_keys=ON")
        with self._guard:
            self._open.append(connection)
        self._local.connection = connection
        return connection
