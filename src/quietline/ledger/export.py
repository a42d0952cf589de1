"""A copy that stands on its own: the static layout of C2SP tlog-tiles, one consistent moment of the log.

    checkpoint  vkey  tile/<L>/<N>  tile/entries/<N>  bodies/<N>.jsonl (optional)

Needs the file only, no key: tiles, entries and checkpoint are public to whoever may audit; bodies stay sealed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from quietline.errors import ConfigError, TamperError
from quietline.ledger.merkle import HASH_BYTES
from quietline.ledger.store import Head, leaf_records, level_bytes, open_reader, read_head
from quietline.ledger.tiles import Tile, pack_entries, tiles_of, tiles_of_level

CHECKPOINT = "checkpoint"
VKEY = "vkey"
_PARTS = ("tile", "bodies")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written where."""

    directory: Path
    size: int
    vkey: str


def export_ledger(database: Path, directory: Path, *, bodies: bool = True) -> Exported:
    """Write the copy, in place of an older one. Blocks; safe while the ledger is being written.

    Raises ConfigError when the directory holds something else, TamperError when the ledger lacks leaves or tiles.
    """
    _prepare(directory)
    with closing(open_reader(database)) as db:
        db.execute("BEGIN")  # one read transaction: everything below is of one moment (SQLite snapshot isolation)
        head = read_head(db)
        _write_tiles(db, directory, head.size)
        if bodies:
            _write_bodies(db, directory, head.size)
    return _publish(directory, head)


def _prepare(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {entry.name for entry in directory.iterdir()}
    if names and CHECKPOINT not in names and "tile" not in names:
        raise ConfigError(f"{directory}: holds something that is no ledger export; name an empty directory")
    (directory / CHECKPOINT).unlink(missing_ok=True)  # first gone, last written: half a copy has none
    for part in _PARTS:
        if (directory / part).is_dir():
            shutil.rmtree(directory / part)


def _publish(directory: Path, head: Head) -> Exported:
    _write(directory / VKEY, head.vkey.encode() + b"\n")
    _write(directory / "checkpoint.new", head.note)
    os.replace(directory / "checkpoint.new", directory / CHECKPOINT)
    return Exported(directory, head.size, head.vkey)


def _write_tiles(db: sqlite3.Connection, directory: Path, size: int) -> None:
    for tile in tiles_of(size):
        raw = level_bytes(db, tile.level, tile.index, tile.width)
        if len(raw) != tile.width * HASH_BYTES:
            raise TamperError(f"ledger: tile {tile.path} is missing or too short in the file")
        _write(directory / tile.path, raw)
    for tile in tiles_of_level(0, size):
        _write(directory / tile.entries_path, pack_entries(leaf_records(db, tile.index, tile.width)))


def _write_bodies(db: sqlite3.Connection, directory: Path, size: int) -> None:
    """A file per bundle of 256 entries; an erased body has no line."""
    for tile in tiles_of_level(0, size):
        lines = list(_body_lines(db, tile))
        _write(directory / "bodies" / f"{tile.index:06d}.jsonl", "".join(lines).encode())


def _body_lines(db: sqlite3.Connection, tile: Tile) -> Iterator[str]:
    query = "SELECT idx, subject, sealed FROM body WHERE idx >= ? AND idx < ? ORDER BY idx"
    for index, subject, sealed in db.execute(query, (tile.first, tile.first + tile.width)):
        yield json.dumps({"index": index, "subject": subject, "sealed": base64.b64encode(sealed).decode()}) + "\n"


def _write(path: Path, raw: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(raw)
