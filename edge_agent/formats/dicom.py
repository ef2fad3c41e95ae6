"""Step 3 of 13: filter. Opens DICOM: structure walked, tags judged, then frames decoded one by one.

Only listed elements are read at all, so free text and private groups never become values here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import iter_pixels

from edge_agent.errors import ImageRefused
from edge_agent.filter import SERIES_RULES, TAG_RULES, DicomFacts, Filter
from edge_agent.formats import HOSTILE_DATA_ERRORS
from edge_agent.formats.dicom_walk import Walk, walk
from edge_agent.formats.raster import Pixels
from sonorelay.contract.limits import CINE_MAX_BYTES, STILL_MAX_BYTES
from sonorelay.contract.reasons import EdgeReason
from sonorelay.contract.series import KEPT

READ_TAGS: Final = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "ImageType",
    "BodyPartExamined", "PatientID", "IssuerOfPatientID", "StudyDate", "LastMenstrualDate",
    "Manufacturer", "TransducerType",
    "SeriesNumber", "InstanceNumber", "NumberOfFrames", "FrameTime", "FrameTimeVector", "CineRate",
    "HeartRate",
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelSpacing", "LossyImageCompression",
    "BurnedInAnnotation",
    "SequenceOfUltrasoundRegions", "RedPaletteColorLookupTableDescriptor",
    "GreenPaletteColorLookupTableDescriptor",
    "BluePaletteColorLookupTableDescriptor", "RedPaletteColorLookupTableData",
    "GreenPaletteColorLookupTableData",
    "BluePaletteColorLookupTableData", "SegmentedRedPaletteColorLookupTableData",
    "SegmentedGreenPaletteColorLookupTableData", "SegmentedBluePaletteColorLookupTableData",
)  # fmt: skip
SERIES_TAGS: Final = (*KEPT, "PatientName", "FrameOfReferenceUID", "SpecificCharacterSet")
"""Read besides of a file of a series: what may leave, and what becomes a pseudonym."""
_MONOCHROME: Final = ("MONOCHROME1", "MONOCHROME2")
_COLOUR: Final = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT")


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomObject:
    """A DICOM object that passed the filter's tags."""

    path: Path
    """The file."""
    ds: Dataset
    """Its listed elements (READ_TAGS) and no others."""
    structure: Walk
    """What the walk found."""
    facts: DicomFacts
    """What the rules judged."""
    is_series: bool = False
    """Whether it is an image of a series; its listed elements are SERIES_TAGS too."""

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[Pixels]:
        """Gives decoded frames (all, or those at `indices`) one at a time: gray or RGB, uint8.

        MONOCHROME1 is turned to MONOCHROME2, palettes are applied, YBR becomes RGB, planes become pixels;
        more than 8 bits are reduced to the upper 8. Errors: ImageRefused UNREADABLE, UNSUPPORTED_FORMAT;
        MemoryError.
        """
        count = 0
        with warnings.catch_warnings(), disable_value_validation():
            # The library's warnings quote values.
            warnings.simplefilter("ignore")
            try:
                convert = _Converter(self.ds)
                for frame in iter_pixels(self.path, indices=indices):
                    count += 1
                    yield convert(frame)
            except HOSTILE_DATA_ERRORS as error:
                raise ImageRefused(EdgeReason.UNREADABLE, f"frame {count}: {type(error).__name__}") from error
        if count < (self.facts.frame_count if indices is None else len(indices)):
            raise ImageRefused(EdgeReason.TRUNCATED, f"{count} frames")


def open_dicom(path: Path, rules: Filter, *, is_series: bool = False) -> DicomObject:
    """Opens the file at `path` as far as its tags; `is_series`: the rules of series judge it.

    Errors: ImageRefused with the filter's reason, or TRUNCATED, TOO_COMPLEX, TOO_LARGE, UNREADABLE,
    UNSUPPORTED_TRANSFER_SYNTAX, UNSUPPORTED_FORMAT; OSError.
    """
    size_bytes = path.stat().st_size
    if size_bytes > CINE_MAX_BYTES:
        raise ImageRefused(EdgeReason.TOO_LARGE, f"{size_bytes} bytes")
    with path.open("rb") as file:
        structure = walk(file, size_bytes)
    tags = [*READ_TAGS, *SERIES_TAGS] if is_series else list(READ_TAGS)
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags, force=True)
            facts = dicom_facts(ds, structure)
            rules.tags(facts, SERIES_RULES if is_series else TAG_RULES)
            if facts.frame_count == 1 and size_bytes > STILL_MAX_BYTES:
                raise ImageRefused(EdgeReason.TOO_LARGE, f"{size_bytes} bytes")
            _check_pixels(ds, structure, facts)
        except HOSTILE_DATA_ERRORS as error:
            raise ImageRefused(EdgeReason.UNREADABLE, f"tags: {type(error).__name__}") from error
    return DicomObject(path=path, ds=ds, structure=structure, facts=facts, is_series=is_series)


def dicom_facts(ds: Dataset, structure: Walk) -> DicomFacts:
    """Reads what the filter's rules want to know. Errors: HOSTILE_DATA_ERRORS for values of a wrong type."""
    frames = ds.get("NumberOfFrames")
    return DicomFacts(
        sop_class=code(ds, "SOPClassUID"),
        modality=code(ds, "Modality"),
        image_type=codes(ds, "ImageType"),
        body_part=code(ds, "BodyPartExamined"),
        has_pixels=structure.pixel_data != "none" and structure.pixel_bytes > 0,
        frame_count=1 if frames in (None, "") else int(frames),
        width_px=int(ds.get("Columns") or 0),
        height_px=int(ds.get("Rows") or 0),
        is_numbered=all(code(ds, f"{of}InstanceUID") for of in ("Study", "Series", "SOP")),
    )


def codes(ds: Dataset, keyword: str) -> tuple[str, ...]:
    """Gives the values of a code string or UID in capitals; empty where absent."""
    value: Any = ds.get(keyword)
    if value is None or value == "":
        return ()
    values = [value] if isinstance(value, str) else list(value)
    return tuple(str(one).strip("\x00 ").upper() for one in values)


def code(ds: Dataset, keyword: str) -> str:
    """Gives the first value of `codes`; "" where absent."""
    return next(iter(codes(ds, keyword)), "")


def _check_pixels(ds: Dataset, structure: Walk, facts: DicomFacts) -> None:
    """Holds the tags against the bytes that are there: the library accepts less than the tags announce."""
    if not structure.has_meta:
        raise ImageRefused(EdgeReason.UNREADABLE, "no meta information")
    samples, bits = int(ds.SamplesPerPixel), int(ds.BitsAllocated)
    photometric = code(ds, "PhotometricInterpretation")
    fits = photometric in (*_MONOCHROME, "PALETTE COLOR") if samples == 1 else photometric in _COLOUR
    if samples not in (1, 3) or bits not in (8, 16) or not fits:
        raise ImageRefused(EdgeReason.UNSUPPORTED_FORMAT, f"{samples} samples of {bits} bits")
    if not 1 <= int(ds.BitsStored) <= bits:
        raise ImageRefused(EdgeReason.UNREADABLE, "BitsStored")
    if structure.pixel_data == "native":
        per_pixel = 2 if photometric == "YBR_FULL_422" else samples
        expected = facts.width_px * facts.height_px * per_pixel * (bits // 8) * facts.frame_count
        if structure.pixel_bytes < expected:
            raise ImageRefused(EdgeReason.TRUNCATED, f"{structure.pixel_bytes} of {expected} bytes of pixels")


class _Converter:
    """Turns what the library decodes into gray or RGB of 8 bits."""

    def __init__(self, ds: Dataset) -> None:
        self._photometric = code(ds, "PhotometricInterpretation")
        self._stored = int(ds.BitsStored)
        self._signed = int(ds.get("PixelRepresentation") or 0) == 1
        self._shape = (int(ds.Rows), int(ds.Columns))
        self._palette: Pixels | None = None
        if self._photometric == "PALETTE COLOR":
            entries = np.arange(2 ** min(16, int(ds.BitsAllocated)), dtype=np.uint16).reshape(1, -1)
            colours = apply_color_lut(entries.astype(np.uint8) if entries.size == 256 else entries, ds)[0]
            self._palette = _upper_bits(colours[:, :3])

    def __call__(self, frame: NDArray[Any]) -> Pixels:
        if frame.shape[:2] != self._shape:
            raise ImageRefused(EdgeReason.UNREADABLE, "frame and tags differ in size")
        if self._palette is not None:
            return self._palette[frame.astype(np.uint16)]
        if frame.dtype == np.uint8 and self._stored == 8:
            return 255 - frame if self._photometric == "MONOCHROME1" else np.ascontiguousarray(frame)
        top = 2**self._stored - 1
        values = frame.astype(np.int32) + (2 ** (self._stored - 1) if self._signed else 0)
        np.clip(values, 0, top, out=values)
        if self._photometric == "MONOCHROME1":
            values = top - values
        shift = self._stored - 8
        return (values >> shift if shift >= 0 else values << -shift).astype(np.uint8)


def _upper_bits(colours: NDArray[Any]) -> Pixels:
    """8-bit entries; some writers put 8-bit values into 16-bit entries."""
    if colours.dtype == np.uint8 or colours.max() <= 255:
        return colours.astype(np.uint8)
    return (colours >> 8).astype(np.uint8)


def finite(value: Any) -> float | None:
    """Gives a finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
