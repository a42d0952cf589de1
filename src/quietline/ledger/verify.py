"""Offline verification of an exported copy: the directory and the verifier key, nothing else.

1. the checkpoint is signed by the log's key
2. every file that a tree of this size needs is there, of the right length, and nothing else
3. every entry hashes to its place in its level-0 tile
4. every tile above repeats the roots of the full tiles below it
5. the tiles' root is the one that was signed
6. an earlier checkpoint is a prefix of this log (consistency proof)
7. any one entry is in this log (inclusion proof)

What this cannot show: that the key's holder has not shown someone else another log. Keep checkpoints elsewhere and pass
one as `earlier`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from quietline.errors import TamperError
from quietline.ledger.checkpoint import Checkpoint, NoteVerifier
from quietline.ledger.export import CHECKPOINT
from quietline.ledger.merkle import (
    HASH_BYTES,
    Nodes,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from quietline.ledger.proof import Proof
from quietline.ledger.records import LEAF_BYTES, LEAF_VERSION
from quietline.ledger.tiles import (
    TILE_WIDTH,
    Tile,
    levels,
    nodes_from_tiles,
    split_hashes,
    tiles_of,
    tiles_of_level,
    unpack_entries,
)


class VerifyError(TamperError):
    """A copy that does not verify: what is wrong, where, and what that means."""

    def __init__(self, what: str, where: str, meaning: str) -> None:
        super().__init__(f"{where}: {what}. {meaning}")
        self.what = what
        self.where = where
        self.meaning = meaning


@dataclass(frozen=True, slots=True)
class Verified:
    """A copy that does: whose, how long, its root, and how many files were checked."""

    origin: str
    size: int
    root: str
    files: int
    earlier: int | None = None  # size of the earlier checkpoint it continues


class Copy:
    """An exported directory. Reads each file at most once or twice; a million entries need about 3 MB of memory."""

    def __init__(self, directory: Path, verifier: NoteVerifier) -> None:
        """(1) Raises VerifyError unless the checkpoint is signed by the verifier's key."""
        self._directory = directory
        self._verifier = verifier
        self.checkpoint = self._open(self._read(CHECKPOINT), CHECKPOINT)
        self._source = lru_cache(64)(self._tile)
        self.nodes: Nodes = nodes_from_tiles(self._source)

    def verify(self, earlier: bytes | None = None) -> Verified:
        """All of it. Raises VerifyError at the first thing that is wrong."""
        self._check_files()  # (2)
        self._check_entries()  # (3)
        self._check_levels()  # (4)
        self._check_root()  # (5)
        older = self.check_earlier(earlier) if earlier is not None else None  # (6)
        head = self.checkpoint
        return Verified(head.origin, head.size, head.root.hex(), len(self._needed()), older)

    def check_earlier(self, note: bytes) -> int:
        """(6) Raises VerifyError unless this log continues the one of an earlier checkpoint; returns its size."""
        old, new = self._open(note, "earlier checkpoint"), self.checkpoint
        if old.size > new.size:
            raise VerifyError(
                f"{new.size} entries, but {old.size} were signed before",
                CHECKPOINT,
                "The log was cut short or an older copy was put in its place",
            )
        if old.size == new.size and old.root != new.root:
            raise VerifyError(
                f"two signed checkpoints of {old.size} entries have different roots",
                CHECKPOINT,
                "The log was forked: its key signed two histories",
            )
        try:
            proof = consistency_proof(old.size, new.size, self.nodes)
            verify_consistency(old.size, new.size, old.root, new.root, proof)
        except VerifyError:
            raise
        except TamperError as error:
            raise VerifyError(str(error), CHECKPOINT, "The log was rewritten since the earlier checkpoint") from None
        return old.size

    def check_entry(self, index: int) -> str:
        """(7) The leaf hash (hex) of an entry whose inclusion was proven. Raises VerifyError otherwise."""
        size = self.checkpoint.size
        if not 0 <= index < size:
            raise VerifyError(f"no entry {index} in a log of {size}", CHECKPOINT, "Name an index below the size")
        tile = Tile(0, index // TILE_WIDTH, min(TILE_WIDTH, size - index // TILE_WIDTH * TILE_WIDTH))
        leaf = leaf_hash(self._entries(tile)[index - tile.first])
        try:
            proof = inclusion_proof(index, size, self.nodes)
            verify_inclusion(leaf, index, size, proof, self.checkpoint.root)
        except VerifyError:
            raise
        except TamperError as error:
            meaning = "The entry is not the one that was signed"
            raise VerifyError(str(error), f"{tile.entries_path}, entry {index}", meaning) from None
        return leaf.hex()

    def prove(self, index: int) -> Proof:
        """A proof of this entry that stands alone. Raises VerifyError as `check_entry`."""
        self.check_entry(index)
        size = self.checkpoint.size
        tile = Tile(0, index // TILE_WIDTH, min(TILE_WIDTH, size - index // TILE_WIDTH * TILE_WIDTH))
        record = self._entries(tile)[index - tile.first]
        return Proof(record, index, tuple(inclusion_proof(index, size, self.nodes)), self._read(CHECKPOINT))

    def _check_files(self) -> None:
        needed, found = self._needed(), set(self._found())
        for path in sorted(needed - found):
            raise VerifyError("missing", path, f"The log of {self.checkpoint.size} entries is not all here")
        for path in sorted(found - needed):
            raise VerifyError(
                f"not part of a log of {self.checkpoint.size} entries",
                path,
                "Files were added, or the checkpoint is older than the tiles",
            )

    def _check_entries(self) -> None:
        for tile in tiles_of_level(0, self.checkpoint.size):
            entries, hashes = self._entries(tile), split_hashes(self._source(0, tile.index))
            if list(map(leaf_hash, entries)) == hashes:
                continue
            at = next(i for i, entry in enumerate(entries) if leaf_hash(entry) != hashes[i])
            raise VerifyError(
                f"entry {tile.first + at} does not hash to its place in {tile.path}",
                tile.entries_path,
                "The entry or the tile was changed, or entries change places",
            )

    def _check_levels(self) -> None:
        for level in range(1, levels(self.checkpoint.size)):
            for tile in tiles_of_level(level, self.checkpoint.size):
                for at, node in enumerate(split_hashes(self._tile(level, tile.index)), tile.first):
                    self._check_parent(tile, Tile(level - 1, at), node)

    def _check_parent(self, tile: Tile, child: Tile, node: bytes) -> None:
        if tree_hash(split_hashes(self._source(child.level, child.index))) != node:
            raise VerifyError(
                f"hash {child.index - tile.first} is not the root of {child.path}",
                tile.path,
                "One of the two tiles was changed",
            )

    def _check_root(self) -> None:
        if root_at(self.checkpoint.size, self.nodes) != self.checkpoint.root:
            raise VerifyError(
                f"the root of the {self.checkpoint.size} entries here is not the signed one",
                CHECKPOINT,
                "The entries are not those that were signed: rewritten, reordered, or of another log",
            )

    def _entries(self, tile: Tile) -> list[bytes]:
        meaning = "The bundle was changed"
        try:
            entries = unpack_entries(self._read(tile.entries_path))
        except TamperError as error:
            raise VerifyError(str(error), tile.entries_path, meaning) from None
        if len(entries) != tile.width:
            raise VerifyError(f"{len(entries)} entries in place of {tile.width}", tile.entries_path, meaning)
        for at, entry in enumerate(entries, tile.first):
            if len(entry) != LEAF_BYTES or entry[:1] != LEAF_VERSION:
                raise VerifyError(f"entry {at} is not a version 1 leaf", tile.entries_path, meaning)
        return entries

    def _tile(self, level: int, index: int) -> bytes:
        width = min(TILE_WIDTH, (self.checkpoint.size >> 8 * level) - index * TILE_WIDTH)
        tile = Tile(level, index, width)
        raw = self._read(tile.path)
        if len(raw) != width * HASH_BYTES:
            raise VerifyError(f"{len(raw)} bytes in place of {width * HASH_BYTES}", tile.path, "The tile was changed")
        return raw

    def _needed(self) -> set[str]:
        size = self.checkpoint.size
        return {tile.path for tile in tiles_of(size)} | {tile.entries_path for tile in tiles_of_level(0, size)}

    def _found(self) -> Iterator[str]:
        for path in (self._directory / "tile").rglob("*"):
            if not path.is_dir():
                yield path.relative_to(self._directory).as_posix()

    def _open(self, note: bytes, where: str) -> Checkpoint:
        try:
            return self._verifier.checkpoint(note)
        except TamperError as error:
            meaning = "It was changed, or is not of this log and key"
            raise VerifyError(str(error).removeprefix("checkpoint: "), where, meaning) from None

    def _read(self, path: str) -> bytes:
        try:
            return (self._directory / path).read_bytes()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise VerifyError(f"cannot be read ({reason})", path, "The copy is not complete") from None


def verify_directory(directory: Path, vkey: str, earlier: bytes | None = None) -> Verified:
    """Verify an exported copy against the log's verifier key, and against an earlier checkpoint (a signed note).

    Raises VerifyError at the first thing that is wrong, ConfigError when `vkey` is no verifier key.
    """
    return Copy(directory, NoteVerifier(vkey)).verify(earlier)
