"""Part of step 11: decode. From a file's bytes to the still's pixels, or a clear refusal.

PNG, JPEG and DICOM (first frame). A damaged or cut file is refused, never read in part: OpenCV alone would
fill the missing rows with gray and say nothing.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.errors import ImageUnreadable
from cloud.infer.measure import Scale

if TYPE_CHECKING:
    from pydicom import Dataset

MIN_SIDE_PX = 32
MAX_PIXELS = 50_000_000
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_CENTIMETRE = 3
_TWO_DIMENSIONAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A decoded image."""

    pixels: NDArray[np.uint8]
    """HxW gray, or HxWx3 in the order blue, green, red."""
    scale: Scale | None
    """The length of a pixel where the file itself states it."""


def decode(image: bytes, media_type: str) -> Still:
    """Decodes a still of a type in `DECODERS`. Raises ImageUnreadable for everything that is not one, whole
    and sane."""
    decoder = DECODERS.get(media_type.partition(";")[0].strip().lower())
    if decoder is None:
        raise ImageUnreadable(f"the media type is not one of {', '.join(sorted(DECODERS))}")
    if not image:
        raise ImageUnreadable("the file is empty")
    return decoder(image)


def _decode_png(image: bytes) -> Still:
    width_px, height_px = _png_size(image)
    return _decode_raster(image, width_px, height_px)


def _decode_jpeg(image: bytes) -> Still:
    width_px, height_px = _jpeg_size(image)
    # Some writers pad after the end marker; nothing but padding may follow it.
    if not image.rstrip(b"\x00\xff\n\r ").endswith(b"\xff\xd9") and not image.endswith(b"\xff\xd9"):
        raise ImageUnreadable("the JPEG ends before its end marker")
    return _decode_raster(image, width_px, height_px)


def _decode_raster(image: bytes, width_px: int, height_px: int) -> Still:
    _check_size(width_px, height_px)
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as exc:
        raise ImageUnreadable("the image data are damaged") from exc
    if pixels is None or pixels.shape[:2] != (height_px, width_px):
        raise ImageUnreadable("the image data are damaged")
    return Still(pixels=_flat(_eight_bit(pixels)), scale=None)


def _png_size(image: bytes) -> tuple[int, int]:
    """Width and height; refuses a file whose chunks do not reach the end chunk."""
    if not image.startswith(_PNG_SIGNATURE) or image[12:16] != b"IHDR" or len(image) < 33:
        raise ImageUnreadable("it is not a PNG file")
    at, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(image):
            raise ImageUnreadable("the PNG is cut short")
        (length,) = struct.unpack_from(">I", image, at)
        kind = image[at + 4 : at + 8]
        at += 12 + length
    if at > len(image):
        raise ImageUnreadable("the PNG is cut short")
    width_px, height_px = struct.unpack_from(">II", image, 16)
    return width_px, height_px


def _jpeg_size(image: bytes) -> tuple[int, int]:
    """Width and height from the frame header (ITU-T T.81, B.2.2)."""
    if not image.startswith(b"\xff\xd8\xff"):
        raise ImageUnreadable("it is not a JPEG file")
    at = 2
    while at + 4 <= len(image):
        if image[at] != 0xFF:
            raise ImageUnreadable("the JPEG's segments are damaged")
        marker = image[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker in _JPEG_NO_LENGTH:
            at += 2
        elif marker in _JPEG_FRAMES:
            if at + 9 > len(image):
                break
            height_px, width_px = struct.unpack_from(">HH", image, at + 5)
            return width_px, height_px
        else:
            at += 2 + struct.unpack_from(">H", image, at + 2)[0]
    raise ImageUnreadable("the JPEG has no frame header")


def _check_size(width_px: int, height_px: int) -> None:
    if min(width_px, height_px) < MIN_SIDE_PX:
        raise ImageUnreadable(f"the image is smaller than {MIN_SIDE_PX} x {MIN_SIDE_PX} pixels")
    if width_px * height_px > MAX_PIXELS:
        raise ImageUnreadable(f"the image has more than {MAX_PIXELS} pixels")


def _eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Deeper pixels to 8 bits by dropping the lowest of the bits in use: 12-bit values in 16-bit files stay
    visible."""
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageUnreadable("the pixels hold values that are not finite")
    if pixels.dtype.kind not in "uif":
        raise ImageUnreadable(f"pixels of the type {pixels.dtype} are not read")
    values = pixels.astype(np.float64)
    values -= min(0.0, float(values.min()))
    bits = max(8, int(np.ceil(np.log2(float(values.max()) + 1))))
    if bits > 32:
        raise ImageUnreadable("the pixels hold values beyond 32 bits")
    return np.asarray(np.floor(values / 2 ** (bits - 8)), dtype=np.uint8)


def _flat(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One or three channels: what is transparent is shown on black."""
    if pixels.ndim == 2 or pixels.shape[2] == 3:
        return pixels
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    alpha = cv2.cvtColor(pixels[:, :, 3], cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.multiply(pixels[:, :, :3], alpha, scale=1 / 255), dtype=np.uint8)


def _decode_dicom(image: bytes) -> Still:
    # Imported here: most stills come as PNG, and the package takes a third of a second.
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
    from pydicom.pixels.utils import pixel_array

    # pydicom and its decoders have no common error; these are what damaged files raise.
    damaged = (
        *(AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError, OverflowError),
        *(RuntimeError, TypeError, ValueError, struct.error, BytesLengthException, InvalidDicomError),
    )
    try:
        ds = pydicom.dcmread(io.BytesIO(image))
        _check_size(int(ds.Columns), int(ds.Rows))
        pixels = pixel_array(ds, index=0)
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            pixels = apply_color_lut(pixels, ds)
        elif ds.SamplesPerPixel == 1:
            pixels = apply_voi_lut(apply_modality_lut(pixels, ds), ds)
        inverted = ds.PhotometricInterpretation == "MONOCHROME1"
        scale = _dicom_scale(ds)
    except damaged as exc:
        raise ImageUnreadable(f"the DICOM image cannot be decoded ({type(exc).__name__})") from exc
    flat = _flat(_eight_bit(pixels))
    if flat.ndim == 3:
        flat = np.ascontiguousarray(flat[:, :, ::-1])
    return Still(pixels=255 - flat if inverted else flat, scale=scale)


def _dicom_scale(ds: Dataset) -> Scale | None:
    """Millimetres per pixel where every two-dimensional region gives the same, equal in x and y, to within 1
    %.

    PS3.3 C.8.5.5: PhysicalDeltaX and Y are in centimetres per pixel where the units' code is 3.
    """
    steps: list[float] = []
    for region in ds.get("SequenceOfUltrasoundRegions", []):
        if region.get("RegionSpatialFormat") != _TWO_DIMENSIONAL:
            continue
        units = (region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection"))
        if units != (_CENTIMETRE, _CENTIMETRE):
            return None
        steps += [abs(float(region.PhysicalDeltaX)) * 10, abs(float(region.PhysicalDeltaY)) * 10]
    if not steps or not np.isfinite(steps).all() or min(steps) <= 0 or max(steps) > 1.01 * min(steps):
        return None
    return Scale(mm_per_pixel=steps[0], source="dicom_region")


DECODERS: Final[dict[str, Callable[[bytes], Still]]] = {
    "image/png": _decode_png,
    "image/jpeg": _decode_jpeg,
    "application/dicom": _decode_dicom,
}
