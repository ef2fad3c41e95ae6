"""Part of steps 2, 7 and 10: the capture's row, which is its slot on the console."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, Final

from cloud.db import Tx, prepared
from cloud.db.tables import capture
from cloud.errors import CallRefused
from cloud.examinations.binding import join
from cloud.ingest import statements
from cloud.items import CaptureState
from cloud.publish import outbox
from cloud.tenants.rows import tenant_of_device
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import OpenUploadRequest, PreNotifyRequest, WithdrawRequest

_LABEL: Final = re.compile(r"[A-Za-z0-9._-]{0,32}")


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
    series_label: str | None = None,
    **values: Any,
) -> int:
    """Gives the capture its slot, the tenant that its device has now, and an examination by device and time: one that
    had a print within `gap_s` seconds.

    A file of a series (`series_label` is not None) is no print: it has no examination.
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
        "series_label": series_label,
        **values,
    }
    slot: int = prepared.insert(capture, *row, returning="slot").one(tx, row).slot
    if series_label is None:
        known = {"capture_id": capture_id, "device_id": device_id, "tenant_id": tenant_id}
        join(tx, **known, slot=slot, now=now, gap_s=gap_s)
    return slot


def announce(tx: Tx, *, capture_id: str, device_id: str, now: datetime, series_label: str | None) -> None:
    """Tells the console that the capture changed; of a file of a series it is told nothing."""
    if series_label is None:
        outbox.append(tx, capture_id=capture_id, device_id=device_id, time=now)


def series_label_of(message: PreNotifyRequest | WithdrawRequest | OpenUploadRequest) -> str | None:
    """Label of the series order that the capture came by; None: it is a print. Refuses MANIFEST_INVALID."""
    if not message.HasField("series"):
        return None
    if not _LABEL.fullmatch(message.series.label):
        raise CallRefused(
            WireReason.MANIFEST_INVALID, "the label of a series has letters, digits, dots, dashes"
        )
    return message.series.label


def check_kind(row: Any, is_series: bool) -> None:
    """Refuses a capture that is announced as a print and comes as of a series, or the other way round."""
    if (row.series_label is not None) != is_series:
        raise CallRefused(
            WireReason.MANIFEST_INVALID, "a capture is of a series from its first word on, or is not"
        )


def change(tx: Tx, capture_id: str, now: datetime, **values: Any) -> None:
    """Sets columns of a capture."""
    prepared.change(tx, capture.c.capture_id, capture_id, {"updated_time": now, **values})
