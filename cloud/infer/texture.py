"""Part of step 11: whether a head's inside looks like tissue: speckle, not a drawn outline or a flat area."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse, fill

TEXTURE_STEP: Final = 2
"""Smallest range of gray values within 3 x 3 pixels that counts as texture."""
MIN_TEXTURE_SHARE: Final = 0.1
"""Below this share of textured pixels a region is no tissue. Of real heads the least had 0.43 (623 HC18 frames) and
0.245 (309 of `brain_abnormal`); drawn rings and flat ovals have 0."""
_INNER: Final = 0.85
"""The skull's edge is left out: a drawn line has one too."""


def texture_share(gray: NDArray[np.uint8], ellipse: Ellipse) -> float:
    """Share of the pixels inside the ellipse that are textured, 0..1; 0 where no pixel lies inside."""
    inner = replace(ellipse, a=_INNER * ellipse.a, b=_INNER * ellipse.b)
    inside = fill(inner, (gray.shape[0], gray.shape[1])) > 0
    step = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    return float((step[inside] >= TEXTURE_STEP).mean()) if inside.any() else 0.0


def is_tissue(gray: NDArray[np.uint8], ellipse: Ellipse) -> bool:
    """Whether the inside of a head's ellipse (still pixels, uint8 HxW) looks like tissue."""
    return texture_share(gray, ellipse) >= MIN_TEXTURE_SHARE
