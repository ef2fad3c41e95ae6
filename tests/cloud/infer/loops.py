"""Made-up loops for the tests of step 11: DICOM objects and videos of drawn frames."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

Frame = NDArray[np.uint8]


def loop_header(size_hw: tuple[int, int], frame_count: int, **elements: Any) -> bytes:
    """A gray multi-frame object up to its pixels: native, little endian, explicit."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = UltrasoundMultiFrameImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["loop"])
    ds.SOPClassUID = UltrasoundMultiFrameImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
    ds.Rows, ds.Columns = size_hw
    ds.NumberOfFrames, ds.SamplesPerPixel, ds.PhotometricInterpretation = frame_count, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    size_bytes = size_hw[0] * size_hw[1] * frame_count
    # PS3.5 7.1.2: tag, VR, two reserved bytes, length.
    return file.getvalue() + b"\xe0\x7f\x10\x00OB\x00\x00" + size_bytes.to_bytes(4, "little")


def dicom_loop(frames: Sequence[Frame], **elements: Any) -> bytes:
    """A gray multi-frame object."""
    size_hw = (frames[0].shape[0], frames[0].shape[1])
    return loop_header(size_hw, len(frames), **elements) + b"".join(frame.tobytes() for frame in frames)


def video(frames: Sequence[Frame], path: Path, codec: str = "FFV1", rate_hz: float = 25.0) -> bytes:
    """A video of gray frames; its container is the path's suffix."""
    height_px, width_px = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate_hz, (width_px, height_px))
    assert writer.isOpened(), codec
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path.read_bytes()


def drawn(*places: tuple[float, float], size_hw: tuple[int, int] = (240, 320)) -> list[Frame]:
    """A frame per place (x, y): a bright ellipse there on a dim speckled ground."""
    ground = np.random.default_rng(7).integers(20, 60, size_hw).astype(np.uint8)
    frames = []
    for x, y in places:
        frame = ground.copy()
        cv2.ellipse(frame, ((x, y), (0.55 * size_hw[1], 0.5 * size_hw[0]), 10.0), 220, -1)
        # A flat area is no tissue.
        frame[frame == 220] = np.random.default_rng(8).integers(216, 225, int((frame == 220).sum()))
        frames.append(frame)
    return frames


def moving(count: int, size_hw: tuple[int, int] = (240, 320)) -> list[Frame]:
    """Frames in which the ellipse moves to the right, each one different."""
    step = 40 / max(1, count - 1)
    return drawn(*((140 + step * index, 120) for index in range(count)), size_hw=size_hw)
