"""Step 13 of 13: console. From the server's values to what the page shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cloud.console.api.models import Status, StepTime, WorkImage, WorkItem
from cloud.console.api.reading_models import Reading
from cloud.items import CaptureState, ImageState
from cloud.items import WorkImage as StoredImage
from cloud.items import WorkItem as StoredItem

STEPS: Final = (
    "capture",
    "pre-notify",
    "filter",
    "de-identify",
    "split by type",
    "shard + hash",
    "upload",
    "verify",
    "store",
    "ledger",
    "infer",
    "publish",
    "console",
)
"""The line's steps in order; the same names as in both `line.py`."""

NORMAL_FINDING: Final = "normal"

_BY_STATE: Final[dict[CaptureState, Status]] = {
    CaptureState.INCOMING: Status.INCOMING,
    CaptureState.ANALYSING: Status.ANALYSING,
    CaptureState.REFUSED: Status.REFUSED,
    CaptureState.HELD: Status.HELD,
    CaptureState.MISSING: Status.MISSING,
}

# A capture shows the most pressing of its images: one that a person must look at is never hidden behind a
# normal one, and a capture of which only a part could be read is for review.
_PRESSING: Final = (Status.ANALYSING, Status.ABNORMAL, Status.REVIEW, Status.NORMAL, Status.FAILED)


def work_item(item: StoredItem) -> WorkItem:
    """The capture as the page shows it: its status is worked out here and nowhere else."""
    images = [_work_image(image) for image in item.images]
    return WorkItem(
        capture_id=item.capture_id,
        trace_id=item.trace_id,
        slot=item.slot,
        device_id=item.device_id,
        status=_BY_STATE.get(item.state) or _result_status(image.status for image in images),
        reason=item.reason,
        expected_image_count=item.expected_image_count,
        size_bytes=item.size_bytes,
        received_time=item.received_time,
        notified_time=item.notified_time,
        updated_time=item.updated_time,
        steps=_steps(item.steps_ms),
        waited_ms=item.steps_ms.get("queue"),
        images=images,
    )


def reading_status(reading: Reading) -> Status:
    """What a reading amounts to: review where it abstains or names nothing."""
    if reading.abstained or reading.finding is None:
        return Status.REVIEW
    return Status.NORMAL if reading.finding == NORMAL_FINDING else Status.ABNORMAL


def _work_image(image: StoredImage) -> WorkImage:
    reading = Reading.model_validate(image.reading) if image.reading is not None else None
    return WorkImage(
        image_id=image.image_id,
        part_index=image.part_index,
        index_in_capture=image.index_in_capture,
        status=_image_status(image.state, reading),
        reason=image.reason,
        image_type=image.image_type,
        type_probabilities=image.type_probabilities,
        width_px=image.width_px,
        height_px=image.height_px,
        frame_count=image.frame_count,
        mm_per_pixel=image.mm_per_pixel,
        source_format=image.source_format,
        sha256=image.sha256,
        reading=reading,
        ledger_index=image.ledger_index,
        result_ledger_index=image.result_ledger_index,
        timings_ms=image.timings_ms,
    )


def _image_status(state: ImageState, reading: Reading | None) -> Status:
    if state is ImageState.ANALYSING:
        return Status.ANALYSING
    return Status.FAILED if state is ImageState.FAILED or reading is None else reading_status(reading)


def _result_status(statuses: Iterable[Status]) -> Status:
    present = set(statuses)
    if Status.FAILED in present and present != {Status.FAILED}:
        present.add(Status.REVIEW)
    return next((status for status in _PRESSING if status in present), Status.FAILED)


def _steps(steps_ms: dict[str, float]) -> list[StepTime]:
    return [StepTime(number=n, name=name, ms=steps_ms.get(name)) for n, name in enumerate(STEPS, start=1)]
