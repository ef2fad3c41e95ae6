"""Examinations: whether an object belongs to a deleted one: then it is shown nowhere until that is restored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import examination, examination_capture, image, image_review

_DELETED: Final = sa.select(examination.c.number).where(examination.c.deleted_time.is_not(None))
_OF_CAPTURE: Final = _DELETED.join(
    examination_capture, examination_capture.c.examination_id == examination.c.examination_id
)
_OF_IMAGE: Final = _OF_CAPTURE.join(image, image.c.capture_id == examination_capture.c.capture_id)
_OF_REVIEW: Final = _OF_IMAGE.join(image_review, image_review.c.image_id == image.c.image_id)
_ID: Final[sa.BindParameter[str]] = sa.bindparam("of_object")
_BY_NAME: Final[Mapping[str, Prepared]] = {
    "examination_id": Prepared(_DELETED.where(examination.c.examination_id == _ID)),
    "capture_id": Prepared(_OF_CAPTURE.where(examination_capture.c.capture_id == _ID)),
    "image_id": Prepared(_OF_IMAGE.where(image.c.image_id == _ID)),
    "review_id": Prepared(_OF_REVIEW.where(image_review.c.review_id == _ID)),
}
NAMES: Final = frozenset(_BY_NAME)
"""What the objects of an examination are called in addresses."""


def is_hidden(tx: Tx, name: str, object_id: str) -> bool:
    """Whether the object that an address names by `name` belongs to a deleted examination."""
    return _BY_NAME[name].first(tx, {"of_object": object_id}) is not None
