"""Examinations: brings the row of an examination up to what is in it, in the transaction of the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import (
    capture,
    examination,
    examination_capture,
    image,
    image_brief,
    protocol_tick,
    study,
    study_note,
    study_tag,
)
from cloud.examinations import brief
from cloud.examinations.content import content_digest
from cloud.examinations.states import OF_CAPTURE, examination_state
from cloud.examinations.study_row import write_row
from cloud.items import CaptureState, Status

_FINDINGS_MAX: Final = 255
_OF_CAPTURE: Final = Prepared(
    sa.select(examination_capture.c.examination_id).where(
        examination_capture.c.capture_id == sa.bindparam("of_capture")
    )
)
_IN_EXAMINATION: Final = examination_capture.c.examination_id == sa.bindparam("of_examination")
_CAPTURES: Final = Prepared(
    sa.select(
        capture.c.state,
        sa.func.count().label("captures"),
        sa.func.max(capture.c.slot).label("newest_slot"),
    )
    .join(examination_capture, examination_capture.c.capture_id == capture.c.capture_id)
    .where(_IN_EXAMINATION)
    .group_by(capture.c.state)
)
_IMAGES: Final = Prepared(
    sa.select(sa.func.count().label("images"))
    .select_from(examination_capture)
    .join(image, image.c.capture_id == examination_capture.c.capture_id)
    .where(_IN_EXAMINATION)
)
_BRIEFS: Final = Prepared(
    sa.select(
        image_brief.c.status,
        image_brief.c.finding,
        sa.func.count().label("images"),
        sa.func.count(image_brief.c.review_index).label("reviewed"),
    )
    .join(examination_capture, examination_capture.c.capture_id == image_brief.c.capture_id)
    .where(_IN_EXAMINATION)
    .group_by(image_brief.c.status, image_brief.c.finding)
)
_SIGNED: Final = Prepared(
    sa.select(examination.c.signed_digest, examination.c.age_days).where(
        examination.c.examination_id == sa.bindparam("of_examination")
    )
)


def examination_of(tx: Tx, capture_id: str) -> str | None:
    """The examination that a capture belongs to; None where it belongs to none (yet)."""
    row = _OF_CAPTURE.first(tx, {"of_capture": capture_id})
    return None if row is None else row.examination_id


def refresh_of_capture(tx: Tx, capture_id: str, now: datetime) -> None:
    """`refresh` for the examination that this capture belongs to, after its results got their briefs."""
    brief.write_missing(tx, capture_id)
    examination_id = examination_of(tx, capture_id)
    if examination_id is not None:
        refresh(tx, examination_id, now)


def refresh(tx: Tx, examination_id: str, now: datetime) -> None:
    """Counts, state, findings, how it is found, and whether it changed after it was signed, as of this transaction.

    An examination without captures disappears.
    """
    of = {"of_examination": examination_id}
    captures = _CAPTURES.all(tx, of)
    if not captures:
        for table in (protocol_tick, study_note, study_tag, study, examination):
            tx.execute(sa.delete(table).where(table.c.examination_id == examination_id))
        return
    values = {**_derived(tx, of, captures), "updated_time": now}
    signed = _SIGNED.one(tx, of)
    if signed.signed_digest is not None:
        digest = content_digest(tx, examination_id, signed.age_days)
        values["changed_after_signing"] = digest != signed.signed_digest
    prepared.change(tx, examination.c.examination_id, examination_id, values)
    write_row(tx, examination_id)


def _derived(tx: Tx, of: Mapping[str, str], captures: list[Any]) -> dict[str, Any]:
    briefs = _BRIEFS.all(tx, of)
    present = {Status(row.status) for row in briefs}
    present |= {OF_CAPTURE[s] for row in captures if (s := CaptureState(row.state)) in OF_CAPTURE}
    findings = " ".join(sorted({row.finding for row in briefs if row.finding}))
    return {
        "newest_slot": max(row.newest_slot for row in captures),
        "capture_count": sum(row.captures for row in captures),
        "image_count": _IMAGES.one(tx, of).images,
        "read_count": sum(row.images for row in briefs),
        "reviewed_count": sum(row.reviewed for row in briefs),
        "state": examination_state(present).value,
        "findings": f" {findings} "[:_FINDINGS_MAX],
    }
