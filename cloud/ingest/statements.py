"""Part of steps 2 and 7 to 10: their SQL. Built once: building costs five times what running does."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from cloud.db.tables import capture, device, image, part, upload


@cache
def device_key() -> sa.Select[Any]:
    """Key and standing of :device."""
    return sa.select(device.c.verifier_key, device.c.revoked).where(device.c.device_id == bindparam("device"))


@cache
def see_device() -> sa.Update:
    """Sets columns of :device."""
    return sa.update(device).where(device.c.device_id == bindparam("device"))


@cache
def find_capture() -> sa.Select[Any]:
    """The row of :capture."""
    return sa.select(capture).where(capture.c.capture_id == bindparam("capture"))


@cache
def find_request() -> sa.Select[Any]:
    """The slot that :device announced by :request."""
    return sa.select(capture.c.slot).where(
        capture.c.device_id == bindparam("device"), capture.c.request_id == bindparam("request")
    )


@cache
def insert_capture() -> sa.Insert:
    """Adds a capture and gives its slot."""
    return sa.insert(capture).returning(capture.c.slot)


@cache
def change_capture() -> sa.Update:
    """Sets columns of :capture."""
    return sa.update(capture).where(capture.c.capture_id == bindparam("capture"))


@cache
def find_upload() -> sa.Select[Any]:
    """Standing of :session, without its manifest."""
    columns = (
        upload.c.fencing_token,
        upload.c.manifest_digest,
        upload.c.opened_time,
        upload.c.committed_time,
        capture.c.cloud_timings_ms,
    )
    return (
        sa.select(*columns)
        .join(capture, capture.c.capture_id == upload.c.capture_id)
        .where(upload.c.session_id == bindparam("session"))
    )


@cache
def insert_upload() -> sa.Insert:
    """Adds an upload."""
    return sa.insert(upload)


@cache
def change_upload() -> sa.Update:
    """Sets columns of :session."""
    return sa.update(upload).where(upload.c.session_id == bindparam("session"))


@cache
def insert_parts() -> sa.Insert:
    """Adds parts."""
    return sa.insert(part)


@cache
def insert_images() -> sa.Insert:
    """Adds images."""
    return sa.insert(image)


@cache
def any_image() -> sa.Select[Any]:
    """One of :images that is there already."""
    named = image.c.image_id.in_(bindparam("images", expanding=True))
    return sa.select(image.c.image_id).where(named).limit(1)
