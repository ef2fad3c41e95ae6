"""Part of steps 2 and 7 to 10: their SQL."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from cloud.db.prepared import Prepared
from cloud.db.tables import capture, device, image, part, result, upload

DEVICE_KEY: Final = Prepared(
    sa.select(device.c.verifier_key, device.c.revoked).where(device.c.device_id == bindparam("device"))
)
"""Key and standing of :device."""

DEVICE_HEARD: Final = Prepared(
    sa.update(device)
    .where(
        device.c.device_id == bindparam("device"),
        device.c.last_seen_time < bindparam("time", type_=device.c.last_seen_time.type),
    )
    .values(last_seen_time=bindparam("time", type_=device.c.last_seen_time.type))
)
"""Notes that :device was there at :time."""

FIND_CAPTURE: Final = Prepared(
    sa.select(
        capture.c.slot,
        capture.c.device_id,
        capture.c.request_id,
        capture.c.request_digest,
        capture.c.state,
        capture.c.reason,
        capture.c.committed_time,
        capture.c.edge_timings_ms,
        capture.c.series_label,
    ).where(capture.c.capture_id == bindparam("capture"))
)
"""What :capture was announced as, and how it stands."""

FIND_REQUEST: Final = Prepared(
    sa.select(capture.c.slot).where(
        capture.c.device_id == bindparam("device"), capture.c.request_id == bindparam("request")
    )
)
"""The slot that :device announced by :request."""

FIND_UPLOAD: Final = Prepared(
    sa.select(
        upload.c.fencing_token,
        upload.c.manifest_digest,
        upload.c.opened_time,
        upload.c.committed_time,
        capture.c.cloud_timings_ms,
        capture.c.series_label,
    )
    .join(capture, capture.c.capture_id == upload.c.capture_id)
    .where(upload.c.session_id == bindparam("session"))
)
"""Standing of :session, without its manifest."""

LOAD_UPLOAD: Final = Prepared(
    sa.select(
        upload.c.device_id,
        upload.c.fencing_token,
        upload.c.manifest,
        upload.c.committed_time,
        capture.c.tenant_id,
    )
    .join(capture, capture.c.capture_id == upload.c.capture_id)
    .where(upload.c.session_id == bindparam("session"))
)
"""What :session was opened with."""

FIND_IMAGE: Final = Prepared(sa.select(image.c.image_id).where(image.c.image_id == bindparam("image")))
""":image where it is there already."""

LEDGER_INDICES: Final = Prepared(
    sa.select(part.c.ledger_index)
    .where(part.c.capture_id == bindparam("capture"))
    .order_by(part.c.part_index)
)
"""Ledger index of each part of :capture, in their order."""

FIND_RESULT: Final = Prepared(
    sa.select(result.c.image_id, result.c.ok, result.c.reason, result.c.reading, result.c.result_time).where(
        result.c.image_id == bindparam("image")
    )
)
"""The result of :image."""
