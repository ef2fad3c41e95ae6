"""Beside the thirteen steps: series: de-identifies a file that did not come through an agent, by an allow-list.

PS3.15 annex E is the measure: what is not listed here is gone, with it every name, date, description and private
group; values are checked by their kind; UIDs, name and id become keyed hashes that are the same for the same original.
The pixels are carried over as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom import dcmwrite
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cloud.series.errors import HeaderRefused
from cloud.series.header import Header
from cloud.series.keys import SeriesKey
from cloud.series.pixel_copy import PixelElement
from cloud.series.read_header import ITEMS_MAX, damage_named, item_count, opened
from cloud.series.reasons import LeftOutReason

IMPLEMENTATION_UID: Final = "2.25.242819120413571947216158402347210865163"
_IDENTITY: Final = ("PatientID", "IssuerOfPatientID", "FrameOfReferenceUID")
_KEPT: Final = (
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
# PS3.15 E.1-1: type 2 of the modules of images: there, though empty.
_EMPTY: Final = (
    *("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"),
    *("ReferringPhysicianName", "Manufacturer", "PositionReferenceIndicator"),
)
_STANDARD_UID: Final = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,50}")
_CODE: Final = re.compile(r"[A-Z0-9 _+-]{0,16}")
_WORDS: Final = re.compile(r"[^\w]+|_")
_WORD_MIN: Final = 3
_DEPTH_MAX: Final = 4
_VALUES_MAX: Final = 20_000
_TABLE_MAX_BYTES: Final = 128 * 1024
_METHOD: Final = ("113100", "Basic Application Confidentiality Profile")


def new_head(path: Path, header: Header, key: SeriesKey) -> tuple[bytes, PixelElement]:
    """A new file up to its pixels, without anything that names a person, and where the pixels of the file at `path`
    lie; `header` is that file's, read already. Errors: HeaderRefused.
    """
    with opened(path, (*_KEPT, *_IDENTITY, "SpecificCharacterSet", "SOPClassUID")) as (ds, file):
        is_implicit, is_little = ds.original_encoding
        element = PixelElement(start=file.tell(), is_implicit=bool(is_implicit), is_little=bool(is_little))
        syntax = _syntax(ds, element)
        made = rebuilt(ds, header, key)
        return _head(made, syntax), element


def rebuilt(ds: Dataset, header: Header, key: SeriesKey) -> Dataset:
    """A new data set without pixels. Errors: HeaderRefused."""
    new = Dataset()
    _keep(ds, new, 0)
    _drop_names(new, header.patient_name)
    sop_class = header.sop_class_uid
    if not _STANDARD_UID.fullmatch(sop_class):
        raise HeaderRefused(LeftOutReason.UID_INVALID)
    new.SOPClassUID, new.SOPInstanceUID = sop_class, key.uid(header.sop_instance_uid)
    new.StudyInstanceUID, new.SeriesInstanceUID = key.uid(header.study_uid), key.uid(header.series_uid)
    frame_of_reference = str(ds.get("FrameOfReferenceUID") or "").strip(" \0")
    if frame_of_reference:
        new.FrameOfReferenceUID = key.uid(frame_of_reference)
    new.PatientName = key.name(header.patient_name)
    new.PatientID = pseudonym(ds, header, key)
    for keyword in _EMPTY:
        setattr(new, keyword, None)
    new.PatientIdentityRemoved = "YES"
    method = Dataset()
    method.CodeValue, method.CodeMeaning = _METHOD
    method.CodingSchemeDesignator = "DCM"
    new.DeidentificationMethodCodeSequence = DicomSequence([method])
    return new


def pseudonym(ds: Dataset, header: Header, key: SeriesKey) -> str:
    """The patient's: by id where there is one, else by name, else by examination."""
    patient_id = str(ds.get("PatientID") or "").strip(" \0")[:64]
    issuer = str(ds.get("IssuerOfPatientID") or "").strip(" \0")[:64]
    if patient_id:
        return key.patient(f"id\0{issuer}\0{patient_id}")
    return key.patient(
        f"name\0{header.patient_name}" if header.patient_name else f"study\0{header.study_uid}"
    )


def _keep(ds: Dataset, new: Dataset, depth: int) -> None:
    for keyword in _KEPT:
        tag = tag_for_keyword(keyword)
        if tag is None or tag not in ds:
            continue
        representation = dictionary_VR(tag)
        if representation == "SQ":
            _keep_items(ds, new, keyword, depth)
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


def _keep_items(ds: Dataset, new: Dataset, keyword: str, depth: int) -> None:
    if depth == _DEPTH_MAX:
        return
    if item_count(ds, keyword) > ITEMS_MAX:
        raise HeaderRefused(LeftOutReason.HEADER_TOO_LARGE)
    items = []
    for item in ds[keyword].value or ():
        kept = Dataset()
        _keep(item, kept, depth + 1)
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


def _syntax(ds: Dataset, element: PixelElement) -> UID:
    named = ds.file_meta.get("TransferSyntaxUID") if hasattr(ds, "file_meta") else None
    if named is None:
        return ExplicitVRLittleEndian if element.is_little else ExplicitVRBigEndian
    return ExplicitVRLittleEndian if named == ImplicitVRLittleEndian else UID(str(named))


def _head(made: Dataset, syntax: UID) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(IMPLEMENTATION_UID), "SONORELAY"
    made.file_meta, made.preamble = meta, bytes(128)
    head = BytesIO()
    with damage_named():
        dcmwrite(head, made, enforce_file_format=True)
    return head.getvalue()
