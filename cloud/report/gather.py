"""Beside the thirteen steps: report: the facts of an examination as it is now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloud.db import Tx
from cloud.examinations.items import GivenAge as StoredAge
from cloud.examinations.read import read_examination
from cloud.examinations.states import OF_CAPTURE
from cloud.infer.assess import Context
from cloud.infer.stored import assess_stored
from cloud.infer.thresholds import ThresholdScheme
from cloud.items import ImageState, WorkImage, WorkItem
from cloud.publish.worklist import read_examination_items
from cloud.report.facts import (
    NORMAL,
    Author,
    GivenAge,
    ImageFacts,
    LogFacts,
    ReportFacts,
    SchemeFacts,
    UnreadFacts,
)
from cloud.report.lengths import lengths_of, remarks_of
from cloud.report.strokes import strokes_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a report takes from the site."""

    name: str = ""
    """What the site calls itself."""
    time_zone: str = "UTC"
    """IANA name of the zone that times are printed in."""
    software: str = "0"
    """Version of the software."""
    thresholds: ThresholdScheme = field(default_factory=ThresholdScheme)
    """The site's limits."""


def gather(tx: Tx, examination_id: str, site: Site, log: LogFacts, now: datetime) -> ReportFacts | None:
    """The facts of an examination, read in one transaction; None where there is no such examination."""
    examination = read_examination(tx, examination_id)
    if examination is None:
        return None
    captures = read_examination_items(tx, examination_id)
    context = Context(
        gestational_age_days=examination.age.days if examination.age else None, thresholds=site.thresholds
    )
    scheme = site.thresholds
    return ReportFacts(
        site_name=site.name or log.origin,
        time_zone=site.time_zone,
        number=str(examination.number),
        examination_id=examination.examination_id,
        pseudonym=examination.patient_key,
        device_id=examination.device_id,
        began_time=examination.began_time,
        active_time=max((item.notified_time for item in captures), default=examination.began_time),
        bound_by=examination.bound_by,
        age=_age(examination.age) if examination.age else None,
        images=tuple(_images(captures, context)),
        unread=tuple(_unread(captures)),
        checklist=None,
        signature=None,
        scheme=SchemeFacts(name=scheme.name, version=scheme.version, sha256=scheme.sha256),
        log=log,
        software=site.software,
        made_time=now,
    )


def person(actor: str) -> str:
    """The name of an actor of the audit: what stands behind "user:" or "token:"."""
    kind, separator, name = actor.partition(":")
    return name if separator else kind


def _age(age: StoredAge) -> GivenAge:
    return GivenAge(days=age.days, source=age.source, given_by=person(age.by) if age.by else None)


def _images(captures: Sequence[WorkItem], context: Context) -> Iterator[ImageFacts]:
    read = [
        (item, image)
        for item in captures
        for image in item.images
        if image.state is ImageState.RESULT and image.reading is not None
    ]
    for number, (item, image) in enumerate(read, start=1):
        assert image.reading is not None
        yield _image(number, item, image, image.reading, context)


def _image(
    number: int, item: WorkItem, image: WorkImage, reading: Mapping[str, Any], context: Context
) -> ImageFacts:
    assessment = assess_stored(reading, context)
    probabilities = reading["finding_probabilities"]
    subplane, loop = reading.get("subplane"), reading.get("loop")
    return ImageFacts(
        number=number,
        image_id=image.image_id,
        sha256=image.sha256,
        received_time=item.received_time,
        width_px=reading["image"]["width_px"],
        height_px=reading["image"]["height_px"],
        frame_count=image.frame_count,
        best_frame=loop["best_frame"] if loop else 0,
        plane=reading["plane"],
        subplane=subplane["label"] if subplane else None,
        subplane_sure=bool(subplane and subplane["sure"]),
        finding=reading["finding"],
        not_normal_probability=1 - probabilities.get(NORMAL, 0.0) if probabilities else None,
        abstain_codes=tuple(reading["abstain_reasons"]),
        lengths_judged=assessment.lengths_judged,
        lengths=lengths_of(reading["measurements"], assessment, Author.MODEL),
        remarks=remarks_of(assessment),
        strokes=strokes_of(reading),
        has_heat=reading["heat"] is not None,
        models={name: (used["version"], used["sha256"]) for name, used in reading["models"].items()},
        ledger_index=image.ledger_index,
        result_ledger_index=image.result_ledger_index,
        review=None,
    )


def _unread(captures: Sequence[WorkItem]) -> Iterator[UnreadFacts]:
    """What was printed and has no reading, the same together."""
    counted: Counter[tuple[str, str | None]] = Counter()
    for item in captures:
        status = OF_CAPTURE.get(item.state)
        if status is not None and not item.images:
            counted[status.value, item.reason] += item.expected_image_count
        for image in item.images:
            if image.state is not ImageState.RESULT:
                counted[image.state.value, image.reason] += 1
    for (state, reason), count in counted.items():
        yield UnreadFacts(status=state, reason=reason, count=count)
