"""Examinations: what a person says of one image: agree, or disagree for a reason, with corrections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from cloud.infer.annotate import Ellipse
from cloud.items import Status
from sonorelay.contract.digest import sha256


class Decision(StrEnum):
    """Whether the reading is right."""

    AGREE = "agree"
    DISAGREE = "disagree"


class Reason(StrEnum):
    """Why a person disagrees."""

    FALSE_ALARM = "FALSE_ALARM"
    """There is no anomaly."""
    MISSED = "MISSED"
    """There is an anomaly that the reading does not name."""
    WRONG_TYPE = "WRONG_TYPE"
    """There is an anomaly of another type."""
    WRONG_PLANE = "WRONG_PLANE"
    """The image shows another plane."""
    WRONG_OUTLINE = "WRONG_OUTLINE"
    """The outline of the head, and with it the lengths."""
    POOR_IMAGE = "POOR_IMAGE"
    """The image is not fit to be read."""
    OTHER = "OTHER"
    """Something else, as the note says."""


REASON_STATUS: Final[Mapping[Reason, Status | None]] = {
    Reason.FALSE_ALARM: Status.NORMAL,
    Reason.MISSED: Status.ABNORMAL,
    Reason.WRONG_TYPE: Status.ABNORMAL,
    Reason.WRONG_PLANE: None,
    Reason.WRONG_OUTLINE: None,
    Reason.POOR_IMAGE: Status.REVIEW,
    Reason.OTHER: Status.REVIEW,
}
"""What an image counts as after a disagreement without a corrected finding; None: what the reading says of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What a person says instead; what is None stays as the reading has it."""

    plane: str | None = None
    """Plane, or sub-plane of the brain."""
    finding: str | None = None
    """"normal" or a type."""
    ellipse: Ellipse | None = None
    """Outline of the head, in still pixels."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is corrected."""
        return self.plane is None and self.finding is None and self.ellipse is None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values: what the digest in the ledger covers."""
        e = self.ellipse
        ellipse = (
            None if e is None else {"cx": e.cx, "cy": e.cy, "a": e.a, "b": e.b, "angle_deg": e.angle_deg}
        )
        return {"plane": self.plane, "finding": self.finding, "ellipse": ellipse}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Corrected:
        """The inverse of `to_json`."""
        ellipse = None if stored["ellipse"] is None else Ellipse(**stored["ellipse"])
        return cls(plane=stored["plane"], finding=stored["finding"], ellipse=ellipse)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the JSON with sorted keys and without spaces, 32 bytes."""
        return sha256(json.dumps(self.to_json(), sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A review as it is handed in."""

    review_id: str
    """UUID that the client made: a review that is sent again is the same one."""
    image_id: str
    """UUID of the image."""
    result_ledger_index: int
    """The result that the person saw."""
    decision: Decision
    """Whether it is right."""
    reason: Reason | None
    """Why not; None where it is right."""
    note: str | None
    """Free text; stays in the database."""
    corrected: Corrected | None
    """What is right instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review as it is stored; it is never altered."""

    said: Said
    """What was said."""
    reviewer: str
    """Actor."""
    time: datetime
    """When (aware UTC, server clock)."""
    ledger_index: int
    """Index of its entry."""


def status_after(read: Status, said: Said) -> Status:
    """What an image counts as once a person has reviewed it.

    A corrected finding decides, then the reason. Where a person confirms a reading that names nothing, they have
    looked and raise nothing: it does not wait for a person any more.
    """
    finding = said.corrected.finding if said.corrected else None
    if finding is not None:
        return Status.NORMAL if finding == "normal" else Status.ABNORMAL
    fixed = REASON_STATUS[said.reason] if said.reason else None
    if fixed is not None:
        return fixed
    return Status.NORMAL if read is Status.REVIEW else read
