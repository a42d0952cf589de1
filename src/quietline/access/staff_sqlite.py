"""Accounts, certificates, sessions and grants in `state/vault/staff.db`: SQLite in WAL with synchronous=FULL.

One connection writes and one reads, each behind a lock, so that no reader waits for the disk of a writer. Every method
blocks, for about 0.2–1 ms where it writes. `secure_delete` overwrites what is dropped in the file; the write-ahead log
holds it until the next checkpoint.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from quietline.access.ports import CertificateRow, FactorRow, LinkRow, SessionRow, StaffRow, TokenRow
from quietline.errors import ConfigError, Unavailable

_SQL_FILE: Final = Path(__file__).with_name("staff.sql")
_VERSION: Final = 2  # of the layout; PRAGMA user_version
_BUSY_SECONDS: Final = 5.0  # how long to wait for another process (backup) that holds the file


class SqliteStaff:
    """All stores of `ports.py` in one file, mode 0600.

    Raises Unavailable when it cannot be used, ConfigError when another version of the program made it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # the writing connection
        self._reading = threading.Lock()
        self._sql = _statements(_SQL_FILE.read_text("utf-8"))
        with self._explained(), ExitStack() as undo:
            self._db = undo.enter_context(closing(self._connect()))
            self._prepare()
            self._reader = undo.enter_context(closing(self._connect()))
            self._reader.execute("PRAGMA query_only = 1")
            self._watch = undo.enter_context(closing(self._connect()))
            self._close = undo.pop_all().close

    def close(self) -> None:
        with self._reading, self._lock:
            self._close()

    # -- StaffStore

    def version(self) -> int:
        """SQLite's own (pragma.html#pragma_data_version): a connection that never writes sees everybody's commits."""
        with self._explained():
            return int(self._watch.execute("PRAGMA data_version").fetchone()[0])

    def by_login(self, login: str) -> StaffRow | None:
        return next(map(_staff, self._read("by_login", login)), None)

    def by_agent(self, agent: str) -> StaffRow | None:
        return next(map(_staff, self._read("by_agent", agent)), None)

    def all_staff(self) -> list[StaffRow]:
        return [_staff(row) for row in self._read("all_staff")]

    def put_staff(self, row: StaffRow) -> None:
        self.put_all([row])

    def put_all(self, rows: Sequence[StaffRow]) -> None:
        agent = ""
        try:
            with self._writing() as db:
                for row in rows:
                    agent = row.agent
                    self._put_staff(db, row)
        except sqlite3.IntegrityError:
            raise ConfigError(f"staff {agent}: another account has this login; choose another") from None

    def _put_staff(self, db: sqlite3.Connection, row: StaffRow) -> None:
        db.execute(self._sql["put_staff"], {**asdict(row), "skills": json.dumps(row.skills)})

    def certificates(self, agent: str) -> list[CertificateRow]:
        return [CertificateRow(*row) for row in self._read("certificates", agent)]

    def all_certificates(self) -> list[CertificateRow]:
        return [CertificateRow(*row) for row in self._read("all_certificates")]

    def put_certificate(self, row: CertificateRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["put_certificate"], asdict(row))

    # -- SessionStore

    def sessions(self) -> list[SessionRow]:
        return [SessionRow(**{**dict(row), "methods": _words(row["methods"])}) for row in self._read("sessions")]

    def put_session(self, row: SessionRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["put_session"], {**asdict(row), "methods": " ".join(row.methods)})

    def touch_sessions(self, seen: Sequence[tuple[str, float]]) -> None:
        with self._writing() as db:
            db.executemany(self._sql["touch_session"], seen)

    def drop_sessions(self, digests: Iterable[str]) -> None:
        with self._writing() as db:
            db.executemany(self._sql["drop_session"], [(digest,) for digest in digests])

    # -- FactorStore

    def factors(self, agent: str) -> FactorRow | None:
        return next((FactorRow(*row) for row in self._read("factors", agent)), None)

    def put_factors(self, row: FactorRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["put_factors"], asdict(row))

    def put_factors_and_staff(self, row: FactorRow, account: StaffRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["put_factors"], asdict(row))
            self._put_staff(db, account)

    # -- LinkStore

    def links(self) -> list[LinkRow]:
        return [LinkRow(*row) for row in self._read("all_links")]

    def put_link(self, row: LinkRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["drop_links"], (row.agent,))
            db.execute(self._sql["put_link"], asdict(row))

    def drop_links(self, agent: str) -> None:
        with self._writing() as db:
            db.execute(self._sql["drop_links"], (agent,))

    # -- TokenStore

    def tokens(self) -> list[TokenRow]:
        return [TokenRow(**{**dict(row), "scopes": _words(row["scopes"])}) for row in self._read("tokens")]

    def put_token(self, row: TokenRow) -> None:
        with self._writing() as db:
            db.execute(self._sql["put_token"], {**asdict(row), "scopes": " ".join(row.scopes)})

    def drop_tokens(self, digests: Iterable[str]) -> None:
        with self._writing() as db:
            db.executemany(self._sql["drop_token"], [(digest,) for digest in digests])

    # -- GrantStore

    def grants(self) -> list[dict[str, Any]]:
        return [{**_record(row["record"]), "id": row["id"]} for row in self._read("grants")]

    def write_grants(self, put: Sequence[dict[str, Any]], drop: Iterable[str]) -> None:
        with self._writing() as db:
            db.executemany(self._sql["drop_grant"], [(key,) for key in drop])
            db.executemany(self._sql["put_grant"], [(record["id"], json.dumps(record)) for record in put])

    # -- inside

    def _connect(self) -> sqlite3.Connection:
        made = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        made.row_factory = sqlite3.Row
        return made

    def _prepare(self) -> None:
        self._path.chmod(0o600)
        self._check_version()
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = 1"):
            self._db.execute(f"PRAGMA {pragma}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 1:
            # Crash here: nothing has changed yet; the next start migrates.
            self._db.executescript(f"BEGIN IMMEDIATE; {self._sql['from_1']} COMMIT;")
        self._db.executescript(self._sql["schema"])

    def _check_version(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, 1, _VERSION):  # 0: a new file
            raise ConfigError(
                f"{self._path.name}: layout {version}, this program reads {_VERSION}; use its own version"
            )

    def _read(self, name: str, *values: str) -> list[sqlite3.Row]:
        with self._reading, self._explained():
            return self._reader.execute(self._sql[name], values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")  # synchronous=FULL: durable from here on
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(
                f"{self._path.name}: cannot be used ({type(error).__name__}); see disk and rights"
            ) from None


def _staff(row: sqlite3.Row) -> StaffRow:
    values = dict(row)
    return StaffRow(**{**values, "skills": _skills(values["skills"]), "second": values["second"] != 0})


def _words(text: str) -> tuple[str, ...]:
    return tuple(str(text).split())


def _skills(text: str) -> tuple[str, ...]:
    """As stored; what is no list of ours is one odd skill, which no voucher fits."""
    with suppress(ValueError):
        skills = json.loads(text)
        if isinstance(skills, list):
            return tuple(skills)
    return (text,)


def _record(text: str) -> dict[str, Any]:
    """A saved grant; of what is not one nothing is left, and no voucher fits that."""
    with suppress(ValueError):
        record = json.loads(text)
        return record if isinstance(record, dict) else {}
    return {}


def _statements(text: str) -> dict[str, str]:
    """The named statements of a .sql file."""
    blocks = text.split("-- name: ")[1:]
    return {name.strip(): body.strip() for name, _, body in (block.partition("\n") for block in blocks)}
