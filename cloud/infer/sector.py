"""Part of step 11: sector. Where the probe has drawn, and how much of a head's outline runs along its edge.

Beyond the sector there is nothing to see: an outline that follows its edge shows where the picture ends, not
where the skull lies.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import Letterbox, Plane

DARK = 10 / 255
"""At most this bright is the empty ground beside a sector; speckle inside of it is brighter almost everywhere."""
EDGE_WIDTH_PX = 2.5
"""Canvas pixels from the sector's edge that count as on it: an outline stays that far inside of a cut."""
_CLOSED = np.ones((9, 9), np.uint8)
_OPENED = np.ones((5, 5), np.uint8)


def sector_of(canvas: Plane, box: Letterbox) -> NDArray[np.uint8] | None:
    """The sector on the still's part of the canvas: uint8 hxw, 1 inside; None where nothing is drawn.

    `canvas` is float32 HxW in 0..1. The sector is taken as the convex hull of the largest bright region: a
    shadow within it is no edge.
    """
    content = canvas[: box.content_height_px, : box.content_width_px]
    bright = (content > DARK).astype(np.uint8)
    bright = np.asarray(cv2.morphologyEx(bright, cv2.MORPH_CLOSE, _CLOSED), np.uint8)
    bright = np.asarray(cv2.morphologyEx(bright, cv2.MORPH_OPEN, _OPENED), np.uint8)
    contours, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not contours:
        return None
    sector = np.zeros_like(bright)
    cv2.fillConvexPoly(sector, cv2.convexHull(max(contours, key=cv2.contourArea)), 1)
    return sector


def share_on_edge(outline: NDArray[np.float32], sector: NDArray[np.uint8], box: Letterbox) -> float:
    """Share of an outline (Nx2, x and y in still pixels) that runs along the sector's edge or beyond it, 0..1."""
    # A frame of zeros, so that the canvas's own border is an edge too.
    depth = cv2.distanceTransform(np.pad(sector, 1), cv2.DIST_L2, 3)
    at = np.rint((outline + 0.5) * box.scale - 0.5).astype(np.intp) + 1
    x = np.clip(at[:, 0], 0, depth.shape[1] - 1)
    y = np.clip(at[:, 1], 0, depth.shape[0] - 1)
    return float((depth[y, x] <= EDGE_WIDTH_PX).mean())
