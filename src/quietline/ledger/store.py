"""The ledger's SQLite file. One process writes (a lock file says who); any number may read.

Who is trusted: nothing in the file is. On start the head's signature, the edge and the newest tiles must agree;
`verify` checks the rest. Someone who can write the file can stop the log or put an older copy in its place (only an
earlier checkpoint kept elsewhere shows that), but cannot forge an entry.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from quietline.errors import ConfigError, LedgerUnavailable, TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteSigner, NoteVerifier
from quietline.ledger.merkle import HASH_BYTES, leaf_hash
from quietline.ledger.ports import Durability
from quietline.ledger.tiles import TILE_HEIGHT, TILE_WIDTH, Tree, levels, split_hashes

SCHEMA = 1
_PRAGMAS = (
    "busy_timeout=5000",
    "journal_mode=WAL",
    "synchronous=FULL",  # WAL + FULL: the log is synced at every commit (sqlite.org/pragma.html#pragma_synchronous)
    "secure_delete=1",  # an erased body is overwritten
    "wal_autocheckpoint=2000",
)
# CAST: whatever was put into the file, a leaf is read as bytes and then found wanting.
_HEAD = "SELECT CAST(size AS INTEGER), CAST(edge AS BLOB), CAST(checkpoint AS BLOB), CAST(vkey AS TEXT) FROM head"
_TILE = "SELECT CAST(hashes AS BLOB) FROM tile WHERE level = ? AND idx = ?"
_LEAVES = "SELECT CAST(record AS BLOB) FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx"


class CommitToDisk:
    """The real `Durability`."""

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class Head:
    """The stored head of the log."""

    size: int
    edge: bytes
    note: bytes  # the signed checkpoint
    vkey: str


@dataclass(frozen=True, slots=True)
class Group:
    """What one commit adds. `bodies` has (index, subject, sealed) for those that keep one."""

    leaves: Sequence[tuple[int, bytes]]
    bodies: Sequence[tuple[int, str, bytes]]
    tiles: Sequence[tuple[int, int, bytes]]
    tree: Tree
    note: bytes


class LedgerFile:
    """The writer's side. Methods block."""

    def __init__(self, path: Path, signer: NoteSigner, durability: Durability) -> None:
        """Take the lock and make or migrate the file. Raises LedgerUnavailable when another process writes it."""
        self._path = path
        self._durability = durability
        self._verifier = NoteVerifier(signer.vkey)
        self._lock = _lock(path)
        try:
            self._connection = _connect(path)
            _migrate(self._connection, signer)
        except BaseException:
            os.close(self._lock)
            raise

    def load(self) -> Tree:
        """The tree as stored. Raises TamperError unless checkpoint, edge and newest tiles agree."""
        head = read_head(self._connection)
        if head.vkey != self._verifier.vkey:
            raise TamperError(f"ledger {self._path.name}: written under another key or origin than the one at hand")
        checkpoint = self._verifier.checkpoint(head.note)
        tree = Tree(head.size, [_partial(self._connection, level, head.size) for level in range(levels(head.size))])
        _must_agree(self._path.name, head, checkpoint, tree, _count(self._connection))
        return tree

    def write(self, group: Group) -> None:
        """All of the group, or nothing. Raises sqlite3.Error or OSError when it may not be durable."""
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO leaf VALUES (?, ?)", group.leaves)
        db.executemany("INSERT INTO body VALUES (?, ?, ?)", group.bodies)
        db.executemany("INSERT OR REPLACE INTO tile VALUES (?, ?, ?)", group.tiles)
        head = (group.tree.size, b"".join(group.tree.edge), group.note)
        db.execute("UPDATE head SET size = ?, edge = ?, checkpoint = ?", head)
        # Crash before the next line: none of these entries happened, and nobody was told they had.
        self._durability.commit(db)
        # Crash after it: all of them are in the log; some callers were not told, and show nothing.

    def roll_back(self) -> None:
        """After a failed write. The file may or may not hold the group; `load` says."""
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # some errors have rolled back already
                self._connection.execute("ROLLBACK")
        if self._connection.in_transaction:
            self._connection.close()
            self._connection = _connect(self._path)

    def erase(self, indexes: Sequence[int]) -> None:
        """Delete bodies, overwritten in the file and gone from the write-ahead log."""
        db = self._connection
        db.execute("BEGIN IMMEDIATE")
        db.executemany("DELETE FROM body WHERE idx = ?", [(index,) for index in indexes])
        self._durability.commit(db)
        (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise LedgerUnavailable("ledger: bodies deleted, but the write-ahead log is being read; erase again")

    def close(self) -> None:
        self._connection.close()
        os.close(self._lock)


def open_reader(path: Path) -> sqlite3.Connection:
    """A read-only connection of the calling thread. Raises ConfigError when there is no ledger."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA busy_timeout=5000")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise ConfigError(f"{path.name}: no ledger can be read here ({error.args[0]})") from None
    if version != SCHEMA:
        connection.close()
        raise ConfigError(f"{path.name}: not a ledger of this Quietline (schema {version}, expected {SCHEMA})")
    return connection


def read_head(connection: sqlite3.Connection) -> Head:
    """Size, root, key and checkpoint as last committed. Raises TamperError when there is none."""
    row = connection.execute(_HEAD).fetchone()
    if row is None:
        raise TamperError("ledger: the head is missing")
    return Head(*row)


def level_bytes(connection: sqlite3.Connection, level: int, index: int, width: int) -> bytes:
    """The hashes of one tile as stored; the partial tile of level 0 is made from its leaves."""
    if level == 0 and width < TILE_WIDTH:
        return b"".join(map(leaf_hash, leaf_records(connection, index, width)))
    row = connection.execute(_TILE, (level, index)).fetchone()
    return bytes(row[0]) if row else b""


def leaf_records(connection: sqlite3.Connection, index: int, width: int) -> list[bytes]:
    """The leaves of one entry bundle."""
    first = index * TILE_WIDTH
    rows = connection.execute(_LEAVES, (first, first + width))
    return [row[0] for row in rows]


def _partial(connection: sqlite3.Connection, level: int, size: int) -> bytes:
    index, width = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
    return level_bytes(connection, level, index, width) if width else b""


def _count(connection: sqlite3.Connection) -> int:
    """The leaves there ought to be, by the highest index."""
    (last,) = connection.execute("SELECT max(idx) FROM leaf").fetchone()
    return 0 if last is None else int(last) + 1


def _must_agree(name: str, head: Head, checkpoint: Checkpoint, tree: Tree, count: int) -> None:
    if checkpoint.size != head.size:
        raise TamperError(f"ledger {name}: the signed checkpoint has {checkpoint.size} entries, the head {head.size}")
    if count != head.size:
        raise TamperError(f"ledger {name}: {count} leaves are stored, the signed checkpoint has {head.size}")
    if tree.edge != split_hashes(head.edge) or any(len(raw) % HASH_BYTES for raw in tree.partial):
        raise TamperError(f"ledger {name}: the stored edge does not match the newest leaves and tiles")
    if tree.root != checkpoint.root:
        raise TamperError(f"ledger {name}: the signed checkpoint does not match the stored edge; do not write to it")


def _lock(path: Path) -> int:
    """One writer: two would fork the log."""
    handle = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise LedgerUnavailable(f"ledger {path.name}: another process is writing it") from None
    return handle


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    # The writer thread uses it, `open_log` and `close` do before and after that thread lives.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _migrate(connection: sqlite3.Connection, signer: NoteSigner) -> None:
    """Make the tables, with a signed checkpoint of the empty tree, in one transaction."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA:
        raise ConfigError(f"ledger: written by a newer Quietline (schema {version}); upgrade first")
    if version == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in _statements():
        connection.execute(statement)
    tree = Tree()
    note = signer.sign(Checkpoint(signer.name, 0, tree.root).text())
    connection.execute("INSERT INTO head VALUES (1, 0, ?, ?, ?)", (b"", note, signer.vkey))
    connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.execute("COMMIT")


def _statements() -> list[str]:
    script = files("quietline.ledger.sql").joinpath("ledger_1.sql").read_text()
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [part for part in "\n".join(lines).split(";") if part.strip()]
