"""Beside the thirteen steps: series: which images belong to the one now read.

By cascade: patient's name, examination, series; then by what else a series has in common, which catches an image that
bears a wrong series UID. What does not match is left out with the first rule that it broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cloud.series.found import LeftOut
from cloud.series.header import Header
from cloud.series.reasons import LeftOutReason, Refusal, RefusalReason

THRESHOLD: Final = 10
"""How many images a reconstruction needs, unless another number is given."""

_CASCADE: Final[tuple[tuple[LeftOutReason, Callable[[Header], object]], ...]] = (
    (LeftOutReason.OTHER_PATIENT, lambda header: header.patient_name),
    (LeftOutReason.OTHER_STUDY, lambda header: header.study_uid),
    (LeftOutReason.OTHER_SERIES, lambda header: header.series_uid),
)
_AUXILIARY: Final[tuple[tuple[LeftOutReason, Callable[[Header], object]], ...]] = (
    (LeftOutReason.OTHER_SERIES_NUMBER, lambda header: header.series_number),
    (LeftOutReason.OTHER_BODY_PART, lambda header: header.body_part),
    (LeftOutReason.OTHER_MODALITY, lambda header: header.modality),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The images of one series."""

    members: tuple[Header, ...]
    """By instance number, then path; each image once."""
    left_out: tuple[LeftOut, ...]
    """Images that are not of it, and second copies."""


def mismatch(current: Header, other: Header) -> LeftOutReason | None:
    """The first rule by which `other` is not of the series of `current`; None: it is of it.

    An auxiliary value that one of the two does not state contradicts nothing.
    """
    for reason, value in _CASCADE:
        if value(current) != value(other):
            return reason
    for reason, value in _AUXILIARY:
        here, there = value(current), value(other)
        if here not in (None, "") and there not in (None, "") and here != there:
            return reason
    return None


def group(current: Header, headers: Iterable[Header]) -> Group:
    """The series of `current` among `headers`; `current` is a member whether it is among them or not."""
    members = {current.sop_instance_uid: current}
    left_out: list[LeftOut] = []
    for header in headers:
        reason = mismatch(current, header)
        if reason is None and members.setdefault(header.sop_instance_uid, header).path != header.path:
            reason = LeftOutReason.DUPLICATE_INSTANCE
        if reason is not None:
            left_out.append(LeftOut(path=header.path, reason=reason))
    return Group(members=tuple(sorted(members.values(), key=_order)), left_out=tuple(left_out))


def _order(header: Header) -> tuple[bool, int, str]:
    return header.instance_number is None, header.instance_number or 0, str(header.path)


def too_few(count: int, threshold: int = THRESHOLD) -> Refusal | None:
    """Why `count` images are offered no reconstruction; None: they are enough."""
    if count >= threshold:
        return None
    return Refusal(reason=RefusalReason.TOO_FEW_IMAGES, values={"count": count, "threshold": threshold})
