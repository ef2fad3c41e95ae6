"""Beside the thirteen steps: report: the facts of an examination as it is now, and as the site may tell them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cloud.db import Tx
from cloud.examinations.completeness import Coverage, read_coverage
from cloud.examinations.items import BoundBy, Examination
from cloud.examinations.items import GivenAge as StoredAge
from cloud.examinations.protocol import Protocol, shipped_protocol
from cloud.examinations.read import read_examination
from cloud.examinations.signing import Signature, read_signatures
from cloud.examinations.states import OF_CAPTURE
from cloud.infer.assess import Context
from cloud.infer.thresholds import ThresholdScheme
from cloud.items import ImageState, Status, WorkItem
from cloud.policy.sex import SexPolicy
from cloud.publish.worklist import read_examination_items
from cloud.report.facts import (
    ChecklistFacts,
    GivenAge,
    ImageFacts,
    ItemFacts,
    LogFacts,
    ReportFacts,
    SchemeFacts,
    Seen,
    SignatureFacts,
    UnreadFacts,
)
from cloud.report.images import images_of, person

_UNREAD = {ImageState.ANALYSING: Status.ANALYSING, ImageState.FAILED: Status.FAILED}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSite:
    """What a report takes from the site."""

    name: str = ""
    """What the site calls itself; empty: the log's name stands there."""
    time_zone: str = "UTC"
    """IANA name of the zone that times are printed in."""
    software: str = "0"
    """Version of the software."""
    thresholds: ThresholdScheme = field(default_factory=ThresholdScheme)
    """The site's limits."""
    protocol: Protocol = field(default_factory=shipped_protocol)
    """What an examination has to show, without what the site does not tell."""
    sex: SexPolicy = field(default_factory=SexPolicy)
    """Whether the sex of a fetus is told."""


def gather(tx: Tx, examination_id: str, site: ReportSite, log: LogFacts, now: datetime) -> ReportFacts | None:
    """The facts of an examination, read in one transaction; None where there is no such examination."""
    examination = read_examination(tx, site.protocol, examination_id)
    if examination is None:
        return None
    captures = read_examination_items(tx, examination_id)
    age = examination.age
    context = Context(gestational_age_days=age.days if age else None, thresholds=site.thresholds)
    images = tuple(images_of(captures, context, site.sex))
    coverage = read_coverage(tx, site.protocol, [examination_id])[examination_id]
    signatures = read_signatures(tx, examination_id)
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
        capture_count=len(captures),
        guessed_count=sum(_is_guessed(item) for item in captures),
        age=_age(age) if age else None,
        images=images,
        unread=tuple(_unread(captures)),
        checklist=_checklist(site.protocol, coverage, images, site.sex),
        signature=_signature(examination, signatures[0], site.sex) if signatures else None,
        scheme=SchemeFacts(
            name=site.sex.text(scheme.name), version=site.sex.text(scheme.version), sha256=scheme.sha256
        ),
        log=log,
        software=site.software,
        made_time=now,
    )


def _is_guessed(item: WorkItem) -> bool:
    of = item.examination
    return of is None or of.capture_bound_by == BoundBy.DEVICE_AND_TIME.value


def _age(age: StoredAge) -> GivenAge:
    return GivenAge(days=age.days, source=age.source, given_by=person(age.by) if age.by else None)


def _unread(captures: Sequence[WorkItem]) -> Iterator[UnreadFacts]:
    """What was printed and has no reading, the same together."""
    counted: Counter[tuple[Status, str | None]] = Counter()
    for item in captures:
        status = OF_CAPTURE.get(item.state)
        if status is not None and not item.images:
            counted[status, item.reason] += item.expected_image_count
        for image in item.images:
            if image.state in _UNREAD:
                counted[_UNREAD[image.state], image.reason] += 1
    for (of_image, reason), count in counted.items():
        yield UnreadFacts(status=of_image, reason=reason, count=count)


def _checklist(
    protocol: Protocol, coverage: Sequence[Coverage], images: Sequence[ImageFacts], sex: SexPolicy
) -> ChecklistFacts:
    numbers = {image.image_id: image.number for image in images}
    return ChecklistFacts(
        name_en=protocol.name.en,
        name_zh=protocol.name.zh,
        version=sex.text(protocol.version),
        items=tuple(_item(protocol, one, numbers) for one in coverage),
    )


def _item(protocol: Protocol, one: Coverage, numbers: dict[str, int]) -> ItemFacts:
    group = protocol.groups[one.item.group]
    seen = Seen.SEEN if one.image_ids else Seen.BY_HAND if one.tick else Seen.MISSING
    return ItemFacts(
        group_en=group.en,
        group_zh=group.zh,
        name_en=one.item.name.en,
        name_zh=one.item.name.zh,
        seen=seen,
        images=tuple(sorted(numbers[each] for each in one.image_ids if each in numbers)),
        ticked_by=person(one.tick.by) if one.tick else None,
    )


def _signature(examination: Examination, newest: Signature, sex: SexPolicy) -> SignatureFacts:
    return SignatureFacts(
        signer=person(newest.signer),
        time=newest.time,
        digest=newest.content.hex(),
        override_reason=sex.text(newest.override or ""),
        ledger_index=newest.ledger_index,
        changed=examination.signed is None or examination.signed.changed_after,
    )
