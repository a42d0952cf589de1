"""Look-ups by number among many customers, and rotation of keys, on real files.

Run: python bench/vault_keys.py [customers of the largest look-up, default 5000000]. Prints a table, adds its rows to
bench/out/vault.json.

The index is filled directly: rows as `BlindIndex` makes them, sorted by SQLite. Half of the look-ups miss. Disk's
caches are as they come: warm. Rotation runs alone, batch after batch with no pause, one fsync a transaction.
"""

from __future__ import annotations

import hmac
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import keep
from quietline.sealed import SIGNALLING, Sealed, Ticket
from quietline.testing.key_shop import KeyShop
from quietline.testing.vault import MemoryKms
from quietline.vault import rotate_data, rotate_index, rotate_kek
from quietline.vault.blind_index import PHONE, BlindIndex, IndexRow
from quietline.vault.keys import Keyring, open_keys_database
from quietline.vault.records import CUSTOMER, NewRecord, owners_of
from quietline.vault.rotation import DATA, INDEX, KEK

OWN = "lookup. rotation."
SIZES = {"10k": 10_000, "1m": 1_000_000, "5m": 5_000_000}
LOOKS = 20_000
ROTATED = 2_000  # customers
FIELDS = ("contact.phone", "contact.name", "contact.email", "delivery.address")
DEFAULTS = {KEK: rotate_kek.BATCH, DATA: rotate_data.BATCH, INDEX + PHONE: rotate_index.BATCH}
_TICKET = Ticket("bench", "bench", SIGNALLING)
Row = dict[str, Any]


def number_of(place: int) -> str:
    """Numbers that nobody has: country code 999."""
    return f"+999{place:09}"


def fill(folder: Path, count: int) -> Keyring:
    """An index with this many customers. Slow parts of a real import (fsync, keys) are left out."""
    database = open_keys_database(folder)
    keyring = Keyring(database, MemoryKms())
    token_key, row_key = keyring.secret(f"index/{PHONE}"), keyring.secret("index/rows")
    database.close()
    with closing(sqlite3.connect(folder / "keys.db", isolation_level=None)) as raw:
        raw.executescript("PRAGMA synchronous=OFF; PRAGMA secure_delete=0; DROP INDEX blind_index_subject; BEGIN;")
        raw.execute("CREATE TEMP TABLE loose (token BLOB, subject TEXT, mac BLOB)")
        raw.executemany("INSERT INTO loose VALUES (?, ?, ?)", rows_of(count, token_key, row_key))
        raw.execute("INSERT INTO blind_index SELECT ?, token, subject, mac FROM loose ORDER BY token", (PHONE,))
        raw.execute("CREATE INDEX blind_index_subject ON blind_index (subject, field)")
        raw.execute("COMMIT")
    return keyring


def rows_of(count: int, token_key: bytes, row_key: bytes) -> Iterator[tuple[bytes, str, bytes]]:
    """As `blind_index.py` makes them; `measure` would raise TamperError otherwise."""
    start, field = len(b"brand").to_bytes(4, "big") + b"brand", len(PHONE).to_bytes(4, "big") + PHONE.encode()
    for place in range(count):
        token = hmac.digest(token_key, start + number_of(place).encode(), "sha256")
        subject = f"cu_{place:032x}"
        yield token, subject, hmac.digest(row_key, field + token + subject.encode(), "sha256")


def measure(folder: Path, keyring: Keyring, count: int) -> list[float]:
    """Milliseconds of each look-up, sorted; every one is checked."""
    database = open_keys_database(folder)
    index, taken = BlindIndex(database, keyring), []
    chance = random.Random(7)
    for look in range(LOOKS):
        place = chance.randrange(count) + (count if look % 2 else 0)
        number = number_of(place)
        start = time.perf_counter()
        found = index.find("brand", PHONE, number)
        taken.append((time.perf_counter() - start) * 1e3)
        assert found == (f"cu_{place:032x}" if place < count else ""), place
    database.close()
    return sorted(taken)


def lookups(largest: int) -> list[Row]:
    rows = []
    for name, count in SIZES.items():
        if count > largest:
            continue
        folder = Path(tempfile.mkdtemp(prefix="ql-bench-index-"))
        try:
            taken = measure(folder, fill(folder, count), count)
        finally:
            shutil.rmtree(folder)
        rows.append(row(f"lookup.p50_ms.{name}", statistics.median(taken), "ms"))
        rows.append(row(f"lookup.p99_ms.{name}", taken[int(len(taken) * 0.99)], "ms"))
    return rows


def rotations() -> list[Row]:
    folder = Path(tempfile.mkdtemp(prefix="ql-bench-rotation-"))
    try:
        with KeyShop(folder) as shop:
            stock(shop)
            stored = (folder / "records.db").stat().st_size / (ROTATED * len(FIELDS))
            rows = [row("rotation.customers", ROTATED, ""), row("rotation.stored_bytes_per_field", stored, "B")]
            for what, name in ((KEK, "kek"), (DATA, "data"), (INDEX + PHONE, "index")):
                shop.start(what)
                start = time.perf_counter()
                done = shop.finish(what, DEFAULTS[what])
                taken = time.perf_counter() - start
                made = {KEK: done.total, DATA: ROTATED * len(FIELDS)}.get(what, ROTATED)
                rows.append(row(f"rotation.{name}_rows_per_s", made / taken, "1/s"))
    finally:
        shutil.rmtree(folder)
    return rows


def stock(shop: KeyShop) -> None:
    """Customers with four fields each, two keys, one index row; written in one transaction a kind."""
    customers = [f"cu_{place:032x}" for place in range(ROTATED)]
    values = [
        dict(zip(FIELDS, (number_of(place), "Ana", "a@example.com", "1 Lane"), strict=True)) for place in range(ROTATED)
    ]
    shop.keyring.make(*(owner for customer in customers for owner in owners_of("brand", customer)[:2]))
    records = [
        NewRecord("brand", customer, CUSTOMER, {name: Sealed(value) for name, value in given.items()}, first=True)
        for customer, given in zip(customers, values, strict=True)
    ]
    shop.records.add(records, _TICKET)
    shop.index.write(
        (), [IndexRow("brand", who, PHONE, given[PHONE]) for who, given in zip(customers, values, strict=True)]
    )
    shop.rows.scrub()


def row(name: str, value: float, unit: str) -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit}


def main(largest: int) -> None:
    rows = lookups(largest) + rotations()
    table = Table("row", "value", "unit")
    for each in rows:
        table.add_row(each["name"], f"{each['value']:,.3f}", each["unit"])
    Console().print(table)
    keep("vault", rows, OWN)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES["5m"])
