"""Part of step 7: the manifest of a capture, checked completely before anything is accepted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cloud.errors import CallRefused
from cloud.examinations.binding import Identity
from sonorelay.contract import merkle
from sonorelay.contract.blocks import IMAGE_TYPES, SERIES_TYPE, Block
from sonorelay.contract.digest import DIGEST_SIZE_BYTES, sha256
from sonorelay.contract.limits import (
    GESTATIONAL_AGE_MAX_DAYS,
    IMAGES_PER_PART_MAX,
    PART_MAX_BYTES,
    PARTS_MAX,
    SHARD_SIZE_BYTES,
)
from sonorelay.contract.notes import NoteInvalid, Verifier
from sonorelay.contract.reasons import WireReason
from sonorelay.contract.shards import shard_count
from sonorelay.ingest.v1.ingest_service_pb2 import OpenUploadRequest, PartManifest

_PRIORITY_MAX: Final = 2
_EXAMINATION_KEY: Final = re.compile(r"[0-9a-f]{64}")
_PATIENT_KEY: Final = re.compile(r"S[0-9A-F]{15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPlan:
    """What one part will be, as its device signed it."""

    part_index: int
    """Place in the capture, from 0."""
    image_type: str
    """Type of its images."""
    image_count: int
    """Images inside."""
    size_bytes: int
    """Length of the sub-file, bytes."""
    shard_size_bytes: int
    """Length of every shard but the last, bytes."""
    shard_digests: tuple[bytes, ...]
    """SHA-256 of each shard, in order."""
    root: bytes
    """RFC 6962 root over the shard digests, 32 bytes."""
    block: bytes
    """The signed block, as it enters the ledger."""
    priority: int
    """Lower goes first."""

    def shard_length_bytes(self, shard_index: int) -> int:
        """Length of one shard, bytes."""
        return min(self.shard_size_bytes, self.size_bytes - shard_index * self.shard_size_bytes)


def plan(request: OpenUploadRequest) -> tuple[PartPlan, ...]:
    """The parts of a manifest that `check` has passed once."""
    return tuple(
        PartPlan(
            part_index=part.part_index,
            image_type=part.image_type,
            image_count=part.image_count,
            size_bytes=part.size_bytes,
            shard_size_bytes=part.shard_size_bytes,
            shard_digests=tuple(part.shard_sha256),
            root=part.root,
            block=part.block,
            priority=part.priority,
        )
        for part in request.parts
    )


def manifest_digest(parts: Iterable[PartManifest]) -> bytes:
    """SHA-256 over the parts as they are signed and cut, 32 bytes; the edge's timings do not count."""
    spelled = [part.SerializeToString(deterministic=True) for part in parts]
    return sha256(b"".join(len(each).to_bytes(8, "big") + each for each in spelled))


def check(request: OpenUploadRequest, device: Verifier) -> None:
    """Refuses a manifest that breaks the contract: MANIFEST_INVALID, or IMAGE_TOO_LARGE."""
    if not 1 <= len(request.parts) <= PARTS_MAX:
        raise _invalid(f"a capture has 1 to {PARTS_MAX} parts")
    if len({part.image_type for part in request.parts}) != len(request.parts):
        raise _invalid("a capture has one part per type")
    types = {part.image_type for part in request.parts}
    if types != {SERIES_TYPE} if request.HasField("series") else SERIES_TYPE in types:
        raise _invalid("the part of a file of a series is of type series, and no other is")
    for place, part in enumerate(request.parts):
        if part.part_index != place:
            raise _invalid("part_index counts from 0 without gaps")
        _check_numbers(part)
        _check_shards(part)
        _check_block(request, part, device)


def identity(request: OpenUploadRequest) -> Identity | None:
    """What the manifest says of the examination; None where it names none. Refuses MANIFEST_INVALID."""
    key, patient, age_days = request.examination_key, request.patient_key, request.gestational_age_days
    if not key:
        if patient or age_days:
            raise _invalid("patient_key and gestational_age_days need an examination_key")
        return None
    if not _EXAMINATION_KEY.fullmatch(key) or not (not patient or _PATIENT_KEY.fullmatch(patient)):
        raise _invalid("examination_key or patient_key is no pseudonym of the contract")
    # A comparison with NaN is false.
    if not 0 <= age_days <= GESTATIONAL_AGE_MAX_DAYS:
        raise _invalid(f"gestational_age_days is not within 0 to {GESTATIONAL_AGE_MAX_DAYS}")
    return Identity(examination_key=key, patient_key=patient or None, age_days=age_days or None)


def _check_numbers(part: PartManifest) -> None:
    if part.image_type not in IMAGE_TYPES:
        raise _invalid("image_type is unknown")
    if not 1 <= part.image_count <= IMAGES_PER_PART_MAX:
        raise _invalid(f"image_count is not within 1 to {IMAGES_PER_PART_MAX}")
    if part.size_bytes < 1:
        raise _invalid("size_bytes must be at least 1")
    if part.size_bytes > PART_MAX_BYTES:
        raise CallRefused(WireReason.IMAGE_TOO_LARGE, f"a part has at most {PART_MAX_BYTES} bytes")
    if part.shard_size_bytes != SHARD_SIZE_BYTES:
        raise _invalid(f"shard_size_bytes must be {SHARD_SIZE_BYTES}")
    if not 0 <= part.priority <= _PRIORITY_MAX:
        raise _invalid(f"priority is not within 0 to {_PRIORITY_MAX}")


def _check_shards(part: PartManifest) -> None:
    if len(part.shard_sha256) != shard_count(part.size_bytes, part.shard_size_bytes):
        raise _invalid("shard_sha256 does not fit size_bytes")
    if any(len(digest) != DIGEST_SIZE_BYTES for digest in part.shard_sha256):
        raise _invalid("a digest has 32 bytes")
    if merkle.part_root(part.shard_sha256) != part.root:
        raise _invalid("root is not the root of shard_sha256")


def _check_block(request: OpenUploadRequest, part: PartManifest, device: Verifier) -> None:
    try:
        block = Block.open(part.block, device)
    except NoteInvalid as exc:
        raise _invalid(f"block: {exc}") from exc
    signed = (
        block.device_id,
        block.capture_id,
        block.part_index,
        block.image_type,
        block.image_count,
        block.size_bytes,
        block.shard_size_bytes,
        block.shard_count,
        block.root,
    )
    said = (
        request.device_id,
        request.capture_id,
        part.part_index,
        part.image_type,
        part.image_count,
        part.size_bytes,
        part.shard_size_bytes,
        len(part.shard_sha256),
        part.root,
    )
    if signed != said:
        raise _invalid("block and manifest contradict each other")


def _invalid(message: str) -> CallRefused:
    return CallRefused(WireReason.MANIFEST_INVALID, message)
