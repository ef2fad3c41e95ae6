"""Beside the thirteen steps: series: what server and worker processes say to each other; light to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from cloud.errors import CloudError
from cloud.series.header import Place, Vector
from cloud.series.reasons import Refusal
from cloud.series.stored import Kind
from cloud.store.range_file import open_range_of_files

Key = tuple[str, int]
"""Id and version of a series."""
Sentence = Mapping[str, str]
"""A code and its sentence: `code`, `en`, `zh`."""


class NotOpen(CloudError):
    """This worker has not opened the series (any more); open it, then ask again."""


class SlabMode(StrEnum):
    """What of a slab's thickness is shown."""

    MEAN = "mean"
    MIP = "mip"
    MINIP = "minip"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBytes:
    """Where the bytes of one image lie on this machine: a range of one file or of several in a row."""

    shards: tuple[str, ...] = field(repr=False)
    """Paths, in order."""
    shard_size_bytes: int
    """Length of each but the last."""
    start_bytes: int
    """First byte of the image."""
    size_bytes: int
    """Length of the image."""
    folder: str = ""
    """Folder it was uploaded from, as keyed hashes."""
    upload_id: str = ""
    """Upload that brought it."""
    received_s: float = 0.0
    """When it came, seconds since 1970."""

    @property
    def is_file(self) -> bool:
        """Whether the image is a whole file."""
        return len(self.shards) == 1 and self.start_bytes == 0

    @property
    def path(self) -> Path:
        """Names the image in headers; where it is a whole file, that file."""
        return Path(self.shards[0]) if self.is_file else Path(f"{self.shards[0]}#{self.start_bytes}")

    def open(self) -> BinaryIO:
        """The image as a file."""
        if self.is_file:
            return self.path.open("rb")
        shards = [Path(shard) for shard in self.shards]
        return open_range_of_files(shards, self.shard_size_bytes, self.start_bytes, self.size_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSeries:
    """What a worker needs to open a series."""

    images: tuple[StoredBytes, ...]
    """Its images."""
    strangers: tuple[StoredBytes, ...] = ()
    """Images that bear its series' UID and were grouped elsewhere: they are named among what is left out."""
    threshold: int
    """Images that a reconstruction needs."""
    cap_bytes: int
    """Memory that building a volume may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """What opening a series came to; no pixel was read."""

    kind: Kind
    """What it is shown as."""
    image_count: int
    """Images."""
    frame_count: int
    """Frames of the image that has most."""
    refusal: Refusal | None
    """Why there is no volume."""
    need_bytes: int
    """Memory that building the volume takes; 0: there is none, or it is built."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometryFacts:
    """Where a volume lies, LPS, mm."""

    origin_mm: list[float]
    """Centre of the first voxel."""
    center_mm: list[float]
    """Middle of the volume."""
    axes: list[list[float]]
    """Unit vectors along a row, along a column, and from slice to slice."""
    spacing_mm: list[float]
    """Distance of voxels along these."""
    size: list[int]
    """Voxels along these."""
    bounding_mm: list[float]
    """Lowest and highest x, y and z of the voxels' corners."""
    tilt_deg: float
    """How far the stack leaned."""
    resampled: bool
    """Whether slices were resampled to even distances."""
    remarks: list[Sentence]
    """What is to be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFacts:
    """An image that must exist by the numbers of its series, and is not where the others are."""

    number: int
    """InstanceNumber."""
    found: Sentence | None
    """Where it was found; None: nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOutFacts:
    """Stored images that take no part."""

    reason: Sentence
    """Why."""
    count: int
    """How many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFacts:
    """What opening a series shows."""

    kind: Kind
    """What it is shown as."""
    image_count: int
    """Images."""
    frame_count: int
    """Frames of the image that has most."""
    frame_time_ms: float | None
    """Time from frame to frame of a loop; None: not said."""
    refusal: Refusal | None
    """Why there is no volume."""
    geometry: GeometryFacts | None
    """Where the volume lies."""
    default_window: list[float]
    """Centre and width."""
    value_range: list[float]
    """Lowest and highest value, in the unit."""
    unit: str
    """HU, or empty."""
    scale: float
    """What numbers of slices are multiplied with to be values."""
    offset: float
    """What is added to them then."""
    left_out: list[LeftOutFacts]
    """What takes no part."""
    missing: list[MissingFacts]
    """Gaps of the instance numbers, the first MISSING_SHOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A plane that is asked for."""

    centre_mm: Vector
    """Its middle, LPS, mm."""
    u: Vector
    """To the right of the picture; any length."""
    v: Vector
    """Down the picture; any length, at a right angle to `u`."""
    size_px: int
    """Side of the square, pixels."""
    pixel_mm: float
    """Side of a pixel, mm."""
    slab_mm: float
    """Thickness of the slab, mm."""
    mode: SlabMode
    """What of the slab is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutMade:
    """A plane that was cut."""

    data: bytes = field(repr=False)
    """int16, little endian, row by row."""
    scale: float
    """What a stored number is multiplied with."""
    offset: float
    """What is added to it then."""
    background: int
    """The stored number where no voxel lies."""


class Format(StrEnum):
    """What a frame's bytes are."""

    INT16 = "int16"
    """Two bytes a pixel, little endian; the value is stored x scale + offset."""
    RGB8 = "rgb8"
    """Red, green, blue, a byte each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of one image."""

    width_px: int
    """Columns."""
    height_px: int
    """Rows."""
    format: Format
    """What the bytes are."""
    data: bytes = field(repr=False)
    """Row by row from the upper left."""
    scale: float
    """What a stored number of INT16 is multiplied with; 1.0 otherwise."""
    offset: float
    """What is added to it then; 0.0 otherwise."""
    place: Place
    """Where it lies in the patient."""
    frame_count: int
    """Frames of its image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One element of a header."""

    tag: str
    """(gggg,eeee); inside of a sequence after its place in it: (gggg,eeee)[0].(gggg,eeee)."""
    vr: str
    """Value representation."""
    keyword: str
    """DICOM keyword; empty for what the standard does not know."""
    value: str
    """The value as plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Parallel planes that are asked for, to be stored."""

    u: Vector
    """To the right of the pictures."""
    v: Vector
    """Down the pictures."""
    step_mm: float
    """Distance of neighbouring planes, mm."""
    first_mm: float | None
    """Place of the first plane along u x v, mm; None: as far as the volume reaches."""
    last_mm: float | None
    """Place up to which planes are cut; None: as far as the volume reaches."""
    slab_mm: float
    """Thickness of each, mm."""
    mode: SlabMode
    """What of the slab is shown."""
    description: str
    """What was cut, for the series' description."""
    time: datetime
    """When it is made."""
