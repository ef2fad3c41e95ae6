"""Examinations: what gives an examination its state: the first image or print that stands so, and what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import capture, examination_capture, image, image_brief, result
from cloud.examinations.items import Examination
from cloud.examinations.states import NORMAL_FINDING, OF_CAPTURE, UNSEEN
from cloud.items import CaptureState, Status

_OF_IMAGES: Final = frozenset({Status.ABNORMAL, Status.REVIEW, Status.NORMAL, Status.FAILED})
"""States that an image can give."""
_FOR_REVIEW: Final = UNSEEN | {Status.REVIEW}
"""What makes an examination one for review."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """The image or print that gives an examination its state."""

    capture_id: str
    """Its print."""
    image_id: str | None
    """The image; None where the print has none."""
    finding: str | None
    """Finding after reviews; None where there is none to rely on."""
    not_normal: float | None
    """Probability of not normal by the reading; None where no brain was classified."""
    reason: str | None
    """Why there is no finding: a code of an abstention, or of the edge; None where there is one."""


def leads_of(tx: Tx, examinations: Sequence[Examination]) -> Mapping[str, Lead]:
    """The lead of each examination that has one, by examination_id: the first in the order of printing."""
    leads: dict[str, Lead] = {}
    states = {each.examination_id: each.state for each in examinations if each.state in _OF_IMAGES}
    for row in _images(tx, states):
        state = states[row.examination_id]
        if row.status == state.value:
            leads.setdefault(row.examination_id, _of_image(row))
    stopped = {
        each.examination_id: _FOR_REVIEW if each.state is Status.REVIEW else {each.state}
        for each in examinations
        if each.examination_id not in leads
    }
    for row in _stopped(tx, stopped):
        if OF_CAPTURE.get(CaptureState(row.state)) in stopped[row.examination_id]:
            leads.setdefault(row.examination_id, _of_capture(row))
    return leads


def _images(tx: Tx, of: Iterable[str]) -> Sequence[Any]:
    """Images with a result, in the order of printing; of a reading only the two values that are shown."""
    reading = result.c.reading
    return tx.execute(
        sa.select(
            examination_capture.c.examination_id,
            image_brief.c.capture_id,
            image_brief.c.image_id,
            image_brief.c.status,
            image_brief.c.finding,
            result.c.reason,
            reading[("finding_probabilities", NORMAL_FINDING)].as_float().label("normal"),
            reading[("abstain_reasons", 0)].as_string().label("abstained_for"),
        )
        .join(examination_capture, examination_capture.c.capture_id == image_brief.c.capture_id)
        .join(result, result.c.image_id == image_brief.c.image_id)
        .join(image, image.c.image_id == image_brief.c.image_id)
        .where(examination_capture.c.examination_id.in_(list(of)))
        .order_by(examination_capture.c.slot, image.c.index_in_capture)
    ).all()


def _stopped(tx: Tx, of: Iterable[str]) -> Sequence[Any]:
    """Prints that ended without an image, in the order of printing."""
    return tx.execute(
        sa.select(
            examination_capture.c.examination_id,
            capture.c.capture_id,
            capture.c.state,
            capture.c.reason,
        )
        .join(capture, capture.c.capture_id == examination_capture.c.capture_id)
        .where(examination_capture.c.examination_id.in_(list(of)), capture.c.reason.is_not(None))
        .order_by(examination_capture.c.slot)
    ).all()


def _of_image(row: Any) -> Lead:
    return Lead(
        capture_id=row.capture_id,
        image_id=row.image_id,
        finding=row.finding,
        not_normal=None if row.normal is None else 1.0 - row.normal,
        reason=None if row.finding is not None else row.abstained_for or row.reason,
    )


def _of_capture(row: Any) -> Lead:
    return Lead(capture_id=row.capture_id, image_id=None, finding=None, not_normal=None, reason=row.reason)
