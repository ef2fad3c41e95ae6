"""Examinations: how a whole examination stands, worked out of its captures and images, here and nowhere else.

An examination shows the most pressing of what is in it. What a doctor must look at is never hidden behind what
is still on its way, and nothing counts as normal while something is on its way. Where all that was read is normal
but something could not be read, is held or never came, the whole is for review: a picture that nobody saw may be
the one that matters. What was refused (not ultrasound, a duplicate) is no picture of the examination.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from cloud.items import CaptureState, Status

NORMAL_FINDING: Final = "normal"

PRECEDENCE: Final = (
    Status.ABNORMAL,
    Status.REVIEW,
    Status.ANALYSING,
    Status.INCOMING,
    Status.NORMAL,
    Status.FAILED,
    Status.HELD,
    Status.MISSING,
    Status.REFUSED,
)
"""The most pressing first; every status once."""
UNSEEN: Final = frozenset({Status.FAILED, Status.HELD, Status.MISSING})
"""Beside normal images these make the whole one for review."""

OF_CAPTURE: Final[Mapping[CaptureState, Status]] = {
    CaptureState.INCOMING: Status.INCOMING,
    CaptureState.ANALYSING: Status.ANALYSING,
    CaptureState.REFUSED: Status.REFUSED,
    CaptureState.HELD: Status.HELD,
    CaptureState.MISSING: Status.MISSING,
}
"""What a capture adds by itself; one with results adds what its images are."""


def examination_state(present: Collection[Status]) -> Status:
    """The state of an examination whose captures and images have these; refused where there is none."""
    statuses = set(present)
    if Status.NORMAL in statuses and not UNSEEN.isdisjoint(statuses):
        statuses.add(Status.REVIEW)
    return next((status for status in PRECEDENCE if status in statuses), Status.REFUSED)


def reading_status(reading: Mapping[str, Any]) -> Status:
    """What a reading (its JSON form) amounts to: review where it abstains or names nothing."""
    if reading["abstained"] or reading["finding"] is None:
        return Status.REVIEW
    return Status.NORMAL if reading["finding"] == NORMAL_FINDING else Status.ABNORMAL
