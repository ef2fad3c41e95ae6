"""Step 13 of 13: console. From the server's values to what the page shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cloud.console.api.models import Belonging, StepTime, WorkImage, WorkItem
from cloud.console.api.present_reviews import review
from cloud.console.api.reading_models import Reading
from cloud.console.api.site import Site
from cloud.examinations.items import BoundBy
from cloud.examinations.review_items import status_after
from cloud.examinations.states import OF_CAPTURE, reading_status
from cloud.infer.assess import Context
from cloud.infer.measure import Scale
from cloud.infer.stored import assess_stored
from cloud.items import Belonging as StoredBelonging
from cloud.items import ImageState, Status
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

# A capture shows the most pressing of its images: one that a person must look at is never hidden behind a
# normal one, and a capture of which only a part could be read is for review.
_PRESSING: Final = (Status.ANALYSING, Status.ABNORMAL, Status.REVIEW, Status.NORMAL, Status.FAILED)


def work_item(item: StoredItem, site: Site) -> WorkItem:
    """The capture as the page shows it: its status is worked out here and nowhere else.

    Where its examination has a gestational age, lengths are judged by that and by the limits that the site has now;
    what is stored stays as it is. A person's review counts before the reading, which is shown beside it.
    """
    of = item.examination
    age_days = None if of is None else of.age_days
    images = [_work_image(image, age_days, site) for image in item.images]
    return WorkItem(
        capture_id=item.capture_id,
        trace_id=item.trace_id,
        slot=item.slot,
        device_id=item.device_id,
        status=OF_CAPTURE.get(item.state) or _result_status(image.status for image in images),
        reason=item.reason,
        expected_image_count=item.expected_image_count,
        size_bytes=item.size_bytes,
        received_time=item.received_time,
        notified_time=item.notified_time,
        updated_time=item.updated_time,
        steps=_steps(item.steps_ms),
        waited_ms=item.steps_ms.get("queue"),
        images=images,
        examination_id=None if of is None else of.examination_id,
        examination=None if of is None else _belonging(of),
    )


def _belonging(of: StoredBelonging) -> Belonging:
    return Belonging(
        examination_id=of.examination_id,
        number=of.number,
        bound_by=BoundBy(of.bound_by),
        capture_bound_by=BoundBy(of.capture_bound_by),
        patient_key=of.patient_key,
        gestational_age_days=of.age_days,
    )


def reading_at(reading: Mapping[str, Any], age_days: float | None, site: Site) -> Reading:
    """A stored reading as it may be shown, with what its lengths say at the examination's age where it has one."""
    said: dict[str, Any] = {}
    if age_days is not None:
        context = Context(gestational_age_days=age_days, thresholds=site.thresholds)
        said = assess_stored(reading, context).to_json()
    return Reading.model_validate(site.sex.facts({**reading, **said}))


def _work_image(image: StoredImage, age_days: float | None, site: Site) -> WorkImage:
    reading = None if image.reading is None else reading_at(image.reading, age_days, site)
    read_status = _read_status(image)
    said = image.review
    scale = None
    if image.mm_per_pixel is not None:
        scale = Scale(mm_per_pixel=image.mm_per_pixel, source=image.scale_source or "given")
    return WorkImage(
        image_id=image.image_id,
        part_index=image.part_index,
        index_in_capture=image.index_in_capture,
        status=read_status if said is None else status_after(read_status, said.said),
        read_status=read_status,
        reason=image.reason,
        image_type=site.sex.label(image.image_type),
        type_probabilities=site.sex.facts(image.type_probabilities),
        width_px=image.width_px,
        height_px=image.height_px,
        frame_count=image.frame_count,
        mm_per_pixel=image.mm_per_pixel,
        scale_source=image.scale_source,
        source_format=image.source_format,
        sha256=image.sha256,
        reading=reading,
        ledger_index=image.ledger_index,
        result_ledger_index=image.result_ledger_index,
        timings_ms=image.timings_ms,
        review=None if said is None else review(said, scale, age_days, site),
    )


def _read_status(image: StoredImage) -> Status:
    if image.state is ImageState.ANALYSING:
        return Status.ANALYSING
    failed = image.state is ImageState.FAILED or image.reading is None
    return Status.FAILED if failed or image.reading is None else reading_status(image.reading)


def _result_status(statuses: Iterable[Status]) -> Status:
    present = set(statuses)
    if Status.FAILED in present and present != {Status.FAILED}:
        present.add(Status.REVIEW)
    return next((status for status in _PRESSING if status in present), Status.FAILED)


def _steps(steps_ms: dict[str, float]) -> list[StepTime]:
    return [StepTime(number=n, name=name, ms=steps_ms.get(name)) for n, name in enumerate(STEPS, start=1)]
