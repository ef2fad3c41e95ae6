"""Beside the thirteen steps: series: a reconstruction as a DICOM series of its own, derived from its source.

The new objects belong to the same patient and examination and carry the same names: they stay where the source is.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from cloud.series.geometry import Plan
from cloud.series.header import Header
from cloud.series.png import NOTICE
from cloud.series.read_header import damage_named, read_dataset
from cloud.series.reslice import Slice

NewUid = Callable[[], str]

# Patient, study, frame of reference and equipment stay; what describes one source image does not.
_SAME: Final = (
    *(
        "SpecificCharacterSet",
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientSex",
    ),
    *(
        "PatientAge",
        "PatientWeight",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "StudyDescription",
    ),
    *("AccessionNumber", "ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator"),
    *(
        "Manufacturer",
        "ManufacturerModelName",
        "InstitutionName",
        "Modality",
        "BodyPartExamined",
        "PatientPosition",
    ),
    *("AcquisitionDate", "AcquisitionTime", "AcquisitionNumber", "KVP", "Laterality", "RescaleType"),
    *(
        "ScanningSequence",
        "SequenceVariant",
        "ScanOptions",
        "MRAcquisitionType",
        "RepetitionTime",
        "EchoTime",
    ),
    *("EchoTrainLength", "InversionTime", "MagneticFieldStrength", "ContrastBolusAgent"),
)
# Type 2 in the modules of these objects: there, though perhaps empty (PS3.3 A.3, A.4, A.8).
_AT_LEAST_EMPTY: Final = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *(
        "AccessionNumber",
        "ReferringPhysicianName",
        "PositionReferenceIndicator",
        "Manufacturer",
        "AcquisitionNumber",
    ),
)
_EMPTY_BY_CLASS: Final[dict[str, tuple[str, ...]]] = {
    CTImageStorage: ("KVP", "PatientPosition"),
    MRImageStorage: (
        "PatientPosition",
        "ScanOptions",
        "MRAcquisitionType",
        "RepetitionTime",
        "EchoTime",
        "EchoTrainLength",
    ),
    SecondaryCaptureImageStorage: (),
}
_SOURCE_IMAGE: Final = ("121322", "DCM", "Source image for image processing operation")
"""PS3.16 CID 7202."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What is said of a whole new series."""

    description: str
    """What was cut, such as `MPR coronal, slab 5 mm`; no patient's data."""
    spacing_mm: float
    """Distance of neighbouring cuts, mm."""
    window: tuple[float, float]
    """Centre and width proposed for display."""
    time: datetime
    """When it was made."""


def dicom_series(
    cuts: Sequence[Slice], plan: Plan, current: Header, derived: Derived, *, new_uid: NewUid = generate_uid
) -> list[bytes]:
    """One DICOM file per cut, in the order given, of one new series; explicit VR little endian.

    Errors: HeaderRefused, where the source's header cannot be read any more or holds what no header may.
    """
    same = read_dataset(current.path, _SAME, current.open_bytes)
    sop_class = (
        current.sop_class_uid if current.sop_class_uid in _EMPTY_BY_CLASS else SecondaryCaptureImageStorage
    )
    sources = {each.header.sop_instance_uid: each.header for each in plan.slices}
    series_uid = new_uid()
    # Where the source names no frame of reference, its positions mean something within the new series only.
    frame_of_reference = same.get("FrameOfReferenceUID") or new_uid()
    made = []
    for number, cut in enumerate(cuts, 1):
        ds = _dataset(same, sop_class, new_uid())
        ds.SeriesInstanceUID, ds.FrameOfReferenceUID = series_uid, frame_of_reference
        # Numbers of reconstructions by convention: the source's, times a hundred, plus one.
        ds.SeriesNumber = min((current.series_number or 0) * 100 + 1, 2**31 - 1)
        ds.InstanceNumber = number
        _say_derived(ds, derived, list(sources.values()), current)
        _place(ds, cut, derived)
        _fill(ds, cut, derived)
        made.append(_file(ds))
    return made


def _dataset(same: Dataset, sop_class: str, uid: str) -> Dataset:
    ds = Dataset()
    for keyword in _SAME:
        if keyword in same:
            ds[keyword] = same[keyword]
    for keyword in (*_AT_LEAST_EMPTY, *_EMPTY_BY_CLASS[sop_class]):
        if keyword not in ds:
            setattr(ds, keyword, None)
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, uid
    if sop_class == SecondaryCaptureImageStorage:
        ds.ConversionType = "WSD"
    if sop_class == MRImageStorage:
        # Type 1: RM and NONE where the source does not say.
        ds.ScanningSequence = ds.get("ScanningSequence") or "RM"
        ds.SequenceVariant = ds.get("SequenceVariant") or "NONE"
    return ds


def _say_derived(ds: Dataset, derived: Derived, sources: Sequence[Header], current: Header) -> None:
    ds.ImageType = ["DERIVED", "SECONDARY", "REFORMATTED"]
    ds.SeriesDescription = derived.description[:64]
    ds.DerivationDescription = f"{derived.description}; {len(sources)} source images; {NOTICE}"[:1024]
    ds.ImageComments = NOTICE
    day, clock = derived.time.strftime("%Y%m%d"), derived.time.strftime("%H%M%S")
    ds.SeriesDate = ds.ContentDate = ds.InstanceCreationDate = day
    ds.SeriesTime = ds.ContentTime = ds.InstanceCreationTime = clock
    ds.SourceImageSequence = DicomSequence([_reference(each, _purpose()) for each in sources])
    of_series = Dataset()
    of_series.SeriesInstanceUID = current.series_uid
    of_series.ReferencedInstanceSequence = DicomSequence([_reference(each) for each in sources])
    ds.ReferencedSeriesSequence = DicomSequence([of_series])


def _reference(header: Header, purpose: Dataset | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.sop_class_uid
    item.ReferencedSOPInstanceUID = header.sop_instance_uid
    if purpose is not None:
        item.PurposeOfReferenceCodeSequence = DicomSequence([purpose])
    return item


def _purpose() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = _SOURCE_IMAGE
    return code


def _place(ds: Dataset, cut: Slice, derived: Derived) -> None:
    plane = cut.plane
    ds.ImagePositionPatient = _decimals(plane.origin_mm)
    ds.ImageOrientationPatient = _decimals((*plane.u, *plane.v))
    ds.PixelSpacing = _decimals((plane.pixel_mm, plane.pixel_mm))
    ds.SliceThickness = _decimals((cut.slab_mm or derived.spacing_mm,))[0]
    ds.SpacingBetweenSlices = _decimals((derived.spacing_mm,))[0]


def _fill(ds: Dataset, cut: Slice, derived: Derived) -> None:
    ds.Rows, ds.Columns = cut.pixels.shape
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleSlope, ds.RescaleIntercept = _decimals((cut.scale, cut.offset))
    ds.RescaleType = ds.get("RescaleType") or ("HU" if ds.SOPClassUID == CTImageStorage else "US")
    ds.WindowCenter, ds.WindowWidth = _decimals(derived.window)
    ds.PixelData = np.ascontiguousarray(cut.pixels, dtype="<i2").tobytes()
    # PS3.5 8.1.1: pixel data has an even length, which 16 bits give.
    ds["PixelData"].VR = "OW"


def _decimals(values: Sequence[float]) -> list[str]:
    """Decimal strings of at most 16 characters (PS3.5 6.2, DS), as exact as they can be."""
    return [
        next(text for digits in range(15, 0, -1) if len(text := f"{value:.{digits}g}") <= 16)
        for value in values
    ]


def _file(ds: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    with damage_named():
        whole: Any = FileDataset(buffer, ds, preamble=b"\0" * 128, file_meta=meta)
        whole.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
