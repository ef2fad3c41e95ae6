"""Examinations: the brief of a result: what lists need of a reading, so that none of them parses readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import image, image_brief, result
from cloud.examinations.states import NORMAL_FINDING, PRECEDENCE, reading_status
from cloud.items import Status

LENGTHS: Final = ("hc", "bpd", "ofd", "ventricle_width", "midline_shift")
"""Lengths that a reading can have in millimetres."""

PLANE_DOUBTS: Final = frozenset(
    {"IMAGE_UNREADABLE", "IMAGE_BLANK", "NOT_KNOWN_PLANE", "UNLIKE_TRAINING", "PLANE_UNCERTAIN"}
)
"""With one of these the plane that a reading names is not relied on."""

_UNBRIEFED: Final = Prepared(
    sa.select(result.c.image_id, result.c.ok, result.c.reading, result.c.ledger_index)
    .join(image, image.c.image_id == result.c.image_id)
    .outerjoin(image_brief, image_brief.c.image_id == result.c.image_id)
    .where(image.c.capture_id == sa.bindparam("of_capture"), image_brief.c.image_id.is_(None))
)
_BRIEF: Final = Prepared(
    sa.select(
        image_brief.c.status, image_brief.c.read_status, image_brief.c.finding, image_brief.c.review_index
    ).where(image_brief.c.image_id == sa.bindparam("of_image"))
)


def write_missing(tx: Tx, capture_id: str) -> None:
    """Writes the brief of each result of a capture that has none yet."""
    for row in _UNBRIEFED.all(tx, {"of_capture": capture_id}):
        said = of_result(row.ok, row.reading)
        values = {
            "image_id": row.image_id,
            "capture_id": capture_id,
            **said,
            "read_status": said["status"],
            "ledger_index": row.ledger_index,
            "review_index": None,
        }
        prepared.insert(image_brief, *values).run(tx, values)


def renew(tx: Tx, image_id: str, ok: bool, reading: Mapping[str, Any] | None, ledger_index: int) -> None:
    """Gives an image the brief of its new result. What a person said was said of the result before: until somebody
    has looked at the new one the image is for review, or abnormal where either of them is.
    """
    before = _BRIEF.first(tx, {"of_image": image_id})
    if before is None:
        return
    said = of_result(ok, reading)
    values = {**said, "read_status": said["status"], "ledger_index": ledger_index, "review_index": None}
    reviewed = before.review_index is not None or before.status != before.read_status
    if reviewed:
        statuses = {Status(before.status), Status(said["status"]), Status.REVIEW}
        status = next(each for each in PRECEDENCE if each in statuses)
        finding = said["finding"] if said["status"] == status.value else before.finding
        values |= {"status": status.value, "finding": finding if status is Status.ABNORMAL else None}
    prepared.change(tx, image_brief.c.image_id, image_id, values)


def of_result(ok: bool, reading: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The brief of a result, with the JSON form of its reading: status, finding, plane, subplane, measured,
    probability."""
    if not ok or reading is None:
        return _NOTHING
    status = reading_status(reading)
    subplane = reading.get("subplane")
    lengths = reading["measurements"] if reading.get("lengths_judged") else None
    return {
        "status": status.value,
        "finding": None if status is Status.REVIEW else reading["finding"],
        "plane": None if PLANE_DOUBTS.intersection(reading["abstain_reasons"]) else reading["plane"],
        "subplane": subplane["label"] if subplane and subplane["sure"] else None,
        "measured": [name for name in LENGTHS if lengths and lengths.get(f"{name}_mm") is not None],
        "probability": _of_anomaly(reading["finding_probabilities"]),
    }


def _of_anomaly(probabilities: Mapping[str, float] | None) -> float | None:
    """All that is not normal, 0..1, to four digits; None where no brain was classified."""
    return None if probabilities is None else round(1 - probabilities[NORMAL_FINDING], 4)


_NOTHING: Final[Mapping[str, Any]] = {
    "status": Status.FAILED.value,
    "finding": None,
    "plane": None,
    "subplane": None,
    "measured": [],
    "probability": None,
}
