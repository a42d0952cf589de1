"""Tile coordinates, bundles and the growing tree."""

from __future__ import annotations

import pytest

from quietline.errors import TamperError
from quietline.ledger.merkle import EMPTY_ROOT, leaf_hash, root_at, tree_hash
from quietline.ledger.tiles import (
    TILE_BYTES,
    Tile,
    Tree,
    levels,
    nodes_from_tiles,
    pack_entries,
    split_hashes,
    tiles_of,
    tiles_of_level,
    unpack_entries,
)

LEAVES = [leaf_hash(str(at).encode()) for at in range(70_000)]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(2, 7, 1), "tile/2/007.p/1"),
        (Tile(0, 999, 255), "tile/0/999.p/255"),
        (Tile(1, 1000), "tile/1/x001/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the specification's example
        (Tile(0, 1234067, 9), "tile/0/x001/x234/067.p/9"),
    ],
)
def test_paths(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tile.entries_path == "tile/entries/" + path.split("/", 2)[2]


def test_the_specification_s_tree_of_70_000() -> None:
    """273 full level-0 tiles and one of width 112, one full level-1 tile and one of 17, one level-2 tile of width 1."""
    tiles = list(tiles_of(70_000))
    assert len(tiles) == 274 + 2 + 1
    assert [tile for tile in tiles if tile.width < 256] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, []), (1, [Tile(0, 0, 1)]), (255, [Tile(0, 0, 255)]), (256, [Tile(0, 0), Tile(1, 0, 1)])],
)
def test_small_trees(size: int, expected: list[Tile]) -> None:
    assert list(tiles_of(size)) == expected


@pytest.mark.parametrize(("size", "count"), [(0, 0), (1, 1), (255, 1), (256, 2), (65_535, 2), (65_536, 3)])
def test_levels(size: int, count: int) -> None:
    assert levels(size) == count
    assert not list(tiles_of_level(count, size))


def test_tiles_grow_as_the_tree_does() -> None:
    tree, stored = Tree(), {}
    for leaf in LEAVES:
        tree.append(leaf)
        if tree.size % 1000 == 0:
            stored.update({(level, index): raw for level, index, raw in tree.take_tiles()})
    assert tree.root == tree_hash(LEAVES)
    for tile in tiles_of(tree.size):
        if tile.level or tile.width == 256:
            assert len(stored[tile.level, tile.index]) == tile.width * 32, tile
    assert stored[1, 0][:32] == tree_hash(LEAVES[:256])
    assert stored[1, 1][-32:] == tree_hash(LEAVES[272 * 256 : 273 * 256])
    assert stored[2, 0] == tree_hash(LEAVES[:65_536])


def test_take_tiles_takes_once() -> None:
    tree = Tree()
    for leaf in LEAVES[:256]:
        tree.append(leaf)
    assert [(level, index, len(raw)) for level, index, raw in tree.take_tiles()] == [(0, 0, TILE_BYTES), (1, 0, 32)]
    assert tree.take_tiles() == []


def test_a_copy_grows_on_its_own() -> None:
    tree = Tree()
    for leaf in LEAVES[:300]:
        tree.append(leaf)
    before, twin = (tree.size, tree.root, list(map(bytes, tree.partial))), tree.copy()
    for leaf in LEAVES[300:600]:
        twin.append(leaf)
    assert (tree.size, tree.root, list(map(bytes, tree.partial))) == before
    assert twin.root == tree_hash(LEAVES[:600])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 511, 65_535, 65_536, 65_793])
def test_a_tree_resumes_from_its_partial_tiles(size: int) -> None:
    tree = Tree()
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    again = Tree(size, [bytes(raw) for raw in tree.partial])
    assert (again.edge, again.root) == (tree.edge, tree.root)
    again.append(LEAVES[size])
    assert again.root == tree_hash(LEAVES[: size + 1])


def test_nodes_come_from_one_tile_each() -> None:
    asked: list[tuple[int, int]] = []
    rows = {0: LEAVES[:600], 1: [tree_hash(LEAVES[:256]), tree_hash(LEAVES[256:512])]}

    def source(level: int, index: int) -> bytes:
        asked.append((level, index))
        return b"".join(rows[level][index * 256 : index * 256 + 256])

    nodes = nodes_from_tiles(source)
    assert nodes(0, 599) == LEAVES[599]
    assert nodes(3, 32) == tree_hash(LEAVES[256:264])
    assert nodes(8, 1) == tree_hash(LEAVES[256:512])
    assert nodes(9, 0) == tree_hash(LEAVES[:512])
    assert asked == [(0, 2), (0, 1), (1, 0), (1, 0)]
    assert root_at(600, nodes) == tree_hash(LEAVES[:600])
    with pytest.raises(TamperError, match="tile 0/2: too short"):
        nodes(0, 600)


def test_bundles() -> None:
    entries = [b"", b"a", b"x" * 65_535]
    packed = pack_entries(entries)
    assert packed[:5] == b"\x00\x00\x00\x01a"
    assert unpack_entries(packed) == entries
    with pytest.raises(ValueError, match="65536 bytes"):
        pack_entries([b"x" * 65_536])


@pytest.mark.parametrize("cut", [b"\x00", b"\x00\x01", b"\x00\x01a\x00", b"\x00\x02a"])
def test_a_cut_bundle(cut: bytes) -> None:
    with pytest.raises(TamperError, match="ends inside its entry"):
        unpack_entries(cut)


def test_split_hashes_and_empty_root() -> None:
    assert split_hashes(b"".join(LEAVES[:3])) == LEAVES[:3]
    assert Tree().root == EMPTY_ROOT
