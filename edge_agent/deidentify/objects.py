"""Step 4 of 13: de-identify. A DICOM object's pixels and data set together.

Masked, rebuilt, written frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge_agent.deidentify.identity import identity_of
from edge_agent.deidentify.keys import SiteKey
from edge_agent.deidentify.pixels import Mask, blanked, brightest, guard
from edge_agent.deidentify.rebuild import Shape, rebuild, write_dicom
from edge_agent.deidentify.regions import Region, ScaleSource, read_regions, scale
from edge_agent.deidentify.series import placed
from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter
from edge_agent.formats.dicom import DicomObject
from edge_agent.formats.raster import Pixels, gray_if_equal, picture_facts
from edge_agent.items import Identity, PixelRule
from sonorelay.contract.reasons import EdgeReason

SAMPLES_MAX: Final = 8
"""So many frames of a loop, evenly spread, decide where its sector is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanObject:
    """What was written, and what step 5 wants to know of it."""

    shape: Shape
    """Of the pixels."""
    middle: Pixels
    """The frame that stands for the object, blanked: gray or RGB."""
    mm_per_pixel: float | None
    """Scale where known."""
    scale_source: ScaleSource | None
    """Where it comes from."""
    identity: Identity | None
    """Of its examination, in pseudonyms; None where its header names no study."""


class _Coloured(Exception):
    """A later frame of a loop that began gray has colour."""


def clean_object(
    source: DicomObject,
    path: Path,
    *,
    rules: Filter,
    rule: PixelRule,
    key: SiteKey,
    capture_id: str,
    given_mm: float | None,
) -> CleanObject:
    """Writes the de-identified object to `path`.

    Errors: ImageRefused (BLANK; SECTOR_NOT_FOUND and PIXELS_MAY_IDENTIFY hold; what decoding gives), OSError.
    """
    facts = source.facts
    samples = _samples(source, rules)
    regions = read_regions(source.ds, facts.width_px, facts.height_px)
    keep: Mask | None = None
    kept_regions = regions
    if rule == "guard":
        keep, kept_regions = _mask(samples, regions)
    middle = samples[len(samples) // 2]
    middle = gray_if_equal(middle if keep is None else blanked(middle, keep))
    gray = all(_clean(frame, keep).ndim == 2 for frame in samples)
    only = samples[0] if facts.frame_count == 1 else None
    try:
        shape = _write(source, path, keep, kept_regions, key, capture_id, gray, only)
    except _Coloured:
        shape = _write(source, path, keep, kept_regions, key, capture_id, False, only)
    mm_per_pixel, scale_source = scale(source.ds, kept_regions, given_mm)
    return CleanObject(
        shape=shape,
        middle=middle,
        mm_per_pixel=mm_per_pixel,
        scale_source=scale_source,
        identity=identity_of(source.ds, key),
    )


def _samples(source: DicomObject, rules: Filter) -> list[Pixels]:
    count = source.facts.frame_count
    if count == 1:
        samples = list(source.frames())
    else:
        wanted = sorted({round(at) for at in np.linspace(0, count - 1, min(count, SAMPLES_MAX))})
        samples = list(source.frames(wanted))
    rules.picture(picture_facts(samples[len(samples) // 2]))
    return samples


def _mask(samples: list[Pixels], regions: tuple[Region, ...]) -> tuple[Mask, tuple[Region, ...]]:
    """Looks at the samples' maximum, so that a sign that is there for a while counts."""
    plane = brightest(samples[0]).copy()
    for frame in samples[1:]:
        plane = np.asarray(cv2.max(plane, brightest(frame)), np.uint8)
    if not regions:
        return guard(plane).keep, regions
    planes = tuple(region for region in regions if region.is_two_dimensional)
    if not planes:
        raise ImageRefused(EdgeReason.SECTOR_NOT_FOUND, "no region is an image of a plane")
    allowed = np.zeros(plane.shape, np.uint8)
    for region in planes:
        allowed[region.y0 : region.y1 + 1, region.x0 : region.x1 + 1] = 255
    keep = guard(plane, allowed).keep
    for frame in samples if len(samples) > 1 else []:
        # The maximum of several frames can drown strokes; each frame is looked at by itself as well.
        guard(brightest(frame), allowed)
    return keep, planes


def _clean(frame: Pixels, keep: Mask | None) -> Pixels:
    return gray_if_equal(frame if keep is None else blanked(frame, keep))


def _write(
    source: DicomObject,
    path: Path,
    keep: Mask | None,
    regions: tuple[Region, ...],
    key: SiteKey,
    capture_id: str,
    gray: bool,
    only: Pixels | None,
) -> Shape:
    facts = source.facts
    shape = Shape(
        width_px=facts.width_px,
        height_px=facts.height_px,
        samples=1 if gray else 3,
        frame_count=facts.frame_count,
    )
    new = rebuild(source, shape, regions, key=key, capture_id=capture_id, blanked=keep is not None)
    if source.is_series:
        new.update(placed(source.ds, key))
    frames = iter([only]) if only is not None else source.frames()
    write_dicom(path, new, shape, _frame_bytes(frames, keep, gray))
    return shape


def _frame_bytes(frames: Iterator[Pixels], keep: Mask | None, gray: bool) -> Iterator[bytes]:
    for frame in frames:
        clean = _clean(frame, keep)
        if gray and clean.ndim == 3:
            raise _Coloured
        if not gray and clean.ndim == 2:
            clean = np.asarray(cv2.merge([clean, clean, clean]), np.uint8)
        yield clean.tobytes()
