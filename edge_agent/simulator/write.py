"""Pictures as files: PNG, JPEG, BMP, TIFF, PDF, DICOM ultrasound still and cine."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from edge_agent.simulator.exam import CINE_FRAMES_PER_S, Shot
from edge_agent.simulator.pdf import one_page_pdf
from edge_agent.simulator.screen import MARK
from edge_agent.simulator.truth import Truth

JPEG_QUALITY = 95
_IMPLEMENTATION = UID("2.25.301486230127839213746120917485106385471")


def _encode(extension: str, options: list[int]) -> Callable[[Shot], bytes]:
    def encode(shot: Shot) -> bytes:
        pixels = shot.still.pixels
        swapped = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR) if pixels.ndim == 3 else pixels
        ok, data = cv2.imencode(extension, swapped, options)
        if not ok:
            raise ValueError(f"cannot write {extension} of shape {pixels.shape}")
        return bytes(data)

    return encode


def _pdf(shot: Shot) -> bytes:
    return one_page_pdf(shot.still.pixels, MARK)


def _uid(shot: Shot, *parts: object) -> UID:
    """Give a UID under 2.25 (PS3.5 B.2) that depends only on the examination's seed and `parts`."""
    words = "/".join(str(part) for part in (shot.uid_seed, *parts))
    return UID(f"2.25.{int.from_bytes(hashlib.sha256(words.encode()).digest()[:15], 'big')}")


def dicom(shot: Shot) -> bytes:
    """Give a DICOM file: Ultrasound Image Storage for a still, Ultrasound Multi-frame for a cine.

    Explicit VR Little Endian; RGB or MONOCHROME2 as the screen is; one calibrated tissue region; identifying
    made-up values in standard and private elements, as machines write them.
    """
    multi = len(shot.frames) > 1
    sop_class = UltrasoundMultiFrameImageStorage if multi else UltrasoundImageStorage
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = _uid(shot, "instance", shot.instance)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    if shot.patient.character_set:
        ds.SpecificCharacterSet = shot.patient.character_set
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    _describe(ds, shot)
    ds.SequenceOfUltrasoundRegions = [_region(shot.still.truth)]
    _private(ds, shot)
    _pixels(ds, shot)
    out = BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _describe(ds: Dataset, shot: Shot) -> None:
    patient, truth = shot.patient, shot.still.truth
    ds.PatientName = patient.person_name
    ds.PatientID = patient.patient_id
    ds.PatientBirthDate = patient.birth.strftime("%Y%m%d")
    ds.PatientSex = "F"
    ds.AccessionNumber = patient.accession
    ds.ReferringPhysicianName = "NOONE^NED"
    ds.InstitutionName = "Invented Hospital"
    ds.Manufacturer = "SonoRelay virtual scanner"
    ds.ManufacturerModelName = shot.machine
    ds.StationName = "SIMROOM1"
    ds.DeviceSerialNumber = "SIM0001"
    ds.StudyInstanceUID = _uid(shot, "study")
    ds.SeriesInstanceUID = _uid(shot, "series")
    ds.StudyID = patient.accession[-6:]
    ds.SeriesNumber, ds.InstanceNumber = 1, shot.instance
    ds.Modality = "US"
    ds.StudyDate = ds.SeriesDate = patient.taken.strftime("%Y%m%d")
    ds.StudyTime = ds.SeriesTime = patient.taken.strftime("%H%M%S")
    menstruated = patient.taken.date() - timedelta(days=round(7 * truth.weeks))
    ds.LastMenstrualDate = menstruated.strftime("%Y%m%d")
    ds.ContentDate = ds.AcquisitionDate = shot.taken.strftime("%Y%m%d")
    ds.ContentTime = ds.AcquisitionTime = shot.taken.strftime("%H%M%S")
    ds.StudyDescription = f"Obstetrics {patient.latin}"
    ds.SeriesDescription = "Second trimester"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "OBSTETRICAL", "0001"]
    ds.PatientOrientation = None
    ds.Laterality = None
    ds.LossyImageCompression = "00"
    ds.ImageComments = f"{MARK}; GA {truth.weeks:.1f} weeks"
    ds.BurnedInAnnotation = "YES" if shot.banner else "NO"


def _region(truth: Truth) -> Dataset:
    """Give the calibrated region (PS3.3 C.8.5.5): 2D tissue, centimetres."""
    x0, y0, x1, y1 = truth.sector_box
    region = Dataset()
    region.RegionSpatialFormat = 1
    region.RegionDataType = 1
    region.RegionFlags = 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = x0, y0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = x1 - 1, y1 - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = truth.mm_per_pixel / 10.0
    return region


def _private(ds: Dataset, shot: Shot) -> None:
    """Add private elements that name the patient, as real machines hide them."""
    block = ds.private_block(0x0019, "SONORELAY SIM", create=True)
    block.add_new(0x01, "LO", shot.patient.latin)
    block.add_new(0x02, "LO", shot.patient.patient_id)
    block.add_new(0x03, "LT", f"Operator note for {shot.patient.latin}, {shot.taken:%Y-%m-%d}")


def _pixels(ds: Dataset, shot: Shot) -> None:
    still = shot.still.pixels
    ds.Rows, ds.Columns = still.shape[:2]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    if still.ndim == 3:
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    else:
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    if len(shot.frames) > 1:
        ds.NumberOfFrames = len(shot.frames)
        ds.FrameTime = f"{1000.0 / CINE_FRAMES_PER_S:g}"
        # PS3.3 C.7.6.6: the increment pointer says which element holds the time between frames.
        ds.FrameIncrementPointer = 0x00181063
        ds.CineRate = round(CINE_FRAMES_PER_S)
        ds.EffectiveDuration = f"{len(shot.frames) / CINE_FRAMES_PER_S:g}"
    data = np.stack([frame.pixels for frame in shot.frames]).tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds["PixelData"].VR = "OB"


FORMATS: dict[str, tuple[str, Callable[[Shot], bytes]]] = {
    "png": (".png", _encode(".png", [cv2.IMWRITE_PNG_COMPRESSION, 3])),
    "jpeg": (".jpg", _encode(".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])),
    "bmp": (".bmp", _encode(".bmp", [])),
    "tiff": (".tif", _encode(".tif", [])),
    "pdf": (".pdf", _pdf),
    "dicom": (".dcm", dicom),
}
"""Format name: file extension and writer. Only DICOM keeps a cine; the others print its first frame."""


def encode(shot: Shot, format_name: str) -> bytes:
    """Give the file's bytes of `shot` in a format of `FORMATS`; the same shot gives the same bytes.

    Raises:
        KeyError: no such format.
    """
    return FORMATS[format_name][1](shot)
