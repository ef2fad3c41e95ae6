"""Part of step 11: region. The head on a still: found, corrected, believed or not, cut out and measured."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cloud.infer import ModelInfo
from cloud.infer.annotate import Annotation, Ellipse, annotate
from cloud.infer.classify import BRAIN, Classification, card_number
from cloud.infer.measure import Length, Measurements, Scale, measure
from cloud.infer.outline import band, refined
from cloud.infer.preprocess import CropBox, Gray, Letterbox, Plane, brain_input, crop_box, cut_crop, enhance
from cloud.infer.segment import MAX_AXIS_RATIO, Head, HeadSearch
from cloud.infer.ventricle import VentricleReading

HEAD_AGAINST_PLANE_CONFIDENCE = 0.965
"""On a still that surely shows another plane, a head below this is none. On train frames 6 % of 385 abdomens and
thoraxes, no femur of 188 and 95 % of 192 brains lay above it with version 2 of the head model; to be measured
again with every new version."""
SURELY_ANOTHER_PLANE: Final = 0.95
"""How probable another plane must be to speak against a head: what the plane model takes small heads of early
weeks for is less."""
LARGEST_CORRECTION: Final = 0.25
"""A corrected outline whose mean radius or centre is further off than this share of the radius is not believed."""

FindRadii = Callable[[Plane], NDArray[np.float32]]
"""The outline model: from a band float32 1x48x192 to the radius on each ray."""

NOTHING: Final = HeadSearch(head=None, head_count=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """The head on the still, and what the brain models need of it."""

    search: HeadSearch
    """What the head model found."""
    annotation: Annotation | None = None
    """The head's shapes; None without a head, as the others below."""
    crop: CropBox | None = None
    """The square around it."""
    brain_canvas: NDArray[np.float32] | None = None
    """The enhanced crop, float32 1x224x224."""


def corrected(search: HeadSearch, gray: Gray, find_radii: FindRadii, passes: int) -> HeadSearch:
    """The search with its head's outline corrected at the still's own resolution, where that can be believed."""
    if search.head is None:
        return search
    ellipse, points = search.head.ellipse, search.head.outline
    for _ in range(passes):
        found = refined(ellipse, find_radii(band(gray, ellipse)))
        if found is None or not _plausible(found.ellipse, search.head.ellipse, gray.shape):
            return search
        ellipse, points = found.ellipse, found.points
    return replace(search, head=replace(search.head, ellipse=ellipse, outline=points))


def _plausible(found: Ellipse, before: Ellipse, image_hw: tuple[int, ...]) -> bool:
    radius, was = math.sqrt(found.a * found.b), math.sqrt(before.a * before.b)
    moved = math.hypot(found.cx - before.cx, found.cy - before.cy)
    inside = 0 <= found.cx <= image_hw[1] - 1 and 0 <= found.cy <= image_hw[0] - 1
    shaped = found.a <= MAX_AXIS_RATIO * found.b
    return inside and shaped and max(moved, abs(radius - was)) <= LARGEST_CORRECTION * was


def region_of(search: HeadSearch, gray: Gray) -> Region:
    """The head annotated and cut out."""
    if search.head is None:
        return Region(search=search)
    image_hw = (gray.shape[0], gray.shape[1])
    box = crop_box(search.head.ellipse, image_hw)
    return Region(
        search=search,
        annotation=annotate(search.head.ellipse, search.head.outline, image_hw),
        crop=box,
        brain_canvas=brain_input(enhance(cut_crop(gray, box))),
    )


def believed(region: Region, plane: Classification) -> Region:
    """The region, or none where the still surely shows another plane and the head is not clear enough against
    it."""
    head = region.search.head
    if head is None or plane.label == BRAIN or plane.probability < SURELY_ANOTHER_PLANE:
        return region
    return region if head.confidence >= HEAD_AGAINST_PLANE_CONFIDENCE else Region(search=NOTHING)


def lengths(
    head: Head, scale: Scale | None, box: Letterbox, outline: ModelInfo, ventricles: VentricleReading | None
) -> Measurements:
    """The head's lengths, with what the card of the model that drew its outline says of it.

    `outline.offset_px` (pixels of that model's canvas) is how far its outlines run outside of what is measured,
    `outline.sd_share` the standard deviation of their circumference as a share of it.
    """
    e = head.ellipse
    sd_share = card_number(outline, "outline", "sd_share", 0.0)
    offset_px = card_number(outline, "outline", "offset_px", 0.0) / box.scale
    width = ventricles.measured if ventricles else None
    midline = ventricles.midline if ventricles else None
    return measure(
        e,
        scale,
        outline_sd_px=sd_share * math.sqrt(e.a * e.b) if sd_share > 0 else None,
        outline_offset_px=min(offset_px, e.b / 2),
        ventricle_width=Length(px=width.width_px, sd_px=width.width_sd_px) if width else None,
        midline_shift=Length(px=abs(midline.shift_px)) if midline else None,
    )
