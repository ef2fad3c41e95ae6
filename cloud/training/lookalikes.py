"""Made-up pictures that look like a machine's but show no plane: for the type "other" of the plane model.

Ultrasound without a fetus, slices of other machines, and fragments of planes too small to be recognised.
Beside them made-up heads with the same grain: it is anatomy that must tell a plane, not the grain.
"""

from __future__ import annotations

import math
from enum import Enum

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray, Plane
from cloud.training.tissues import SIZE_HW, TISSUES, Tissue, blurred, curve, ellipse, heart, painted, plain

LARGEST_FRAGMENT = 0.12
"""Largest share of a frame's area that a fragment shows."""


class _View(Enum):
    """What a made-up probe shows of the tissue."""

    ANY = "a strip or a sector, anywhere"
    WIDE = "a sector that leaves whole what lies in the middle"
    POINTED = "the sector of a phased array, whose beams leave one point"


def lookalike(rng: Generator) -> Gray:
    """One picture uint8 216x320: ultrasound of something else, a nearly dark screen, or a CT or MR slice."""
    kind = rng.random()
    if kind < 0.2:
        picture = _slice(rng)
    elif kind < 0.4:
        picture = _scanned(heart(rng), rng, view=_View.POINTED)
    else:
        tissue = TISSUES[int(rng.integers(0, len(TISSUES)))](rng)
        picture = _scanned(tissue, rng)
    return _dressed(picture, rng)


def made_up_head(rng: Generator) -> Gray:
    """One picture uint8 216x320 of a drawn fetal head: a bright skull, a midline, often dark ventricles."""
    return _dressed(_scanned(_head(rng), rng, view=_View.WIDE), rng)


def fragment(frame: Gray, rng: Generator) -> Gray:
    """A patch of at most LARGEST_FRAGMENT of the frame, enlarged, or its tiles in disorder: uint8 216x320."""
    if rng.random() < 0.6:
        share = math.sqrt(rng.uniform(0.02, LARGEST_FRAGMENT))
        height_px, width_px = round(frame.shape[0] * share), round(frame.shape[1] * share)
        top = int(rng.integers(0, frame.shape[0] - height_px + 1))
        left = int(rng.integers(0, frame.shape[1] - width_px + 1))
        picture = frame[top : top + height_px, left : left + width_px]
        return np.asarray(cv2.resize(picture, SIZE_HW[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    small = np.asarray(cv2.resize(frame, SIZE_HW[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    side_px = int(rng.choice([12, 18, 24, 36]))
    rows, columns = SIZE_HW[0] // side_px, SIZE_HW[1] // side_px
    used = small[: rows * side_px, : columns * side_px]
    tiles = used.reshape(rows, side_px, columns, side_px).swapaxes(1, 2).reshape(-1, side_px, side_px)
    mixed = tiles[rng.permutation(len(tiles))].reshape(rows, columns, side_px, side_px)
    small[: rows * side_px, : columns * side_px] = mixed.swapaxes(1, 2).reshape(used.shape)
    return small


def _head(rng: Generator) -> Tissue:
    """A skull in tissue or fluid, brighter where the beam meets it squarely; midline and ventricles inside."""
    tissue = plain(rng)
    centre = (float(rng.uniform(130, 190)), float(rng.uniform(90, 130)))
    angle_deg = float(rng.normal(0, 25))
    axes = (float(rng.uniform(55, 115)), 0.0)
    axes = (axes[0], axes[0] * float(rng.uniform(0.68, 0.9)))
    if rng.random() < 0.6:
        beside = (centre[0] + float(rng.uniform(-25, 25)), centre[1] + float(rng.uniform(-12, 12)))
        around = (axes[0] * rng.uniform(1.05, 1.25), axes[1] * rng.uniform(1.05, 1.25))
        tissue = painted(tissue, ellipse(beside, around, angle_deg), rng.uniform(0, 0.06), 2)
    brain = np.clip(rng.uniform(0.05, 0.35) * (1 + 0.5 * blurred(rng, rng.uniform(2, 8))), 0.01, 1)
    inside = np.zeros(SIZE_HW, np.float32)
    ellipse(centre, axes, angle_deg)(inside)
    tissue = np.asarray(tissue * (1 - inside) + brain * inside, np.float32)
    turn = math.radians(angle_deg)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])

    def at(a: float, b: float) -> tuple[float, float]:
        x, y = np.array(centre) + a * axes[0] * along + b * axes[1] * across
        return float(x), float(y)

    for side in (-1, 1):
        if rng.random() < 0.7:
            room = (axes[0] * rng.uniform(0.12, 0.32), axes[1] * rng.uniform(0.06, 0.2))
            where = at(rng.uniform(-0.5, 0.4), side * rng.uniform(0.25, 0.5))
            tissue = painted(tissue, ellipse(where, room, angle_deg + 15 * side), 0.02, 1.5)
            if rng.random() < 0.5:
                tissue = painted(tissue, ellipse(where, (room[0] / 2, room[1] / 2), angle_deg), 0.6, 1.5)
    for begin in np.arange(-0.85, 0.8, 0.25):
        if rng.random() < 0.75:
            ends = [np.rint(at(begin + step, rng.normal(0, 0.015))).astype(int) for step in (0, 0.24)]
            line_px = int(rng.integers(1, 3))
            tissue = painted(tissue, curve(np.array(ends), line_px), rng.uniform(0.35, 0.8), 0.8)
    return _with_skull(tissue, centre, axes, angle_deg, rng)


def _with_skull(
    tissue: Tissue, centre: tuple[float, float], axes: tuple[float, float], angle_deg: float, rng: Generator
) -> Tissue:
    ring = np.zeros(SIZE_HW, np.float32)
    ellipse(centre, axes, angle_deg, int(rng.integers(3, 9)))(ring)
    ring = np.asarray(cv2.GaussianBlur(ring, (0, 0), rng.uniform(0.8, 1.8)), np.float32)
    y, x = np.mgrid[0 : SIZE_HW[0], 0 : SIZE_HW[1]].astype(np.float32)
    square = np.abs(y - centre[1]) / np.maximum(np.hypot(x - centre[0], y - centre[1]), 1)
    strength = rng.uniform(0.6, 1) * (1 - rng.uniform(0, 0.8) * (1 - square))
    return np.asarray(np.clip(tissue * (1 - ring) + ring * strength, 0, 1), np.float32)


def _slice(rng: Generator) -> np.ndarray:
    """A CT or MR slice: a smooth body on black, no grain of ultrasound; sometimes skull, organs, a table."""
    picture = np.full(SIZE_HW, rng.choice([0.0, 0.0, rng.uniform(0, 0.1)]), np.float32)
    centre, angle_deg = (float(rng.uniform(130, 190)), float(rng.uniform(90, 126))), float(rng.normal(0, 12))
    axes = (float(rng.uniform(50, 105)), float(rng.uniform(50, 95)))
    rings = [(1.0, rng.uniform(0.2, 0.9))]
    for _ in range(int(rng.integers(1, 4))):
        rings.append((rings[-1][0] * rng.uniform(0.84, 0.97), rng.uniform(0, 1)))
    for size, value in rings:
        outline = ellipse(centre, (axes[0] * size, axes[1] * size), angle_deg)
        picture = painted(picture, outline, value, rng.uniform(0.5, 2))
    inner = rings[-1][0] * 0.75
    for _ in range(int(rng.integers(0, 9))):
        x = centre[0] + axes[0] * inner * rng.uniform(-0.8, 0.8)
        y = centre[1] + axes[1] * inner * rng.uniform(-0.8, 0.8)
        organ = ellipse((x, y), (rng.uniform(3, 30), rng.uniform(3, 24)), rng.uniform(0, 180))
        picture = painted(picture, organ, rng.uniform(0, 1), rng.uniform(0.5, 2))
    if rng.random() < 0.6:
        folds = rng.uniform(0.05, 0.3) * blurred(rng, rng.uniform(1.5, 6))
        picture = np.asarray(picture * (1 + folds), np.float32)
    if rng.random() < 0.4:
        table = ellipse((centre[0], centre[1] + 10), (axes[0] + 30, axes[1] + 25), 0, 2)
        arc = np.zeros(SIZE_HW, np.float32)
        table(arc)
        arc[: int(centre[1])] = 0
        picture = np.asarray(np.maximum(picture, arc * rng.uniform(0.1, 0.7)), np.float32)
    grain = rng.uniform(0, 0.03) * rng.standard_normal(SIZE_HW)
    return np.asarray(np.clip(picture + grain, 0, 1) * 255)


def _scanned(tissue: Tissue, rng: Generator, view: _View = _View.ANY) -> np.ndarray:
    """The tissue as a machine shows it: grain along the beams, loss with depth, shadows, the sector's edge."""
    depth, aside, inside = _beams(rng, view)
    rows, columns = (150, 220) if rng.random() < 0.4 else (210, 320)
    grain = rng.standard_normal((rows, columns)).astype(np.float32)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.7, 2.2), sigmaY=rng.uniform(0.5, 1)))
    grain /= max(float(grain.std()), 1e-6)
    grain = np.asarray(
        cv2.remap(grain, aside * (columns - 1), depth * (rows - 1), cv2.INTER_LINEAR), np.float32
    )
    shown = (
        tissue
        * np.exp(rng.uniform(0.1, 0.4 if view is _View.WIDE else 0.6) * grain)
        * (1 + rng.uniform(-0.7, 0.4) * depth)
    )
    for _ in range(int(rng.integers(0, 3)) if rng.random() < 0.5 else 0):
        where, width = rng.uniform(0, 1), rng.uniform(0.01, 0.08)
        shown = shown * (1 - rng.uniform(0.3, 0.95) * np.exp(-(((aside - where) / width) ** 2)))
    shown = np.clip(shown * rng.uniform(0.8, 1.8), 0, 1) ** rng.uniform(0.7, 1.5)
    return np.asarray(np.where(inside, shown, rng.choice([0, 0, 0, 0.08])) * 255)


def _beams(rng: Generator, view: _View) -> tuple[Plane, Plane, np.ndarray]:
    """Depth and side of each pixel along the beams, both 0..1, and which pixels lie in the picture."""
    y, x = np.mgrid[0 : SIZE_HW[0], 0 : SIZE_HW[1]].astype(np.float32)
    whole = view is _View.WIDE
    if view is not _View.POINTED and rng.random() < (0.15 if whole else 0.4):
        left, right = (0.0, 320.0) if whole else (rng.uniform(0, 80), rng.uniform(220, 320))
        top, bottom = (0.0, 216.0) if whole else (rng.uniform(0, 50), rng.uniform(130, 216))
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        return y / SIZE_HW[0], x / SIZE_HW[1], inside
    narrow = view is _View.POINTED or (not whole and rng.random() < 0.5)
    apex_x = rng.uniform(140, 180) if view is not _View.ANY else rng.uniform(90, 230)
    apex_y = rng.uniform(0, 20) if narrow else -rng.uniform(40, 160)
    near = rng.uniform(0, 12) if narrow else -apex_y + rng.uniform(-10, 15)
    far = rng.uniform(150, 230) - (min(apex_y, 0) if not whole else apex_y - 40)
    half = math.radians(rng.uniform(34, 55) if not whole else rng.uniform(42, 60))
    radius, angle = np.hypot(x - apex_x, y - apex_y), np.arctan2(x - apex_x, y - apex_y)
    inside = (radius >= near) & (radius <= far) & (np.abs(angle) <= half)
    depth = np.clip((radius - near) / (far - near), 0, 1).astype(np.float32)
    return depth, np.clip((angle / half + 1) / 2, 0, 1).astype(np.float32), inside


def _dressed(picture: np.ndarray, rng: Generator) -> Gray:
    """The picture with what machines burn in: letters, a header, a gray bar, a ruler, a trace below."""
    drawn = np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.float32))
    for _ in range(int(rng.integers(0, 10)) if rng.random() < 0.6 else 0):
        letters = "".join(chr(int(code)) for code in rng.integers(45, 91, int(rng.integers(2, 14))))
        origin = (int(rng.choice([2, 4, int(rng.integers(0, 290))])), int(rng.integers(8, 214)))
        cv2.putText(drawn, letters, origin, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.2, 0.4), 210.0, 1)
    if rng.random() < 0.15:
        cv2.rectangle(drawn, (0, 0), (320, int(rng.integers(4, 20))), float(rng.uniform(60, 255)), -1)
    if rng.random() < 0.4:
        column = int(rng.choice([int(rng.integers(2, 14)), int(rng.integers(300, 312))]))
        drawn[20:90, column : column + 6] = np.linspace(255, 0, 70)[:, np.newaxis]
    if rng.random() < 0.4:
        column = int(rng.choice([int(rng.integers(2, 18)), int(rng.integers(300, 316))]))
        for row in range(int(rng.integers(0, 12)), 216, int(rng.integers(10, 32))):
            cv2.line(drawn, (column, row), (column + 3, row), 200.0, 1)
    if rng.random() < 0.1:
        steps = np.stack([np.arange(0, 320, 3), 205 - 12 * (rng.random(107) ** 8)], axis=1)
        cv2.polylines(drawn, [steps.astype(np.int32)], False, 180.0, 1)
    return drawn.astype(np.uint8)
