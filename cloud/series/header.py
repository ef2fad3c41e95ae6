"""Beside the thirteen steps: series: what the header of an image says that its series and its place depend on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

Vector = tuple[float, float, float]
"""Three numbers in patient coordinates: to the left, to the back, to the head (LPS)."""

_UID: Final = re.compile(r"[0-9.]{1,64}")
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one frame lies, and what its stored numbers mean."""

    position_mm: Vector | None
    """Centre of the first pixel, LPS, mm; None: not said."""
    row_direction: Vector | None
    """Unit vector along a row, towards higher columns; None: not said."""
    column_direction: Vector | None
    """Unit vector along a column, towards higher rows; None: not said."""
    pixel_spacing_mm: tuple[float, float] | None
    """Distance of rows, distance of columns, mm; None: not said."""
    slope: float
    """What a stored number is multiplied with."""
    intercept: float
    """What is added to it then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The header of one image file, checked: every number is finite, every text of sane length."""

    path: Path = field(repr=False)
    """Where the file lies; folders are often named after patients, so it is not shown."""
    patient_name: str = field(repr=False)
    """Name, all its spellings, in one form for comparison; may be empty. Never shown."""
    study_uid: str
    """StudyInstanceUID."""
    series_uid: str
    """SeriesInstanceUID."""
    sop_instance_uid: str
    """SOPInstanceUID."""
    sop_class_uid: str
    """SOPClassUID; empty: not said."""
    series_number: int | None
    """SeriesNumber; None: not said."""
    body_part: str
    """BodyPartExamined in capitals; empty: not said."""
    modality: str
    """Modality, such as CT; empty: not said."""
    instance_number: int | None
    """InstanceNumber; None: not said."""
    images_in_acquisition: int | None
    """How many images the header counts in its acquisition; None: not said."""
    rows: int
    """Rows of pixels."""
    columns: int
    """Columns of pixels."""
    places: tuple[Place, ...]
    """Of every frame, in stored order; one where the object has one frame or does not say it per frame."""
    frame_count: int
    """How many frames, 1 for a still."""
    frame_rate_hz: float | None
    """Frames a second of a moving image; None: not said."""
    slice_thickness_mm: float | None
    """SliceThickness; None: not said."""
    photometric: str
    """PhotometricInterpretation."""
    samples_per_pixel: int
    """1: gray or palette; 3: colour."""
    bits_stored: int
    """Bits of a stored number, 1 to 64."""
    is_signed: bool
    """Whether stored numbers are two's complement."""
    window: tuple[float, float] | None
    """Centre and width that the header proposes for display; None: none."""
    open_bytes: Callable[[], BinaryIO] | None = field(default=None, repr=False, compare=False)
    """Opens the image's bytes; None: they are the file at `path`."""

    def open(self) -> BinaryIO:
        """The image as a file."""
        return self.path.open("rb") if self.open_bytes is None else self.open_bytes()


def comparable_name(name: str) -> str:
    """A patient's name in one form: no padding, no empty components, one case, composed letters."""
    composed = unicodedata.normalize("NFC", name).casefold()
    groups = [_SPACES.sub(" ", group).strip(" ^\0") for group in composed.split("=")]
    return "=".join(groups).rstrip("=")


def is_uid(text: str) -> bool:
    """Whether `text` is digits and dots, 64 at most. PS3.5 9.1 wants more; files that break the rest are common and
    their UIDs still tell them apart."""
    return _UID.fullmatch(text) is not None
