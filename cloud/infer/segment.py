"""Part of step 11: segment. From the head model's probability picture to the fetal head on the still."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse, canonical_ellipse, fill
from cloud.infer.preprocess import Letterbox, Plane, to_image
from cloud.infer.sector import sector_of, share_on_edge

THRESHOLD = 0.5
MIN_AREA_SHARE = 0.01
"""A region below this share of the still is no head: the smallest of 520 HC18 train heads takes 0.037."""
SECOND_HEAD_SHARE = 0.25
"""A second region this large, against the largest, is taken for another head."""
CUT_OFF_SHARE = 0.03
"""A head is cut off when at least this share of its outline lies on the still's frame."""
SECTOR_CUT_SHARE = 0.15
"""A head is cut off when at least this share of its outline runs along the sector's edge: so did 0.6 % of 174
whole HC18 train heads, and 98 % of the same heads with 12 to 30 % of them behind a made-up edge."""
MAX_AXIS_RATIO = 3.0
"""No head is that long; a cephalic index lies near 0.8."""
_MIN_FIT_POINTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The fetal head on the still."""

    ellipse: Ellipse
    """Ellipse fitted to the outline, in still pixels."""
    outline: NDArray[np.float32]
    """The region's closed outline, Nx2 (x, y) in still pixels."""
    confidence: float
    """Agreement of the probability picture with the ellipse, 0..1: 2 sum(p e) / (sum(p) + sum(e))."""
    cut_off: bool
    """Whether the head leaves the still or the probe's sector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSearch:
    """What the segmentation of one still found."""

    head: Head | None
    """The largest region, if it can be a head."""
    head_count: int
    """How many regions are large enough to be a head."""


def find_head(probability: NDArray[np.float32], box: Letterbox, canvas: Plane | None = None) -> HeadSearch:
    """Finds the head: threshold, the largest region, an ellipse through its outline, all at the still's
    resolution.

    `probability` is the head model's canvas, float32 HxW in 0..1, `box` says where the still lies on it, and
    `canvas` is the still there; without it the sector's edge is not looked for. The outline on the still's
    frame is not used for the ellipse: there the frame cuts, not the skull.
    """
    inside = (to_image(probability, box) > THRESHOLD).view(np.uint8)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    regions = sorted(((cv2.contourArea(c), i) for i, c in enumerate(contours)), reverse=True)
    least = MIN_AREA_SHARE * box.width_px * box.height_px
    if not regions or regions[0][0] < least:
        return HeadSearch(head=None, head_count=0)
    largest_area = regions[0][0]
    count = sum(area >= max(least, SECOND_HEAD_SHARE * largest_area) for area, _ in regions)
    outline = contours[regions[0][1]].reshape(-1, 2).astype(np.float32)
    on_frame = _on_frame(outline, box)
    ellipse = _fit(outline, on_frame, box)
    if ellipse is None:
        return HeadSearch(head=None, head_count=count)
    head = Head(
        ellipse=ellipse,
        outline=outline,
        confidence=_agreement(probability, ellipse, box),
        cut_off=bool(on_frame.mean() >= CUT_OFF_SHARE) or _leaves_sector(outline, box, canvas),
    )
    return HeadSearch(head=head, head_count=count)


def _leaves_sector(outline: NDArray[np.float32], box: Letterbox, canvas: Plane | None) -> bool:
    sector = None if canvas is None else sector_of(canvas, box)
    return sector is not None and share_on_edge(outline, sector, box) >= SECTOR_CUT_SHARE


def _on_frame(outline: NDArray[np.float32], box: Letterbox) -> NDArray[np.bool_]:
    x, y = outline[:, 0], outline[:, 1]
    return (x <= 0) | (y <= 0) | (x >= box.width_px - 1) | (y >= box.height_px - 1)


def _fit(outline: NDArray[np.float32], on_frame: NDArray[np.bool_], box: Letterbox) -> Ellipse | None:
    """The ellipse through the outline, or None where no head has such a shape."""
    points = outline[~on_frame]
    if len(points) < _MIN_FIT_POINTS:
        return None
    # The direct method always gives an ellipse, also from the arc that a cut-off head leaves.
    ellipse = canonical_ellipse(cv2.fitEllipseDirect(points))
    values = (ellipse.cx, ellipse.cy, ellipse.a, ellipse.b, ellipse.angle_deg)
    if not all(map(math.isfinite, values)) or ellipse.b <= 0 or ellipse.a > MAX_AXIS_RATIO * ellipse.b:
        return None
    inside = 0 <= ellipse.cx <= box.width_px - 1 and 0 <= ellipse.cy <= box.height_px - 1
    if not inside or 2 * ellipse.a > 2 * max(box.width_px, box.height_px):
        return None
    return ellipse


def _agreement(probability: NDArray[np.float32], ellipse: Ellipse, box: Letterbox) -> float:
    content = probability[: box.content_height_px, : box.content_width_px]
    expected = fill(ellipse, content.shape, box.scale) > 0
    total = float(content.sum()) + float(expected.sum())
    return 2 * float(content[expected].sum()) / total if total > 0 else 0.0
