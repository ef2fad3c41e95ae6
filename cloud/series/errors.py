"""Beside the thirteen steps: series: its errors. The tree:

    CloudError
      SeriesError
        HeaderRefused    this file takes no part, for `reason`
        SeriesRefused    there is no volume, for `refusal`
        SliceUnreadable  this slice's pixels cannot be decoded; plan again without it
        SliceInvalid     the plane asked for is none; the message names the parameter

No message holds a tag value, a path or anything else of a patient.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final, Self

from pydicom.errors import BytesLengthException, InvalidDicomError

from cloud.errors import CloudError
from cloud.series.reasons import LEFT_OUT, LeftOutReason, Refusal

# NotImplementedError is pydicom's own: a transfer syntax that no decoder knows.
DAMAGED: Final = (
    *(
        ArithmeticError,
        AttributeError,
        AssertionError,
        EOFError,
        LookupError,
        MemoryError,
        NotImplementedError,
    ),
    *(OSError, RuntimeError, TypeError, ValueError, struct.error, BytesLengthException, InvalidDicomError),
)
"""What pydicom and its decoders raise on damaged input; they have no common error."""


class SeriesError(CloudError):
    """Reading or cutting a series failed. The subclasses say what to do about it."""


class HeaderRefused(SeriesError):
    """This file takes no part; `reason` says why."""

    def __init__(self, reason: LeftOutReason) -> None:
        super().__init__(LEFT_OUT[reason]["en"])
        self.reason = reason

    def __reduce__(self) -> tuple[type[Self], tuple[object]]:
        return type(self), (self.reason,)


class SeriesRefused(SeriesError):
    """The series gives no volume; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.sentence())
        self.refusal = refusal

    def __reduce__(self) -> tuple[type[Self], tuple[object]]:
        return type(self), (self.refusal,)


class SliceUnreadable(SeriesError):
    """The pixels of the file at `path` cannot be decoded; the others may still give a volume."""

    def __init__(self, path: Path) -> None:
        super().__init__(LEFT_OUT[LeftOutReason.PIXELS_UNREADABLE]["en"])
        self.path = path

    def __reduce__(self) -> tuple[type[Self], tuple[object]]:
        return type(self), (self.path,)


class SliceInvalid(SeriesError):
    """The plane that was asked for cannot be cut; the message names the parameter and its range."""
