"""Made-up pictures and files for the tests of steps 1 and 3 to 5. Research use, not for diagnosis."""

from __future__ import annotations

import uuid
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from edge_agent.ferns import Ferns
from edge_agent.filter import Filter
from edge_agent.items import PixelRule, PrepareRequest
from edge_agent.prepare import Tools

Pixels = NDArray[np.uint8]
NAME = "TESTPERSON^MADE UP"
WIDTH_PX, HEIGHT_PX = 800, 540
BANNER: tuple[int, int, int, int] = (0, 0, WIDTH_PX, 56)


@dataclass(frozen=True, slots=True)
class Screen:
    """A made-up machine's screen."""

    pixels: Pixels
    sector: NDArray[np.bool_]


def screen(seed: int = 1, *, banner: bool = True) -> Screen:
    """A speckled fan on black with a burned-in banner above it and a gray bar beside it, 800 x 540, gray."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX].astype(np.float64)
    radius, angle = np.hypot(x - 400, y + 100), np.arctan2(x - 400, y + 100)
    sector = (radius > 190) & (radius < 610) & (np.abs(angle) < 0.55)
    speckle = cv2.GaussianBlur(rng.rayleigh(1.0, (HEIGHT_PX, WIDTH_PX)), (0, 0), 1.6)
    pixels = np.where(sector, np.clip(speckle * 62, 12, 255), 0).astype(np.uint8)
    cv2.ellipse(pixels, (400, 300), (130, 95), 10, 0, 360, 225, 6)
    pixels[~sector] = 0
    if banner:
        cv2.putText(pixels, NAME, (12, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 255, 1, cv2.LINE_AA)
        cv2.putText(
            pixels, "ID 00417 1990-01-02", (12, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 210, 1, cv2.LINE_AA
        )
        pixels[100:400, 20:32] = np.linspace(255, 0, 300).astype(np.uint8)[:, np.newaxis]
    return Screen(pixels, sector)


def encoded(pixels: Pixels, suffix: str) -> bytes:
    """The picture as a file of the format that `suffix` names."""
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return data.tobytes()


def pdf(pixels: Pixels, pages: int = 1) -> bytes:
    """A document whose pages each carry the picture."""
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        image = pypdfium2.PdfImage.new(document)
        bitmap = pypdfium2.PdfBitmap.new_native(
            pixels.shape[1], pixels.shape[0], pypdfium2.raw.FPDFBitmap_BGR
        )
        bitmap.to_numpy()[:] = pixels[..., np.newaxis]
        image.set_bitmap(bitmap)
        image.set_matrix(pypdfium2.PdfMatrix().scale(WIDTH_PX, HEIGHT_PX))
        page = document.new_page(WIDTH_PX, HEIGHT_PX)
        page.insert_obj(image)
        page.gen_content()
    out = BytesIO()
    document.save(out)
    document.close()
    return out.getvalue()


def region(x0: int, y0: int, x1: int, y1: int, *, spacing_cm: float = 0.02) -> Dataset:
    """A two-dimensional tissue region."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = x0, y0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = x1, y1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = spacing_cm
    return item


def dicom(frames: Pixels, **changes: Any) -> bytes:
    """An ultrasound object of `frames` (height x width [x 3] or frames x ...); None removes an element."""
    multi = frames.ndim == 3 and frames.shape[-1] != 3
    colour = frames.ndim >= 3 and frames.shape[-1] == 3
    ds = Dataset()
    ds.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.3.1" if multi else "1.2.840.10008.5.1.4.1.1.6.1")
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"
    ds.Modality, ds.ImageType, ds.StudyDate = "US", ["ORIGINAL", "PRIMARY"], "20240229"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = NAME, "MRN-00417", "19900102"
    ds.InstitutionName, ds.StudyDescription = "Hospital of Nowhere", f"seen by {NAME}"
    ds.Manufacturer = "GE Healthcare"
    ds.add_new(0x00091010, "LO", NAME)
    ds.Rows, ds.Columns = frames.shape[1:3] if multi else frames.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        ds.PlanarConfiguration = 0
    if multi:
        ds.NumberOfFrames, ds.FrameTime, ds.FrameIncrementPointer = len(frames), "40", 0x00181063
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.PixelData = frames.tobytes()
    ds["PixelData"].VR = "OB"
    for keyword, value in changes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    out = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FileDataset(out, ds, file_meta=meta, preamble=NAME.encode().ljust(128, b"x")).save_as(
            out, enforce_file_format=True
        )
    return out.getvalue()


def ferns(path: Path) -> Path:
    """A tiny fern file with random rows."""
    rng = np.random.default_rng(0)
    count, questions, types = 5, 3, ("brain", "abdomen", "femur", "thorax", "other")
    blocks = np.ones((count, questions, 2, 5), np.uint8)
    blocks[..., :3] = rng.integers(0, (6, 60, 60), (count, questions, 2, 3))
    rows = np.log(rng.dirichlet(np.ones(len(types)), (count, 2**questions))).astype(np.float32)
    np.savez_compressed(
        path, format=np.int64(2), types=np.array(types), blocks=blocks,
        thresholds=np.zeros((count, questions), np.float32), log_posteriors=rows, temperature=np.float64(1.0),
        min_probability=np.float64(0.5),
    )  # fmt: skip
    return path


def request(
    folder: Path, data: bytes, rule: PixelRule = "guard", mm_per_pixel: float | None = None
) -> PrepareRequest:
    """An order for a capture of `data`, with all its files in `folder`."""
    raw, out, key = folder / "raw", folder / "out", folder / "key"
    raw.write_bytes(data)
    key.write_bytes(b"k" * 32)
    out.mkdir(exist_ok=True)
    return PrepareRequest(
        capture_id=str(uuid.UUID(int=7)), raw_path=raw, out_dir=out, pixels=rule, key_path=key,
        received_time=datetime(2024, 3, 1, tzinfo=UTC), mm_per_pixel=mm_per_pixel,
    )  # fmt: skip


def tools(folder: Path) -> Tools:
    """The steps' tools with default rules and tiny ferns."""
    return Tools(rules=Filter(), classifier=Ferns.load(ferns(folder / "ferns.npz")))
