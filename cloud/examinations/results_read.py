"""Examinations: every result that its images ever had: a new one never overwrites those of earlier models."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.jobs import WAITING
from cloud.db.prepared import Prepared
from cloud.db.tables import examination_capture, image, job, result, result_earlier
from cloud.examinations.study_items import StoredResult
from cloud.line import READ_JOB

_OF: Final[sa.BindParameter[str]] = sa.bindparam("of_examination")
_IMAGES: Final = (
    sa.select(image.c.image_id)
    .join(examination_capture, examination_capture.c.capture_id == image.c.capture_id)
    .where(examination_capture.c.examination_id == _OF)
)


def _of(table: sa.Table) -> Prepared:
    names = ("image_id", "ledger_index", "reason", "reading", "result_time")
    return Prepared(sa.select(*(table.c[name] for name in names)).where(table.c.image_id.in_(_IMAGES)))


_CURRENT: Final = _of(result)
_EARLIER: Final = _of(result_earlier)
_WAITING: Final = Prepared(
    sa.select(job.c.subject_id).where(
        job.c.kind == READ_JOB,
        sa.or_(*(job.c.state == state for state in WAITING)),
        job.c.subject_id.in_(_IMAGES),
    )
)


def read_results(tx: Tx, examination_id: str) -> list[StoredResult]:
    """Every result of the images of an examination, the newest first."""
    of = {"of_examination": examination_id}
    found = [_result(row, True) for row in _CURRENT.all(tx, of)]
    found += [_result(row, False) for row in _EARLIER.all(tx, of)]
    return sorted(found, key=lambda each: -each.ledger_index)


def read_waiting(tx: Tx, examination_id: str) -> list[str]:
    """Images of an examination that are to be read, for the first time or again."""
    return [row.subject_id for row in _WAITING.all(tx, {"of_examination": examination_id})]


def _result(row: Any, is_current: bool) -> StoredResult:
    return StoredResult(
        image_id=row.image_id,
        ledger_index=row.ledger_index,
        is_current=is_current,
        reason=row.reason,
        reading=row.reading,
        time=row.result_time,
    )
