"""Part of step 11: heat map. From the classifier's signed class map to place, degree and a pseudo-colour
picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import CropBox

STRONG_SHARE_OF_PEAK = 0.5
"""The marked region: where the map reaches this share of its peak."""
LEVELS = 32
"""Steps of colour: finer ones are not seen on speckle, and flat steps make the picture cheap to compress."""
_GRID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Where on the still a class is seen, and how strongly, as numbers."""

    label: str
    """The class whose evidence the map shows."""
    centre_px: tuple[float, float]
    """Centre of the marked region (x, y), in still pixels, weighted by strength; the crop's centre for an
    empty map."""
    peak: float
    """Highest value of the class map, in the model's units (its mean over the map is the class's part of the
    logit)."""
    share: float
    """Share of the crop's part inside the still that is marked: at least half as strong as the peak; 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The class map on the crop."""

    heat: Heat
    """Place and degree."""
    levels: NDArray[np.uint8]
    """Evidence for the class at the crop's size, in steps from 0 (none) to 31 (the peak); 0 outside of the
    still."""


def heat_map(class_map: NDArray[np.float32], label: str, box: CropBox, image_hw: tuple[int, int]) -> HeatMap:
    """Brings one class's raw signed map (float32 hxw, finite) onto the crop `box` of a still of `image_hw`.

    Only evidence for the class (above 0) counts. Upsampling is bilinear: nothing appears between the map's
    own cells that they do not hold.
    """
    positive = np.maximum(class_map, np.float32(0))
    peak = float(positive.max())
    strength = positive * np.float32(1 / peak) if peak > 0 else positive
    centre_px, share = _place(strength, box, image_hw)
    heat = Heat(label=label, centre_px=centre_px, peak=peak, share=share)
    return HeatMap(heat=heat, levels=_levels(strength, box, image_hw))


def _place(
    strength: NDArray[np.float32], box: CropBox, image_hw: tuple[int, int]
) -> tuple[tuple[float, float], float]:
    """Centre (x, y) in still pixels of what is at least half as strong as the peak, and its share of the
    crop.

    Worked out on a grid of 64 x 64 places over the crop, several for each cell of a map; only those on the
    still count.
    """
    fine = cv2.resize(strength, (_GRID, _GRID), interpolation=cv2.INTER_LINEAR)
    at = (np.arange(_GRID) + 0.5) * (box.size_px / _GRID) - 0.5
    x, y = box.x0 + at, box.y0 + at
    columns, rows = (x >= -0.5) & (x < image_hw[1] - 0.5), (y >= -0.5) & (y < image_hw[0] - 0.5)
    x, y, visible = x[columns], y[rows], np.asarray(fine, np.float64)[np.ix_(rows, columns)]
    marked = np.where(visible >= STRONG_SHARE_OF_PEAK, visible, 0.0)
    total = float(marked.sum())
    if total <= 0:
        middle = (box.size_px - 1) / 2
        return (box.x0 + middle, box.y0 + middle), 0.0
    centre_px = (float(marked.sum(axis=0) @ x) / total, float(marked.sum(axis=1) @ y) / total)
    return centre_px, float(np.count_nonzero(marked)) / visible.size


def _levels(strength: NDArray[np.float32], box: CropBox, image_hw: tuple[int, int]) -> NDArray[np.uint8]:
    # Scaled before upsampling, so that the large picture is only cut down to whole steps.
    scaled = strength * np.float32(LEVELS - 1) + np.float32(0.5)
    size = (box.size_px, box.size_px)
    levels = np.asarray(cv2.resize(scaled, size, interpolation=cv2.INTER_LINEAR)).astype(np.uint8)
    levels[: max(0, -box.y0)] = 0
    levels[:, : max(0, -box.x0)] = 0
    levels[max(0, image_hw[0] - box.y0) :] = 0
    levels[:, max(0, image_hw[1] - box.x0) :] = 0
    return levels


def palette(probability: float) -> NDArray[np.uint8]:
    """The pseudo-colour of every level: uint8 32x4 (red, green, blue, alpha), matplotlib's Inferno.

    Inferno is even to the eye: equal steps of strength look equally large. Alpha is strength times
    `probability` (0..1, of the class shown): weak evidence and weak classes both stay pale. Level 0 is fully
    transparent.
    """
    level = np.linspace(0, 1, LEVELS)
    table = np.zeros((LEVELS, 4), np.uint8)
    table[:, :3] = _inferno()
    table[:, 3] = np.rint(255 * level * min(max(probability, 0.0), 1.0)).astype(np.uint8)
    table[0] = 0
    return table


@cache
def _inferno() -> NDArray[np.uint8]:
    """Red, green, blue of every level: uint8 32x3."""
    steps = np.rint(np.linspace(0, 255, LEVELS)).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(steps[:, np.newaxis], cv2.COLORMAP_INFERNO)[:, 0, ::-1], np.uint8)
