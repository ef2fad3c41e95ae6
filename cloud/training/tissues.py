"""What lookalikes show: tissue, vessels, cysts, an adult's heart, as brightness before the machine adds its grain.

Each is drawn by the generator alone, float32 216x320, about 0..1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Plane

SIZE_HW = (216, 320)

Tissue: TypeAlias = Plane
"""Brightness before the machine adds its grain: float32 216x320, about 0..1."""

_Draw: TypeAlias = Callable[[Plane], object]
"""Draws a shape of brightness 1 into an empty picture."""


def blurred(rng: Generator, sigma_x: float, sigma_y: float | None = None) -> Plane:
    """Smooth random field of mean 0 and deviation 1."""
    noise = rng.standard_normal(SIZE_HW).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma_x, sigmaY=sigma_y or sigma_x), np.float32)
    return np.asarray(noise / max(float(noise.std()), 1e-6), np.float32)


def painted(tissue: Tissue, draw: _Draw, value: float, edge_px: float) -> Tissue:
    """The tissue with a drawn shape of the given brightness and soft edge."""
    shape = np.zeros(SIZE_HW, np.float32)
    draw(shape)
    shape = np.asarray(cv2.GaussianBlur(shape, (0, 0), edge_px), np.float32)
    return np.asarray(tissue * (1 - shape) + value * shape, np.float32)


def ellipse(
    centre: tuple[float, float], axes: tuple[float, float], angle_deg: float, line_px: int = -1
) -> _Draw:
    """Draws an ellipse, centre and half axes in pixels; filled, or its outline of `line_px`."""
    return lambda shape: cv2.ellipse(shape, (centre, (2 * axes[0], 2 * axes[1]), angle_deg), 1.0, line_px)


def curve(points: np.ndarray, line_px: int) -> _Draw:
    """Draws a line through points [N, 2] in pixels, `line_px` wide."""
    return lambda shape: cv2.polylines(shape, [points.astype(np.int32)], False, 1.0, line_px)


def _somewhere(rng: Generator) -> tuple[float, float]:
    return float(rng.uniform(40, 280)), float(rng.uniform(30, 186))


def plain(rng: Generator) -> Tissue:
    """Tissue with blotches and nothing in it."""
    level, depth = rng.uniform(0.12, 0.5), rng.uniform(0.03, 0.15)
    tissue = level + depth * blurred(rng, rng.uniform(8, 40)) + 0.04 * blurred(rng, rng.uniform(2, 6))
    return np.asarray(np.clip(tissue, 0.01, 1), np.float32)


def _vessels(rng: Generator) -> Tissue:
    """Dark tubes with bright walls, lengthwise or across."""
    tissue = plain(rng)
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
            tissue = painted(tissue, curve(points, thickness), value, 1.0)
    return tissue


def _chambers(rng: Generator) -> Tissue:
    """Dark rooms side by side with echoing walls between them, as a heart of an adult."""
    tissue = np.asarray(plain(rng) * rng.uniform(0.4, 1), np.float32)
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
        tissue = painted(tissue, ellipse((x, y), (axes[0] * wall, axes[1] * wall), angle_deg), 0.55, 3)
        tissue = painted(tissue, ellipse((x, y), axes, angle_deg), rng.uniform(0, 0.06), 2)
    return tissue


def heart(rng: Generator) -> Tissue:
    """The heart of an adult from its tip: dark ventricles and atria, echoing septum, walls and valves."""
    tissue = np.asarray(plain(rng) * rng.uniform(0, 0.5), np.float32)
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
    tissue = painted(tissue, ellipse(at(0.5, 0), around, angle_deg), wall, 4)
    if rng.random() < 0.7:
        rim = ellipse(at(0.5, 0), around, angle_deg, int(rng.integers(3, 10)))
        tissue = painted(tissue, rim, wall * rng.uniform(1, 2), 3)
    sides = (-1, 1) if rng.random() < 0.7 else (float(rng.choice([-0.3, 0.3])),)
    valve = rng.uniform(0.55, 0.68)
    for side in sides:
        wide = half * (rng.uniform(0.32, 0.45) if len(sides) > 1 else rng.uniform(0.6, 0.8))
        below = (1 - valve) * 0.5 * length * rng.uniform(0.8, 1.1)
        for a, long in ((valve * 0.52, valve * 0.42 * length), (valve + (1 - valve) * 0.5, below)):
            room = ellipse(at(a, 0.5 * side), (wide * rng.uniform(0.85, 1.1), long), angle_deg)
            tissue = painted(tissue, room, rng.uniform(0, 0.06), rng.uniform(1.5, 4))
        ends = [at(valve, side * 0.5 - 0.4), at(valve - rng.uniform(0, 0.08), side * 0.5)]
        ends.append(at(valve, side * 0.5 + 0.4))
        leaflet = curve(np.rint(ends), int(rng.integers(1, 4)))
        tissue = painted(tissue, leaflet, rng.uniform(0.3, 1), 1)
    if rng.random() < 0.6:
        septum = curve(
            np.rint([at(0.1, 0), at(0.5, rng.normal(0, 0.06)), at(0.95, 0)]), int(rng.integers(3, 9))
        )
        tissue = painted(tissue, septum, rng.uniform(0.3, 1), 2)
    return _with_flow(tissue, rng) if rng.random() < 0.3 else tissue


def _cysts(rng: Generator) -> Tissue:
    """Round fluid without a wall, brighter tissue below it."""
    tissue = plain(rng)
    for _ in range(int(rng.integers(1, 7))):
        x, y = _somewhere(rng)
        axes = (rng.uniform(6, 60), rng.uniform(5, 45))
        below = ellipse((x, y + 1.6 * axes[1]), (axes[0] * 0.8, axes[1]), 0)
        tissue = painted(tissue, below, float(np.clip(tissue.mean() * 1.7, 0, 1)), 6)
        tissue = painted(tissue, ellipse((x, y), axes, rng.uniform(-30, 30)), rng.uniform(0, 0.1), 1.5)
    return tissue


def _layers(rng: Generator) -> Tissue:
    """Skin, fat, muscle, tendon: bands of other brightness with fine fibres along them."""
    y = np.mgrid[0 : SIZE_HW[0], 0 : SIZE_HW[1]][0].astype(np.float32)
    y = y + rng.uniform(0, 10) * blurred(rng, 50, 20) + rng.uniform(-0.15, 0.15) * np.arange(SIZE_HW[1])
    edges = np.sort(rng.uniform(0, 230, int(rng.integers(3, 12))))
    values = rng.uniform(0.03, 0.6, len(edges) + 1).astype(np.float32)
    tissue = values[np.searchsorted(edges, y)]
    tissue = tissue * (1 + rng.uniform(0.1, 0.6) * blurred(rng, rng.uniform(10, 40), rng.uniform(0.7, 2)))
    for edge in edges:
        if rng.random() < 0.5:
            tissue = tissue + rng.uniform(0.1, 0.5) * np.exp(-(((y - edge) / rng.uniform(1, 3)) ** 2))
    return np.asarray(np.clip(tissue, 0.005, 1), np.float32)


def _nodule(rng: Generator) -> Tissue:
    """One darker or brighter body in layers, as a gland, a node or a kidney shows."""
    tissue = _layers(rng) if rng.random() < 0.6 else plain(rng)
    centre, axes = _somewhere(rng), (rng.uniform(20, 110), rng.uniform(12, 45))
    angle_deg = rng.uniform(-20, 20)
    tissue = painted(tissue, ellipse(centre, axes, angle_deg), rng.uniform(0.05, 0.6), 3)
    if rng.random() < 0.5:
        core = (axes[0] * rng.uniform(0.3, 0.7), axes[1] * rng.uniform(0.2, 0.6))
        tissue = painted(tissue, ellipse(centre, core, angle_deg), rng.uniform(0.1, 0.9), 4)
    return tissue


def _near_only(rng: Generator) -> Tissue:
    """A probe in the air: echoes of its own near the skin, then nothing."""
    y = np.mgrid[0 : SIZE_HW[0], 0 : SIZE_HW[1]][0].astype(np.float32)
    fade = np.exp(-y / rng.uniform(12, 45))
    rings = 1 + rng.uniform(0, 0.9) * np.sin(y * rng.uniform(0.3, 1.5))
    return np.asarray(np.clip(fade * rings * rng.uniform(0.4, 1), 0, 1), np.float32)


def _colour_box(rng: Generator) -> Tissue:
    """Tissue with a box of coded flow."""
    return _with_flow(TISSUES[int(rng.integers(0, 5))](rng), rng)


def _with_flow(tissue: Tissue, rng: Generator) -> Tissue:
    """Flow coded in a box, here in gray: bright ragged blobs inside of a frame."""
    left, top = int(rng.integers(20, 180)), int(rng.integers(20, 120))
    right, bottom = left + int(rng.integers(50, 140)), top + int(rng.integers(40, 95))
    flow = (blurred(rng, rng.uniform(2, 9)) > rng.uniform(0.4, 1.4)).astype(np.float32)
    inside = np.zeros(SIZE_HW, np.float32)
    inside[top:bottom, left:right] = 1
    value = rng.uniform(0.4, 1) + 0.2 * blurred(rng, 3)
    tissue = np.where(flow * inside > 0, np.clip(value, 0, 1), tissue).astype(np.float32)
    if rng.random() < 0.7:
        cv2.rectangle(tissue, (left, top), (right, bottom), 0.9, 1)
    return tissue


def _motion(rng: Generator) -> Tissue:
    """M-mode: layers that beat while time runs to the right."""
    y, x = np.mgrid[0 : SIZE_HW[0], 0 : SIZE_HW[1]].astype(np.float32)
    beat = np.sin(2 * np.pi * x / rng.uniform(25, 110) + rng.uniform(0, 6)) ** int(rng.integers(1, 4))
    still = np.clip(1 - np.abs(y - rng.uniform(60, 160)) / rng.uniform(50, 140), 0, 1)
    column = np.clip(rng.uniform(0.1, 0.3) + rng.uniform(0.1, 0.3) * blurred(rng, 2), 0, 1)[:, :1]
    rows = np.clip(y + rng.uniform(3, 18) * beat * still, 0, SIZE_HW[0] - 1)
    spread = np.repeat(column, SIZE_HW[1], axis=1).astype(np.float32)
    return np.asarray(cv2.remap(spread, x, rows, cv2.INTER_LINEAR), np.float32)


TISSUES: tuple[Callable[[Generator], Tissue], ...] = (
    plain,
    _vessels,
    _chambers,
    _cysts,
    _layers,
    _nodule,
    _near_only,
    _colour_box,
    _motion,
)
