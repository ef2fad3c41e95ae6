"""Series with a known geometry: slices through a made-up body whose value at every place in space is a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    UltrasoundMultiFrameImageStorage,
)

NAME = "Zhang^Wei=张^伟"
STUDY, SERIES = "1.2.826.0.1.3680043.10.1.1", "1.2.826.0.1.3680043.10.1.2"
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
TURNED = ((0.8, 0.6, 0.0), (-0.48, 0.64, 0.6))
"""At right angles, along no axis of the patient; normal (0.36, -0.48, 0.8)."""

Points = np.ndarray
Value = Callable[[Points], Points]
LANDMARKS = ((6.0, -4.0, 5.0), (-8.0, 3.0, -4.0))
_WIDTH_MM = 3.0


def ramp(points: Points) -> Points:
    """Rises in every direction, differently: linear interpolation gives it exactly, 0.5 mm off is seen."""
    return 200 + 6 * points[..., 0] + 4 * points[..., 1] - 8 * points[..., 2]


def blobs(points: Points) -> Points:
    """Two round, soft landmarks, 1000 at the middle."""
    squares = [((points - np.array(mark)) ** 2).sum(axis=-1) for mark in LANDMARKS]
    return np.sum([1000 * np.exp(-square / (2 * _WIDTH_MM**2)) for square in squares], axis=0)


def normal(directions: Sequence[Sequence[float]]) -> np.ndarray:
    """From the first slice of a series to the next."""
    return np.cross(directions[0], directions[1])


def centred(
    directions: Sequence[Sequence[float]],
    along_mm: Sequence[float],
    side_px: int = 48,
    spacing_mm: float = 1.0,
) -> list[np.ndarray]:
    """Positions of slices at `along_mm` on the normal, their middles on the normal through the patient's origin."""
    half = (side_px - 1) / 2 * spacing_mm
    corner = -half * (np.array(directions[0]) + np.array(directions[1]))
    return [corner + at * normal(directions) for at in along_mm]


def even(count: int, step_mm: float) -> list[float]:
    """Places of `count` slices around 0."""
    return [step_mm * (index - (count - 1) / 2) for index in range(count)]


def header(number: int = 1, **tags: Any) -> Dataset:
    """A whole header of one CT slice of the series, without geometry and pixels; `tags` replace or (None) remove."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{SERIES}.{number}"
    ds.PatientName, ds.PatientID = NAME, "P-1"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, SERIES
    ds.SeriesNumber, ds.InstanceNumber, ds.Modality, ds.BodyPartExamined = 3, number, "CT", "HEAD"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    for keyword, value in tags.items():
        if value is None:
            del ds[keyword]
        else:
            setattr(ds, keyword, value)
    return ds


def write(path: Path, ds: Dataset, pixels: np.ndarray | None = None) -> Path:
    """The data set as a file; `pixels` HxW (or frames first), as many bits as the header says."""
    if pixels is not None:
        ds.Rows, ds.Columns = pixels.shape[-2:] if ds.SamplesPerPixel == 1 else pixels.shape[-3:-1]
        ds.PixelData = pixels.astype("<i2" if ds.BitsAllocated == 16 else "u1").tobytes()
        ds["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = (
        ds.SOPClassUID,
        ds.get("SOPInstanceUID", "1.2"),
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    FileDataset(path, ds, preamble=b"\0" * 128, file_meta=meta).save_as(path, enforce_file_format=True)
    return path


def sampled(
    position: np.ndarray, directions: Sequence[Sequence[float]], side_px: int, spacing_mm: float, value: Value
) -> np.ndarray:
    """The body's values at the pixels of one slice."""
    row, column = (np.array(direction) for direction in directions)
    steps = np.arange(side_px) * spacing_mm
    points = position + steps[None, :, None] * row + steps[:, None, None] * column
    return np.asarray(np.rint(value(points)), dtype=np.int16)


def write_series(
    folder: Path,
    positions: Sequence[np.ndarray],
    directions: Sequence[Sequence[float]] = AXIAL,
    *,
    value: Value = ramp,
    side_px: int = 48,
    spacing_mm: float = 1.0,
    first_number: int = 1,
    **tags: Any,
) -> list[Path]:
    """One file per position, numbered from `first_number`."""
    paths = []
    for number, position in enumerate(positions, first_number):
        ds = header(number, **tags)
        place(ds, position, directions, spacing_mm)
        paths.append(
            write(folder / f"{number:03}.dcm", ds, sampled(position, directions, side_px, spacing_mm, value))
        )
    return paths


def place(
    ds: Dataset, position: np.ndarray, directions: Sequence[Sequence[float]], spacing_mm: float
) -> None:
    """Says in the header where the slice lies."""
    ds.ImagePositionPatient = [f"{value:.6f}" for value in position]
    ds.ImageOrientationPatient = [f"{value:.6f}" for direction in directions for value in direction]
    ds.PixelSpacing = [f"{spacing_mm:.6f}"] * 2
    ds.SliceThickness = "1"


def write_enhanced(
    path: Path, positions: Sequence[np.ndarray], value: Value = ramp, side_px: int = 48
) -> Path:
    """An enhanced object with one axial frame per position, 1 mm pixels; slope 2 and intercept -50 are shared."""
    ds = header(1, SOPClassUID=EnhancedMRImageStorage, Modality="MR", NumberOfFrames=len(positions))
    shared, frames = Dataset(), []
    measures, orientation, meaning = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, orientation.ImageOrientationPatient = ["1", "1"], [1, 0, 0, 0, 1, 0]
    meaning.RescaleSlope, meaning.RescaleIntercept = "2", "-50"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [meaning]
    for position in positions:
        frame, where = Dataset(), Dataset()
        where.ImagePositionPatient = [f"{each:.6f}" for each in position]
        frame.PlanePositionSequence = [where]
        frames.append(frame)
    ds.SharedFunctionalGroupsSequence, ds.PerFrameFunctionalGroupsSequence = [shared], frames
    stored = [
        (sampled(position, AXIAL, side_px, 1.0, value).astype(np.float64) + 50) / 2 for position in positions
    ]
    return write(path, ds, np.rint(np.array(stored)))


def write_cine(path: Path, frame_count: int) -> Path:
    """A moving ultrasound image, 25 frames a second."""
    ds = header(1, SOPClassUID=UltrasoundMultiFrameImageStorage, Modality="US", NumberOfFrames=frame_count)
    ds.FrameTime, ds.FrameIncrementPointer = "40", 0x00181063
    return write(path, ds, np.zeros((frame_count, 16, 16)))
