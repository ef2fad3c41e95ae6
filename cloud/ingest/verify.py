"""Step 8 of 13: verify. Every shard is there, the index fits, every image has the digest it is named by."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cloud.errors import CallRefused
from cloud.ingest.devices import check_uuid
from cloud.ingest.manifest import PartPlan
from cloud.ingest.prenotify import aware
from cloud.ingest.uploads import Upload
from cloud.store import BlobStore
from sonorelay.contract.blocks import IMAGE_TYPES
from sonorelay.contract.limits import (
    CINE_MAX_BYTES,
    FRAME_MAX_PIXELS,
    FRAMES_MAX,
    STILL_MAX_BYTES,
)
from sonorelay.contract.reasons import WireReason
from sonorelay.contract.shards import INDEX_MAX_BYTES, SubFileInvalid, check_index, read_index
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage, SubFileIndex

_HEAD_BYTES: Final = 12
_MEDIA_TYPES: Final = ("image/png", "application/dicom")
_SOURCE_FORMATS: Final = ("png", "jpeg", "bmp", "tiff", "pdf", "dicom", "avi", "mp4")
_SCALE_SOURCE_MAX: Final = 32
_SCALE_MAX_MM: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedImage:
    """One image of a part, as its index says and its bytes confirm."""

    image_id: str
    """UUID."""
    image_type: str
    """Type of its part."""
    type_probabilities: dict[str, float]
    """Probability per type by the edge's ferns."""
    media_type: str
    """image/png or application/dicom."""
    start_bytes: int
    """First byte inside the sub-file."""
    size_bytes: int
    """Length, bytes."""
    sha256: bytes
    """SHA-256 of the bytes."""
    width_px: int
    """Width of a frame, pixels."""
    height_px: int
    """Height of a frame, pixels."""
    frame_count: int
    """1 for a still."""
    mm_per_pixel: float | None
    """Scale where known."""
    scale_source: str | None
    """Where the scale comes from."""
    source_format: str
    """Input format before de-identification."""
    capture_time: datetime
    """When the edge received it (edge clock)."""
    index_in_capture: int
    """Place in the capture, from 0."""


async def verify(upload: Upload, store: BlobStore) -> list[list[VerifiedImage]]:
    """The images of each part. Reads every byte once, from the store's memory where they have just come.

    Refuses SHARDS_MISSING; MANIFEST_INVALID or IMAGE_TOO_LARGE for bytes that are not what was signed.
    """
    await upload.look(store, list(upload.absent()))
    if any(True for _ in upload.absent()):
        raise CallRefused(WireReason.SHARDS_MISSING, "not every shard is durable yet")
    try:
        return [await _verify_part(part, store) for part in upload.parts]
    except SubFileInvalid as exc:
        raise CallRefused(WireReason.MANIFEST_INVALID, f"sub-file: {exc}") from exc


async def _verify_part(part: PartPlan, store: BlobStore) -> list[VerifiedImage]:
    reader = _SubFileReader(part)
    async for shard in _shards(part, store):
        reader.feed(shard)
    return reader.images()


async def _shards(part: PartPlan, store: BlobStore) -> AsyncIterator[bytes]:
    for digest in part.shard_digests:
        yield await store.get(digest)


class _SubFileReader:
    """Takes a sub-file piece by piece and holds no more of it than its index."""

    def __init__(self, part: PartPlan) -> None:
        self._part = part
        self._head = bytearray()
        self._index: SubFileIndex | None = None
        self._start_bytes = 0
        self._position = 0
        self._left_bytes = 0
        self._digest = hashlib.sha256()

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes."""
        if self._index is not None:
            self._hash(memoryview(piece))
            return
        self._head += piece
        if len(self._head) >= _HEAD_BYTES:
            # A wrong head is told by read_index; here only its length is needed, to know when to ask.
            length = int.from_bytes(self._head[8:_HEAD_BYTES], "big")
            wanted = min(_HEAD_BYTES + min(length, INDEX_MAX_BYTES), self._part.size_bytes)
            if len(self._head) >= wanted:
                self._read_index()

    def images(self) -> list[VerifiedImage]:
        """What the sub-file holds, after its last byte."""
        if self._index is None:
            self._read_index()
        assert self._index is not None
        if self._position != len(self._index.images):
            raise SubFileInvalid("the images end too early")
        return [_verified(image, self._part, self._start_bytes) for image in self._index.images]

    def _read_index(self) -> None:
        index, self._start_bytes = read_index(io.BytesIO(self._head))
        check_index(index, self._part.size_bytes - self._start_bytes)
        if index.image_type != self._part.image_type or len(index.images) != self._part.image_count:
            raise SubFileInvalid("index and manifest contradict each other")
        self._index = index
        self._left_bytes = index.images[0].size_bytes
        self._hash(memoryview(self._head)[self._start_bytes :])
        self._head = bytearray()

    def _hash(self, data: memoryview) -> None:
        """Hashes bytes into the images they belong to. Every image has at least one byte (check_index)."""
        assert self._index is not None
        while data:
            taken = data[: self._left_bytes]
            data = data[len(taken) :]
            self._digest.update(taken)
            self._left_bytes -= len(taken)
            if not self._left_bytes:
                if self._digest.digest() != self._index.images[self._position].sha256:
                    raise SubFileInvalid("an image does not have its digest")
                self._position += 1
                self._digest = hashlib.sha256()
                if self._position < len(self._index.images):
                    self._left_bytes = self._index.images[self._position].size_bytes


def _verified(image: SubFileImage, part: PartPlan, start_bytes: int) -> VerifiedImage:
    check_uuid("image_id", image.image_id)
    _check_size(image)
    if image.media_type not in _MEDIA_TYPES or image.source_format not in _SOURCE_FORMATS:
        raise SubFileInvalid("unknown media type or source format")
    known_scale = math.isfinite(image.mm_per_pixel) and 0 < image.mm_per_pixel <= _SCALE_MAX_MM
    if not known_scale and image.mm_per_pixel != 0:
        raise SubFileInvalid("the scale is out of range")
    if len(image.scale_source) > _SCALE_SOURCE_MAX or known_scale != bool(image.scale_source):
        raise SubFileInvalid("a scale has a source, and only a scale has")
    return VerifiedImage(
        image_id=image.image_id,
        image_type=part.image_type,
        type_probabilities=_probabilities(image),
        media_type=image.media_type,
        start_bytes=start_bytes + image.offset_bytes,
        size_bytes=image.size_bytes,
        sha256=image.sha256,
        width_px=image.width_px,
        height_px=image.height_px,
        frame_count=image.frame_count,
        mm_per_pixel=image.mm_per_pixel if known_scale else None,
        scale_source=image.scale_source or None,
        source_format=image.source_format,
        capture_time=aware(image.capture_time),
        index_in_capture=image.index_in_capture,
    )


def _check_size(image: SubFileImage) -> None:
    if min(image.width_px, image.height_px, image.frame_count) < 1 or image.index_in_capture < 0:
        raise SubFileInvalid("an image has at least one pixel and one frame")
    limit_bytes = STILL_MAX_BYTES if image.frame_count == 1 else CINE_MAX_BYTES
    if (
        image.size_bytes > limit_bytes
        or image.width_px * image.height_px > FRAME_MAX_PIXELS
        or image.frame_count > FRAMES_MAX
    ):
        raise CallRefused(WireReason.IMAGE_TOO_LARGE, "an image exceeds the limits of the contract")


def _probabilities(image: SubFileImage) -> dict[str, float]:
    probabilities = {each.image_type: each.probability for each in image.type_probabilities}
    if not set(probabilities) <= set(IMAGE_TYPES) or not all(0 <= p <= 1 for p in probabilities.values()):
        raise SubFileInvalid("type probabilities name known types and lie within 0 and 1")
    return {name: round(value, 6) for name, value in probabilities.items()}
