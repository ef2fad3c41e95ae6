"""Examinations: reviews of images. Each is appended and none is altered; the newest of an image counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import sqlalchemy as sa

from cloud.accounts.audit import Act
from cloud.accounts.values import Principal
from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, image, image_brief, image_review, result
from cloud.examinations import brief
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.review_entry import review_entry
from cloud.examinations.review_items import Corrected, Decision, Reason, Review, Said, status_after
from cloud.examinations.review_rows import review_of
from cloud.examinations.services import ExaminationServices, person
from cloud.examinations.words import FINDING_WORDS, PLANES, SUBPLANES
from cloud.infer.annotate import Ellipse
from cloud.items import Status
from cloud.publish import outbox
from cloud.publish.topic import OUTBOX_TOPIC

_SUBJECT: Final = Prepared(
    sa.select(
        image.c.capture_id,
        image.c.sha256,
        image.c.width_px,
        image.c.height_px,
        image.c.mm_per_pixel,
        capture.c.device_id,
        result.c.ok,
        result.c.reading,
        result.c.ledger_index,
    )
    .join(capture, capture.c.capture_id == image.c.capture_id)
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .where(image.c.image_id == sa.bindparam("of_image"))
)
_BY_ID: Final = Prepared(
    sa.select(*image_review.c).where(image_review.c.review_id == sa.bindparam("of_review"))
)
_OF_IMAGE: Final = Prepared(
    sa.select(*image_review.c)
    .where(image_review.c.image_id == sa.bindparam("of_image"))
    .order_by(image_review.c.number.desc())
)


class Reviews:
    """Takes reviews and reads them."""

    def __init__(self, services: ExaminationServices) -> None:
        self._services = services

    async def add(self, by: Principal, said: Said) -> Review:
        """When it returns, review, ledger entry and audit row are durable. The same review again is the same one.

        Errors: ExaminationRefused UNKNOWN, NOT_READ_YET, REVIEW_STALE, REVIEW_ID_USED, REASON_MISSING,
        LABEL_UNKNOWN, OUTLINE_IMPOSSIBLE, SEX_WITHHELD; LedgerBusy. Then nothing was done.
        """
        wanted = replace(
            said,
            note=self._services.checked_text(said.note),
            corrected=None if said.corrected is None or said.corrected.is_empty else said.corrected,
        )
        _check(wanted)
        stored = await self._services.database.write(lambda tx: self._add(tx, by, wanted))
        await self._services.bus.publish(OUTBOX_TOPIC)
        return stored

    def _add(self, tx: Tx, by: Principal, said: Said) -> Review:
        services, now = self._services, self._services.clock()
        known = _BY_ID.first(tx, {"of_review": said.review_id})
        if known is not None:
            earlier = review_of(known)
            if earlier.said != said or earlier.reviewer != by.actor:
                raise ExaminationRefused(ExaminationProblem.REVIEW_ID_USED)
            return earlier
        subject = _SUBJECT.first(tx, {"of_image": said.image_id})
        _check_subject(subject, said)
        assert subject is not None
        reviewer_id = person(by).user_id
        entry = review_entry(said, subject.sha256, reviewer_id, now, services.signer)
        (index,) = services.ledger.append(tx, [entry])
        review = Review(said=said, reviewer=by.actor, time=now, ledger_index=index)
        row = _row(review, reviewer_id)
        prepared.insert(image_review, *row).run(tx, row)
        brief.write_missing(tx, subject.capture_id)
        values = {**_brief_after(subject, said), "review_index": index}
        prepared.change(tx, image_brief.c.image_id, said.image_id, values)
        outbox.append(tx, capture_id=subject.capture_id, device_id=subject.device_id, time=now)
        services.note(tx, Act.REVIEW, by, said.image_id)
        return review

    async def of_image(self, image_id: str) -> list[Review]:
        """Every review of an image, newest first."""
        rows = await self._services.database.read(lambda tx: _OF_IMAGE.all(tx, {"of_image": image_id}))
        return [review_of(row) for row in rows]

    async def ledger_index(self, review_id: str) -> int:
        """Index of a review's entry. Errors: ExaminationRefused UNKNOWN."""
        row = await self._services.database.read(lambda tx: _BY_ID.first(tx, {"of_review": review_id}))
        if row is None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        index: int = row.ledger_index
        return index


def _row(review: Review, reviewer_id: str) -> dict[str, Any]:
    said = review.said
    return {
        "review_id": said.review_id,
        "image_id": said.image_id,
        "result_ledger_index": said.result_ledger_index,
        "decision": said.decision.value,
        "reason": said.reason.value if said.reason else None,
        "note": said.note,
        "corrected": said.corrected.to_json() if said.corrected else None,
        "reviewer": review.reviewer,
        "reviewer_id": reviewer_id,
        "review_time": review.time,
        "ledger_index": review.ledger_index,
    }


def _check(said: Said) -> None:
    """What can be told without the image."""
    agrees = said.decision is Decision.AGREE
    if agrees != (said.reason is None) or (agrees and said.corrected is not None):
        raise ExaminationRefused(ExaminationProblem.REASON_MISSING)
    if said.reason is Reason.OTHER and said.note is None:
        raise ExaminationRefused(ExaminationProblem.REASON_MISSING)
    corrected = said.corrected or Corrected()
    planes, findings = {None, *PLANES, *SUBPLANES}, {None, *FINDING_WORDS}
    if corrected.plane not in planes or corrected.finding not in findings:
        raise ExaminationRefused(ExaminationProblem.LABEL_UNKNOWN)


def _check_subject(subject: Any | None, said: Said) -> None:
    """Whether the image is there, has the result that the person saw, and can hold the outline."""
    if subject is None:
        raise ExaminationRefused(ExaminationProblem.UNKNOWN)
    if subject.ledger_index is None:
        raise ExaminationRefused(ExaminationProblem.NOT_READ_YET)
    if subject.ledger_index != said.result_ledger_index:
        raise ExaminationRefused(ExaminationProblem.REVIEW_STALE)
    ellipse = said.corrected.ellipse if said.corrected else None
    if ellipse is not None and not _fits(ellipse, subject.width_px, subject.height_px):
        raise ExaminationRefused(ExaminationProblem.OUTLINE_IMPOSSIBLE)


def _fits(ellipse: Ellipse, width_px: int, height_px: int) -> bool:
    inside = 0 <= ellipse.cx < width_px and 0 <= ellipse.cy < height_px
    # A comparison with NaN is false.
    sized = 0 < ellipse.b <= ellipse.a <= width_px + height_px
    return inside and sized and 0 <= ellipse.angle_deg < 180


def _brief_after(subject: Any, said: Said) -> dict[str, Any]:
    """The brief of the image's result with what the person said in place of what the reading says."""
    read = brief.of_result(subject.ok, subject.reading)
    corrected = said.corrected or Corrected()
    status = status_after(Status(read["status"]), said)
    after = {**read, "status": status.value, "finding": _finding_after(status, subject.reading, corrected)}
    if corrected.plane is not None:
        is_subplane = corrected.plane in SUBPLANES
        after["plane"] = "brain" if is_subplane else corrected.plane
        after["subplane"] = corrected.plane if is_subplane else None
    if corrected.ellipse is not None and subject.mm_per_pixel is not None:
        after["measured"] = [*dict.fromkeys(["hc", "bpd", "ofd", *read["measured"]])]
    return after


def _finding_after(status: Status, reading: Mapping[str, Any] | None, corrected: Corrected) -> str | None:
    if corrected.finding is not None:
        return corrected.finding
    if status is Status.NORMAL:
        return "normal"
    named = reading["finding"] if reading else None
    return named if status is Status.ABNORMAL and named != "normal" else None
