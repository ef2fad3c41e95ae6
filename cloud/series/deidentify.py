"""Beside the thirteen steps: series: de-identifies a file that did not come through an agent, by an allow-list.

PS3.15 annex E is the measure: what is not listed here is gone, with it every name, date, description and private
group; values are checked by their kind; UIDs, name and id become keyed hashes that are the same for the same original.
The pixels are carried over as they are.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from cloud.series.errors import HeaderRefused
from cloud.series.header import Header
from cloud.series.keys import SeriesKey
from cloud.series.pixel_copy import PixelElement
from cloud.series.read_header import ITEMS_MAX, damage_named, item_count, opened
from cloud.series.reasons import LeftOutReason
from sonorelay.contract.series import EMPTY, KEPT, kept

IMPLEMENTATION_UID: Final = "2.25.242819120413571947216158402347210865163"
_IDENTITY: Final = ("PatientID", "IssuerOfPatientID", "FrameOfReferenceUID")
_STANDARD_UID: Final = re.compile(r"1\.2\.840\.10008\.[0-9.]{1,50}")
_METHOD: Final = ("113100", "Basic Application Confidentiality Profile")


def new_head(path: Path, header: Header, key: SeriesKey) -> tuple[bytes, PixelElement]:
    """A new file up to its pixels, without anything that names a person, and where the pixels of the file at `path`
    lie; `header` is that file's, read already. Errors: HeaderRefused.
    """
    with opened(path, (*KEPT, *_IDENTITY, "SpecificCharacterSet", "SOPClassUID")) as (ds, file):
        is_implicit, is_little = ds.original_encoding
        element = PixelElement(start=file.tell(), is_implicit=bool(is_implicit), is_little=bool(is_little))
        syntax = _syntax(ds, element)
        made = rebuilt(ds, header, key)
        return _head(made, syntax), element


def rebuilt(ds: Dataset, header: Header, key: SeriesKey) -> Dataset:
    """A new data set without pixels. Errors: HeaderRefused."""
    new = kept(ds, header.patient_name, _check_items)
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
    for keyword in EMPTY:
        setattr(new, keyword, None)
    new.PatientIdentityRemoved = "YES"
    method = Dataset()
    method.CodeValue, method.CodeMeaning = _METHOD
    method.CodingSchemeDesignator = "DCM"
    new.DeidentificationMethodCodeSequence = DicomSequence([method])
    return new


def _check_items(ds: Dataset, keyword: str) -> None:
    if item_count(ds, keyword) > ITEMS_MAX:
        raise HeaderRefused(LeftOutReason.HEADER_TOO_LARGE)


def pseudonym(ds: Dataset, header: Header, key: SeriesKey) -> str:
    """The patient's: by id where there is one, else by name, else by examination."""
    patient_id = str(ds.get("PatientID") or "").strip(" \0")[:64]
    issuer = str(ds.get("IssuerOfPatientID") or "").strip(" \0")[:64]
    if patient_id:
        return key.patient(f"id\0{issuer}\0{patient_id}")
    return key.patient(
        f"name\0{header.patient_name}" if header.patient_name else f"study\0{header.study_uid}"
    )


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
