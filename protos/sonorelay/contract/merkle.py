"""Merkle trees of RFC 6962, section 2.1: leaf and node hashes, roots, inclusion and consistency proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()

SubtreeHash = Callable[[int, int], bytes]
"""Hash of the leaves lo (inclusive) to hi (exclusive), 32 bytes."""


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _split(count: int) -> int:
    """Largest power of two smaller than `count` (RFC 6962, 2.1)."""
    return 1 << ((count - 1).bit_length() - 1)


def root_of_hashes(hashes: Sequence[bytes]) -> bytes:
    """Root over leaf hashes that are already hashed, left to right; of none: SHA-256 of nothing."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    # Pairing neighbours and carrying an odd last one up gives RFC 6962's tree.
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def part_root(shard_digests: Sequence[bytes]) -> bytes:
    """Root of a part: the entries of the tree are the plain SHA-256 digests of its shards."""
    return root_of_hashes([leaf_hash(digest) for digest in shard_digests])


def inclusion_path(index: int, size: int, subtree: SubtreeHash) -> list[bytes]:
    """Hashes that prove leaf `index` in a tree of `size` leaves, lowest first (RFC 6962, 2.1.1).

    Raises ValueError where index is not in 0..size-1.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    path: list[bytes] = []
    lo, hi = 0, size
    while hi - lo > 1:
        middle = lo + _split(hi - lo)
        if index < middle:
            path.append(subtree(middle, hi))
            hi = middle
        else:
            path.append(subtree(lo, middle))
            lo = middle
    path.reverse()
    return path


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """Root that `path` gives for the leaf hash at `index` (RFC 9162, 2.1.3.2).

    Raises ValueError where the path does not fit index and size.
    """
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")
    position, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ValueError("the inclusion proof is too long")
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            result = node_hash(result, sibling)
        position >>= 1
        last >>= 1
    if last != 0:
        raise ValueError("the inclusion proof is too short")
    return result


def consistency_path(old_size: int, new_size: int, subtree: SubtreeHash) -> list[bytes]:
    """Hashes that prove the tree of old_size to be the beginning of that of new_size (RFC 6962, 2.1.2).

    Raises ValueError where old_size is not in 0..new_size.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"a tree of {old_size} leaves cannot precede one of {new_size}")
    if old_size in (0, new_size):
        return []

    def walk(lo: int, hi: int, whole: bool) -> list[bytes]:
        if old_size == hi:
            return [] if whole else [subtree(lo, hi)]
        middle = lo + _split(hi - lo)
        if old_size <= middle:
            return [*walk(lo, middle, whole), subtree(middle, hi)]
        return [*walk(middle, hi, False), subtree(lo, middle)]

    return walk(0, new_size, True)


def consistency_holds(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether `path` proves that the old tree is the beginning of the new one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path
    hashes = list(path)
    if old_size & (old_size - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        return False
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_result = new_result = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while position and not position & 1:
                position >>= 1
                last >>= 1
        else:
            new_result = node_hash(new_result, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old_result == old_root and new_result == new_root
