"""Shards and sub-files: how the bytes of a part are laid out and cut. SPEC.md, sections 2 and 3."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from google.protobuf.message import DecodeError

from sonorelay.contract import merkle
from sonorelay.contract.digest import sha256
from sonorelay.contract.limits import IMAGES_PER_PART_MAX, SHARD_SIZE_BYTES
from sonorelay.ingest.v1.subfile_pb2 import SubFileIndex

MAGIC: Final = b"SRSUB1\r\n"
_HEAD: Final = struct.Struct(">8sI")
INDEX_MAX_BYTES: Final = 4 * 1024 * 1024


class SubFileInvalid(ValueError):
    """Bytes that are not a sub-file; the message says why."""


def encode_head(index: SubFileIndex) -> bytes:
    """Head of a sub-file: magic, length of the index (uint32 big-endian), the index. The images follow."""
    body = index.SerializeToString(deterministic=True)
    return _HEAD.pack(MAGIC, len(body)) + body


def read_index(stream: BinaryIO) -> tuple[SubFileIndex, int]:
    """The index of a sub-file and the position of its first image byte; raises SubFileInvalid."""
    head = stream.read(_HEAD.size)
    if len(head) != _HEAD.size:
        raise SubFileInvalid("a sub-file has at least 12 bytes")
    magic, length = _HEAD.unpack(head)
    if magic != MAGIC:
        raise SubFileInvalid("not a sub-file")
    if length > INDEX_MAX_BYTES:
        raise SubFileInvalid("the index is too long")
    body = stream.read(length)
    if len(body) != length:
        raise SubFileInvalid("the index ends too early")
    index = SubFileIndex()
    try:
        index.ParseFromString(body)
    except DecodeError as error:
        raise SubFileInvalid("the index cannot be read") from error
    return index, _HEAD.size + length


def check_index(index: SubFileIndex, images_size_bytes: int) -> None:
    """Raises SubFileInvalid unless the images fill `images_size_bytes` exactly, in order, each once."""
    if not 1 <= len(index.images) <= IMAGES_PER_PART_MAX:
        raise SubFileInvalid(f"a sub-file holds 1 to {IMAGES_PER_PART_MAX} images")
    position = 0
    for image in index.images:
        if image.offset_bytes != position or image.size_bytes < 1 or len(image.sha256) != 32:
            raise SubFileInvalid("the images do not follow each other")
        position += image.size_bytes
    if position != images_size_bytes:
        raise SubFileInvalid("the images do not fill the sub-file")
    if len({image.image_id for image in index.images}) != len(index.images):
        raise SubFileInvalid("an image id comes twice")


def cut(pieces: Iterable[bytes], shard_size_bytes: int = SHARD_SIZE_BYTES) -> Iterator[bytes]:
    """Shards of the concatenated pieces: every one `shard_size_bytes` long but the last; none is empty."""
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        while len(buffer) >= shard_size_bytes:
            yield bytes(buffer[:shard_size_bytes])
            del buffer[:shard_size_bytes]
    if buffer:
        yield bytes(buffer)


def shard_count(size_bytes: int, shard_size_bytes: int = SHARD_SIZE_BYTES) -> int:
    """How many shards a part of `size_bytes` has."""
    return -(-size_bytes // shard_size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDigests:
    """What identifies a part."""

    size_bytes: int
    """Length of the sub-file, bytes."""
    shard_sha256: tuple[bytes, ...]
    """SHA-256 of each shard, in order."""
    root: bytes
    """RFC 6962 root over the shard digests."""


def digest_part(pieces: Iterable[bytes], shard_size_bytes: int = SHARD_SIZE_BYTES) -> PartDigests:
    """Digests of the part whose bytes the pieces are."""
    digests: list[bytes] = []
    size_bytes = 0
    for shard in cut(pieces, shard_size_bytes):
        digests.append(sha256(shard))
        size_bytes += len(shard)
    return PartDigests(size_bytes=size_bytes, shard_sha256=tuple(digests), root=merkle.part_root(digests))
