"""Erases again what was erased, wherever an older copy of a database brought it back. Before the vault serves.

No key is needed for it: rows of the index, wrapped keys and sealed values go by their tokens. Each database knows how
many erasures it has seen, so that an older copy is told of the rest, and a customer who came back later is left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from quietline.vault.bodies import DATA_CLASS as BODIES
from quietline.vault.database import Database, load_sql
from quietline.vault.tombstones import NAME, Tombstone, Tombstones

SQL = load_sql("replay.sql")
ROWS = load_sql("records.sql")


class Memory(Protocol):
    """What is remembered of customers."""

    async def forget_before(self, customer: str, at: float) -> None:
        """Drop what is known of this customer from before `at`, UTC seconds. Durable on return."""


def open_tombstones(folder: Path, keys: Database, records: Database, now: Callable[[], float]) -> Tombstones:
    """`erasures.log` below `folder`, after both databases have done what it says. Blocks. Raises TamperError."""
    stones = Tombstones(folder / NAME, now, lambda lines: _see(lines, keys, records))
    every = stones.every()
    seen = min(_seen(keys), _seen(records))
    if seen < len(every):
        stones.replayed = replay(every[seen:], keys, records)
        _see(len(every), keys, records)
    return stones


def _seen(database: Database) -> int:
    return int(database.read(SQL["seen"])[0][0])


def _see(lines: int, *databases: Database) -> None:
    """Crash between the two: the next start does once more what is done already."""
    for database in databases:
        database.write(lambda connection: connection.execute(SQL["see"], (lines,)))


def forget_seen(*databases: Database) -> None:
    """Everything is to be done once more."""
    _see(0, *databases)


def replay(tombstones: Iterable[Tombstone], keys: Database, records: Database) -> int:
    """Erase once more; how many customers were there again. Blocks; harmless where nothing is to be done."""
    risen = [each for each in tombstones if _is_there(each, keys, records)]
    for each in risen:
        _erase(each, keys, records)
    if risen:
        _drop_loose(keys, records)
        keys.scrub()
        records.scrub()
    return len({each.customer for each in risen})


def _is_there(stone: Tombstone, keys: Database, records: Database) -> bool:
    customer = stone.customer
    return bool(
        keys.read(SQL["has_rows"], (customer,))
        or any(keys.read(SQL["has_key"], (customer, each)) for each in (*stone.classes, BODIES))
        or any(records.read(SQL["has_fields"], (customer, each)) for each in stone.classes)
    )


def _erase(stone: Tombstone, keys: Database, records: Database) -> None:
    """Index rows, then keys, then values, as the erasure itself did."""
    customer = stone.customer
    owners = [(stone.controller, customer, each) for each in stone.classes] + [("", customer, BODIES)]
    held = [record for (record,) in records.read(SQL["records"], (customer,))]

    def forget(connection: sqlite3.Connection) -> None:
        connection.execute(SQL["erase_rows"], (customer,))
        connection.executemany(SQL["erase_key"], owners)
        connection.executemany(SQL["erase_next_key"], owners)

    def empty(connection: sqlite3.Connection) -> None:
        connection.executemany(ROWS["erase_class"], [(customer, each) for each in stone.classes])
        connection.execute(ROWS["erase_empty"], (customer,))

    keys.write(forget)
    # Crash here: the values cannot be read any more, and the next start deletes them.
    records.write(empty)
    left = {record for (record,) in records.read(SQL["records"], (customer,))}
    gone = [(record,) for record in held if record not in left] + ([] if left else [(customer,)])
    keys.write(lambda connection: connection.executemany(SQL["erase_orders"], gone))


def _drop_loose(keys: Database, records: Database) -> None:
    """Index rows of orders that an older `keys.db` has and the records have not."""
    page = keys.read(SQL["order_records"], ("",))
    while page:
        loose = [row for row in page if not records.read(SQL["has_record"], row)]
        keys.write(lambda connection, loose=loose: connection.executemany(SQL["erase_orders"], loose))  # type: ignore[misc]
        page = keys.read(SQL["order_records"], page[-1])


async def forget_again(stones: Iterable[Tombstone], *memories: Memory) -> None:
    """The same for what the vault remembers beside the rows, sealed under a key of its own: helpers, last talks. Asked
    at every start, before the vault serves; what came after the erasure stays. Raises Unavailable."""
    for stone in stones:
        for memory in memories:
            await memory.forget_before(stone.customer, stone.at)
