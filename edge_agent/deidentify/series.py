"""Step 4 of 13: de-identify. An image of a CT, MR or PET series: an allow-list keeps where it lies and what its numbers
mean, and its pixels are carried over as they are.

The allow-list is the contract's (SPEC.md, 13); UIDs and the patient become hashes keyed by the site, so that images
still group. What follows the pixels is left behind, and of compressed frames the comments.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from pydicom import dcmwrite
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge_agent.deidentify.identity import patient_of, text
from edge_agent.deidentify.keys import SiteKey
from edge_agent.deidentify.rebuild import IMPLEMENTATION_UID
from edge_agent.errors import ImageRefused
from edge_agent.formats import HOSTILE_DATA_ERRORS
from edge_agent.formats.dicom import DicomObject, code
from edge_agent.formats.dicom_walk import EXPLICIT_BIG, IMPLICIT_LITTLE
from edge_agent.items import PixelRule
from sonorelay.contract.reasons import EdgeReason
from sonorelay.contract.series import EMPTY, kept, without_comments

_CHUNK_BYTES: Final = 1024 * 1024
_ITEM: Final = b"\xfe\xff\x00\xe0"
_PLACE: Final = (
    *("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SpacingBetweenSlices"),
    *("ImagesInAcquisition", "BodyPartExamined", "TemporalPositionIdentifier", "TriggerTime"),
)
_METHOD: Final = ("113100", "Basic Application Confidentiality Profile")


def clean_series_image(source: DicomObject, path: Path, *, rule: PixelRule, key: SiteKey) -> None:
    """Writes the de-identified image to `path`, in its own transfer syntax.

    Errors: ImageRefused (PIXELS_MAY_IDENTIFY holds; UNREADABLE, TRUNCATED), OSError.
    """
    if rule == "guard" and code(source.ds, "BurnedInAnnotation") == "YES":
        raise ImageRefused(EdgeReason.PIXELS_MAY_IDENTIFY, "BurnedInAnnotation")
    with warnings.catch_warnings(), disable_value_validation():
        # The library's warnings quote values.
        warnings.simplefilter("ignore")
        try:
            head = _head(rebuilt(source.ds, key), source.structure.transfer_syntax)
        except HOSTILE_DATA_ERRORS as error:
            raise ImageRefused(EdgeReason.UNREADABLE, f"tags: {type(error).__name__}") from error
    with source.path.open("rb") as file, path.open("wb") as sink:
        sink.write(head)
        for piece in _pixels(source, file):
            sink.write(piece)


def rebuilt(ds: Dataset, key: SiteKey) -> Dataset:
    """A new data set without pixels. Errors: HOSTILE_DATA_ERRORS."""
    # How many items there may be was limited by the walk, before any of them was parsed.
    new = kept(ds, text(ds, "PatientName").casefold(), lambda _ds, _keyword: None)
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(new, keyword, key.uid(code(ds, keyword)))
    new.SOPClassUID = code(ds, "SOPClassUID")
    _frame_of_reference(ds, new, key)
    new.PatientID = new.PatientName = key.patient(patient_of(ds) or code(ds, "StudyInstanceUID"))
    for keyword in EMPTY:
        setattr(new, keyword, None)
    new.PatientIdentityRemoved = "YES"
    method = Dataset()
    method.CodeValue, method.CodeMeaning = _METHOD
    method.CodingSchemeDesignator = "DCM"
    new.DeidentificationMethodCodeSequence = DicomSequence([method])
    return new


def placed(ds: Dataset, key: SiteKey) -> Dataset:
    """Where an ultrasound image of a series lies: what is added to its rebuilt data set."""
    only = Dataset()
    only.update({element.tag: element for element in ds if element.keyword in _PLACE})
    new = kept(only, text(ds, "PatientName").casefold(), lambda _ds, _keyword: None)
    _frame_of_reference(ds, new, key)
    return new


def _frame_of_reference(ds: Dataset, new: Dataset, key: SiteKey) -> None:
    if original := code(ds, "FrameOfReferenceUID"):
        new.FrameOfReferenceUID = key.uid(original)


def _head(new: Dataset, syntax: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = new.SOPClassUID, new.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if syntax == IMPLICIT_LITTLE else UID(syntax)
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(IMPLEMENTATION_UID), "SONORELAY"
    new.file_meta, new.preamble = meta, bytes(128)
    head = BytesIO()
    dcmwrite(head, new, enforce_file_format=True)
    return head.getvalue()


def _pixels(source: DicomObject, file: BinaryIO) -> Iterator[bytes]:
    """The pixel data element in explicit representation (PS3.5 7.1.2), without what is behind its last frame."""
    structure, facts = source.structure, source.facts
    order = ">" if structure.transfer_syntax == EXPLICIT_BIG else "<"
    tag = struct.pack(f"{order}HH", 0x7FE0, 0x0010)
    file.seek(structure.pixel_start)
    if structure.pixel_data == "encapsulated":
        yield tag + b"OB\0\0" + b"\xff" * 4
        yield from _fragments(file)
        return
    sample_bytes = int(source.ds.BitsAllocated) // 8
    pixel_samples = (
        2 if code(source.ds, "PhotometricInterpretation") == "YBR_FULL_422" else source.ds.SamplesPerPixel
    )
    size_bytes = facts.width_px * facts.height_px * int(pixel_samples) * sample_bytes * facts.frame_count
    padding = size_bytes % 2
    representation = b"OW" if sample_bytes > 1 else b"OB"
    yield tag + representation + b"\0\0" + struct.pack(f"{order}L", size_bytes + padding)
    yield from _pieces(file, size_bytes)
    yield bytes(padding)


def _fragments(file: BinaryIO) -> Iterator[bytes]:
    while (head := _read(file, 8))[:4] == _ITEM:
        (size_bytes,) = struct.unpack("<L", head[4:])
        yield head
        first = _read(file, min(size_bytes, _CHUNK_BYTES))
        yield without_comments(first)
        yield from _pieces(file, size_bytes - len(first))
    yield b"\xfe\xff\xdd\xe0" + bytes(4)


def _pieces(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    while size_bytes:
        piece = _read(file, min(size_bytes, _CHUNK_BYTES))
        size_bytes -= len(piece)
        yield piece


def _read(file: BinaryIO, size_bytes: int) -> bytes:
    found = file.read(size_bytes)
    if len(found) < size_bytes:
        raise ImageRefused(EdgeReason.TRUNCATED, "the file ends within its pixels")
    return found
