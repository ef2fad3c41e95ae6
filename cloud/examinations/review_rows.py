"""Examinations: reviews as the worklist reads them: the newest of each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import image_brief, image_review
from cloud.examinations.review_items import Corrected, Decision, Reason, Review, Said

_NEWEST: Final = sa.select(*image_review.c).join(
    image_brief,
    (image_brief.c.image_id == image_review.c.image_id)
    & (image_brief.c.review_index == image_review.c.ledger_index),
)


def newest_reviews(tx: Tx, capture_ids: Sequence[str]) -> dict[str, Review]:
    """The newest review of each image of these captures that has one, by image."""
    if not capture_ids:
        return {}
    rows = tx.execute(_NEWEST.where(image_brief.c.capture_id.in_(capture_ids)))
    return {row.image_id: review_of(row) for row in rows}


def review_of(row: Any) -> Review:
    """The review of a row that has the columns of its table."""
    said = Said(
        review_id=row.review_id,
        image_id=row.image_id,
        result_ledger_index=row.result_ledger_index,
        decision=Decision(row.decision),
        reason=None if row.reason is None else Reason(row.reason),
        note=row.note,
        corrected=None if row.corrected is None else Corrected.from_json(row.corrected),
    )
    return Review(said=said, reviewer=row.reviewer, time=row.review_time, ledger_index=row.ledger_index)
