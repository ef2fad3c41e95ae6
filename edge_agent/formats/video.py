"""Step 3 of 13: filter. Opens a short video (AVI, MP4) as if it were a DICOM loop, so that step 4 rebuilds it frame
by frame: nothing of the container goes on.

Read through our own file: no address inside the container can make the decoder open another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage
from pydicom.valuerep import DSfloat

from edge_agent.errors import ImageRefused
from edge_agent.filter import DicomFacts, Filter
from edge_agent.formats.dicom import DicomObject
from edge_agent.formats.dicom_walk import Walk
from edge_agent.formats.raster import Pixels
from edge_agent.formats.sniff import Kind
from edge_agent.formats.video_walk import avi_is_complete, mp4_is_complete
from sonorelay.contract.limits import STILL_MAX_BYTES
from sonorelay.contract.reasons import EdgeReason

_COMPLETE: Final = {Kind.AVI: avi_is_complete, Kind.MP4: mp4_is_complete}
GRAY_APART_MAX: Final = 8
_RATE_MAX_HZ: Final = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoObject(DicomObject):
    """A video that passed the filter; `ds` holds what a loop of these frames would say."""

    def frames(self, indices: Sequence[int] | None = None) -> Iterator[Pixels]:
        """As `DicomObject.frames`; `indices` rise. Each call decodes from the beginning."""
        at = 0
        with _capture(self.path) as capture:
            for index in range(self.facts.frame_count) if indices is None else indices:
                while at <= index:
                    if not capture.grab():
                        raise ImageRefused(EdgeReason.TRUNCATED, f"{at} frames")
                    at += 1
                decoded, pixels = capture.retrieve()
                if not decoded or pixels is None or pixels.dtype != np.uint8 or pixels.ndim != 3:
                    raise ImageRefused(EdgeReason.UNREADABLE, f"frame {index}")
                if pixels.shape != (self.facts.height_px, self.facts.width_px, 3):
                    raise ImageRefused(EdgeReason.UNREADABLE, "frames differ in size")
                yield _gray_or_rgb(np.asarray(pixels, np.uint8))


def open_video(path: Path, kind: Kind, rules: Filter) -> VideoObject:
    """Opens the file at `path` and counts its frames by decoding them once.

    Errors: ImageRefused with the filter's reason, or TRUNCATED, TOO_COMPLEX, TOO_LARGE, UNREADABLE; OSError.
    """
    size_bytes = path.stat().st_size
    if size_bytes > STILL_MAX_BYTES:
        raise ImageRefused(EdgeReason.TOO_LARGE, f"{size_bytes} bytes")
    with path.open("rb") as file:
        if not _COMPLETE[kind](file, size_bytes):
            raise ImageRefused(EdgeReason.TRUNCATED, f"{kind.value} without its end")
    with _capture(path) as capture:
        stated = round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate_hz = float(capture.get(cv2.CAP_PROP_FPS))
        facts = _facts(capture, stated)
        rules.tags(facts)
        count = 0
        while count <= stated and capture.grab():
            count += 1
    if count != stated:
        raise ImageRefused(EdgeReason.TRUNCATED, f"{count} of {stated} frames")
    structure = Walk(
        transfer_syntax=ExplicitVRLittleEndian,
        has_meta=False,
        pixel_data="native",
        pixel_bytes=facts.width_px * facts.height_px * 3 * count,
        pixel_start=0,
        element_count=0,
    )
    return VideoObject(path=path, ds=_data_set(facts, rate_hz), structure=structure, facts=facts)


def _facts(capture: cv2.VideoCapture, frame_count: int) -> DicomFacts:
    return DicomFacts(
        sop_class=UltrasoundMultiFrameImageStorage,
        modality="US",
        has_pixels=True,
        frame_count=frame_count,
        width_px=int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        height_px=int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    )


def _gray_or_rgb(bgr: Pixels) -> Pixels:
    """Gray where the three channels differ by no more than a lossy codec makes them differ."""
    blue, green, red = cv2.split(bgr)
    apart = max(int(cv2.absdiff(blue, green).max()), int(cv2.absdiff(red, green).max()))
    if apart <= GRAY_APART_MAX:
        return np.asarray(green, np.uint8)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _data_set(facts: DicomFacts, rate_hz: float) -> Dataset:
    """Pixels and time only: a video says nothing that is true of a patient or a scale."""
    ds = Dataset()
    ds.SOPClassUID, ds.Modality = UltrasoundMultiFrameImageStorage, "US"
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.NumberOfFrames = facts.frame_count
    ds.Rows, ds.Columns = facts.height_px, facts.width_px
    # Nearly every video codec loses something, and none says so.
    ds.LossyImageCompression = "01"
    if 0 < rate_hz <= _RATE_MAX_HZ:
        ds.FrameTime = DSfloat(1000 / rate_hz, auto_format=True)
    return ds


@contextmanager
def _capture(path: Path) -> Iterator[cv2.VideoCapture]:
    with path.open("rb") as file:
        reader: Any = file
        try:
            capture = cv2.VideoCapture(reader, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        except cv2.error as error:
            raise ImageRefused(EdgeReason.UNREADABLE, "video") from error
        try:
            if not capture.isOpened():
                raise ImageRefused(EdgeReason.UNREADABLE, "video")
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
            yield capture
        except cv2.error as error:
            raise ImageRefused(EdgeReason.UNREADABLE, "video") from error
        finally:
            capture.release()
