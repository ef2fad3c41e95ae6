"""Step 6 of 13: shard + hash. One sub-file per type, cut into shards named by SHA-256, a signed block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from google.protobuf.timestamp_pb2 import Timestamp

from edge_agent.errors import ImageRefused
from edge_agent.items import CleanImage, Identity
from edge_agent.spool.records import PRIORITY_BATCH, PRIORITY_CINE, PRIORITY_STILL
from sonorelay.contract.blocks import IMAGE_TYPES, Block
from sonorelay.contract.limits import IMAGES_PER_PART_MAX, PART_MAX_BYTES, SHARD_SIZE_BYTES
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import EdgeReason
from sonorelay.contract.shards import digest_part, encode_head
from sonorelay.ingest.v1.ingest_service_pb2 import OpenUploadRequest, PartManifest, SeriesOrder, StepTiming
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage, SubFileIndex, TypeProbability

_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardOrder:
    """What step 6 works on."""

    capture_id: str
    """UUID of the capture."""
    received_time: datetime
    """When the capture arrived (aware UTC): its images' capture time and its blocks' time."""
    images: tuple[CleanImage, ...]
    """Clean images, at least one."""
    batch: bool
    """Part of a batch order: goes last."""
    out_dir: Path
    """Folder for the sub-files."""
    identity: Identity | None = None
    """Of the examination; None where the input carries none."""
    series: SeriesOrder | None = None
    """Order that it came by; None: it is a print."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharded:
    """What step 6 made."""

    manifest: OpenUploadRequest
    """One part per type, each with its signed block; without timings."""
    priority: int
    """Most urgent priority among the parts."""


def sub_file_path(folder: Path, part_index: int) -> Path:
    """Where a part's sub-file lies."""
    return folder / f"part-{part_index}.sub"


def shard(order: ShardOrder, signer: Signer) -> Sharded:
    """Writes one sub-file per type, not synced, and describes it. The same order always gives the same bytes.

    The block's time is the capture's, not the clock's, for that reason: a repeat after a crash must not
    look like another capture. Errors: ImageRefused (limits of the contract), OSError.
    """
    parts: list[PartManifest] = []
    for part_index, (image_type, images) in enumerate(_by_type(order.images)):
        path = sub_file_path(order.out_dir, part_index)
        parts.append(_write_part(order, signer, part_index, image_type, images, path))
    identity = order.identity
    return Sharded(
        manifest=OpenUploadRequest(
            device_id=signer.verifier.name,
            capture_id=order.capture_id,
            parts=parts,
            device_verifier_key=str(signer.verifier),
            examination_key=identity.examination_key if identity else "",
            patient_key=(identity.patient_key if identity else None) or "",
            gestational_age_days=(identity.gestational_age_days if identity else None) or 0.0,
            series=order.series,
        ),
        priority=min(part.priority for part in parts),
    )


def timings(steps_ms: dict[str, float]) -> list[StepTiming]:
    """The edge's durations for the manifest, in the order of the steps."""
    return [StepTiming(step=step, duration_ms=duration) for step, duration in steps_ms.items()]


def _by_type(images: tuple[CleanImage, ...]) -> list[tuple[str, list[CleanImage]]]:
    groups: dict[str, list[CleanImage]] = {}
    for image in sorted(images, key=lambda image: image.index_in_capture):
        groups.setdefault(image.image_type, []).append(image)
    return [(name, groups[name]) for name in IMAGE_TYPES if name in groups]


def _write_part(
    order: ShardOrder, signer: Signer, part_index: int, image_type: str, images: list[CleanImage], path: Path
) -> PartManifest:
    size_bytes = sum(image.size_bytes for image in images)
    if len(images) > IMAGES_PER_PART_MAX or size_bytes > PART_MAX_BYTES:
        raise ImageRefused(EdgeReason.TOO_LARGE, f"part of {len(images)} images, {size_bytes} bytes")
    head = encode_head(_index(image_type, images, order.received_time))
    with path.open("wb") as sink:
        digests = digest_part(_written(sink, head, images))
    block = Block(
        device_id=signer.verifier.name,
        capture_id=order.capture_id,
        part_index=part_index,
        image_type=image_type,
        image_count=len(images),
        size_bytes=digests.size_bytes,
        shard_size_bytes=SHARD_SIZE_BYTES,
        shard_count=len(digests.shard_sha256),
        root=digests.root,
        block_time=order.received_time.replace(microsecond=0),
    )
    return PartManifest(
        part_index=part_index,
        image_type=image_type,
        image_count=len(images),
        size_bytes=digests.size_bytes,
        shard_size_bytes=SHARD_SIZE_BYTES,
        shard_sha256=digests.shard_sha256,
        root=digests.root,
        block=block.sign(signer),
        priority=_priority(order.batch, images),
    )


def _priority(batch: bool, images: list[CleanImage]) -> int:
    if batch:
        return PRIORITY_BATCH
    return PRIORITY_CINE if any(image.frame_count > 1 for image in images) else PRIORITY_STILL


def _written(sink: BinaryIO, head: bytes, images: list[CleanImage]) -> Iterator[bytes]:
    """Passes the sub-file's bytes on as it writes them, so that they are read only once."""
    sink.write(head)
    yield head
    for image in images:
        with image.path.open("rb") as source:
            while piece := source.read(_READ_BYTES):
                sink.write(piece)
                yield piece


def _index(image_type: str, images: list[CleanImage], received_time: datetime) -> SubFileIndex:
    index = SubFileIndex(image_type=image_type)
    capture_time = Timestamp()
    capture_time.FromDatetime(received_time)
    offset_bytes = 0
    for image in images:
        index.images.append(
            SubFileImage(
                image_id=image.image_id,
                media_type=image.media_type,
                offset_bytes=offset_bytes,
                size_bytes=image.size_bytes,
                sha256=image.sha256,
                width_px=image.width_px,
                height_px=image.height_px,
                frame_count=image.frame_count,
                mm_per_pixel=image.mm_per_pixel or 0.0,
                scale_source=image.scale_source or "",
                type_probabilities=[
                    TypeProbability(image_type=name, probability=probability)
                    for name, probability in sorted(image.type_probabilities.items())
                ],
                capture_time=capture_time,
                source_format=image.source_format,
                index_in_capture=image.index_in_capture,
            )
        )
        offset_bytes += image.size_bytes
    return index
