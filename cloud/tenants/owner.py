"""Tenants: whose an object is: one table of all kinds of objects that an address can name."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import (
    account_token,
    account_user,
    alarm,
    capture,
    device,
    examination,
    image,
    image_review,
    series,
    series_upload,
)
from cloud.monitor.metrics import DEVICE_METRICS


class Kind(StrEnum):
    """What an address can name."""

    CAPTURE = "capture"
    IMAGE = "image"
    EXAMINATION = "examination"
    REVIEW = "review"
    SERIES = "series"
    """Of a browser or a reconstruction, or the loop of an agent, which has its image's id."""
    UPLOAD = "upload"
    DEVICE = "device"
    USER = "user"
    TOKEN = "token"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How the tenant of an object is found."""

    statements: tuple[Prepared, ...]
    """Each gives `tenant_id` of the object :of; the first that knows the object counts."""
    has_uuid: bool = True
    """Whether its id is a UUID."""
    site_is_shared: bool = False
    """Whether what belongs to no tenant may be seen by all of them."""


def _direct(table: sa.Table, key: str) -> Prepared:
    return Prepared(sa.select(table.c.tenant_id).where(table.c[key] == sa.bindparam("of")))


def _through(joined: Any, key: sa.Column[Any], tenant_id: Any) -> Prepared:
    return Prepared(
        sa.select(tenant_id.label("tenant_id")).select_from(joined).where(key == sa.bindparam("of"))
    )


_IMAGE: Final = _through(
    image.join(capture, capture.c.capture_id == image.c.capture_id), image.c.image_id, capture.c.tenant_id
)
_REVIEW: Final = _through(
    image_review.join(image, image.c.image_id == image_review.c.image_id).join(
        capture, capture.c.capture_id == image.c.capture_id
    ),
    image_review.c.review_id,
    capture.c.tenant_id,
)
_ALARM: Final = _through(
    alarm.outerjoin(
        device,
        (device.c.device_id == alarm.c.subject)
        & sa.or_(*(alarm.c.metric == metric.value for metric in DEVICE_METRICS)),
    ),
    alarm.c.alarm_id,
    device.c.tenant_id,
)
_WAYS: Final[Mapping[Kind, _Way]] = {
    Kind.CAPTURE: _Way(statements=(_direct(capture, "capture_id"),)),
    Kind.IMAGE: _Way(statements=(_IMAGE,)),
    Kind.EXAMINATION: _Way(statements=(_direct(examination, "examination_id"),)),
    Kind.REVIEW: _Way(statements=(_REVIEW,)),
    Kind.SERIES: _Way(statements=(_direct(series, "series_id"), _IMAGE)),
    Kind.UPLOAD: _Way(statements=(_direct(series_upload, "upload_id"),)),
    Kind.DEVICE: _Way(statements=(_direct(device, "device_id"),), has_uuid=False),
    Kind.USER: _Way(statements=(_direct(account_user, "user_id"),)),
    Kind.TOKEN: _Way(statements=(_direct(account_token, "token_id"),)),
    # An alarm about the disk or a model is everybody's.
    Kind.ALARM: _Way(statements=(_ALARM,), site_is_shared=True),
}


def is_within(tx: Tx, kind: Kind, object_id: str, tenant_id: str) -> bool:
    """Whether there is such an object and the tenant may see it. `object_id` as it stands in an address."""
    row = _row(tx, kind, object_id)
    if row is None:
        return False
    return row.tenant_id == tenant_id or (_WAYS[kind].site_is_shared and row.tenant_id is None)


def tenant_of(tx: Tx, kind: Kind, object_id: str) -> str | None:
    """Whose an object is; None where there is no such object, or it is the site's."""
    row = _row(tx, kind, object_id)
    return None if row is None else row.tenant_id


def _row(tx: Tx, kind: Kind, object_id: str) -> Any | None:
    way = _WAYS[kind]
    of = _same_uuid(object_id) if way.has_uuid else object_id
    found = (statement.first(tx, {"of": of}) for statement in way.statements)
    return next((row for row in found if row is not None), None)


def _same_uuid(text: str) -> str:
    """The one form of a UUID that may be written in several; other text as it is: nothing has it."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text
