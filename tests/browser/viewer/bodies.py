"""Series for the viewer: bright balls at known places of the patient, and small stacks and loops beside them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import UltrasoundMultiFrameImageStorage

from tests.cloud.console.running import RunningConsole
from tests.cloud.series.phantom import AXIAL, Points, centred, even, header, write, write_series

BALLS = ((18.0, -12.0, 14.0), (-20.0, 16.0, 14.0))
"""Places of the balls' middles, LPS, mm; nothing of the body is symmetric."""
RADIUS_MM = 5.0
STEP_MM = 1.5
SIDE_PX = 96
SLICE_COUNT = 48
BALL_HU, BODY_HU, AIR_HU = 1000, 100, -1000
WINDOW = {"WindowCenter": "500", "WindowWidth": "800", "RescaleSlope": "1", "RescaleIntercept": "0"}
"""Balls are white, everything else is black."""
REGION_MM = 0.5


def body(points: Points) -> Points:
    """An egg of soft tissue in air, with balls that are soft at their edge, so that a ball's middle is exact."""
    x, y, z = (points[..., axis] for axis in range(3))
    values = np.where((x / 44) ** 2 + (y / 36) ** 2 + (z / 34) ** 2 < 1, BODY_HU, AIR_HU).astype(np.float64)
    for ball in BALLS:
        away = np.sqrt(((points - np.array(ball)) ** 2).sum(axis=-1))
        share = np.clip(RADIUS_MM + 0.5 - away, 0, 1)
        values = values * (1 - share) + BALL_HU * share
    return values


def volume_files(
    folder: Path, count: int = SLICE_COUNT, first_number: int = 1, from_slice: int = 0, **tags: Any
) -> dict[str, bytes]:
    """`count` slices of the body from `from_slice` on, as files by their paths."""
    places = centred(AXIAL, even(SLICE_COUNT, STEP_MM), SIDE_PX)[from_slice : from_slice + count]
    number = first_number + from_slice
    write_series(folder, places, value=body, side_px=SIDE_PX, first_number=number, **{**WINDOW, **tags})
    return files_of(folder)


def loop_files(folder: Path, frame_count: int = 12, frame_time_ms: float = 40) -> dict[str, bytes]:
    """A loop in colour; frame n is n steps redder. Its single region has a scale."""
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    kind = {"SOPClassUID": UltrasoundMultiFrameImageStorage, "Modality": "US", "NumberOfFrames": frame_count}
    ds = header(700, **kind, **colours, **bits, SeriesInstanceUID="1.2.7", BurnedInAnnotation="NO")
    ds.FrameTime, ds.FrameIncrementPointer = str(frame_time_ms), 0x00181063
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 79, 59
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = REGION_MM / 10
    ds.SequenceOfUltrasoundRegions = [region]
    pixels = np.zeros((frame_count, 60, 80, 3), dtype=np.uint8)
    pixels[..., 0] = (np.arange(frame_count) * 20)[:, None, None]
    pixels[..., 2] = 90
    write(folder / "loop.dcm", ds, pixels)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """All files of a folder by their paths below it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}


def uploaded(console: RunningConsole, files: Mapping[str, bytes]) -> str:
    """Sends the files as a machine does; the id of the first series that came of it."""
    upload = _call(console, "POST", "/api/uploads")["upload_id"]
    for path, data in files.items():
        _call(console, "PUT", f"/api/uploads/{upload}/files?path={path}", data)
    account = _call(console, "POST", f"/api/uploads/{upload}/finish")
    return str(account["series"][0]["series"]["series_id"])


def _call(console: RunningConsole, method: str, path: str, data: bytes = b"") -> Any:
    named = {"Authorization": f"Bearer {console.token}"}
    asked = urllib.request.Request(console.url + path, data=data, method=method, headers=named)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)
