"""Step 4 of 13: de-identify. Rebuilds a DICOM object from an allow-list; what is not listed is gone.

PS3.15 annex E is the measure, not the mechanism: values are typed and checked, UIDs and ids become keyed
hashes, the date moves by a shift per patient, free text and private groups are never copied, file meta and
preamble are new.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage
from pydicom.valuerep import DSfloat

from edge_agent.deidentify.identity import patient_of, text
from edge_agent.deidentify.keys import SiteKey
from edge_agent.deidentify.regions import Region, pixel_spacing
from edge_agent.errors import ImageRefused
from edge_agent.formats.dicom import DicomObject, code, codes, finite
from sonorelay.contract.limits import CINE_MAX_BYTES
from sonorelay.contract.reasons import EdgeReason

IMPLEMENTATION_UID: Final = "2.25.242819120413571947216158402347210865163"
_MANUFACTURER: Final = re.compile(
    r"(?i)(ge|g\.e\.|philips|samsung|medison|mindray|siemens|acuson|canon|toshiba|fujifilm|sonosite|hitachi|aloka|"
    r"esaote|supersonic|chison|sonoscape|edan|vinno|wisonic)( (medical( systems)?|healthcare|ultrasound|"
    r"medical imaging)|, inc\.)?"
)
_TRANSDUCERS: Final = frozenset(
    {"SECTOR_PHASED", "SECTOR_MECH", "SECTOR_ANNULAR", "LINEAR", "CURVED LINEAR", "SINGLE CRYSTAL",
     "SPLIT XTAL CWD",
     "ENDOCAV_PA", "ENDOCAV_MECH", "ENDOCAV_CLA", "ENDOCAV_AA", "ENDOCAV_LINEAR", "VECTOR_PHASED"}
)  # fmt: skip
_LOSSY_SYNTAXES: Final = frozenset(
    {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"}
)
_RANGES: Final = {
    "RegionFlags": (0, 2**32),
    "ReferencePixelX0": (-(2**31), 2**31),
    "ReferencePixelY0": (-(2**31), 2**31),
    "TransducerFrequency": (0, 2**32),
}
"""Ranges of a region's whole numbers that are not unsigned 16-bit (PS3.6)."""
_METHODS: Final[dict[str, str]] = {
    "113100": "Basic Application Confidentiality Profile",
    "113101": "Clean Pixel Data Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Pixels of the rebuilt object: 8 bits, gray (MONOCHROME2) or RGB by pixel."""

    width_px: int
    """Columns."""
    height_px: int
    """Rows."""
    samples: int
    """1 gray, 3 RGB."""
    frame_count: int
    """Frames."""

    @property
    def pixel_bytes(self) -> int:
        """Length of all pixels, bytes."""
        return self.width_px * self.height_px * self.samples * self.frame_count


def rebuild(
    source: DicomObject,
    shape: Shape,
    regions: tuple[Region, ...],
    *,
    key: SiteKey,
    capture_id: str,
    blanked: bool,
) -> Dataset:
    """Gives the new data set without its pixels; nothing in it is text that a person wrote.

    Args:
        source: the object that passed the filter.
        shape: of the pixels that will be written.
        regions: those to describe.
        key: the site's secret.
        capture_id: stands in for a missing UID.
        blanked: whether pixels outside the ultrasound were blanked.
    """
    ds, new = source.ds, Dataset()
    study = code(ds, "StudyInstanceUID") or f"{capture_id}/study"
    patient = patient_of(ds) or study
    _identity(ds, new, key, patient, study, capture_id)
    new.SOPClassUID = UltrasoundMultiFrameImageStorage if shape.frame_count > 1 else UltrasoundImageStorage
    secondary = codes(ds, "ImageType")[1:2] == ("SECONDARY",)
    new.ImageType = ["DERIVED", "SECONDARY" if secondary else "PRIMARY"]
    maker = text(ds, "Manufacturer")
    new.Manufacturer = maker if _MANUFACTURER.fullmatch(maker) else ""
    if code(ds, "TransducerType") in _TRANSDUCERS:
        new.TransducerType = code(ds, "TransducerType")
    _pixel_module(new, shape)
    if shape.frame_count > 1:
        _cine_module(ds, new)
    lossy = code(ds, "LossyImageCompression") == "01" or source.structure.transfer_syntax in _LOSSY_SYNTAXES
    new.LossyImageCompression = "01" if lossy else "00"
    spacing = pixel_spacing(ds)
    if spacing is not None:
        new.PixelSpacing = [DSfloat(value, auto_format=True) for value in spacing]
    if regions:
        new.SequenceOfUltrasoundRegions = [_region_item(region) for region in regions]
    if blanked:
        new.BurnedInAnnotation = "NO"
    elif code(ds, "BurnedInAnnotation") in ("YES", "NO"):
        new.BurnedInAnnotation = code(ds, "BurnedInAnnotation")
    new.PatientIdentityRemoved = "YES"
    new.LongitudinalTemporalInformationModified = "MODIFIED"
    new.DeidentificationMethodCodeSequence = [
        _coded(value, meaning) for value, meaning in _METHODS.items() if blanked or value != "113101"
    ]
    return new


def _identity(ds: Dataset, new: Dataset, key: SiteKey, patient: str, study: str, capture_id: str) -> None:
    new.StudyInstanceUID = key.uid(study)
    new.SeriesInstanceUID = key.uid(code(ds, "SeriesInstanceUID") or f"{capture_id}/series")
    new.SOPInstanceUID = key.uid(code(ds, "SOPInstanceUID") or f"{capture_id}/instance")
    new.PatientID = new.PatientName = key.patient(patient)
    new.StudyDate = key.shifted(text(ds, "StudyDate"), patient)
    new.Modality = "US"
    # PS3.15 E.1-1: replace, do not remove; these are type 2, viewers want them there.
    for keyword in (
        "PatientBirthDate", "PatientSex", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName",
        "PatientOrientation", "Laterality",
    ):  # fmt: skip
        setattr(new, keyword, "")
    for keyword in ("SeriesNumber", "InstanceNumber"):
        number = finite(ds.get(keyword))
        setattr(new, keyword, int(number) if number is not None and 0 <= number < 1_000_000 else None)


def _pixel_module(new: Dataset, shape: Shape) -> None:
    new.SamplesPerPixel = shape.samples
    new.PhotometricInterpretation = "MONOCHROME2" if shape.samples == 1 else "RGB"
    new.Rows, new.Columns = shape.height_px, shape.width_px
    new.BitsAllocated, new.BitsStored, new.HighBit, new.PixelRepresentation = 8, 8, 7, 0
    if shape.samples > 1:
        new.PlanarConfiguration = 0
    if shape.frame_count > 1:
        new.NumberOfFrames = shape.frame_count


def _cine_module(ds: Dataset, new: Dataset) -> None:
    frame_time_ms = finite(ds.get("FrameTime"))
    vector = ds.get("FrameTimeVector")
    if frame_time_ms is None and vector is not None and not isinstance(vector, str) and len(vector) > 1:
        steps = [finite(value) or 0.0 for value in vector[1:]]
        frame_time_ms = sum(steps) / len(steps)
    if frame_time_ms is not None and 0 < frame_time_ms < 1e6:
        new.FrameTime = DSfloat(frame_time_ms, auto_format=True)
        new.FrameIncrementPointer = 0x00181063
    for keyword, most in (("CineRate", 1000), ("HeartRate", 400)):
        number = finite(ds.get(keyword))
        if number is not None and 0 < number <= most:
            setattr(new, keyword, int(number))


def _region_item(region: Region) -> Dataset:
    item = Dataset()
    item.RegionLocationMinX0, item.RegionLocationMinY0 = region.x0, region.y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = region.x1, region.y1
    for keyword, whole in region.whole.items():
        low, high = _RANGES.get(keyword, (0, 2**16))
        if low <= whole < high:
            setattr(item, keyword, whole)
    for keyword, number in region.numbers.items():
        setattr(item, keyword, number)
    return item


def _coded(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def write_dicom(path: Path, new: Dataset, shape: Shape, frames: Iterable[bytes]) -> None:
    """Writes the object uncompressed, frame by frame, so that a loop of any length needs one frame of memory.

    Errors: ImageRefused TOO_LARGE where the pixels are over the limit of a loop; OSError.
    """
    if shape.pixel_bytes > CINE_MAX_BYTES:
        raise ImageRefused(EdgeReason.TOO_LARGE, f"{shape.pixel_bytes} bytes of pixels")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = new.SOPClassUID, new.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = "SONORELAY"
    new.file_meta, new.preamble = meta, bytes(128)
    head = BytesIO()
    dcmwrite(head, new, enforce_file_format=True)
    padded = shape.pixel_bytes + shape.pixel_bytes % 2
    with path.open("wb") as file:
        file.write(head.getbuffer())
        # PS3.5 7.1.2: tag, VR, two reserved bytes, length. Pixel data is the last element of what we write.
        file.write(b"\xe0\x7f\x10\x00OB\x00\x00" + padded.to_bytes(4, "little"))
        for frame in frames:
            file.write(frame)
        file.write(bytes(padded - shape.pixel_bytes))
