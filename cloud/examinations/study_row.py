"""Examinations: the row by which one is found, written in the transaction of each change of what it describes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import (
    examination,
    examination_capture,
    image_brief,
    image_review,
    study,
    study_note,
    study_tag,
)
from cloud.examinations.review_items import Decision
from cloud.examinations.study_text import search_text
from cloud.examinations.words import FINDING_WORDS, PLANE_WORDS

_PLANES_MAX: Final = 255
_OF: Final[sa.BindParameter[str]] = sa.bindparam("of_examination")
_NAMED: Final = Prepared(
    sa.select(
        examination.c.number,
        examination.c.device_id,
        examination.c.patient_key,
        examination.c.findings,
        study.c.number.label("known"),
    )
    .outerjoin(study, study.c.number == examination.c.number)
    .where(examination.c.examination_id == _OF)
)
_IMAGES: Final = Prepared(
    sa.select(image_brief.c.plane, image_brief.c.subplane, image_brief.c.probability, image_review.c.decision)
    .join(examination_capture, examination_capture.c.capture_id == image_brief.c.capture_id)
    .outerjoin(image_review, image_review.c.ledger_index == image_brief.c.review_index)
    .where(examination_capture.c.examination_id == _OF)
)
_NOTES: Final = Prepared(sa.select(study_note.c.note).where(study_note.c.examination_id == _OF))
_TAGS: Final = Prepared(sa.select(study_tag.c.tag).where(study_tag.c.examination_id == _OF))


def write_row(tx: Tx, examination_id: str) -> None:
    """Brings the row up to what this transaction sees."""
    of = {"of_examination": examination_id}
    named = _NAMED.one(tx, of)
    images = _IMAGES.all(tx, of)
    planes = sorted({plane for row in images for plane in (row.plane, row.subplane) if plane})
    probabilities = [row.probability for row in images if row.probability is not None]
    values: dict[str, Any] = {
        "planes": f" {' '.join(planes)} "[:_PLANES_MAX],
        "probability": max(probabilities, default=None),
        "disagreed_count": sum(row.decision == Decision.DISAGREE.value for row in images),
        "text": search_text(_texts(tx, of, named, planes)),
    }
    if named.known is None:
        row = {"number": named.number, "examination_id": examination_id, **values}
        prepared.insert(study, *row).run(tx, row)
    else:
        prepared.change(tx, study.c.number, named.number, values)


def _texts(tx: Tx, of: dict[str, str], named: Any, planes: Iterable[str]) -> Iterable[str]:
    yield from (f"#{named.number}", named.device_id, named.patient_key or "")
    for finding in named.findings.split():
        yield from (finding, *FINDING_WORDS.get(finding, ()))
    for plane in planes:
        yield from (plane, *PLANE_WORDS.get(plane, ()))
    yield from (row.note for row in _NOTES.all(tx, of))
    yield from (row.tag for row in _TAGS.all(tx, of))
