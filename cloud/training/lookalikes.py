"""Made-up pictures that look like a machine's but show no plane: for the type "other" of the plane model.

Ultrasound without a fetus, slices of other machines, and fragments of planes too small to be recognised.
Beside them made-up heads with the same grain: it is anatomy that must tell a plane, not the grain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray, Plane

_SIZE_HW = (216, 320)
LARGEST_FRAGMENT = 0.12
"""Largest share of a frame's area that a fragment shows."""

_Tissue: TypeAlias = Plane
"""Brightness before the machine adds its grain: float32 216x320, about 0..1."""

_Draw: TypeAlias = Callable[[Plane], object]
"""Draws a shape of brightness 1 into an empty picture."""


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
        picture = _scanned(_heart(rng), rng, view=_View.POINTED)
    else:
        tissue = _TISSUES[int(rng.integers(0, len(_TISSUES)))](rng)
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
        return np.asarray(cv2.resize(picture, _SIZE_HW[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)
    small = np.asarray(cv2.resize(frame, _SIZE_HW[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    side_px = int(rng.choice([12, 18, 24, 36]))
    rows, columns = _SIZE_HW[0] // side_px, _SIZE_HW[1] // side_px
    used = small[: rows * side_px, : columns * side_px]
    tiles = used.reshape(rows, side_px, columns, side_px).swapaxes(1, 2).reshape(-1, side_px, side_px)
    mixed = tiles[rng.permutation(len(tiles))].reshape(rows, columns, side_px, side_px)
    small[: rows * side_px, : columns * side_px] = mixed.swapaxes(1, 2).reshape(used.shape)
    return small


def _blurred(rng: Generator, sigma_x: float, sigma_y: float | None = None) -> Plane:
    """Smooth random field of mean 0 and deviation 1."""
    noise = rng.standard_normal(_SIZE_HW).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma_x, sigmaY=sigma_y or sigma_x), np.float32)
    return np.asarray(noise / max(float(noise.std()), 1e-6), np.float32)


def _painted(tissue: _Tissue, draw: _Draw, value: float, edge_px: float) -> _Tissue:
    """The tissue with a drawn shape of the given brightness and soft edge."""
    shape = np.zeros(_SIZE_HW, np.float32)
    draw(shape)
    shape = np.asarray(cv2.GaussianBlur(shape, (0, 0), edge_px), np.float32)
    return np.asarray(tissue * (1 - shape) + value * shape, np.float32)


def _ellipse(
    centre: tuple[float, float], axes: tuple[float, float], angle_deg: float, line_px: int = -1
) -> _Draw:
    return lambda shape: cv2.ellipse(shape, (centre, (2 * axes[0], 2 * axes[1]), angle_deg), 1.0, line_px)


def _curve(points: np.ndarray, line_px: int) -> _Draw:
    return lambda shape: cv2.polylines(shape, [points.astype(np.int32)], False, 1.0, line_px)


def _somewhere(rng: Generator) -> tuple[float, float]:
    return float(rng.uniform(40, 280)), float(rng.uniform(30, 186))


def _plain(rng: Generator) -> _Tissue:
    """Tissue with blotches and nothing in it."""
    level, depth = rng.uniform(0.12, 0.5), rng.uniform(0.03, 0.15)
    tissue = level + depth * _blurred(rng, rng.uniform(8, 40)) + 0.04 * _blurred(rng, rng.uniform(2, 6))
    return np.asarray(np.clip(tissue, 0.01, 1), np.float32)


def _vessels(rng: Generator) -> _Tissue:
    """Dark tubes with bright walls, lengthwise or across."""
    tissue = _plain(rng)
    for _ in range(int(rng.integers(1, 4))):
        x = np.linspace(-20, 340, 60)
        height = rng.uniform(40, 180) + rng.uniform(-0.4, 0.4) * (x - 160)
        height = height + rng.uniform(0, 20) * np.sin(x / rng.uniform(30, 120) + rng.uniform(0, 6))
        points = np.stack([x, height], axis=1).astype(np.int32)
        if rng.random() < 0.3:
            points = points[:, ::-1].copy()
        width_px = int(rng.integers(6, 34))
        for thickness, value in (
            (width_px + int(rng.integers(2, 7)), rng.uniform(0.4, 0.9)),
            (width_px, 0.02),
        ):
            tissue = _painted(tissue, _curve(points, thickness), value, 1.0)
    return tissue


def _chambers(rng: Generator) -> _Tissue:
    """Dark rooms side by side with echoing walls between them, as a heart of an adult."""
    tissue = np.asarray(_plain(rng) * rng.uniform(0.4, 1), np.float32)
    centre, turn_deg = np.array(_somewhere(rng)), rng.uniform(0, 180)
    size = rng.uniform(20, 50)
    for number in range(int(rng.integers(2, 5))):
        aside = np.array([(number % 2) * 2 - 1, (number // 2) * 2.6 - 1]) * size * rng.uniform(0.7, 0.95)
        turn = math.radians(turn_deg)
        aside = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ aside
        x, y = float(centre[0] + aside[0]), float(centre[1] + aside[1])
        axes = (size * rng.uniform(0.6, 0.95), size * rng.uniform(0.8, 1.7))
        wall = rng.uniform(1.08, 1.35)
        angle_deg = turn_deg + rng.uniform(-25, 25)
        tissue = _painted(tissue, _ellipse((x, y), (axes[0] * wall, axes[1] * wall), angle_deg), 0.55, 3)
        tissue = _painted(tissue, _ellipse((x, y), axes, angle_deg), rng.uniform(0, 0.06), 2)
    return tissue


def _heart(rng: Generator) -> _Tissue:
    """The heart of an adult from its tip: dark ventricles and atria, echoing septum, walls and valves."""
    tissue = np.asarray(_plain(rng) * rng.uniform(0, 0.5), np.float32)
    tip = np.array([rng.uniform(130, 190), rng.uniform(25, 60)])
    length, turn = rng.uniform(110, 170), rng.normal(0, 0.25)
    along, across = np.array([math.sin(turn), math.cos(turn)]), np.array([math.cos(turn), -math.sin(turn)])
    half = length * rng.uniform(0.26, 0.42)
    angle_deg = -math.degrees(turn)

    def at(a: float, b: float) -> tuple[float, float]:
        x, y = tip + a * length * along + b * half * across
        return float(x), float(y)

    wall = rng.uniform(0.12, 0.6)
    around = (half * rng.uniform(1.0, 1.25), length * rng.uniform(0.52, 0.6))
    tissue = _painted(tissue, _ellipse(at(0.5, 0), around, angle_deg), wall, 4)
    if rng.random() < 0.7:
        rim = _ellipse(at(0.5, 0), around, angle_deg, int(rng.integers(3, 10)))
        tissue = _painted(tissue, rim, wall * rng.uniform(1, 2), 3)
    sides = (-1, 1) if rng.random() < 0.7 else (float(rng.choice([-0.3, 0.3])),)
    valve = rng.uniform(0.55, 0.68)
    for side in sides:
        wide = half * (rng.uniform(0.32, 0.45) if len(sides) > 1 else rng.uniform(0.6, 0.8))
        below = (1 - valve) * 0.5 * length * rng.uniform(0.8, 1.1)
        for a, long in ((valve * 0.52, valve * 0.42 * length), (valve + (1 - valve) * 0.5, below)):
            room = _ellipse(at(a, 0.5 * side), (wide * rng.uniform(0.85, 1.1), long), angle_deg)
            tissue = _painted(tissue, room, rng.uniform(0, 0.06), rng.uniform(1.5, 4))
        ends = [at(valve, side * 0.5 - 0.4), at(valve - rng.uniform(0, 0.08), side * 0.5)]
        ends.append(at(valve, side * 0.5 + 0.4))
        leaflet = _curve(np.rint(ends), int(rng.integers(1, 4)))
        tissue = _painted(tissue, leaflet, rng.uniform(0.3, 1), 1)
    if rng.random() < 0.6:
        septum = _curve(
            np.rint([at(0.1, 0), at(0.5, rng.normal(0, 0.06)), at(0.95, 0)]), int(rng.integers(3, 9))
        )
        tissue = _painted(tissue, septum, rng.uniform(0.3, 1), 2)
    return _with_flow(tissue, rng) if rng.random() < 0.3 else tissue


def _cysts(rng: Generator) -> _Tissue:
    """Round fluid without a wall, brighter tissue below it."""
    tissue = _plain(rng)
    for _ in range(int(rng.integers(1, 7))):
        x, y = _somewhere(rng)
        axes = (rng.uniform(6, 60), rng.uniform(5, 45))
        below = _ellipse((x, y + 1.6 * axes[1]), (axes[0] * 0.8, axes[1]), 0)
        tissue = _painted(tissue, below, float(np.clip(tissue.mean() * 1.7, 0, 1)), 6)
        tissue = _painted(tissue, _ellipse((x, y), axes, rng.uniform(-30, 30)), rng.uniform(0, 0.1), 1.5)
    return tissue


def _layers(rng: Generator) -> _Tissue:
    """Skin, fat, muscle, tendon: bands of other brightness with fine fibres along them."""
    y = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]][0].astype(np.float32)
    y = y + rng.uniform(0, 10) * _blurred(rng, 50, 20) + rng.uniform(-0.15, 0.15) * np.arange(_SIZE_HW[1])
    edges = np.sort(rng.uniform(0, 230, int(rng.integers(3, 12))))
    values = rng.uniform(0.03, 0.6, len(edges) + 1).astype(np.float32)
    tissue = values[np.searchsorted(edges, y)]
    tissue = tissue * (1 + rng.uniform(0.1, 0.6) * _blurred(rng, rng.uniform(10, 40), rng.uniform(0.7, 2)))
    for edge in edges:
        if rng.random() < 0.5:
            tissue = tissue + rng.uniform(0.1, 0.5) * np.exp(-(((y - edge) / rng.uniform(1, 3)) ** 2))
    return np.asarray(np.clip(tissue, 0.005, 1), np.float32)


def _nodule(rng: Generator) -> _Tissue:
    """One darker or brighter body in layers, as a gland, a node or a kidney shows."""
    tissue = _layers(rng) if rng.random() < 0.6 else _plain(rng)
    centre, axes = _somewhere(rng), (rng.uniform(20, 110), rng.uniform(12, 45))
    angle_deg = rng.uniform(-20, 20)
    tissue = _painted(tissue, _ellipse(centre, axes, angle_deg), rng.uniform(0.05, 0.6), 3)
    if rng.random() < 0.5:
        core = (axes[0] * rng.uniform(0.3, 0.7), axes[1] * rng.uniform(0.2, 0.6))
        tissue = _painted(tissue, _ellipse(centre, core, angle_deg), rng.uniform(0.1, 0.9), 4)
    return tissue


def _near_only(rng: Generator) -> _Tissue:
    """A probe in the air: echoes of its own near the skin, then nothing."""
    y = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]][0].astype(np.float32)
    fade = np.exp(-y / rng.uniform(12, 45))
    rings = 1 + rng.uniform(0, 0.9) * np.sin(y * rng.uniform(0.3, 1.5))
    return np.asarray(np.clip(fade * rings * rng.uniform(0.4, 1), 0, 1), np.float32)


def _colour_box(rng: Generator) -> _Tissue:
    """Tissue with a box of coded flow."""
    return _with_flow(_TISSUES[int(rng.integers(0, 5))](rng), rng)


def _with_flow(tissue: _Tissue, rng: Generator) -> _Tissue:
    """Flow coded in a box, here in gray: bright ragged blobs inside of a frame."""
    left, top = int(rng.integers(20, 180)), int(rng.integers(20, 120))
    right, bottom = left + int(rng.integers(50, 140)), top + int(rng.integers(40, 95))
    flow = (_blurred(rng, rng.uniform(2, 9)) > rng.uniform(0.4, 1.4)).astype(np.float32)
    inside = np.zeros(_SIZE_HW, np.float32)
    inside[top:bottom, left:right] = 1
    value = rng.uniform(0.4, 1) + 0.2 * _blurred(rng, 3)
    tissue = np.where(flow * inside > 0, np.clip(value, 0, 1), tissue).astype(np.float32)
    if rng.random() < 0.7:
        cv2.rectangle(tissue, (left, top), (right, bottom), 0.9, 1)
    return tissue


def _motion(rng: Generator) -> _Tissue:
    """M-mode: layers that beat while time runs to the right."""
    y, x = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]].astype(np.float32)
    beat = np.sin(2 * np.pi * x / rng.uniform(25, 110) + rng.uniform(0, 6)) ** int(rng.integers(1, 4))
    still = np.clip(1 - np.abs(y - rng.uniform(60, 160)) / rng.uniform(50, 140), 0, 1)
    column = np.clip(rng.uniform(0.1, 0.3) + rng.uniform(0.1, 0.3) * _blurred(rng, 2), 0, 1)[:, :1]
    rows = np.clip(y + rng.uniform(3, 18) * beat * still, 0, _SIZE_HW[0] - 1)
    spread = np.repeat(column, _SIZE_HW[1], axis=1).astype(np.float32)
    return np.asarray(cv2.remap(spread, x, rows, cv2.INTER_LINEAR), np.float32)


_TISSUES: tuple[Callable[[Generator], _Tissue], ...] = (
    _plain,
    _vessels,
    _chambers,
    _cysts,
    _layers,
    _nodule,
    _near_only,
    _colour_box,
    _motion,
)


def _head(rng: Generator) -> _Tissue:
    """A skull in tissue or fluid, brighter where the beam meets it squarely; midline and ventricles inside."""
    tissue = _plain(rng)
    centre = (float(rng.uniform(130, 190)), float(rng.uniform(90, 130)))
    angle_deg = float(rng.normal(0, 25))
    axes = (float(rng.uniform(55, 115)), 0.0)
    axes = (axes[0], axes[0] * float(rng.uniform(0.68, 0.9)))
    if rng.random() < 0.6:
        beside = (centre[0] + float(rng.uniform(-25, 25)), centre[1] + float(rng.uniform(-12, 12)))
        around = (axes[0] * rng.uniform(1.05, 1.25), axes[1] * rng.uniform(1.05, 1.25))
        tissue = _painted(tissue, _ellipse(beside, around, angle_deg), rng.uniform(0, 0.06), 2)
    brain = np.clip(rng.uniform(0.05, 0.35) * (1 + 0.5 * _blurred(rng, rng.uniform(2, 8))), 0.01, 1)
    inside = np.zeros(_SIZE_HW, np.float32)
    _ellipse(centre, axes, angle_deg)(inside)
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
            tissue = _painted(tissue, _ellipse(where, room, angle_deg + 15 * side), 0.02, 1.5)
            if rng.random() < 0.5:
                tissue = _painted(tissue, _ellipse(where, (room[0] / 2, room[1] / 2), angle_deg), 0.6, 1.5)
    for begin in np.arange(-0.85, 0.8, 0.25):
        if rng.random() < 0.75:
            ends = [np.rint(at(begin + step, rng.normal(0, 0.015))).astype(int) for step in (0, 0.24)]
            line_px = int(rng.integers(1, 3))
            tissue = _painted(tissue, _curve(np.array(ends), line_px), rng.uniform(0.35, 0.8), 0.8)
    return _with_skull(tissue, centre, axes, angle_deg, rng)


def _with_skull(
    tissue: _Tissue, centre: tuple[float, float], axes: tuple[float, float], angle_deg: float, rng: Generator
) -> _Tissue:
    ring = np.zeros(_SIZE_HW, np.float32)
    _ellipse(centre, axes, angle_deg, int(rng.integers(3, 9)))(ring)
    ring = np.asarray(cv2.GaussianBlur(ring, (0, 0), rng.uniform(0.8, 1.8)), np.float32)
    y, x = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]].astype(np.float32)
    square = np.abs(y - centre[1]) / np.maximum(np.hypot(x - centre[0], y - centre[1]), 1)
    strength = rng.uniform(0.6, 1) * (1 - rng.uniform(0, 0.8) * (1 - square))
    return np.asarray(np.clip(tissue * (1 - ring) + ring * strength, 0, 1), np.float32)


def _slice(rng: Generator) -> np.ndarray:
    """A CT or MR slice: a smooth body on black, no grain of ultrasound; sometimes skull, organs, a table."""
    picture = np.full(_SIZE_HW, rng.choice([0.0, 0.0, rng.uniform(0, 0.1)]), np.float32)
    centre, angle_deg = (float(rng.uniform(130, 190)), float(rng.uniform(90, 126))), float(rng.normal(0, 12))
    axes = (float(rng.uniform(50, 105)), float(rng.uniform(50, 95)))
    rings = [(1.0, rng.uniform(0.2, 0.9))]
    for _ in range(int(rng.integers(1, 4))):
        rings.append((rings[-1][0] * rng.uniform(0.84, 0.97), rng.uniform(0, 1)))
    for size, value in rings:
        outline = _ellipse(centre, (axes[0] * size, axes[1] * size), angle_deg)
        picture = _painted(picture, outline, value, rng.uniform(0.5, 2))
    inner = rings[-1][0] * 0.75
    for _ in range(int(rng.integers(0, 9))):
        x = centre[0] + axes[0] * inner * rng.uniform(-0.8, 0.8)
        y = centre[1] + axes[1] * inner * rng.uniform(-0.8, 0.8)
        organ = _ellipse((x, y), (rng.uniform(3, 30), rng.uniform(3, 24)), rng.uniform(0, 180))
        picture = _painted(picture, organ, rng.uniform(0, 1), rng.uniform(0.5, 2))
    if rng.random() < 0.6:
        folds = rng.uniform(0.05, 0.3) * _blurred(rng, rng.uniform(1.5, 6))
        picture = np.asarray(picture * (1 + folds), np.float32)
    if rng.random() < 0.4:
        table = _ellipse((centre[0], centre[1] + 10), (axes[0] + 30, axes[1] + 25), 0, 2)
        arc = np.zeros(_SIZE_HW, np.float32)
        table(arc)
        arc[: int(centre[1])] = 0
        picture = np.asarray(np.maximum(picture, arc * rng.uniform(0.1, 0.7)), np.float32)
    grain = rng.uniform(0, 0.03) * rng.standard_normal(_SIZE_HW)
    return np.asarray(np.clip(picture + grain, 0, 1) * 255)


def _scanned(tissue: _Tissue, rng: Generator, view: _View = _View.ANY) -> np.ndarray:
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
    y, x = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]].astype(np.float32)
    whole = view is _View.WIDE
    if view is not _View.POINTED and rng.random() < (0.15 if whole else 0.4):
        left, right = (0.0, 320.0) if whole else (rng.uniform(0, 80), rng.uniform(220, 320))
        top, bottom = (0.0, 216.0) if whole else (rng.uniform(0, 50), rng.uniform(130, 216))
        inside = (x >= left) & (x < right) & (y >= top) & (y < bottom)
        return y / _SIZE_HW[0], x / _SIZE_HW[1], inside
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
