"""Tiles of C2SP tlog-tiles: their coordinates and paths, entry bundles, and a tree that grows by its right edge. Pure.

A tile of level L holds up to 256 consecutive hashes of height 8·L. Only the right-most of a level is partial.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from quietline.errors import TamperError
from quietline.ledger.merkle import HASH_BYTES, Nodes, edge_root, node_hash, tree_hash

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAX_ENTRY_BYTES = 0xFFFF  # uint16 length prefix

TileSource = Callable[[int, int], bytes]  # (level, index) -> its hashes, one after the other


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Where a tile stands. `width` is 1..256 hashes; below 256 it is partial."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_numbered(self.index, self.width)}"

    @property
    def entries_path(self) -> str:
        """`tile/entries/<N>[.p/<W>]`: the bundle with this level-0 tile's entries."""
        return f"tile/entries/{_numbered(self.index, self.width)}"

    @property
    def first(self) -> int:
        """The index, at this level, of its first hash."""
        return self.index * TILE_WIDTH


def _numbered(index: int, width: int) -> str:
    """1234067 -> x001/x234/067, with `.p/<W>` when partial."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return name if width == TILE_WIDTH else f"{name}.p/{width}"


def tiles_of_level(level: int, size: int) -> Iterator[Tile]:
    """The tiles of one level for a tree of `size` leaves, the partial one last."""
    full, partial = divmod(size >> TILE_HEIGHT * level, TILE_WIDTH)
    for index in range(full):
        yield Tile(level, index)
    if partial:
        yield Tile(level, full, partial)


def levels(size: int) -> int:
    """How many levels have a tile."""
    return -(-size.bit_length() // TILE_HEIGHT)


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of a tree of `size` leaves."""
    for level in range(levels(size)):
        yield from tiles_of_level(level, size)


def split_hashes(raw: bytes) -> list[bytes]:
    """A tile's bytes as hashes."""
    return [raw[i : i + HASH_BYTES] for i in range(0, len(raw), HASH_BYTES)]


def nodes_from_tiles(source: TileSource) -> Nodes:
    """Any complete subtree's hash, out of the one tile that has it. Raises TamperError if the tile is too short."""

    def node(height: int, index: int) -> bytes:
        level, inside = divmod(height, TILE_HEIGHT)
        first, width = index << inside, 1 << inside
        start = first % TILE_WIDTH * HASH_BYTES
        raw = source(level, first // TILE_WIDTH)[start : start + width * HASH_BYTES]
        if len(raw) != width * HASH_BYTES:
            raise TamperError(f"tile {level}/{first // TILE_WIDTH}: too short for hash {first + width - 1}")
        return tree_hash(split_hashes(raw))

    return node


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """An entry bundle: each entry behind its big-endian uint16 length. Raises ValueError above 65,535 bytes."""
    parts = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry of {len(entry)} bytes; a bundle's entry has at most {MAX_ENTRY_BYTES}")
        parts += [struct.pack(">H", len(entry)), entry]
    return b"".join(parts)


def unpack_entries(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises TamperError when it ends inside an entry."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise TamperError(f"the bundle ends inside its entry {len(entries)} (byte {at})")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


class Tree:
    """A growing tree: its size, right edge and partial tiles, O(log n) hashes however large it is."""

    __slots__ = ("_changed", "_full", "edge", "partial", "size")

    def __init__(self, size: int = 0, partial: Sequence[bytes] = ()) -> None:
        """partial: the right-most tile's bytes of each level, b"" where it has none."""
        self.size = size
        self.partial = [bytearray(raw) for raw in partial]
        self.edge = _edge_of(self.partial)
        self._full: list[tuple[int, int, bytes]] = []
        self._changed: set[int] = set()

    def copy(self) -> Tree:
        """Grows on its own, so that a commit that fails leaves the original as it was."""
        twin = Tree()
        twin.size, twin.edge = self.size, self.edge.copy()
        twin.partial = [raw.copy() for raw in self.partial]
        return twin

    @property
    def root(self) -> bytes:
        return edge_root(self.edge)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash: one node hash on average."""
        self._note(0, leaf)
        node, height = leaf, 0
        while self.size >> height & 1:
            node, height = node_hash(self.edge.pop(), node), height + 1
            if height % TILE_HEIGHT == 0:
                self._note(height // TILE_HEIGHT, node)
        self.edge.append(node)
        self.size += 1

    def take_tiles(self) -> list[tuple[int, int, bytes]]:
        """Since the last call: tiles that filled up, and the present partial tiles of level 1 and above that grew.

        The partial tile of level 0 is left out: its hashes are those of the newest leaves.
        """
        grown = [(level, self._index(level), bytes(self.partial[level])) for level in sorted(self._changed)]
        taken = self._full + [tile for tile in grown if tile[2]]
        self._full, self._changed = [], set()
        return taken

    def _note(self, level: int, node: bytes) -> None:
        if level == len(self.partial):
            self.partial.append(bytearray())
        raw = self.partial[level]
        raw += node
        if level:
            self._changed.add(level)
        if len(raw) == TILE_BYTES:
            # `size` does not count the leaf that completes this tile yet.
            self._full.append((level, (self.size >> TILE_HEIGHT * level) // TILE_WIDTH, bytes(raw)))
            raw.clear()

    def _index(self, level: int) -> int:
        return (self.size >> TILE_HEIGHT * level) // TILE_WIDTH


def _edge_of(partial: Sequence[bytes | bytearray]) -> list[bytes]:
    """The complete subtrees inside each level's partial tile, largest first."""
    edge: list[bytes] = []
    for raw in reversed(partial):
        hashes, start = split_hashes(bytes(raw)), 0
        for bit in reversed(range(TILE_HEIGHT)):
            if len(hashes) >> bit & 1:
                edge.append(tree_hash(hashes[start : start + (1 << bit)]))
                start += 1 << bit
    return edge
