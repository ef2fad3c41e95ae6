"""Part of steps 2, 7 and 10: the capture's row, which is its slot on the console."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cloud.db import Tx, prepared
from cloud.db.tables import capture
from cloud.errors import CallRefused
from cloud.examinations.binding import join
from cloud.ingest import statements
from cloud.items import CaptureState
from cloud.tenants.rows import tenant_of_device
from sonorelay.contract.reasons import WireReason


def find(tx: Tx, capture_id: str, device_id: str) -> Any | None:
    """The capture's row (FIND_CAPTURE), None before its first word; refuses another device's as REQUEST_ID_REUSED."""
    row = statements.FIND_CAPTURE.first(tx, {"capture": capture_id})
    if row is not None and row.device_id != device_id:
        raise CallRefused(WireReason.REQUEST_ID_REUSED, "this capture_id belongs to another device")
    return row


def insert(
    tx: Tx,
    *,
    capture_id: str,
    device_id: str,
    now: datetime,
    missing_after_s: float,
    gap_s: float,
    state: CaptureState = CaptureState.INCOMING,
    **values: Any,
) -> int:
    """Gives the capture its slot, the tenant that its device has now, and an examination by device and time: one that
    had a print within `gap_s` seconds.

    `values` are further columns where they are known already.
    """
    tenant_id = tenant_of_device(tx, device_id)
    row = {
        "capture_id": capture_id,
        "tenant_id": tenant_id,
        "device_id": device_id,
        "state": state.value,
        "expected_image_count": 1,
        "size_bytes": 0,
        "received_time": now,
        "notified_time": now,
        "updated_time": now,
        "deadline_time": now + timedelta(seconds=missing_after_s),
        "edge_timings_ms": {},
        "cloud_timings_ms": {},
        **values,
    }
    slot: int = prepared.insert(capture, *row, returning="slot").one(tx, row).slot
    known = {"capture_id": capture_id, "device_id": device_id, "tenant_id": tenant_id}
    join(tx, **known, slot=slot, now=now, gap_s=gap_s)
    return slot


def change(tx: Tx, capture_id: str, now: datetime, **values: Any) -> None:
    """Sets columns of a capture."""
    prepared.change(tx, capture.c.capture_id, capture_id, {"updated_time": now, **values})
