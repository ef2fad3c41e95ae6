"""Step 2 of 13: pre-notify. The cloud's side: the coming capture gets its slot on the console at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cloud.db import Tx
from cloud.errors import CallRefused
from cloud.ingest import captures, statements
from cloud.ingest.devices import check_device_id, check_uuid, parse_verifier, pin_device
from cloud.ingest.services import IngestServices
from cloud.publish.topic import OUTBOX_TOPIC
from sonorelay.contract.digest import sha256, trace_id
from sonorelay.contract.limits import FRAMES_MAX, PART_MAX_BYTES
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import PreNotifyRequest, PreNotifyResponse


async def pre_notify(services: IngestServices, request: PreNotifyRequest) -> PreNotifyResponse:
    """When it returns, the slot is durable and shown. A repeat gets the same slot.

    A word that comes after its upload fills in what it knows and never sets the state back. Refuses
    REQUEST_ID_REUSED, DEVICE_UNKNOWN, DEVICE_REVOKED, MANIFEST_INVALID.
    """
    _check(request)
    verifier = parse_verifier(request.device_id, request.device_verifier_key)
    digest = request_digest(request)
    series_label = captures.series_label_of(request)
    now = services.clock()

    def work(tx: Tx) -> tuple[int, bool]:
        pin_device(tx, verifier, now, aware(request.sent_time))
        row = _earlier(tx, request, digest)
        if row is not None and row.request_id is not None:
            return row.slot, False
        known: dict[str, Any] = {
            "request_id": request.request_id,
            "request_digest": digest,
            "received_time": aware(request.received_time),
            "expected_image_count": request.expected_image_count,
            "size_bytes": request.size_bytes,
            "series_label": series_label,
        }
        if row is None:
            slot = captures.insert(
                tx,
                capture_id=request.capture_id,
                device_id=request.device_id,
                now=now,
                missing_after_s=services.missing_after_s,
                gap_s=services.examination_gap_s,
                **known,
            )
        else:
            slot = row.slot
            captures.check_kind(row, series_label is not None)
            captures.change(tx, request.capture_id, now, **known)
        captures.announce(
            tx,
            capture_id=request.capture_id,
            device_id=request.device_id,
            now=now,
            series_label=series_label,
        )
        return slot, True

    slot, is_new = await services.database.write(work)
    if is_new:
        await services.bus.publish(OUTBOX_TOPIC)
        services.log.info(
            "capture_notified",
            trace_id=trace_id(request.capture_id),
            device_id=request.device_id,
            slot=slot,
            size_bytes=request.size_bytes,
        )
    response = PreNotifyResponse(slot=slot)
    response.server_time.FromDatetime(now)
    return response


def request_digest(request: PreNotifyRequest) -> bytes:
    """SHA-256 of what a retry repeats: everything but the time of sending, 32 bytes."""
    repeated = PreNotifyRequest()
    repeated.CopyFrom(request)
    repeated.ClearField("sent_time")
    return sha256(repeated.SerializeToString(deterministic=True))


def aware(stamp: Timestamp) -> datetime:
    """A protobuf time as aware UTC; refuses one outside the years 1 to 9999 as MANIFEST_INVALID."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise CallRefused(WireReason.MANIFEST_INVALID, "a time cannot be read") from exc


def _earlier(tx: Tx, request: PreNotifyRequest, digest: bytes) -> Any | None:
    """The capture's row where there is one; refuses the same id with other bytes."""
    row = captures.find(tx, request.capture_id, request.device_id)
    if row is None:
        announced = {"device": request.device_id, "request": request.request_id}
        if statements.FIND_REQUEST.first(tx, announced) is not None:
            raise CallRefused(WireReason.REQUEST_ID_REUSED, "this request_id announced another capture")
    elif row.request_id is not None and (row.request_id, row.request_digest) != (request.request_id, digest):
        raise CallRefused(WireReason.REQUEST_ID_REUSED, "this capture was announced with other words")
    return row


def _check(request: PreNotifyRequest) -> None:
    check_device_id(request.device_id)
    for field in ("request_id", "capture_id", "boot_id"):
        check_uuid(field, getattr(request, field))
    if not 1 <= request.expected_image_count <= FRAMES_MAX:
        raise CallRefused(
            WireReason.MANIFEST_INVALID, f"expected_image_count is not within 1 to {FRAMES_MAX}"
        )
    if not 0 <= request.size_bytes <= PART_MAX_BYTES:
        raise CallRefused(WireReason.MANIFEST_INVALID, "size_bytes is out of range")
    if not request.HasField("received_time") or not request.HasField("sent_time"):
        raise CallRefused(WireReason.MANIFEST_INVALID, "received_time and sent_time must be given")
    aware(request.received_time)
    aware(request.sent_time)
