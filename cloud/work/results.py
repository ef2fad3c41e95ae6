"""Part of steps 11 and 12: a result, its ledger entry and its announcement are one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, image, job, result, result_earlier
from cloud.examinations import brief
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


_CAPTURE_OF: Final = Prepared(
    sa.select(capture.c.capture_id, capture.c.device_id, capture.c.cloud_timings_ms)
    .join(image, image.c.capture_id == capture.c.capture_id)
    .where(image.c.image_id == sa.bindparam("of_image"))
)
_UNREAD: Final = Prepared(
    sa.select(image.c.image_id)
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .where(image.c.capture_id == sa.bindparam("of_capture"), result.c.image_id.is_(None))
    .limit(1)
)
_TIMINGS: Final = Prepared(
    sa.select(capture.c.cloud_timings_ms).where(capture.c.capture_id == sa.bindparam("of_capture"))
)
_RESULT: Final = Prepared(sa.select(*result.c).where(result.c.image_id == sa.bindparam("of_image")))
_HELD: Final = Prepared(
    sa.select(image.c.image_id, image.c.sha256)
    .join(job, (job.c.subject_id == image.c.image_id) & (job.c.kind == sa.bindparam("of_kind")))
    .outerjoin(result, result.c.image_id == image.c.image_id)
    .where(job.c.state == "held", result.c.image_id.is_(None))
    .limit(_HELD_AT_ONCE)
)


def store_result(
    tx: Tx, log: ResultLedger, read: ReadImage, now: datetime, queue_ms: float, late_ms: dict[str, float]
) -> None:
    """Writes the result of an image in `tx`: row, ledger entry, state of its capture, outbox.

    `queue_ms`: how long the image waited to be read; `late_ms`: durations of earlier steps to store along.
    An image that has a result keeps it as an earlier one; the new one counts from now on.
    The image's own timings say how long its reading took; among the capture's steps only that part counts
    which did not pass beside the steps before, so that their sum is no more than the whole.
    """
    (index,) = log.ledger.append(tx, [entry(read, now, log.signer)])
    again = _keep_earlier(tx, read.image_id)
    timings = {} if again else {QUEUE: round(queue_ms, 3)}
    timings[NAMES[11]] = round(read.infer_ms, 3)
    new = {
        "image_id": read.image_id,
        "ok": read.ok,
        "reason": read.reason.value if read.reason else None,
        "reading": read.reading,
        "pictures": {name: digest.hex() for name, digest in read.pictures.items()},
        "ledger_index": index,
        "result_time": now,
        "timings_ms": timings,
    }
    prepared.insert(result, *new).run(tx, new)
    row = _CAPTURE_OF.one(tx, {"of_image": read.image_id})
    if again:
        brief.renew(tx, read.image_id, read.ok, read.reading, index)
        # How long the print's own way took does not change by what is read again.
        outbox.append(tx, capture_id=row.capture_id, device_id=row.device_id, time=now)
        return
    shown = {**row.cloud_timings_ms, **late_ms}
    # Of several images the first one's wait counts; the models run for each.
    shown.setdefault(QUEUE, timings[QUEUE])
    shown[NAMES[11]] = round(shown.get(NAMES[11], 0.0) + read.infer_ms - read.ahead_ms, 3)
    values: dict[str, Any] = {"cloud_timings_ms": shown, "updated_time": now}
    if _UNREAD.first(tx, {"of_capture": row.capture_id}) is None:
        values["state"] = CaptureState.RESULT.value
    prepared.change(tx, capture.c.capture_id, row.capture_id, values)
    outbox.append(tx, capture_id=row.capture_id, device_id=row.device_id, time=now, image_id=read.image_id)


def _keep_earlier(tx: Tx, image_id: str) -> bool:
    """Puts the result that an image has aside, where it stays; whether it had one."""
    earlier = _RESULT.first(tx, {"of_image": image_id})
    if earlier is None:
        return False
    row = earlier._asdict()
    prepared.insert(result_earlier, *row).run(tx, row)
    tx.execute(sa.delete(result).where(result.c.image_id == image_id))
    return True


def store_timing(tx: Tx, capture_id: str, late_ms: dict[str, float]) -> None:
    """Adds durations that are known by now, milliseconds by step."""
    shown = _TIMINGS.one(tx, {"of_capture": capture_id}).cloud_timings_ms
    prepared.change(tx, capture.c.capture_id, capture_id, {"cloud_timings_ms": {**shown, **late_ms}})


def finish_held(tx: Tx, log: ResultLedger, kind: str, now: datetime) -> list[str]:
    """Gives images whose job is held a result that says so: nobody waits in vain for them. Their ids."""
    rows = _HELD.all(tx, {"of_kind": kind})
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
