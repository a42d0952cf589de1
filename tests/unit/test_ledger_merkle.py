"""RFC 6962's tree against the published vectors of Certificate Transparency's reference implementations."""

from __future__ import annotations

import hashlib

import pytest

from quietline.errors import TamperError
from quietline.ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    consistency_ranges,
    edge_root,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    root_at,
    tree_hash,
    verify_consistency,
    verify_inclusion,
)

INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
PATH_0_OF_8 = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in INPUTS]


def node(height: int, index: int) -> bytes:
    if height == 0:
        return LEAVES[index]
    return node_hash(node(height - 1, 2 * index), node(height - 1, 2 * index + 1))


def test_empty_tree() -> None:
    assert hashlib.sha256(b"").digest() == EMPTY_ROOT == tree_hash([]) == edge_root([]) == root_at(0, node)


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert tree_hash(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert root_at(size, node).hex() == ROOTS[size - 1]


def test_published_inclusion_proof() -> None:
    proof = inclusion_proof(0, 8, node)
    assert [step.hex() for step in proof] == list(PATH_0_OF_8)
    verify_inclusion(LEAVES[0], 0, 8, proof, bytes.fromhex(ROOTS[7]))


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, [(1, 2), (2, 4), (4, 7)]),
        (3, [(2, 3), (0, 2), (4, 7)]),
        (4, [(5, 6), (6, 7), (0, 4)]),
        (6, [(4, 6), (0, 4)]),
    ],
)
def test_example_of_rfc_6962_section_2_1_3(index: int, path: list[tuple[int, int]]) -> None:
    """The audit paths of d0, d3, d4 and d6 in the seven-leaf tree."""
    assert inclusion_ranges(index, 7) == path


@pytest.mark.parametrize(
    ("old", "path"),
    [(3, [(2, 3), (3, 4), (0, 2), (4, 7)]), (4, [(4, 7)]), (6, [(4, 6), (6, 7), (0, 4)]), (0, []), (7, [])],
)
def test_consistency_examples_of_rfc_6962(old: int, path: list[tuple[int, int]]) -> None:
    assert consistency_ranges(old, 7) == path


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0)])
def test_no_proof_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        inclusion_ranges(index, size)
    with pytest.raises(TamperError, match="no entry"):
        verify_inclusion(LEAVES[0], index, size, [], ROOTS[0].encode())


def test_a_tree_does_not_shrink() -> None:
    with pytest.raises(ValueError, match="does not grow"):
        consistency_ranges(5, 4)
    with pytest.raises(TamperError, match="shrank"):
        verify_consistency(5, 4, root_at(5, node), root_at(4, node), [])


def test_two_trees_of_one_size() -> None:
    with pytest.raises(TamperError, match="two different trees"):
        verify_consistency(4, 4, root_at(4, node), root_at(5, node), [])


def test_trivial_consistency_has_an_empty_proof() -> None:
    verify_consistency(4, 4, root_at(4, node), root_at(4, node), [])
    verify_consistency(0, 4, EMPTY_ROOT, root_at(4, node), [])
    with pytest.raises(TamperError, match="must be empty"):
        verify_consistency(0, 4, EMPTY_ROOT, root_at(4, node), [LEAVES[0]])
    with pytest.raises(TamperError, match="empty tree"):
        verify_consistency(0, 4, LEAVES[0], root_at(4, node), [])


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_proofs_too_short(cut: int) -> None:
    proof = inclusion_proof(2, 8, node)
    with pytest.raises(TamperError):
        verify_inclusion(LEAVES[2], 2, 8, proof[:cut], root_at(8, node))
    proof = consistency_proof(3, 8, node)
    with pytest.raises(TamperError):
        verify_consistency(3, 8, root_at(3, node), root_at(8, node), proof[:cut])


def test_proofs_too_long() -> None:
    with pytest.raises(TamperError, match="too long"):
        verify_inclusion(LEAVES[2], 2, 8, [*inclusion_proof(2, 8, node), LEAVES[0]], root_at(8, node))
    proof = [*consistency_proof(3, 8, node), LEAVES[0]]
    with pytest.raises(TamperError, match="too long"):
        verify_consistency(3, 8, root_at(3, node), root_at(8, node), proof)
