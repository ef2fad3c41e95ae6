"""Part of step 7: opens an upload: the manifest becomes durable, a newer stream gets a newer token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from cloud.db import Tx, prepared
from cloud.db.tables import upload
from cloud.errors import CallRefused
from cloud.examinations.binding import UNBOUND, bind
from cloud.ingest import captures, manifest, statements
from cloud.ingest.devices import check_device_id, check_uuid, parse_verifier, pin_device
from cloud.ingest.services import IngestServices
from cloud.ingest.uploads import Upload
from cloud.items import CaptureState
from cloud.publish import outbox
from cloud.publish.topic import OUTBOX_TOPIC
from cloud.tenants.owner import Kind, tenant_of
from sonorelay.contract.digest import session_id
from sonorelay.contract.limits import WINDOW_MAX_BYTES, upload_deadline_s
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import OpenUploadRequest, OpenUploadResponse

EXPIRES_AFTER: Final = timedelta(days=7)
_TIMINGS_MAX: Final = 16
_TIMING_NAME_MAX: Final = 32
_OPEN_TO_RECEIVE: Final = (
    CaptureState.INCOMING.value,
    CaptureState.ANALYSING.value,
    CaptureState.RESULT.value,
)


async def open_upload(services: IngestServices, request: OpenUploadRequest) -> OpenUploadResponse:
    """When it returns, the manifest is durable. A repeat gets the same session and a newer token.

    Refuses MANIFEST_INVALID, IMAGE_TOO_LARGE, REQUEST_ID_REUSED (the capture was opened with other parts),
    DEVICE_UNKNOWN, DEVICE_REVOKED; raises StoreFull while the server is full.
    """
    check_device_id(request.device_id)
    check_uuid("capture_id", request.capture_id)
    verifier = parse_verifier(request.device_id, request.device_verifier_key)
    manifest.check(request, verifier)
    name = session_id(request.device_id, request.capture_id)
    digest = manifest.manifest_digest(request.parts)
    now = services.clock()
    await services.admit(sum(part.size_bytes for part in request.parts))

    def work(tx: Tx) -> tuple[int, bool, bool, str]:
        pin_device(tx, verifier, now)
        changed = _receive_capture(tx, services, request, now)
        tenant_id = tenant_of(tx, Kind.CAPTURE, request.capture_id)
        assert tenant_id is not None
        row = statements.FIND_UPLOAD.first(tx, {"session": name})
        if row is None:
            new = _row(request, name, digest, now)
            prepared.insert(upload, *new).run(tx, new)
            return 1, False, changed, tenant_id
        if row.manifest_digest != digest:
            raise CallRefused(WireReason.REQUEST_ID_REUSED, "this capture was opened with other parts")
        token = row.fencing_token + 1
        prepared.change(tx, upload.c.session_id, name, {"fencing_token": token})
        return token, row.committed_time is not None, changed, tenant_id

    token, committed, changed, tenant_id = await services.database.write(work)
    if changed:
        await services.bus.publish(OUTBOX_TOPIC)
    opened = services.uploads.opened(name, token, lambda: _upload(request, name, token, committed, tenant_id))
    if not opened.committed:
        await opened.look(services.store_of(tenant_id))
    response = OpenUploadResponse(
        session_id=name,
        fencing_token=token,
        missing=opened.missing(),
        window_bytes=WINDOW_MAX_BYTES,
        committed=opened.committed,
    )
    response.expire_time.FromDatetime(now + EXPIRES_AFTER)
    return response


def _receive_capture(tx: Tx, services: IngestServices, request: OpenUploadRequest, now: datetime) -> bool:
    """Makes the slot of a capture whose first word is late, or brings one that was given up back; whether the
    console has something new to show."""
    size_bytes = sum(part.size_bytes for part in request.parts)
    series_label = captures.series_label_of(request)
    identity = manifest.identity(request) if series_label is None else None
    # A long upload is not a missing one: it has the time that the contract gives it.
    deadline_s = services.missing_after_s + upload_deadline_s(size_bytes)
    timings = _timings(request)
    row = captures.find(tx, request.capture_id, request.device_id)
    if row is None:
        captures.insert(
            tx,
            capture_id=request.capture_id,
            device_id=request.device_id,
            now=now,
            missing_after_s=deadline_s,
            gap_s=services.examination_gap_s,
            expected_image_count=sum(part.image_count for part in request.parts),
            size_bytes=size_bytes,
            series_label=series_label,
            edge_timings_ms=timings,
        )
    else:
        captures.check_kind(row, series_label is not None)
        known: dict[str, Any] = {"edge_timings_ms": {**row.edge_timings_ms, **timings}}
        known["deadline_time"] = now + timedelta(seconds=deadline_s)
        if row.state not in _OPEN_TO_RECEIVE:
            known.update(state=CaptureState.INCOMING.value, reason=None)
        captures.change(tx, request.capture_id, now, **known)
    if series_label is not None:
        return False
    bound = bind(tx, request.capture_id, identity, now) if identity else UNBOUND
    if not bound.captures and row is not None and row.state in _OPEN_TO_RECEIVE:
        return False
    outbox.append(
        tx, capture_id=request.capture_id, device_id=request.device_id, time=now, examination_id=bound.left
    )
    for capture_id in bound.captures[1:]:
        outbox.append(tx, capture_id=capture_id, device_id=request.device_id, time=now)
    return True


def _timings(request: OpenUploadRequest) -> dict[str, float]:
    """The edge's durations, milliseconds by step; they are shown, so their number and names are bounded."""
    timings = request.edge_timings[:_TIMINGS_MAX]
    return {
        timing.step[:_TIMING_NAME_MAX]: round(timing.duration_ms, 3)
        for timing in timings
        # NaN and infinity have no place in JSON; a comparison with NaN is false.
        if 0 <= timing.duration_ms < 1e12
    }


def _row(request: OpenUploadRequest, name: str, digest: bytes, now: datetime) -> dict[str, Any]:
    return {
        "session_id": name,
        "capture_id": request.capture_id,
        "device_id": request.device_id,
        "fencing_token": 1,
        "manifest": request.SerializeToString(),
        "manifest_digest": digest,
        "opened_time": now,
    }


def _upload(request: OpenUploadRequest, name: str, token: int, committed: bool, tenant_id: str) -> Upload:
    return Upload(
        session_id=name,
        capture_id=request.capture_id,
        device_id=request.device_id,
        tenant_id=tenant_id,
        parts=manifest.plan(request),
        fencing_token=token,
        committed=committed,
    )
