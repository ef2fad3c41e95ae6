"""Part of step 11: video. Short AVI and MP4 files (QuickTime alike) as frames, by OpenCV's bundled decoder.

The container is told by its content. A file that is cut short, or that gives another number of frames than its
container states, is refused. What the decoder conceals inside a frame of a lossy codec is not noticed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.errors import ImageUnreadable
from cloud.infer.pixels import check_size, flat
from cloud.infer.source import Image, opened

if TYPE_CHECKING:
    from cloud.infer.measure import Scale

VIDEO_TYPES: Final = frozenset({"video/avi", "video/x-msvideo", "video/mp4", "video/quicktime"})
FRAMES_MAX: Final = 5_000
DURATION_MAX_S: Final = 120.0
DECODED_MAX_PIXELS: Final = 2_000_000_000
"""Pixels of all frames together: a video has to be decoded from its beginning to reach any frame."""
_BOXES_MAX: Final = 10_000


class Video:
    """A short video; its frames are decoded one after the other, never held together."""

    scale: Scale | None = None
    """A video never states the length of a pixel."""

    def __init__(self, image: Image) -> None:
        """Counts the frames by decoding them once. Raises ImageUnreadable."""
        self._image = image
        with opened(image) as file:
            _check_container(file)
        with self._capture() as capture:
            width_px, height_px = (
                int(capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
            )
            stated = round(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            rate_hz = float(capture.get(cv2.CAP_PROP_FPS))
            check_size(width_px, height_px)
            _check_length(stated, rate_hz, width_px * height_px)
            self.frame_count = 0
            """How many frames it has."""
            while self.frame_count <= stated and capture.grab():
                self.frame_count += 1
        self.frame_rate_hz = rate_hz if np.isfinite(rate_hz) and rate_hz > 0 else None
        """Frames a second, where the container says so."""
        if self.frame_count != stated:
            raise ImageUnreadable("the video does not hold the frames that it states")

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Decodes the frames at these places, which rise, one at a time: uint8 HxWx3 (blue, green, red), or
        HxW gray. Raises ImageUnreadable."""
        at = 0
        with self._capture() as capture:
            for index in indices:
                while at <= index:
                    if not capture.grab():
                        raise ImageUnreadable("a frame of the video cannot be decoded")
                    at += 1
                decoded, pixels = capture.retrieve()
                if not decoded or pixels is None or pixels.dtype != np.uint8:
                    raise ImageUnreadable("a frame of the video cannot be decoded")
                check_size(pixels.shape[1], pixels.shape[0])
                yield flat(np.asarray(pixels, np.uint8))

    @contextmanager
    def _capture(self) -> Iterator[cv2.VideoCapture]:
        # Read through our own file: no address inside the container can make the decoder open another.
        with opened(self._image) as file:
            try:
                reader: Any = file
                capture = cv2.VideoCapture(reader, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
            except cv2.error as exc:
                raise ImageUnreadable("the video cannot be decoded") from exc
            try:
                if not capture.isOpened():
                    raise ImageUnreadable("the video cannot be decoded")
                yield capture
            except cv2.error as exc:
                raise ImageUnreadable("the video cannot be decoded") from exc
            finally:
                capture.release()


def _check_length(frame_count: int, rate_hz: float, frame_pixels: int) -> None:
    if not 1 <= frame_count <= FRAMES_MAX:
        raise ImageUnreadable(f"the video does not have 1 to {FRAMES_MAX} frames")
    if rate_hz > 0 and frame_count / rate_hz > DURATION_MAX_S:
        raise ImageUnreadable(f"the video is longer than {DURATION_MAX_S:.0f} s")
    if frame_count * frame_pixels > DECODED_MAX_PIXELS:
        raise ImageUnreadable(f"the video's frames have more than {DECODED_MAX_PIXELS} pixels together")


def _check_container(file: BinaryIO) -> None:
    """Refuses what is no AVI or MP4 file, and one whose parts do not all end inside it."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        parts = _riff_parts(file, end)
    elif head[4:8] == b"ftyp":
        parts = _mp4_parts(file, end)
    else:
        raise ImageUnreadable("it is not an AVI or MP4 file")
    for count, part_end in enumerate(parts):
        if part_end > end:
            raise ImageUnreadable("the video is cut short")
        if count > _BOXES_MAX:
            raise ImageUnreadable("the video has too many parts")


def _riff_parts(file: BinaryIO, end: int) -> Iterator[int]:
    """Where each RIFF list of an AVI file ends (OpenDML 1.02: several for long files)."""
    at = 0
    while at + 12 <= end:
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF":
            return
        at += 8 + int.from_bytes(head[4:8], "little")
        yield at
        at += at % 2


def _mp4_parts(file: BinaryIO, end: int) -> Iterator[int]:
    """Where each box of an MP4 file ends (ISO/IEC 14496-12, 4.2)."""
    at = 0
    while at + 8 <= end:
        file.seek(at)
        head = file.read(16)
        size_bytes = int.from_bytes(head[:4], "big")
        if size_bytes == 1:
            size_bytes = int.from_bytes(head[8:16], "big")
        if size_bytes == 0:
            return
        if size_bytes < 8:
            raise ImageUnreadable("the video's parts are damaged")
        at += size_bytes
        yield at
