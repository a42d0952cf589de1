"""The Merkle tree of RFC 6962 §2.1 over SHA-256: hashes, the right edge, proofs and their verification. Pure.

A complete subtree is named (height, index): it covers leaves `index << height` up to `(index + 1) << height`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from quietline.errors import TamperError

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]  # (height, index) -> hash of that complete subtree
Range = tuple[int, int]  # leaves from, up to and without

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data), RFC 6962 §2.1."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right), RFC 6962 §2.1."""
    return _sha256(b"\x01" + left + right).digest()


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """The root over leaf hashes (or over nodes of one height). Pairing level by level and carrying an odd last one up
    unchanged gives the tree of RFC 6962 §2.1, which splits at the largest power of two."""
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) & 1 else []
        row = [_sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - 1, 2)] + odd
    return row[0]


def edge_root(edge: Sequence[bytes]) -> bytes:
    """The root from the right edge: the complete subtrees of a tree, largest first (one per set bit of its size)."""
    if not edge:
        return EMPTY_ROOT
    root = edge[-1]
    for left in reversed(edge[:-1]):
        root = node_hash(left, root)
    return root


def range_hash(leaves: Range, nodes: Nodes) -> bytes:
    """The hash of D[lo:hi] for a range that the tree's own splits produce."""
    lo, hi = leaves
    count = hi - lo
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return nodes(height, lo >> height)
    middle = lo + _split(count)
    return node_hash(range_hash((lo, middle), nodes), range_hash((middle, hi), nodes))


def root_at(size: int, nodes: Nodes) -> bytes:
    """The root the tree had when it was `size` leaves long."""
    return range_hash((0, size), nodes) if size else EMPTY_ROOT


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """What an inclusion proof is made of, leaf side first: PATH(m, D[n]) of RFC 6962 §2.1.1."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    lo, hi, path = 0, size, []
    while hi - lo > 1:
        middle = lo + _split(hi - lo)
        if index < middle:
            path.append((middle, hi))
            hi = middle
        else:
            path.append((lo, middle))
            lo = middle
    return path[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """What a consistency proof is made of: PROOF(m, D[n]) of RFC 6962 §2.1.2; empty for m = 0 and m = n."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} does not grow from one of {old}")
    if old in (0, new):
        return []
    lo, hi, path = 0, new, []
    while old != hi:
        middle = lo + _split(hi - lo)
        if old <= middle:
            path.append((middle, hi))
            hi = middle
        else:
            path.append((lo, middle))
            lo = middle
    return ([(lo, hi)] if lo else []) + path[::-1]


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """At most ceil(log2(size)) hashes."""
    return [range_hash(leaves, nodes) for leaves in inclusion_ranges(index, size)]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """At most ceil(log2(new)) + 1 hashes."""
    return [range_hash(leaves, nodes) for leaves in consistency_ranges(old, new)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 §2.1.3.2. Raises TamperError unless `leaf` (a leaf hash) stands at `index` under this root."""
    if not 0 <= index < size:
        raise TamperError(f"inclusion: no entry {index} in a tree of {size}")
    at, last, computed = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise TamperError(f"inclusion: the proof of entry {index} is too long for a tree of {size}")
        if at & 1 or at == last:
            computed = node_hash(step, computed)
            at, last = _climb(at, last)
        else:
            computed = node_hash(computed, step)
        at, last = at >> 1, last >> 1
    if last or computed != root:
        raise TamperError(f"inclusion: the proof does not lead from entry {index} to the root at size {size}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 §2.1.4.2. Raises TamperError unless the older tree is a prefix of the newer one."""
    if old > new:
        raise TamperError(f"consistency: the log shrank from {old} to {new} entries")
    if old == new or old == 0:
        _verify_trivial(old, new, old_root, new_root, proof)
        return
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise TamperError(f"consistency: no proof from {old} to {new}")
    if _replay(old, new, steps) != (old_root, new_root):
        raise TamperError(f"consistency: the tree of {new} entries does not continue the one of {old}")


def _verify_trivial(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        raise TamperError(f"consistency: from {old} to {new} the proof must be empty")
    if old == new and old_root != new_root:
        raise TamperError(f"consistency: two different trees of {old} entries")
    if old == 0 and old_root != EMPTY_ROOT:
        raise TamperError("consistency: the older tree is empty, but its root is not that of an empty tree")


def _replay(old: int, new: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Both roots as the proof gives them (RFC 9162 §2.1.4.2, steps 3 to 7)."""
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise TamperError(f"consistency: the proof from {old} to {new} is too long")
        if at & 1 or at == last:
            first, second = node_hash(step, first), node_hash(step, second)
            at, last = _climb(at, last)
        else:
            second = node_hash(second, step)
        at, last = at >> 1, last >> 1
    if last:
        raise TamperError(f"consistency: the proof from {old} to {new} is too short")
    return first, second


def _climb(at: int, last: int) -> tuple[int, int]:
    """Skip the levels at which a right-most node has no sibling."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962 §2.1)."""
    return 1 << ((count - 1).bit_length() - 1)
