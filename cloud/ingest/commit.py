"""Steps 8 to 10 in their order: verify, store, ledger; one transaction makes them all true at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cloud.db import Tx, prepared
from cloud.db.tables import image, part, upload
from cloud.errors import CallRefused
from cloud.ingest import captures, statements
from cloud.ingest.devices import check_known
from cloud.ingest.services import IngestServices
from cloud.ingest.uploads import Upload
from cloud.ingest.verify import VerifiedImage, verify
from cloud.items import CaptureState
from cloud.line import NAMES, READ_JOB
from cloud.publish.topic import JOBS_TOPIC, OUTBOX_TOPIC
from cloud.series.from_agents import SERIES_TOPIC, SentImage, register
from cloud.tenants.owner import Kind, tenant_of
from sonorelay.contract.digest import trace_id
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import CommitRequest, CommitResponse, PartReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What the transaction did."""

    indices: tuple[int, ...]
    """Ledger index per part."""
    is_new: bool
    """False where the capture was committed before."""


async def commit(services: IngestServices, request: CommitRequest) -> CommitResponse:
    """When it returns, the capture is verified, stored, in the ledger, and queued to be read: all durably.

    A file of a series is not read: it is registered with the series instead.

    A repeat gets the same ledger indices and a fresh proof. Refuses UPLOAD_UNKNOWN, FENCED, SHARDS_MISSING,
    MANIFEST_INVALID, IMAGE_TOO_LARGE; raises LedgerBusy and StoreFull, after which nothing has happened.
    """
    upload_ = await services.uploads.get(request.session_id)
    async with upload_.commit_lock:
        if upload_.committed:
            indices = await services.database.read(lambda tx: _committed_indices(tx, upload_.capture_id))
        else:
            indices = await _commit_new(services, upload_, request.fencing_token)
    proofs = await services.ledger.prove(indices)
    receipts = [
        PartReceipt(
            part_index=plan.part_index,
            ledger_index=index,
            tlog_proof=proof.encode(),
            block=plan.block,
            # No witness is configured in this version: nothing can be final.
            final=False,
        )
        for plan, index, proof in zip(upload_.parts, indices, proofs, strict=True)
    ]
    return CommitResponse(receipts=receipts)


async def _commit_new(services: IngestServices, upload_: Upload, fencing_token: int) -> tuple[int, ...]:
    if fencing_token != upload_.fencing_token:
        raise CallRefused(WireReason.FENCED, "a newer opening of this upload took over")
    began_s = services.stopwatch()
    services.before_step(8, NAMES[8])
    parts = await verify(upload_, services.store_of(upload_.tenant_id))
    verified_s = services.stopwatch()
    services.before_step(9, NAMES[9])
    timings = {"verify": (verified_s - began_s) * 1000, "store": upload_.store_s * 1000}
    services.before_step(10, NAMES[10])
    now = services.clock()
    outcome = await services.database.write(lambda tx: _write(tx, services, upload_, parts, timings, now))
    upload_.committed = True
    if outcome.is_new:
        services.late_timings.note(upload_.capture_id, NAMES[10], (services.stopwatch() - verified_s) * 1000)
        # The reader first: the console shows a result sooner than a change of state.
        for topic in (JOBS_TOPIC, OUTBOX_TOPIC, SERIES_TOPIC):
            await services.bus.publish(topic)
        services.log.info(
            "capture_committed",
            trace_id=trace_id(upload_.capture_id),
            device_id=upload_.device_id,
            part_count=len(parts),
            image_count=sum(map(len, parts)),
            size_bytes=upload_.size_bytes,
            ledger_index=outcome.indices[0],
        )
    return outcome.indices


def _write(
    tx: Tx,
    services: IngestServices,
    upload_: Upload,
    parts: list[list[VerifiedImage]],
    timings: dict[str, float],
    now: datetime,
) -> _Outcome:
    """The whole commit in one transaction."""
    row = statements.FIND_UPLOAD.one(tx, {"session": upload_.session_id})
    if row.committed_time is not None:
        return _Outcome(indices=_committed_indices(tx, upload_.capture_id), is_new=False)
    if row.fencing_token != upload_.fencing_token:
        raise CallRefused(WireReason.FENCED, "a newer opening of this upload took over")
    # It may have been revoked since it opened the upload: nothing of it is entered any more.
    check_known(tx, upload_.device_id)
    indices = services.ledger.append(tx, [plan.block for plan in upload_.parts])
    _insert_parts(tx, upload_, indices)
    _insert_images(tx, upload_, parts)
    is_series = row.series_label is not None
    if is_series:
        sent = [_sent(each) for images in parts for each in images]
        owner = tenant_of(tx, Kind.CAPTURE, upload_.capture_id)
        assert owner is not None
        known = {"tenant_id": owner, "device_id": upload_.device_id, "label": row.series_label}
        register(tx, **known, images=sent, now=now)
    for plan, images in zip(upload_.parts, parts, strict=True):
        for each in () if is_series else images:
            services.jobs.enqueue(tx, READ_JOB, each.image_id, plan.priority)
    prepared.change(tx, upload.c.session_id, upload_.session_id, {"committed_time": now})
    upload_ms = (now - row.opened_time).total_seconds() * 1000
    measured = {"upload": upload_ms, **timings}
    captures.change(
        tx,
        upload_.capture_id,
        now,
        # Whatever was shown before, missing or withdrawn: the images are here.
        state=(CaptureState.RESULT if is_series else CaptureState.ANALYSING).value,
        reason=None,
        committed_time=now,
        cloud_timings_ms={**row.cloud_timings_ms, **{step: round(ms, 3) for step, ms in measured.items()}},
    )
    captures.announce(
        tx,
        capture_id=upload_.capture_id,
        device_id=upload_.device_id,
        now=now,
        series_label=row.series_label,
    )
    return _Outcome(indices=tuple(indices), is_new=True)


def _sent(each: VerifiedImage) -> SentImage:
    return SentImage(image_id=each.image_id, sha256=each.sha256, size_bytes=each.size_bytes)


def _insert_parts(tx: Tx, upload_: Upload, indices: list[int]) -> None:
    rows = [
        {
            "capture_id": upload_.capture_id,
            "part_index": plan.part_index,
            "image_type": plan.image_type,
            "size_bytes": plan.size_bytes,
            "shard_size_bytes": plan.shard_size_bytes,
            "shard_sha256": b"".join(plan.shard_digests),
            "root": plan.root,
            "ledger_index": index,
        }
        for plan, index in zip(upload_.parts, indices, strict=True)
    ]
    prepared.insert(part, *rows[0]).run_many(tx, rows)


def _insert_images(tx: Tx, upload_: Upload, parts: list[list[VerifiedImage]]) -> None:
    ids = [each.image_id for images in parts for each in images]
    taken = any(statements.FIND_IMAGE.first(tx, {"image": image_id}) is not None for image_id in ids)
    if taken or len(set(ids)) != len(ids):
        raise CallRefused(WireReason.MANIFEST_INVALID, "an image_id is in use already")
    rows = [
        {
            "image_id": each.image_id,
            "capture_id": upload_.capture_id,
            "part_index": part_index,
            "index_in_capture": each.index_in_capture,
            "image_type": each.image_type,
            "type_probabilities": each.type_probabilities,
            "media_type": each.media_type,
            "start_bytes": each.start_bytes,
            "size_bytes": each.size_bytes,
            "sha256": each.sha256,
            "width_px": each.width_px,
            "height_px": each.height_px,
            "frame_count": each.frame_count,
            "mm_per_pixel": each.mm_per_pixel,
            "scale_source": each.scale_source,
            "source_format": each.source_format,
            "capture_time": each.capture_time,
        }
        for part_index, images in enumerate(parts)
        for each in images
    ]
    prepared.insert(image, *rows[0]).run_many(tx, rows)


def _committed_indices(tx: Tx, capture_id: str) -> tuple[int, ...]:
    return tuple(row.ledger_index for row in statements.LEDGER_INDICES.all(tx, {"capture": capture_id}))
