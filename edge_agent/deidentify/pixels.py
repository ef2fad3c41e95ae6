"""Step 4 of 13: de-identify. Finds the sector and lines of text, and blanks what is not ultrasound.

The sector is a large, dense, speckled area; text is thin crisp strokes in a row. Whatever cannot be told
apart is held, never sent. Everything outside the sector becomes zero, which is black in what we write (gray
and RGB only).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.errors import ImageRefused
from edge_agent.formats.raster import Pixels
from sonorelay.contract.reasons import EdgeReason

Mask = NDArray[np.uint8]
"""uint8, height x width, 255 inside and 0 outside."""
Glyph = tuple[int, int, int, int]
"""x, y, width, height in pixels."""
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels; x1 and y1 are exclusive."""

WORK_SIDE_PX: Final = 320
DARK: Final = 8
"""Gray values up to this count as empty screen."""
TEXTURE_STEP: Final = 2
"""Smallest range within 3 x 3 pixels that counts as texture; a drawn bar or background has none."""
DENSITY_MIN: Final = 0.62
"""Share of lit, textured pixels around a pixel of tissue; a line of text has less than half."""
AREA_MIN: Final = 0.10
"""Smallest share of the picture that a sector takes."""
AREA_MAX: Final = 0.94
"""Over this share a banner cannot be told from the sector: there is no screen left around it."""
SOLIDITY_MIN: Final = 0.62
"""Smallest share of its convex hull that the found tissue fills."""
PART_MIN: Final = 0.004
"""Parts smaller than this share of the picture are not joined to the largest."""
PART_THICKNESS_MIN: Final = 0.08
"""Parts thinner than this share of the picture's shorter side are bars of the screen, not tissue."""
PARTS_MAX: Final = 24
"""So many parts are looked at, the largest first."""
STRONG_INK: Final = 70
"""How much brighter than its surroundings a stroke of plain text is."""
FAINT_INK: Final = 24
"""The same of dim text; looked for only where there is no tissue."""
NEIGHBOURS_MAX: Final = 2_000
"""So many glyphs are looked at for the next one of a row: bounds the time on hostile pictures."""
TEXT_ON_TISSUE: Final = 0.10
"""A line of text whose box is tissue over more than this share holds the image."""
GAP_MAX: Final = 1.8
"""Widest gap within a line, in heights of its glyphs: a space, or a sign that was not recognised."""
GLYPHS_MIN: Final = 3
"""So many glyphs in a row are a line of text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sector:
    """Where the ultrasound is."""

    keep: Mask
    """255 where pixels stay."""
    box: Box
    """Box around it."""
    share: float
    """Share of the picture, 0..1."""


def guard(plane: Pixels, allowed: Mask | None = None) -> Sector:
    """Finds the sector in `plane` (uint8, height x width.

    The brightest channel) and makes sure that it holds no text.

    Args:
        plane: one picture, or several frames of a loop brought together by the maximum.
        allowed: 255 where a DICOM object's regions are; everything else is out before looking.

    Errors: ImageRefused SECTOR_NOT_FOUND, PIXELS_MAY_IDENTIFY; both hold the image for a person.
    """
    seen = plane if allowed is None else np.asarray(cv2.bitwise_and(plane, allowed), np.uint8)
    tissue, hull = _tissue(seen)
    share = float(np.count_nonzero(hull)) / hull.size
    whole = hull.size if allowed is None else int(np.count_nonzero(allowed))
    if allowed is None and share > AREA_MAX:
        raise ImageRefused(EdgeReason.SECTOR_NOT_FOUND, "the sector fills the picture")
    if np.count_nonzero(hull) < AREA_MIN * whole:
        raise ImageRefused(EdgeReason.SECTOR_NOT_FOUND, "no sector")
    keep = np.asarray(hull if allowed is None else cv2.bitwise_and(hull, allowed), np.uint8).copy()
    # Looked for on the whole screen: a region may cut a line and leave two letters of it.
    found = writing(plane, tissue)
    for line in found.lines:
        box = _wider(line, keep)
        if _covered(tissue, box) > TEXT_ON_TISSUE and _covered(keep, box):
            raise ImageRefused(EdgeReason.PIXELS_MAY_IDENTIFY, "a line of text on the sector")
    for written in [*found.lines, *found.faint_lines, *found.signs]:
        box = _wider(written, keep)
        if _covered(tissue, box) <= TEXT_ON_TISSUE:
            x0, y0, x1, y1 = box
            keep[y0:y1, x0:x1] = 0
    x, y, width, height = cv2.boundingRect(keep)
    return Sector(keep=keep, box=(x, y, x + width, y + height), share=share)


def _wider(box: Box, mask: Mask) -> Box:
    """The line with half a glyph of margin.

    Accents, descenders and a first or last sign that was not recognised.
    """
    x0, y0, x1, y1 = box
    margin = (y1 - y0) // 2 + 1
    height, width = mask.shape
    return max(0, x0 - margin), max(0, y0 - margin), min(width, x1 + margin), min(height, y1 + margin)


def _covered(mask: Mask, box: Box) -> float:
    x0, y0, x1, y1 = box
    return float(np.count_nonzero(mask[y0:y1, x0:x1])) / max(1, (x1 - x0) * (y1 - y0))


def _tissue(plane: Pixels) -> tuple[Mask, Mask]:
    """Gives the tissue itself (holes filled) and its convex hull, both in the size of `plane`."""
    height, width = plane.shape
    lit = cv2.threshold(plane, DARK, 255, cv2.THRESH_BINARY)[1]
    step = cv2.morphologyEx(plane, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    textured = cv2.bitwise_and(lit, cv2.threshold(step, TEXTURE_STEP - 1, 255, cv2.THRESH_BINARY)[1])
    # A whole factor lets the area mean run over whole pixels, which is several times faster.
    factor = -(-max(height, width) // WORK_SIDE_PX)
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = cv2.resize(textured, size, interpolation=cv2.INTER_AREA)
    dense = cv2.threshold(cv2.blur(small, (5, 5)), 255 * DENSITY_MIN, 255, cv2.THRESH_BINARY)[1]
    closed = cv2.morphologyEx(dense, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    contours, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise ImageRefused(EdgeReason.SECTOR_NOT_FOUND, "no tissue")
    tissue, hull = _joined([np.asarray(contour, np.int32) for contour in contours], opened.shape)
    # The density's window and the opening take about this much from the rim.
    hull = np.asarray(cv2.dilate(hull, np.ones((5, 5), np.uint8)), np.uint8)
    full = (width, height)
    return (
        np.asarray(cv2.resize(tissue, full, interpolation=cv2.INTER_NEAREST), np.uint8),
        np.asarray(cv2.resize(hull, full, interpolation=cv2.INTER_NEAREST), np.uint8),
    )


def _joined(contours: list[NDArray[np.int32]], shape: tuple[int, ...]) -> tuple[Mask, Mask]:
    """Joins the parts of one sector (shadows and fluid split it) while their common hull is still mostly
    tissue."""
    contours.sort(key=cv2.contourArea, reverse=True)
    least = PART_MIN * shape[0] * shape[1]
    chosen, area = [contours[0]], cv2.contourArea(contours[0])
    for contour in contours[1:PARTS_MAX]:
        more = cv2.contourArea(contour)
        hull_area = cv2.contourArea(cv2.convexHull(np.vstack([*chosen, contour])))
        if more < least:
            break
        if area + more >= SOLIDITY_MIN * hull_area and _thickness(contour) >= PART_THICKNESS_MIN * min(shape):
            chosen.append(contour)
            area += more
    points = cv2.convexHull(np.vstack(chosen))
    if area < SOLIDITY_MIN * cv2.contourArea(points):
        raise ImageRefused(EdgeReason.SECTOR_NOT_FOUND, "the tissue has no sector's shape")
    tissue, hull = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    cv2.drawContours(tissue, chosen, -1, 255, cv2.FILLED)
    cv2.fillConvexPoly(hull, points, 255)
    return tissue, hull


def _thickness(contour: NDArray[np.int32]) -> float:
    return float(min(cv2.minAreaRect(contour)[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Where something looks written: thin crisp strokes."""

    lines: list[Box]
    """Rows of signs of one height in strong ink, light or dark, which speckle does not imitate."""
    faint_lines: list[Box]
    """The same in faint ink, which speckle may imitate."""
    signs: list[Box]
    """Single signs in strong ink."""


def writing(plane: Pixels, tissue: Mask) -> Writing:
    """Finds what looks written in `plane` (uint8, height x width); faint ink only where there is no `tissue`."""
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (7, 7))
    thin = np.asarray(cv2.morphologyEx(plane, cv2.MORPH_TOPHAT, kernel), np.uint8)
    dark = np.asarray(cv2.morphologyEx(plane, cv2.MORPH_BLACKHAT, kernel), np.uint8)
    strong = _glyphs(thin, STRONG_INK)
    return Writing(
        lines=[*_lines(strong), *_lines(_glyphs(dark, STRONG_INK))],
        faint_lines=_lines([one for one in _glyphs(thin, FAINT_INK) if not tissue[_middle(one)]]),
        signs=[(x, y, x + width, y + height) for x, y, width, height in strong],
    )


def _glyphs(thin: Pixels, step: int) -> list[Glyph]:
    ink = cv2.threshold(thin, step, 255, cv2.THRESH_BINARY)[1]
    contours, _ = cv2.findContours(ink, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = [cv2.boundingRect(contour) for contour in contours if len(contour) > 1]
    return sorted((x, y, w, h) for x, y, w, h in boxes if 5 <= h <= 40 and w <= 2 * h)


def _middle(glyph: Glyph) -> tuple[int, int]:
    x, y, width, height = glyph
    return y + height // 2, x + width // 2


def _lines(glyphs: list[Glyph]) -> list[Box]:
    lines: list[Box] = []
    used: set[int] = set()
    for first in range(len(glyphs)):
        row = [first]
        while first not in used and (following := _next(glyphs, row[-1])) is not None:
            row.append(following)
        if len(row) >= GLYPHS_MIN:
            used.update(row)
            part = [glyphs[index] for index in row]
            x0, y0 = min(g[0] for g in part), min(g[1] for g in part)
            lines.append((x0, y0, max(g[0] + g[2] for g in part), max(g[1] + g[3] for g in part)))
    return lines


def _next(glyphs: list[Glyph], last: int) -> int | None:
    """The next glyph to the right on the same baseline and of about the same height.

    `glyphs` stand in order of x.
    """
    x, y, width, height = glyphs[last]
    right, base, furthest = x + width - 1, y + height, x + width + GAP_MAX * height
    base_apart, height_apart = max(1, round(0.15 * height)), max(1, round(0.2 * height))
    for index in range(last + 1, min(len(glyphs), last + 1 + NEIGHBOURS_MAX)):
        x1, y1, _, height1 = glyphs[index]
        if x1 > furthest:
            return None
        if x1 < right or abs(height1 - height) > height_apart:
            continue
        if abs(y1 + height1 - base) <= base_apart:
            return index
    return None


def brightest(pixels: Pixels) -> Pixels:
    """Gives the brightest channel, so that coloured text counts as much as white."""
    if pixels.ndim == 2:
        return pixels
    first, second, third = cv2.split(pixels)
    return np.asarray(cv2.max(cv2.max(first, second), third), np.uint8)


def blanked(pixels: Pixels, keep: Mask) -> Pixels:
    """Gives `pixels` with zero wherever `keep` is 0."""
    return np.asarray(cv2.bitwise_and(pixels, pixels, mask=keep), np.uint8)
