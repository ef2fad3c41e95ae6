"""Beside the thirteen steps: report: the facts of each image: what the model says, and what a person says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cloud.examinations.review_items import Corrected, Decision, Review, status_after
from cloud.examinations.states import NORMAL_FINDING, reading_status
from cloud.infer.annotate import Ellipse
from cloud.infer.assess import Context, assess
from cloud.infer.measure import Scale, measure
from cloud.infer.reading import measurements_json
from cloud.infer.stored import assess_stored
from cloud.items import ImageState, WorkImage, WorkItem
from cloud.policy.sex import SexPolicy
from cloud.report.facts import Author, ImageFacts, LengthFacts, RemarkFacts, ReviewFacts
from cloud.report.lengths import lengths_of, remarks_of
from cloud.report.strokes import strokes_of


def images_of(captures: Sequence[WorkItem], context: Context, sex: SexPolicy) -> Iterator[ImageFacts]:
    """The images that were read, in the order of their prints, numbered from 1."""
    read = [
        (item, image, image.reading)
        for item in captures
        for image in item.images
        if image.state is ImageState.RESULT and image.reading is not None
    ]
    for number, (item, image, reading) in enumerate(read, start=1):
        yield _image(number, item, image, sex.facts(reading), context, sex)


def person(actor: str) -> str:
    """The name of an actor of the audit: what stands behind "user:" or "token:"."""
    kind, separator, name = actor.partition(":")
    return name if separator else kind


def _image(
    number: int,
    item: WorkItem,
    image: WorkImage,
    reading: Mapping[str, Any],
    context: Context,
    sex: SexPolicy,
) -> ImageFacts:
    assessment = assess_stored(reading, context)
    probabilities = reading["finding_probabilities"]
    subplane, loop = reading.get("subplane"), reading.get("loop")
    status, review = reading_status(reading), image.review
    ellipse = _ellipse(review)
    corrected_lengths, corrected_remarks = _corrected(ellipse, image, context)
    return ImageFacts(
        number=number,
        image_id=image.image_id,
        sha256=image.sha256,
        received_time=item.received_time,
        width_px=reading["image"]["width_px"],
        height_px=reading["image"]["height_px"],
        frame_count=image.frame_count,
        best_frame=loop["best_frame"] if loop else 0,
        status=status_after(status, review.said) if review else status,
        plane=reading["plane"],
        subplane=subplane["label"] if subplane else None,
        subplane_sure=bool(subplane and subplane["sure"]),
        finding=reading["finding"],
        not_normal_probability=1 - probabilities.get(NORMAL_FINDING, 0.0) if probabilities else None,
        abstain_codes=tuple(reading["abstain_reasons"]),
        lengths_judged=assessment.lengths_judged,
        lengths=lengths_of(reading["measurements"], assessment, Author.MODEL) + corrected_lengths,
        remarks=remarks_of(assessment, Author.MODEL) + corrected_remarks,
        strokes=strokes_of(reading, ellipse),
        has_heat=reading["heat"] is not None,
        models={name: (used["version"], used["sha256"]) for name, used in reading["models"].items()},
        ledger_index=image.ledger_index,
        result_ledger_index=image.result_ledger_index,
        review=_review(review, sex) if review else None,
    )


def _ellipse(review: Review | None) -> Ellipse | None:
    return review.said.corrected.ellipse if review and review.said.corrected else None


def _corrected(
    ellipse: Ellipse | None, image: WorkImage, context: Context
) -> tuple[tuple[LengthFacts, ...], tuple[RemarkFacts, ...]]:
    """What a person's outline says, reckoned as the model's is."""
    if ellipse is None:
        return (), ()
    scale = None
    if image.mm_per_pixel is not None:
        scale = Scale(mm_per_pixel=image.mm_per_pixel, source=image.scale_source or "given")
    measured = measure(ellipse, scale)
    assessment = assess(measured, context, ())
    lengths = lengths_of(measurements_json(measured), assessment, Author.PERSON)
    return lengths, remarks_of(assessment, Author.PERSON)


def _review(review: Review, sex: SexPolicy) -> ReviewFacts:
    said = review.said
    corrected = said.corrected or Corrected()
    return ReviewFacts(
        agreed=said.decision is Decision.AGREE,
        reason_code=said.reason.value if said.reason else None,
        reason_text=sex.text(said.note or ""),
        finding=sex.label(corrected.finding) if corrected.finding is not None else None,
        plane=sex.label(corrected.plane) if corrected.plane is not None else None,
        reviewer=person(review.reviewer),
        time=review.time,
        ledger_index=review.ledger_index,
    )
