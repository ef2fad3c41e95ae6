"""Part of step 11: calibration. The parts of a still on which the length of a pixel is known, and who says so.

A machine's screen holds more than one picture: two planes side by side, a Doppler strip, a body mark. A length is
millimetres only where it lies in one region whose calibration is known.
"""

from __future__ import annotations

from cloud.infer.decode import DICOM, bare_type
from cloud.infer.dicom import DicomObject
from cloud.infer.measure import CalibratedRegion
from cloud.infer.source import Image


def stated_regions(image: Image, media_type: str) -> tuple[CalibratedRegion, ...]:
    """The regions that the file itself states; none for a file that is not DICOM. Raises ImageUnreadable."""
    return DicomObject(image).regions if bare_type(media_type) == DICOM else ()


def whole_still(width_px: int, height_px: int, mm_per_pixel: float, source: str) -> CalibratedRegion:
    """The one region of a still whose scale is known from elsewhere."""
    return CalibratedRegion(
        x0=0,
        y0=0,
        x1=width_px,
        y1=height_px,
        mm_per_pixel_x=mm_per_pixel,
        mm_per_pixel_y=mm_per_pixel,
        source=source,
    )
