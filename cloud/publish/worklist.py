"""Part of step 12: the worklist as the console reads it: captures, their images and their results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Row

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, examination, examination_capture, image, part, result
from cloud.examinations.review_items import Review
from cloud.examinations.review_rows import newest_reviews
from cloud.items import Belonging, CaptureState, ImageState, WorkImage, WorkItem
from cloud.tenants import within
from sonorelay.contract.digest import DIGEST_SIZE_BYTES, trace_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSource:
    """Where the bytes of one image and its pictures lie."""

    image_id: str
    """UUID of the image."""
    capture_id: str
    """UUID of its capture."""
    media_type: str
    """Media type of the stored bytes: image/png or application/dicom."""
    sha256: bytes
    """SHA-256 of the stored bytes, 32 bytes."""
    start_bytes: int
    """First byte of the image inside its part's sub-file."""
    size_bytes: int
    """Length, bytes."""
    shard_digests: tuple[bytes, ...]
    """SHA-256 of each shard of the part, in order."""
    shard_size_bytes: int
    """Length of every shard but the last, bytes."""
    width_px: int
    """Width of the image, pixels."""
    height_px: int
    """Height of the image, pixels."""
    mm_per_pixel: float | None
    """Scale, millimetres per pixel, where known."""
    scale_source: str | None
    """Where the scale comes from; None where it is not known."""
    reading: dict[str, Any] | None
    """The reading's JSON; None where there is no result, or a failed one."""
    pictures: Mapping[str, str]
    """Pictures of the result: name to hex SHA-256 in the blob store; empty without a result."""


_PART_OF_IMAGE: Final = (part.c.capture_id == image.c.capture_id) & (part.c.part_index == image.c.part_index)
_IS_PRINT: Final = capture.c.series_label.is_(None)
"""Files of series are not on the worklist."""
_IMAGES: Final = (
    sa.select(
        image.c.image_id,
        image.c.capture_id,
        image.c.part_index,
        image.c.index_in_capture,
        image.c.image_type,
        image.c.type_probabilities,
        image.c.width_px,
        image.c.height_px,
        image.c.frame_count,
        image.c.mm_per_pixel,
        image.c.scale_source,
        image.c.source_format,
        image.c.sha256,
        part.c.ledger_index,
        result.c.ok,
        result.c.reason,
        result.c.reading,
        result.c.ledger_index.label("result_ledger_index"),
        result.c.timings_ms,
    )
    .join(part, _PART_OF_IMAGE)
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .order_by(image.c.capture_id, image.c.index_in_capture, image.c.part_index)
)
_IMAGES_OF_ONE: Final = Prepared(_IMAGES.where(image.c.capture_id == sa.bindparam("of_capture")))
_CAPTURES: Final = (
    sa.select(
        capture.c.capture_id,
        capture.c.slot,
        capture.c.device_id,
        capture.c.state,
        capture.c.reason,
        capture.c.expected_image_count,
        capture.c.size_bytes,
        capture.c.received_time,
        capture.c.notified_time,
        capture.c.updated_time,
        capture.c.edge_timings_ms,
        capture.c.cloud_timings_ms,
        examination.c.examination_id,
        examination.c.number,
        examination.c.bound_by,
        examination_capture.c.bound_by.label("capture_bound_by"),
        examination.c.patient_key,
        examination.c.age_days,
    )
    .outerjoin(examination_capture, examination_capture.c.capture_id == capture.c.capture_id)
    .outerjoin(examination, examination.c.examination_id == examination_capture.c.examination_id)
    # Those of a deleted examination are not there until it is restored.
    .where(examination.c.deleted_time.is_(None))
)
_CAPTURE: Final = Prepared(_CAPTURES.where(capture.c.capture_id == sa.bindparam("of_capture")))
_IMAGE_SOURCE: Final = Prepared(
    sa.select(
        image.c.image_id,
        image.c.capture_id,
        image.c.media_type,
        image.c.sha256,
        image.c.start_bytes,
        image.c.size_bytes,
        image.c.width_px,
        image.c.height_px,
        image.c.mm_per_pixel,
        image.c.scale_source,
        part.c.shard_sha256,
        part.c.shard_size_bytes,
        result.c.reading,
        result.c.pictures,
    )
    .join(part, _PART_OF_IMAGE)
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .where(image.c.image_id == sa.bindparam("of_image"))
)


def read_item(tx: Tx, capture_id: str) -> WorkItem | None:
    """One capture as it is now; None where there is none of this id."""
    row = _CAPTURE.first(tx, {"of_capture": capture_id})
    if row is None:
        return None
    return _item(row, _IMAGES_OF_ONE.all(tx, {"of_capture": capture_id}), newest_reviews(tx, [capture_id]))


def read_items(
    tx: Tx,
    *,
    tenant_id: str | None,
    limit: int,
    before_slot: int | None = None,
    states: Collection[CaptureState] | None = None,
) -> list[WorkItem]:
    """Up to `limit` prints of the tenant (None: of the site), newest slot first; those before `before_slot` and in
    `states` where given."""
    own = within(capture.c.tenant_id, tenant_id)
    rows = _CAPTURES.where(_IS_PRINT, own).order_by(capture.c.slot.desc()).limit(limit)
    if before_slot is not None:
        rows = rows.where(capture.c.slot < before_slot)
    if states:
        rows = rows.where(capture.c.state.in_([state.value for state in states]))
    return _items(tx, rows)


def read_examination_items(tx: Tx, examination_id: str) -> list[WorkItem]:
    """Every capture of an examination, in the order of their slots."""
    of_examination = examination_capture.c.examination_id == examination_id
    return _items(tx, _CAPTURES.where(of_examination).order_by(capture.c.slot))


def count_by_state(tx: Tx, tenant_id: str | None) -> dict[str, int]:
    """How many prints of the tenant (None: of the site) stand in each state; every state is named."""
    own = within(capture.c.tenant_id, tenant_id)
    counted = tx.execute(
        sa.select(capture.c.state, sa.func.count()).where(_IS_PRINT, own).group_by(capture.c.state)
    )
    counts = {row[0]: int(row[1]) for row in counted}
    return {state.value: counts.get(state.value, 0) for state in CaptureState}


def read_image(tx: Tx, image_id: str) -> ImageSource | None:
    """Where an image's bytes and pictures lie; None where there is no such image."""
    row = _IMAGE_SOURCE.first(tx, {"of_image": image_id})
    if row is None:
        return None
    return ImageSource(
        image_id=row.image_id,
        capture_id=row.capture_id,
        media_type=row.media_type,
        sha256=row.sha256,
        start_bytes=row.start_bytes,
        size_bytes=row.size_bytes,
        shard_digests=split_digests(row.shard_sha256),
        shard_size_bytes=row.shard_size_bytes,
        width_px=row.width_px,
        height_px=row.height_px,
        mm_per_pixel=row.mm_per_pixel,
        scale_source=row.scale_source,
        reading=row.reading,
        pictures=row.pictures or {},
    )


def split_digests(joined: bytes) -> tuple[bytes, ...]:
    """Digests of 32 bytes each, as they lie one after the other in a column."""
    size = DIGEST_SIZE_BYTES
    return tuple(joined[start : start + size] for start in range(0, len(joined), size))


def _items(tx: Tx, captures: sa.Select[Any]) -> list[WorkItem]:
    found = tx.execute(captures).all()
    capture_ids = [row.capture_id for row in found]
    images, reviews = _images(tx, capture_ids), newest_reviews(tx, capture_ids)
    return [_item(row, images.get(row.capture_id, ()), reviews) for row in found]


def _images(tx: Tx, capture_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """Rows of the captures' images with their part's index in the ledger and their result."""
    if not capture_ids:
        return {}
    by_capture: dict[str, list[Row[Any]]] = {}
    for row in tx.execute(_IMAGES.where(image.c.capture_id.in_(capture_ids))):
        by_capture.setdefault(row.capture_id, []).append(row)
    return by_capture


def _item(row: Any, images: Sequence[Any], reviews: Mapping[str, Review]) -> WorkItem:
    return WorkItem(
        capture_id=row.capture_id,
        trace_id=trace_id(row.capture_id),
        slot=row.slot,
        device_id=row.device_id,
        state=CaptureState(row.state),
        reason=row.reason,
        expected_image_count=row.expected_image_count,
        size_bytes=row.size_bytes,
        received_time=row.received_time,
        notified_time=row.notified_time,
        updated_time=row.updated_time,
        steps_ms={**row.edge_timings_ms, **row.cloud_timings_ms},
        images=tuple(_work_image(each, reviews.get(each.image_id)) for each in images),
        examination=None if row.examination_id is None else _belonging(row),
    )


def _belonging(row: Any) -> Belonging:
    return Belonging(
        examination_id=row.examination_id,
        number=row.number,
        bound_by=row.bound_by,
        capture_bound_by=row.capture_bound_by,
        patient_key=row.patient_key,
        age_days=row.age_days,
    )


def _work_image(row: Any, review: Review | None) -> WorkImage:
    state = ImageState.ANALYSING
    if row.ok is not None:
        state = ImageState.RESULT if row.ok else ImageState.FAILED
    return WorkImage(
        image_id=row.image_id,
        part_index=row.part_index,
        index_in_capture=row.index_in_capture,
        image_type=row.image_type,
        type_probabilities=row.type_probabilities,
        width_px=row.width_px,
        height_px=row.height_px,
        frame_count=row.frame_count,
        mm_per_pixel=row.mm_per_pixel,
        scale_source=row.scale_source,
        source_format=row.source_format,
        sha256=row.sha256.hex(),
        state=state,
        reason=row.reason,
        reading=row.reading,
        ledger_index=row.ledger_index,
        result_ledger_index=row.result_ledger_index,
        timings_ms=row.timings_ms or {},
        review=review,
    )
