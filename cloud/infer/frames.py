"""Part of step 11: frames. A loop (multi-frame DICOM, short video), and which of its frames are looked at.

A loop is never in memory as a whole: one frame at a time is decoded. At most `SAMPLES_MAX` are, evenly
spread, the first and the last among them; one that shows what the one before it showed costs nothing more.
Frames that are not looked at are not checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.decode import DICOM, bare_type, is_empty
from cloud.infer.dicom import DicomObject
from cloud.infer.errors import ImageUnreadable
from cloud.infer.measure import Scale
from cloud.infer.preprocess import as_gray
from cloud.infer.source import Image
from cloud.infer.video import VIDEO_TYPES, Video

SAMPLES_MAX: Final = 16
SAME_STEP: Final = 0.5
"""Two frames whose small pictures differ by less than this many gray values on average show the same: a frozen
loop stored with loss stays below it, moving tissue lies far above."""
_SMALL_SIDE_PX: Final = 64


class Loop(Protocol):
    """A moving image whose frames can be decoded one at a time."""

    @property
    def frame_count(self) -> int:
        """How many frames there are, at least 1."""

    @property
    def frame_rate_hz(self) -> float | None:
        """Frames a second, where known."""

    @property
    def scale(self) -> Scale | None:
        """The length of a pixel where the file itself states it."""

    def frames(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Decodes the frames at these places, which rise: HxW gray or HxWx3 (blue, green, red). Raises
        ImageUnreadable."""


def open_loop(image: Image, media_type: str) -> Loop | None:
    """The loop in an image; None for a still, and for what `decode` refuses. Raises ImageUnreadable for a
    loop that is damaged or beyond the limits."""
    kind = bare_type(media_type)
    if kind not in VIDEO_TYPES and kind != DICOM:
        return None
    if is_empty(image):
        raise ImageUnreadable("the file is empty")
    loop: Loop = DicomObject(image) if kind == DICOM else Video(image)
    return loop if kind in VIDEO_TYPES or loop.frame_count > 1 else None


def sample_indices(frame_count: int) -> list[int]:
    """At most `SAMPLES_MAX` places, evenly spread, the first and the last among them."""
    count = min(frame_count, SAMPLES_MAX)
    return sorted({round(float(at)) for at in np.linspace(0, frame_count - 1, count)})


def sampled(loop: Loop) -> Iterator[tuple[int, NDArray[np.uint8] | None]]:
    """The sampled frames with their places; None for one that shows what the last one given showed."""
    indices = sample_indices(loop.frame_count)
    before: NDArray[np.float32] | None = None
    for index, pixels in zip(indices, loop.frames(indices), strict=True):
        small = _small(pixels)
        if before is None or float(np.abs(small - before).mean()) >= SAME_STEP:
            before = small
            yield index, pixels
        else:
            yield index, None


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    side = (_SMALL_SIDE_PX, _SMALL_SIDE_PX)
    return np.asarray(cv2.resize(as_gray(pixels), side, interpolation=cv2.INTER_AREA), np.float32)
