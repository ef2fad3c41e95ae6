"""Part of step 11: classify. The head of a brain turned to its own axes, for the model that tells which plane of
the brain it shows."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np

from cloud.infer.preprocess import EllipseLike, Gray, Plane

VIEW_SIZE_HW: Final = (96, 128)
"""Rows and columns of the turned head: its long axis lies along the columns and fills them."""
_GRAY_LIMITS_PERCENT: Final = (2.0, 98.0)


def turned_head(gray: Gray, head: EllipseLike) -> Plane:
    """The head alone, upright and of one size: float32 1x96x128 in 0..1.

    `gray` is uint8 HxW, `head` an ellipse on it in pixels. The axes of the ellipse become those of the picture,
    each by a scale of its own; which end is the front is not known. Grays are stretched between the 2nd and the
    98th percentile, so that gain and dynamic range of the machine do not count.
    """
    rows, columns = VIEW_SIZE_HW
    shrink = min(1.0, columns / (2 * head.a))
    if shrink < 1:
        gray = np.asarray(
            cv2.resize(gray, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8
        )
    turn = math.radians(head.angle_deg)
    along = np.array([math.cos(turn), math.sin(turn)]) * 2 * head.a * shrink / columns
    across = np.array([-math.sin(turn), math.cos(turn)]) * 2 * head.b * shrink / rows
    centre = np.array([head.cx, head.cy]) * shrink
    corner = centre - along * (columns - 1) / 2 - across * (rows - 1) / 2
    picture = cv2.warpAffine(
        gray,
        np.stack([along, across, corner], axis=1),
        (columns, rows),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    ).astype(np.float32)
    low, high = np.percentile(picture, _GRAY_LIMITS_PERCENT)
    stretched = np.clip((picture - low) / max(float(high - low), 1.0), 0, 1)
    return np.asarray(stretched[np.newaxis], np.float32)
