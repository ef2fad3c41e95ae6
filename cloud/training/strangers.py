"""Pictures that a plane model must reject and never learns from: for the table of rejection in its card.

Real ultrasound without a fetus (`us_dicom`), slices of CT and MR (`mpr`), and noise.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut, apply_voi_lut
from pydicom.pixels.utils import iter_pixels

from cloud.infer.preprocess import Gray
from cloud.training.data import DataMissing

SETS = ("us_dicom", "mpr", "noise")
FRAMES_PER_FILE = 5
NOISE_COUNT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """A picture without any plane."""

    gray: Gray
    """uint8 HxW."""
    group: str
    """The file or series that it comes from; one of its own for noise."""


def strangers(data: Path, name: str) -> list[Stranger]:
    """The pictures of one of SETS, always the same. Raises DataMissing where the packed set is absent."""
    if name == "noise":
        return [Stranger(gray=gray, group=str(number)) for number, gray in enumerate(_noise())]
    return [
        Stranger(gray=gray, group=file if name == "us_dicom" else file.rpartition("/")[0])
        for file, content in _packed(data, name)
        for gray in shown(pydicom.dcmread(io.BytesIO(content)))
    ]


def _packed(data: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each DICOM file of a packed set."""
    path = data / f"{name}.tar.xz"
    if not path.is_file():
        raise DataMissing(f"no packed set at {path.name}")
    with tarfile.open(path) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".dcm") else None
            if file is not None:
                yield member.name, file.read()


def shown(ds: pydicom.Dataset) -> Iterator[Gray]:
    """An object's pictures in gray: up to FRAMES_PER_FILE of its frames, spread through it.

    Deep pixels are shown by the object's window, where it states one, and once more over their whole range.
    """
    count = int(ds.get("NumberOfFrames") or 1)
    chosen = sorted({number * count // FRAMES_PER_FILE for number in range(FRAMES_PER_FILE)})
    for frame in iter_pixels(ds, indices=chosen):
        if ds.PhotometricInterpretation == "PALETTE COLOR":
            yield _gray(apply_color_lut(frame, ds))
        elif frame.dtype == np.uint8:
            yield _gray(frame)
        else:
            yield _gray(frame)
            width = ds.get("WindowWidth")
            if width is not None and float(np.min(width)) >= 1:
                yield _gray(apply_voi_lut(frame, ds))


def _gray(pixels: NDArray[np.generic]) -> Gray:
    values = np.asarray(pixels, np.float32)
    if pixels.dtype != np.uint8:
        low, high = np.percentile(values, [0.5, 99.5])
        values = np.clip((values - low) / max(float(high - low), 1e-6), 0, 1) * 255
    picture = values.astype(np.uint8)
    return picture if picture.ndim == 2 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def _noise() -> Iterator[Gray]:
    """White and coloured grain of every strength, even grays, pepper: uint8 360x540."""
    rng = np.random.default_rng(2026)
    shape = (360, 540)
    for number in range(NOISE_COUNT):
        grain = rng.standard_normal(shape).astype(np.float32)
        if number % 5 == 1:
            grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(1, 30)), np.float32)
            grain /= float(grain.std())
        if number % 5 == 2:
            grain = np.asarray(rng.random(shape) < rng.uniform(0.001, 0.2), np.float32) * 4
        strength = rng.uniform(0, 2) if number % 5 == 3 else rng.uniform(10, 90)
        yield np.asarray(np.clip(rng.uniform(0, 255) + strength * grain, 0, 255), np.uint8)
