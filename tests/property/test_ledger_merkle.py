"""The tree against RFC 6962's definitions written out naively, for any size."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quietline.errors import TamperError
from quietline.ledger.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)
from quietline.ledger.tiles import (
    Tile,
    Tree,
    nodes_from_tiles,
    pack_entries,
    split_hashes,
    tiles_of,
    unpack_entries,
)

DATA = [str(at).encode() for at in range(1200)]
SIZES = st.integers(1, len(DATA))


def naive_split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(data: list[bytes]) -> bytes:
    """RFC 6962 §2.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = naive_split(len(data))
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(m: int, data: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1."""
    if len(data) == 1:
        return []
    k = naive_split(len(data))
    if m < k:
        return [*path(m, data[:k]), mth(data[k:])]
    return [*path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962 §2.1.2."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = naive_split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def grow(size: int) -> tuple[Tree, dict[tuple[int, int], bytes]]:
    tree, stored = Tree(), {}
    for data in DATA[:size]:
        tree.append(leaf_hash(data))
    for level, index, raw in tree.take_tiles():
        stored[level, index] = raw
    if tree.partial and tree.partial[0]:
        stored[0, size // 256] = bytes(tree.partial[0])
    return tree, stored


def nodes_of(size: int):  # type: ignore[no-untyped-def]
    _, stored = grow(size)
    return nodes_from_tiles(lambda level, index: stored[level, index])


@given(SIZES)
@settings(max_examples=60, deadline=None)
def test_roots(size: int) -> None:
    tree, stored = grow(size)
    expected = mth(DATA[:size])
    assert tree.root == expected == tree_hash([leaf_hash(data) for data in DATA[:size]])
    assert root_at(size, nodes_from_tiles(lambda level, index: stored[level, index])) == expected
    assert len(tree.edge) == size.bit_count()


@given(SIZES)
@settings(max_examples=40, deadline=None)
def test_tiles_are_those_of_the_specification(size: int) -> None:
    """MTH(D[(n·256 + i)·256^l : (n·256 + i + 1)·256^l]) for each hash i of tile n of level l."""
    _, stored = grow(size)
    assert set(stored) == {(tile.level, tile.index) for tile in tiles_of(size)}
    for tile in tiles_of(size):
        span = 256**tile.level
        for at, node in enumerate(split_hashes(stored[tile.level, tile.index]), tile.first):
            assert node == mth(DATA[at * span : (at + 1) * span])


@given(SIZES, st.data())
@settings(max_examples=60, deadline=None)
def test_inclusion(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes_of(size))
    assert proof == path(index, DATA[:size])
    verify_inclusion(leaf_hash(DATA[index]), index, size, proof, mth(DATA[:size]))


@given(SIZES, st.data())
@settings(max_examples=60, deadline=None)
def test_consistency(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    proof = consistency_proof(old, new, nodes_of(new))
    assert proof == ([] if old == 0 else subproof(old, DATA[:new], True))
    verify_consistency(old, new, mth(DATA[:old]), mth(DATA[:new]), proof)


@given(st.integers(2, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_proof_proves_nothing(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, nodes_of(size))
    at, byte = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 31))
    proof[at] = proof[at][:byte] + bytes([proof[at][byte] ^ 1]) + proof[at][byte + 1 :]
    with pytest.raises(TamperError):
        verify_inclusion(leaf_hash(DATA[index]), index, size, proof, mth(DATA[:size]))


@given(st.integers(2, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_a_proof_is_for_one_place_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index))
    proof = inclusion_proof(index, size, nodes_of(size))
    with pytest.raises(TamperError):
        verify_inclusion(leaf_hash(DATA[index]), other, size, proof, mth(DATA[:size]))


@given(st.integers(2, 300), st.data())
@settings(max_examples=60, deadline=None)
def test_a_rewritten_past_is_not_consistent(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    forged = [*DATA[: old - 1], b"another", *DATA[old:new]]
    proof = consistency_proof(old, new, nodes_of(new))
    with pytest.raises(TamperError):
        verify_consistency(old, new, mth(forged[:old]), mth(DATA[:new]), proof)
    with pytest.raises(TamperError):
        verify_consistency(old, new, mth(DATA[:old]), mth(forged), proof)


@given(st.lists(st.integers(1, 300), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_groups_make_no_difference(groups: list[int]) -> None:
    """A tree grown, copied, dropped and resumed group by group is the tree grown at once."""
    tree, size = Tree(), 0
    for count in groups:
        tree.copy().append(leaf_hash(b"dropped"))
        tree = Tree(tree.size, [bytes(raw) for raw in tree.partial])
        for at in range(size, size + count):
            tree.append(leaf_hash(str(at).encode()))
        size += count
    assert tree.root == mth([str(at).encode() for at in range(size)])


@given(st.lists(st.binary(max_size=400), max_size=40))
def test_bundles(entries: list[bytes]) -> None:
    assert unpack_entries(pack_entries(entries)) == entries


@given(st.binary(max_size=200))
def test_any_bytes_unpack_or_are_refused(raw: bytes) -> None:
    try:
        entries = unpack_entries(raw)
    except TamperError:
        return
    assert pack_entries(entries) == raw


@given(st.integers(0, 10**9), st.integers(1, 256))
def test_paths_are_one_to_one(index: int, width: int) -> None:
    parts = Tile(0, index, width).path.split("/")[2:]
    number, suffix = "", ""
    for part in parts:
        name = part.removesuffix(".p")
        if part.isdigit() and number and parts[-2].endswith(".p") and part is parts[-1]:
            suffix = part
        else:
            number += name.removeprefix("x")
    assert int(number) == index
    assert (int(suffix) if suffix else 256) == width
