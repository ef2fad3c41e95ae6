"""Sample images by `splits.csv`: rows of a split, and the frames of each data set as gray pictures.

A group (patient, examination or source picture) lies in one split only, also across the data sets.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from cloud.infer.preprocess import Gray

PLANES = ("abdomen", "brain", "femur", "thorax")
SUB_PLANES = ("trans-thalamic", "trans-ventricular", "trans-cerebellar")
FINDINGS = ("normal", "ventriculomegaly", "other")

_PLANE_OF_LABEL = {
    "Fetal abdomen": "abdomen",
    "Fetal brain": "brain",
    "Fetal femur": "femur",
    "Fetal thorax": "thorax",
}
_SUB_PLANE_OF_LABEL = {
    "Trans-thalamic": "trans-thalamic",
    "Trans-ventricular": "trans-ventricular",
    "Trans-cerebellum": "trans-cerebellar",
}


class DataMissing(FileNotFoundError):
    """The data folder does not hold a file that its tables name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFrame:
    """One frame of `hc18`: a fetal head with its mask and true size."""

    name: str
    """File name."""
    group: str
    """Examination; never in two splits."""
    gray: Gray
    """The frame, uint8 HxW."""
    mask: Gray
    """The head, uint8 HxW, 0 or 255."""
    mm_per_pixel: float
    """Side of a pixel in millimetres."""
    circumference_mm: float
    """Head circumference as the data set states it, in millimetres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneFrame:
    """One frame of `planes`, its stretch undone."""

    name: str
    """File name."""
    group: str
    """Patient; never in two splits."""
    gray: Gray
    """The frame, uint8 427x640."""
    plane: str
    """One of PLANES."""
    sub_plane: str | None
    """One of SUB_PLANES for a brain that shows one of them, None otherwise."""
    machine: str
    """The ultrasound machine, as the data set names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainFrame:
    """One frame of `brain_abnormal` with its labelled head box."""

    name: str
    """File name."""
    group: str
    """Patient or source picture; never in two splits."""
    gray: Gray
    """The frame, uint8 256x256."""
    finding: str
    """One of FINDINGS."""
    kind: str
    """The type as the data set names it."""
    box: tuple[float, float, float, float]
    """Head box: left, top, width, height in pixels."""
    altered: bool
    """Whether the frame is a rotated or brightened copy; a rotated copy's box was rotated too, and then boxed
    again, so it is too large."""


def split_rows(data: Path, data_set: str, split: str) -> dict[str, str]:
    """Group by file of one data set and split, in the order of `splits.csv`."""
    rows = _table(data / "splits.csv")
    return {row["file"]: row["group"] for row in rows if row["set"] == data_set and row["split"] == split}


def head_frames(data: Path, split: str) -> Iterator[HeadFrame]:
    """The frames of `hc18` in a split."""
    facts = {row["filename"]: row for row in _table(data / "hc18" / "pixel_size_and_HC.csv")}
    for file, group in split_rows(data, "hc18", split).items():
        name = Path(file).name
        mask = read_gray(data / "hc18" / "masks" / name)
        yield HeadFrame(
            name=name,
            group=group,
            gray=read_gray(data / "hc18" / file),
            mask=np.where(mask > 0, 255, 0).astype(np.uint8),
            mm_per_pixel=float(facts[name]["pixel_size_mm"]),
            circumference_mm=float(facts[name]["head_circumference_mm"]),
        )


def plane_frames(data: Path, split: str) -> Iterator[PlaneFrame]:
    """The frames of `planes` in a split."""
    rows = {row["file"]: row for row in _table(data / "planes" / "labels.csv")}
    for file, group in split_rows(data, "planes", split).items():
        yield PlaneFrame(
            name=Path(file).name,
            group=group,
            gray=undo_stretch(read_gray(data / "planes" / file)),
            plane=_PLANE_OF_LABEL[rows[file]["plane"]],
            sub_plane=_SUB_PLANE_OF_LABEL.get(rows[file]["brain_plane"]),
            machine=rows[file]["us_machine"],
        )


def brain_frames(data: Path, split: str) -> Iterator[BrainFrame]:
    """The frames of `brain_abnormal` in a split."""
    labels = {row["file"]: row for row in _table(data / "brain_abnormal" / "labels.csv")}
    for file, group in split_rows(data, "brain_abnormal", split).items():
        gray = read_gray(data / "brain_abnormal" / file)
        height_px, width_px = gray.shape
        centre_x, centre_y, width, height = (float(value) for value in labels[file]["boxes"].split())
        yield BrainFrame(
            name=Path(file).name,
            group=group,
            gray=gray,
            finding=finding_of(labels[file]["type"]),
            kind=labels[file]["type"],
            altered=labels[file].get("augmented") == "1",
            box=(
                (centre_x - width / 2) * width_px,
                (centre_y - height / 2) * height_px,
                width * width_px,
                height * height_px,
            ),
        )


def finding_of(kind: str) -> str:
    """The class of a type name: normal, any ventriculomegaly, or other."""
    if kind == "normal":
        return "normal"
    return "ventriculomegaly" if "ventriculomegaly" in kind else "other"


def undo_stretch(square: Gray) -> Gray:
    """Undoes the stretch of a `planes` frame from about 3:2 to a square: uint8 (2/3 of the height)xW."""
    height_px, width_px = square.shape
    size = (width_px, round(height_px * 2 / 3))
    return np.asarray(cv2.resize(square, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def read_gray(path: Path) -> Gray:
    """The picture file as uint8 HxW. Raises DataMissing when it is absent or no picture."""
    gray = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if gray is None:
        raise DataMissing(f"no picture at {path.parent.name}/{path.name}")
    return np.asarray(gray, dtype=np.uint8)


def _table(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataMissing(f"no table at {path.parent.name}/{path.name}")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
