"""Made-up differences between machines, probes and hands; all randomness comes from the given generator.

A picture is uint8 or float32 HxW; gray changes give float32 in 0..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray, Plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """How far the made-up differences go."""

    rotation_deg: float
    """Largest usual rotation either way."""
    any_rotation_share: float
    """Share of pictures turned by any angle at all."""
    zoom: tuple[float, float]
    """Smallest and largest zoom; below 1 the picture shrinks."""
    shift: float
    """Largest shift along each axis, as a share of the canvas."""
    stretch: float = 1.0
    """Width against height lies in 1/stretch..stretch of what it was."""
    flip_vertically: bool
    """Whether top and bottom may change places."""
    gamma: float
    """Gamma lies in 1/gamma..gamma."""
    gain: float
    """Gain lies in 1/gain..gain."""
    sector_share: float
    """Share of pictures that lose what lies outside of a made-up sector edge."""
    text_share: float
    """Share of pictures that get made-up letters and ruler marks."""


def pose(shape_hw: tuple[int, int], rng: Generator, strength: Strength) -> np.ndarray:
    """A random 2x3 matrix for `cv2.warpAffine` about the canvas centre."""
    height_px, width_px = shape_hw
    angle_deg = rng.uniform(-1, 1) * strength.rotation_deg
    if rng.random() < strength.any_rotation_share:
        angle_deg = rng.uniform(-180, 180)
    zoom = math.exp(rng.uniform(math.log(strength.zoom[0]), math.log(strength.zoom[1])))
    matrix = cv2.getRotationMatrix2D((width_px / 2, height_px / 2), angle_deg, zoom)
    stretch = math.exp(rng.uniform(-0.5, 0.5) * math.log(strength.stretch))
    matrix = matrix @ _about_centre(shape_hw, stretch, 1 / stretch)
    matrix[:, 2] += rng.uniform(-1, 1, 2) * strength.shift * np.array([width_px, height_px])
    flips = np.eye(3)
    if rng.random() < 0.5:
        flips[0] = [-1, 0, width_px - 1]
    if strength.flip_vertically and rng.random() < 0.5:
        flips[1] = [0, -1, height_px - 1]
    return np.asarray(matrix @ flips)


def _about_centre(shape_hw: tuple[int, int], across: float, down: float) -> np.ndarray:
    """Widens by `across` and heightens by `down` about the canvas centre: 3x3."""
    x, y = shape_hw[1] / 2, shape_hw[0] / 2
    return np.array([[across, 0, x - across * x], [0, down, y - down * y], [0, 0, 1]])


def change_gray(gray: Gray, rng: Generator, strength: Strength) -> Plane:
    """Gamma, gain, offset, speckle, blur, letters and a sector edge: float32 HxW in 0..1."""
    picture = gray.astype(np.float32) * np.float32(1 / 255)
    inside = picture > 0
    gamma = math.exp(rng.uniform(-1, 1) * math.log(strength.gamma))
    gain = math.exp(rng.uniform(-1, 1) * math.log(strength.gain))
    picture = np.power(picture, np.float32(gamma)) * np.float32(gain)
    if rng.random() < 0.5:
        picture += np.float32(rng.uniform(-0.06, 0.06)) * inside
    if rng.random() < 0.4:
        picture *= _speckle(gray.shape, rng)
    if rng.random() < 0.25:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.4)), dtype=np.float32)
    if rng.random() < strength.text_share:
        _draw_text(picture, rng)
    if rng.random() < strength.sector_share:
        picture *= _sector(gray.shape, rng)
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def _speckle(shape: tuple[int, ...], rng: Generator) -> Plane:
    """Grain that multiplies: about 1, wider along the beam's side than along its depth."""
    noise = rng.standard_normal(shape).astype(np.float32)
    noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.6, 1.6), sigmaY=rng.uniform(0.4, 0.9)))
    noise *= np.float32(rng.uniform(0.05, 0.35) / max(float(noise.std()), 1e-6))
    return np.asarray(1 + noise, dtype=np.float32)


def _draw_text(picture: Plane, rng: Generator) -> None:
    """Letters and ruler marks as machines burn them in, drawn into the picture."""
    height_px, width_px = picture.shape
    for _ in range(int(rng.integers(1, 5))):
        letters = "".join(chr(int(code)) for code in rng.integers(48, 91, int(rng.integers(2, 9))))
        origin = (int(rng.integers(0, width_px)), int(rng.integers(0, height_px)))
        brightness = float(rng.uniform(0.4, 1))
        cv2.putText(picture, letters, origin, cv2.FONT_HERSHEY_SIMPLEX, rng.uniform(0.2, 0.5), brightness, 1)
    if rng.random() < 0.5:
        column = int(rng.choice([rng.integers(0, 12), width_px - 1 - rng.integers(0, 12)]))
        for row in range(int(rng.integers(0, 12)), height_px, int(rng.integers(8, 24))):
            cv2.line(picture, (column, row), (column + 3, row), 0.8, 1)


def _sector(shape: tuple[int, ...], rng: Generator) -> Plane:
    """1 inside of a convex probe's sector and 0 outside; most of the canvas is inside."""
    height_px, width_px = shape[:2]
    apex_x = width_px * rng.uniform(0.35, 0.65)
    apex_y = -height_px * rng.uniform(0.05, 0.6)
    near_px = -apex_y * rng.uniform(0.7, 1.15)
    far_px = height_px * rng.uniform(0.9, 1.25) - apex_y
    half_angle = math.radians(rng.uniform(32, 52))
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32)
    distance = np.hypot(x - apex_x, y - apex_y)
    angle = np.abs(np.arctan2(x - apex_x, y - apex_y))
    inside = (distance >= near_px) & (distance <= far_px) & (angle <= half_angle)
    return np.asarray(inside, dtype=np.float32)
