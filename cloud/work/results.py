"""Part of steps 11 and 12: a result, its ledger entry and its announcement are one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import capture, image, job, result
from cloud.items import CaptureState
from cloud.ledger import Ledger
from cloud.line import NAMES
from cloud.publish import outbox
from cloud.work.result_entry import ReadImage, entry
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import EdgeReason

QUEUE: Final = "queue"
"""Name under which the time before step 11 is shown."""
_HELD_AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultLedger:
    """Where entries of results go."""

    ledger: Ledger
    """The site's log."""
    signer: Signer
    """Signs them with the log's key."""


# Built once: making a statement costs more than running it.
_INSERT: Final = sa.insert(result)
_CAPTURE_OF: Final = (
    sa.select(capture.c.capture_id, capture.c.device_id, capture.c.cloud_timings_ms)
    .join(image, image.c.capture_id == capture.c.capture_id)
    .where(image.c.image_id == sa.bindparam("of_image"))
)
_UNREAD: Final = (
    sa.select(image.c.image_id)
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .where(image.c.capture_id == sa.bindparam("of_capture"), result.c.image_id.is_(None))
    .limit(1)
)
_TOUCH: Final = (
    sa.update(capture)
    .where(capture.c.capture_id == sa.bindparam("of_capture"))
    .values(
        cloud_timings_ms=sa.bindparam("to_timings", type_=capture.c.cloud_timings_ms.type),
        updated_time=sa.bindparam("to_time", type_=capture.c.updated_time.type),
    )
)
_FINISH: Final = _TOUCH.values(state=sa.bindparam("to_state"))


def store_result(
    tx: Tx, log: ResultLedger, read: ReadImage, now: datetime, queue_ms: float, late_ms: dict[str, float]
) -> None:
    """Writes the result of an image in `tx`: row, ledger entry, state of its capture, outbox.

    `queue_ms`: how long the image waited to be read; `late_ms`: durations of earlier steps to store along.
    """
    (index,) = log.ledger.append(tx, [entry(read, now, log.signer)])
    timings = {QUEUE: round(queue_ms, 3), NAMES[11]: round(read.infer_ms, 3)}
    tx.execute(
        _INSERT,
        {
            "image_id": read.image_id,
            "ok": read.ok,
            "reason": read.reason.value if read.reason else None,
            "reading": read.reading,
            "pictures": {name: digest.hex() for name, digest in read.pictures.items()},
            "ledger_index": index,
            "result_time": now,
            "timings_ms": timings,
        },
    )
    row = tx.execute(_CAPTURE_OF, {"of_image": read.image_id}).one()
    shown = {**row.cloud_timings_ms, **late_ms}
    # Of several images the first one's wait counts; the models run for each.
    shown.setdefault(QUEUE, timings[QUEUE])
    shown[NAMES[11]] = round(shown.get(NAMES[11], 0.0) + read.infer_ms, 3)
    values = {"of_capture": row.capture_id, "to_timings": shown, "to_time": now}
    if tx.execute(_UNREAD, {"of_capture": row.capture_id}).first() is None:
        tx.execute(_FINISH, values | {"to_state": CaptureState.RESULT.value})
    else:
        tx.execute(_TOUCH, values)
    outbox.append(tx, capture_id=row.capture_id, device_id=row.device_id, time=now, image_id=read.image_id)


def store_timing(tx: Tx, capture_id: str, late_ms: dict[str, float]) -> None:
    """Adds durations that are known by now, milliseconds by step."""
    of_capture = capture.c.capture_id == capture_id
    shown = tx.execute(sa.select(capture.c.cloud_timings_ms).where(of_capture)).scalar_one()
    tx.execute(sa.update(capture).where(of_capture).values(cloud_timings_ms={**shown, **late_ms}))


def finish_held(tx: Tx, log: ResultLedger, kind: str, now: datetime) -> list[str]:
    """Gives images whose job is held a result that says so: nobody waits in vain for them. Their ids."""
    rows = tx.execute(
        sa.select(image.c.image_id, image.c.sha256)
        .join(job, (job.c.subject_id == image.c.image_id) & (job.c.kind == kind) & (job.c.state == "held"))
        .outerjoin(result, result.c.image_id == image.c.image_id)
        .where(result.c.image_id.is_(None))
        .limit(_HELD_AT_ONCE)
    ).all()
    for row in rows:
        unread = ReadImage(
            image_id=row.image_id,
            sha256=row.sha256,
            reason=EdgeReason.IMAGE_UNREADABLE,
            reading=None,
            pictures={},
            infer_ms=0.0,
        )
        store_result(tx, log, unread, now, 0.0, {})
    return [row.image_id for row in rows]


def end_leases(tx: Tx, kind: str, now: datetime) -> int:
    """Ends the leases of a process that is gone, so that its jobs run again at once; how many.

    Only for a start that owns the data folder alone: no other worker can hold a lease then.
    """
    ended = now - timedelta(milliseconds=1)
    leased = (job.c.kind == kind) & (job.c.state == "leased")
    return tx.execute(sa.update(job).where(leased).values(lease_until_time=ended)).rowcount
