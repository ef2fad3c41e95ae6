"""Beside the thirteen steps: series: reads the header of a file that nobody vouches for.

A header or a reason comes back, whatever the bytes are: at most HEADER_MAX_BYTES in READS_MAX pieces are read, none
allocated on a file's word alone, nothing unpacked, and no value leaves that is too long, not finite or not decodable.
"""

from __future__ import annotations

import math
import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

import pydicom
from pydicom.charset import python_encoding
from pydicom.dataset import Dataset

from cloud.series.errors import DAMAGED, HeaderRefused
from cloud.series.header import Header, Place, Vector, comparable_name, is_uid
from cloud.series.reasons import LeftOutReason

T = TypeVar("T")
OpenBytes = Callable[[], BinaryIO]

HEADER_MAX_BYTES: Final = 8 * 1024**2
READS_MAX: Final = 250_000
"""Elements and items are read one by one: without a limit, 8 MiB of empty items take pydicom minutes."""
ITEMS_MAX: Final = 100_000
_ITEMS: Final = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""The tag of an item, little and big endian."""
_TEXT_MAX_BYTES: Final = 1024
_SIDE_MAX_PX: Final = 32_768
_FRAMES_MAX: Final = 20_000
_POSITION_MAX_MM: Final = 1e5
_SPACING_MIN_MM: Final = 1e-4
_DIRECTION_MAX: Final = 2.0
_DIRECTORY_CLASS: Final = "1.2.840.10008.1.3.10"
_UNDEFINED: Final = 0xFFFFFFFF
_ELEMENT_BYTES: Final = 8
_PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_REPLACEMENT: Final = "\ufffd"
_WANTED: Final = (
    *("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("PatientName", "SeriesNumber", "InstanceNumber", "BodyPartExamined", "Modality", "ImagesInAcquisition"),
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "BitsAllocated"),
    *("PixelRepresentation", "NumberOfFrames", "FrameTime", "CineRate", "RecommendedDisplayFrameRate"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)


class CappedFile:
    """A file that gives at most HEADER_MAX_BYTES in READS_MAX pieces, never more at once than it has, and says when
    it was asked for what lies beyond its end."""

    def __init__(self, file: BinaryIO, reads_max: int = READS_MAX) -> None:
        self._file = file
        self._size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        self._left_bytes = HEADER_MAX_BYTES
        self._left_reads = reads_max
        self.fell_short = False

    def read(self, size_bytes: int = -1) -> bytes:
        if size_bytes is None or size_bytes < 0:
            # pydicom reads to the end only to unpack a deflated data set, which may grow a thousandfold.
            raise HeaderRefused(LeftOutReason.HEADER_DEFLATED)
        there = self._size_bytes - self._file.tell()
        # Nothing left where the next element would begin (8 bytes of tag, representation, length) is an orderly end.
        if there < size_bytes and (there, size_bytes) != (0, _ELEMENT_BYTES):
            self.fell_short = True
        wanted = max(0, min(size_bytes, there))
        self._left_bytes -= wanted
        self._left_reads -= 1
        if self._left_bytes < 0 or self._left_reads < 0:
            raise HeaderRefused(LeftOutReason.HEADER_TOO_LARGE)
        return self._file.read(wanted)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def ends_within(self, size_bytes: int) -> bool:
        """Whether fewer than `size_bytes` are left."""
        return self._file.tell() + size_bytes > self._size_bytes


def read_header(
    path: Path,
    *,
    reads_max: int = READS_MAX,
    items_max: int = ITEMS_MAX,
    open_bytes: OpenBytes | None = None,
) -> Header:
    """The header of the image file at `path`, or of what `open_bytes` opens under that name; its pixels are not read.
    Errors: HeaderRefused, and no other."""
    with opened(path, _WANTED, reads_max, open_bytes) as (ds, capped):
        header = _header(path, ds, capped, items_max)
        return header if open_bytes is None else replace(header, open_bytes=open_bytes)


def read_dataset(path: Path, keywords: Sequence[str], open_bytes: OpenBytes | None = None) -> Dataset:
    """These elements of a file whose header was read already, as far as it has them. Errors: HeaderRefused."""
    with opened(path, keywords, open_bytes=open_bytes) as (ds, _):
        ds.decode()
        return ds


@contextmanager
def damage_named() -> Iterator[None]:
    """What pydicom raises on damaged headers leaves as HeaderRefused. Neither its warnings nor the cause go further:
    their text may hold a value of the header, or a path with a patient's name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except PermissionError:
        raise HeaderRefused(LeftOutReason.FILE_UNREADABLE) from None
    except DAMAGED:
        raise HeaderRefused(LeftOutReason.HEADER_DAMAGED) from None


@contextmanager
def opened(
    path: Path, keywords: Sequence[str], reads_max: int = READS_MAX, open_bytes: OpenBytes | None = None
) -> Iterator[tuple[Dataset, CappedFile]]:
    """These elements of the header, and the file where its pixels begin. Errors: HeaderRefused."""
    with damage_named(), open_bytes() if open_bytes else path.open("rb") as file:
        capped = CappedFile(file, reads_max)
        yield (
            pydicom.dcmread(capped, stop_before_pixels=True, specific_tags=list(keywords), force=True),
            capped,
        )


def _header(path: Path, ds: Dataset, capped: CappedFile, items_max: int) -> Header:
    meta_class = str(ds.file_meta.get("MediaStorageSOPClassUID", "")) if hasattr(ds, "file_meta") else ""
    if meta_class == _DIRECTORY_CLASS:
        raise HeaderRefused(LeftOutReason.DICOM_DIRECTORY)
    cut_short = _check_pixels_follow(ds, capped)
    frame_count = _whole(ds, "NumberOfFrames") or 1
    rows, columns = _whole(ds, "Rows") or 0, _whole(ds, "Columns") or 0
    if not (0 < rows <= _SIDE_MAX_PX and 0 < columns <= _SIDE_MAX_PX and 0 < frame_count <= _FRAMES_MAX):
        raise HeaderRefused(LeftOutReason.NOT_AN_IMAGE)
    header = Header(
        path=path,
        patient_name=_name(ds),
        study_uid=_uid(ds, "StudyInstanceUID"),
        series_uid=_uid(ds, "SeriesInstanceUID"),
        sop_instance_uid=_uid(ds, "SOPInstanceUID"),
        sop_class_uid=_text(ds, "SOPClassUID"),
        series_number=_whole(ds, "SeriesNumber"),
        body_part=_text(ds, "BodyPartExamined").upper(),
        modality=_text(ds, "Modality").upper(),
        instance_number=_whole(ds, "InstanceNumber"),
        images_in_acquisition=_whole(ds, "ImagesInAcquisition"),
        rows=rows,
        columns=columns,
        places=_places(ds, frame_count, items_max),
        frame_count=frame_count,
        frame_rate_hz=_frame_rate_hz(ds),
        slice_thickness_mm=_positive(ds, "SliceThickness"),
        photometric=_text(ds, "PhotometricInterpretation"),
        samples_per_pixel=_whole(ds, "SamplesPerPixel") or 1,
        bits_stored=min(max(_whole(ds, "BitsStored") or _whole(ds, "BitsAllocated") or 16, 1), 64),
        is_signed=_whole(ds, "PixelRepresentation") == 1,
        window=_window(ds),
    )
    if cut_short:
        raise HeaderRefused(LeftOutReason.PIXELS_CUT_SHORT)
    return header


def _check_pixels_follow(ds: Dataset, capped: CappedFile) -> bool:
    """Whether the file ends before its pixels do. Refuses a header after which no pixels come."""
    is_implicit, is_little = ds.original_encoding
    order = "<" if is_little else ">"
    start = capped.tell()
    raw = capped.read(_ELEMENT_BYTES)
    raw += capped.read(4) if raw else b""
    tag = struct.unpack(f"{order}HH", raw[:4]) if len(raw) == 12 else (0, 0)
    if tag[0] << 16 | tag[1] not in _PIXEL_TAGS:
        # Whatever is forced through the parser ends here too: a text named .dcm has no preamble and no UID.
        if ds.preamble is None and "SOPInstanceUID" not in ds and "SOPClassUID" not in ds:
            raise HeaderRefused(LeftOutReason.NOT_DICOM)
        raise HeaderRefused(LeftOutReason.HEADER_DAMAGED if capped.fell_short else LeftOutReason.NOT_AN_IMAGE)
    (size_bytes,) = struct.unpack(f"{order}L", raw[4:8] if is_implicit else raw[8:12])
    capped.seek(start + (8 if is_implicit else 12))
    return bool(size_bytes != _UNDEFINED and capped.ends_within(size_bytes))


def _raw_size_bytes(ds: Dataset, keyword: str) -> int:
    value = ds.get_item(keyword).value if keyword in ds else b""
    return len(value) if isinstance(value, bytes) else 0


def _text(ds: Dataset, keyword: str) -> str:
    if _raw_size_bytes(ds, keyword) > _TEXT_MAX_BYTES:
        raise HeaderRefused(LeftOutReason.VALUE_TOO_LONG)
    value = ds.get(keyword)
    if value is None:
        return ""
    if hasattr(value, "__iter__") and not isinstance(value, str):
        # One value is meant; a backslash in a damaged one made it several.
        value = "\\".join(map(str, value))
    return str(value).strip(" \0")


def _name(ds: Dataset) -> str:
    if _raw_size_bytes(ds, "PatientName") > _TEXT_MAX_BYTES:
        raise HeaderRefused(LeftOutReason.VALUE_TOO_LONG)
    named = ds.get("SpecificCharacterSet") or ""
    terms = [named] if isinstance(named, str) else list(named)
    try:
        name = str(ds.get("PatientName") or "")
    except DAMAGED:
        raise HeaderRefused(LeftOutReason.CHARACTERS_UNREADABLE) from None
    if _REPLACEMENT in name or (
        not name.isascii() and any(term and term not in python_encoding for term in terms)
    ):
        raise HeaderRefused(LeftOutReason.CHARACTERS_UNREADABLE)
    return comparable_name(name)


def _uid(ds: Dataset, keyword: str) -> str:
    uid = _text(ds, keyword)
    if not uid:
        raise HeaderRefused(LeftOutReason.UID_MISSING)
    if not is_uid(uid):
        raise HeaderRefused(LeftOutReason.UID_INVALID)
    return uid


def _or_none(read: Callable[[], T]) -> T | None:
    """The value, or None where what is written there is no such value."""
    try:
        return read()
    except DAMAGED:
        return None


def _whole(ds: Dataset, keyword: str) -> int | None:
    if _raw_size_bytes(ds, keyword) > _TEXT_MAX_BYTES:
        return None
    return _or_none(lambda: None if ds.get(keyword) in (None, "") else int(ds[keyword].value))


def _floats(ds: Dataset, keyword: str, count: int) -> list[float] | None:
    """Exactly `count` finite numbers."""

    def read() -> list[float] | None:
        value = ds.get(keyword)
        if value is None or isinstance(value, str):
            return None
        values = [float(each) for each in value] if hasattr(value, "__iter__") else [float(value)]
        return values if len(values) == count and all(map(math.isfinite, values)) else None

    return None if _raw_size_bytes(ds, keyword) > _TEXT_MAX_BYTES else _or_none(read)


def _positive(ds: Dataset, keyword: str) -> float | None:
    found = _floats(ds, keyword, 1)
    return found[0] if found and found[0] > 0 else None


def _frame_rate_hz(ds: Dataset) -> float | None:
    """PS3.3 C.7.6.5: the time between frames (ms) goes before the rates that were wished for display."""
    time_ms = _positive(ds, "FrameTime")
    return (
        1000 / time_ms
        if time_ms
        else _positive(ds, "CineRate") or _positive(ds, "RecommendedDisplayFrameRate")
    )


def _window(ds: Dataset) -> tuple[float, float] | None:
    def first(keyword: str) -> float | None:
        value: Any = ds.get(keyword)
        number = float(value[0] if hasattr(value, "__getitem__") else value)
        return number if math.isfinite(number) else None

    centre = _or_none(lambda: first("WindowCenter"))
    width = _or_none(lambda: first("WindowWidth"))
    # PS3.3 C.11.2.1.2: a width is at least 1.
    return None if centre is None or width is None or width < 1 else (centre, width)


def _places(ds: Dataset, frame_count: int, items_max: int) -> tuple[Place, ...]:
    """Of an enhanced object one place per frame (PS3.3 C.7.6.16), else one."""
    for keyword in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        if item_count(ds, keyword) > items_max:
            raise HeaderRefused(LeftOutReason.HEADER_TOO_LARGE)
    frames = ds.get("PerFrameFunctionalGroupsSequence")
    if not frames:
        return (_place([ds]),)
    shared = list(ds.get("SharedFunctionalGroupsSequence") or [])[:1]
    if len(frames) != frame_count:
        raise HeaderRefused(LeftOutReason.HEADER_DAMAGED)
    return tuple(
        _place([*_macros(frame), *(macro for one in shared for macro in _macros(one))]) for frame in frames
    )


def item_count(ds: Dataset, keyword: str) -> int:
    """At most how many items a sequence has that is not parsed yet: they are what takes pydicom long."""
    raw = ds.get_item(keyword).value if keyword in ds else b""
    return max(map(raw.count, _ITEMS)) if isinstance(raw, bytes) else 0


_MACROS: Final = (
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
)


def _macros(group: Dataset) -> list[Dataset]:
    """The items of a functional group in which places and meanings of numbers stand."""
    return [item for keyword in _MACROS for item in list(group.get(keyword) or [])[:1]]


def _place(sources: list[Dataset]) -> Place:
    """From the first of `sources` that says each."""

    def first(keyword: str, count: int) -> list[float] | None:
        return next((found for ds in sources if (found := _floats(ds, keyword, count))), None)

    position = _within(first("ImagePositionPatient", 3), _POSITION_MAX_MM)
    directions = _within(first("ImageOrientationPatient", 6), _DIRECTION_MAX)
    spacing = _within(first("PixelSpacing", 2), _POSITION_MAX_MM)
    slope, intercept = first("RescaleSlope", 1), first("RescaleIntercept", 1)
    return Place(
        position_mm=_vector(position) if position else None,
        row_direction=_vector(directions[:3]) if directions else None,
        column_direction=_vector(directions[3:]) if directions else None,
        pixel_spacing_mm=(spacing[0], spacing[1]) if spacing and min(spacing) >= _SPACING_MIN_MM else None,
        slope=slope[0] if slope and slope[0] else 1.0,
        intercept=intercept[0] if intercept else 0.0,
    )


def _within(values: list[float] | None, most: float) -> list[float] | None:
    """The values, or None where one is beyond what a patient or a unit vector can have."""
    return values if values is not None and max(map(abs, values)) <= most else None


def _vector(values: list[float]) -> Vector:
    return values[0], values[1], values[2]
