"""Files of series: the elements that may leave a site, each checked by its kind. SPEC.md, 13.

PS3.15 annex E is the measure: what is not listed here is gone, with it every name, date, description and private
group.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

KEPT: Final = (
    # What it is, and its number.
    *("ImageType", "Modality", "BodyPartExamined", "Laterality", "PatientPosition", "SeriesNumber"),
    *("AcquisitionNumber", "InstanceNumber", "ImagesInAcquisition", "LossyImageCompression"),
    *("BurnedInAnnotation", "PresentationLUTShape"),
    # Time between images.
    *(
        "NumberOfTemporalPositions",
        "TemporalPositionIdentifier",
        "TriggerTime",
        "FrameTime",
        "FrameTimeVector",
    ),
    *("CineRate", "RecommendedDisplayFrameRate", "FrameIncrementPointer", "HeartRate"),
    # How it was taken.
    *("KVP", "GantryDetectorTilt", "ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType"),
    *("RepetitionTime", "EchoTime", "EchoNumbers", "EchoTrainLength", "InversionTime", "FlipAngle"),
    *("MagneticFieldStrength", "DiffusionBValue"),
    # Where it lies.
    *("SliceThickness", "SpacingBetweenSlices", "SliceLocation", "ImagePositionPatient"),
    *("ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"),
    # What its numbers mean.
    *(
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "PlanarConfiguration",
        "NumberOfFrames",
        "Rows",
        "Columns",
    ),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "RescaleSlope", "RescaleIntercept"),
    *("RescaleType", "WindowCenter", "WindowWidth"),
    *(f"{colour}PaletteColorLookupTableDescriptor" for colour in ("Red", "Green", "Blue")),
    *(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
    # Ultrasound.
    *("SequenceOfUltrasoundRegions", "RegionSpatialFormat", "RegionDataType", "RegionFlags"),
    *("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1"),
    *("ReferencePixelX0", "ReferencePixelY0", "ReferencePixelPhysicalValueX", "ReferencePixelPhysicalValueY"),
    *("PhysicalUnitsXDirection", "PhysicalUnitsYDirection", "PhysicalDeltaX", "PhysicalDeltaY"),
    "TransducerFrequency",
    # Frames of enhanced objects.
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PlanePositionSequence"),
    *("PlaneOrientationSequence", "PixelMeasuresSequence", "PixelValueTransformationSequence"),
    *("FrameVOILUTSequence", "FrameContentSequence", "InStackPositionNumber", "TemporalPositionIndex"),
    *("DimensionIndexValues", "FrameAcquisitionNumber", "PlanePositionVolumeSequence", "ImagePositionVolume"),
    *("PlaneOrientationVolumeSequence", "ImageOrientationVolume"),
)
"""Keywords of the elements, at every depth."""
EMPTY: Final = (
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    *("ReferringPhysicianName", "Manufacturer", "PositionReferenceIndicator"),
)
"""PS3.15 E.1-1: type 2 of the modules of images: there, though empty."""
_CODE: Final = re.compile(r"[A-Z0-9 _+-]{0,16}")
_WORDS: Final = re.compile(r"[^\w]+|_")
_WORD_MIN: Final = 3
_DEPTH_MAX: Final = 4
_VALUES_MAX: Final = 20_000
_TABLE_MAX_BYTES: Final = 128 * 1024
_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f"
_COMMENTS: Final[dict[bytes, frozenset[int]]] = {
    # ISO/IEC 10918-1 B.2.4: COM, and application segments but APP0 (JFIF), APP8 and APP14, which say how colours lie.
    _JPEG: frozenset({0xFE, *range(0xE1, 0xE8), *range(0xE9, 0xEE), 0xEF}),
    # ISO/IEC 15444-1 A.9.2: COM.
    _JPEG_2000: frozenset({0x64}),
}
_DATA: Final[dict[bytes, int]] = {_JPEG: 0xDA, _JPEG_2000: 0x90}
"""The segment at which a frame's data begin."""
CheckItems = Callable[[Dataset, str], None]
"""Called with a data set and a sequence of it before that is parsed; raises where it has too many items."""


def kept(ds: Dataset, patient_name: str, check_items: CheckItems) -> Dataset:
    """A new data set with the elements of `ds` that may leave, without UIDs, identity and pixels.

    Codes that hold a word of `patient_name` (in lower case) are left out. Errors: those of `check_items`, and what
    pydicom raises on damaged values.
    """
    new = Dataset()
    _keep(ds, new, check_items, 0)
    _drop_names(new, patient_name)
    return new


def without_comments(frame: bytes) -> bytes:
    """The beginning of a compressed frame, of the same length, with zeros for the letters of its comments."""
    comments, data = _COMMENTS.get(frame[:2]), _DATA.get(frame[:2])
    if comments is None:
        return frame
    clean, at = bytearray(frame), 2
    while at + 4 <= len(frame) and frame[at] == 0xFF and frame[at + 1] != data:
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if frame[at + 1] in comments:
            clean[at + 4 : end] = bytes(max(0, min(end, len(frame)) - at - 4))
        at = end
    return bytes(clean)


def _keep(ds: Dataset, new: Dataset, check_items: CheckItems, depth: int) -> None:
    for keyword in KEPT:
        tag = tag_for_keyword(keyword)
        if tag is None or tag not in ds:
            continue
        representation = dictionary_VR(tag)
        if representation == "SQ":
            _keep_items(ds, new, keyword, check_items, depth)
            continue
        kept = _CHECKED[representation](ds[tag].value)
        if kept is not None:
            new.add_new(tag, _WRITTEN_AS.get(representation, representation), kept)


def _drop_names(new: Dataset, patient_name: str) -> None:
    """Removes codes that hold a word of the patient's name: what is meant for codes is at times used for notes."""
    words = {word for word in _WORDS.split(patient_name) if len(word) >= _WORD_MIN}

    def drop(ds: Dataset, element: DataElement) -> None:
        if element.VR in ("CS", "LO") and words & set(_WORDS.split(str(element.value).casefold())):
            del ds[element.tag]

    new.walk(drop)


def _keep_items(ds: Dataset, new: Dataset, keyword: str, check_items: CheckItems, depth: int) -> None:
    if depth == _DEPTH_MAX:
        return
    check_items(ds, keyword)
    items = []
    for item in ds[keyword].value or ():
        kept = Dataset()
        _keep(item, kept, check_items, depth + 1)
        items.append(kept)
    setattr(new, keyword, DicomSequence(items))


def _several(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str | bytes) else [value]


def _codes(value: Any) -> list[str] | None:
    """Codes are capitals, digits and few signs: no name of a person fits in unseen but in capitals."""
    codes = [str(each).strip(" \0") for each in _several(value)]
    fit = len(codes) <= 16 and all(_CODE.fullmatch(code) for code in codes)
    return codes if codes and fit else None


def _numbers(kind: Callable[[Any], Any]) -> Callable[[Any], list[Any] | None]:
    def checked(value: Any) -> list[Any] | None:
        values = _several(value)
        if not 0 < len(values) <= _VALUES_MAX:
            return None
        try:
            numbers = [kind(each) for each in values]
            return numbers if all(math.isfinite(float(each)) for each in numbers) else None
        except (ArithmeticError, TypeError, ValueError):
            return None

    return checked


def _table(value: Any) -> bytes | None:
    return value if isinstance(value, bytes) and len(value) <= _TABLE_MAX_BYTES else None


def _decimal(value: Any) -> str:
    """As it was written where that is a decimal string (PS3.5 6.2), else shortened to one."""
    text = str(getattr(value, "original_string", None) or value).strip(" \0")
    return text if len(text) <= 16 and float(text) == float(value) else f"{float(value):.10g}"


_CHECKED: Final[dict[str, Callable[[Any], Any]]] = {
    "CS": _codes,
    "LO": _codes,
    "DS": _numbers(_decimal),
    "IS": _numbers(int),
    **{name: _numbers(int) for name in ("US", "SS", "UL", "SL", "AT")},
    # Of what is kept only descriptors of palettes are written so, and all of them are unsigned.
    "US or SS": _numbers(lambda value: int(value) & 0xFFFF),
    **{name: _numbers(float) for name in ("FL", "FD")},
    "OW": _table,
}
"""By value representation: the value as it is kept, None where it is none. Free text has no entry."""
_WRITTEN_AS: Final = {"US or SS": "US"}
