"""Examinations: what a signature covers, as one digest: images, their results and reviews, and the age."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import examination_capture, image, image_brief
from sonorelay.contract.digest import sha256

_NONE: Final = "-"
_CONTENT: Final = Prepared(
    sa.select(
        image.c.image_id,
        image.c.sha256,
        image_brief.c.ledger_index,
        image_brief.c.review_index,
    )
    .join(examination_capture, examination_capture.c.capture_id == image.c.capture_id)
    .outerjoin(image_brief, image_brief.c.image_id == image.c.image_id)
    .where(examination_capture.c.examination_id == sa.bindparam("of_examination"))
    .order_by(image.c.image_id)
)


def content_digest(tx: Tx, examination_id: str, age_days: float | None) -> bytes:
    """SHA-256 of the text that SPEC.md, section 11, gives: it changes with every image, result, review and age."""
    lines = [f"examination {examination_id}", f"age {_NONE if age_days is None else f'{age_days:.1f}'}"]
    lines += [
        f"image {row.image_id} {row.sha256.hex()} {_index(row.ledger_index)} {_index(row.review_index)}"
        for row in _CONTENT.all(tx, {"of_examination": examination_id})
    ]
    return sha256("".join(f"{line}\n" for line in lines).encode())


def _index(index: int | None) -> str:
    return _NONE if index is None else str(index)
