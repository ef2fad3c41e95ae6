"""What a gray value means as an echo, and the grain of a picture: the virtual scanner's physics re-stated.

A machine shows the logarithm of the echo, so gray = 255 (1 + dB / 60): another tissue is a shift in gray, and
speckle keeps its spread in dB whatever the tissue. Mirror-like walls add amplitude, not dB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray, Plane

RANGE_DB = 60.0
"""Dynamic range from black to white."""
LOOKS = 2
"""Independent looks that a machine averages (compounding)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grain:
    """The speckle of a picture."""

    spread_db: float
    """Standard deviation about the local mean, in dB."""
    across_px: float
    """Standard deviation of the point spread along the rows, in pixels."""
    down_px: float
    """The same along the columns, in pixels."""


def to_db(gray: Gray) -> Plane:
    """Echo in dB, -60..0, float32 of the same shape."""
    return (gray.astype(np.float32) * np.float32(1 / 255) - 1) * np.float32(RANGE_DB)


def to_gray(echo_db: Plane) -> Gray:
    """Gray uint8 of an echo in dB; below -60 is black, above 0 is white."""
    return np.asarray(np.clip((echo_db / np.float32(RANGE_DB) + 1) * 255 + 0.5, 0, 255), np.uint8)


def blurred(picture: Plane, across_px: float, down_px: float | None = None) -> Plane:
    """Gaussian blur, float32 of the same shape."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), across_px, sigmaY=down_px or across_px), np.float32)


def local_mean(echo_db: Plane, inside: Plane, sigma_px: float) -> Plane:
    """Mean echo around each point, counting only where `inside` (float32, 0 or 1) is 1.

    The blur runs at a lower resolution: it is far wider than a pixel.
    """
    height_px, width_px = echo_db.shape
    factor = max(1.0, sigma_px / 3)
    size = (max(2, round(width_px / factor)), max(2, round(height_px / factor)))
    weighted, weight = (
        np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
        for picture in (echo_db * inside, inside)
    )
    mean = blurred(weighted, sigma_px / factor) / np.maximum(blurred(weight, sigma_px / factor), 1e-3)
    return np.asarray(cv2.resize(mean, (width_px, height_px), interpolation=cv2.INTER_LINEAR), np.float32)


def grain_of(echo_db: Plane, inside: Plane) -> Grain:
    """The grain where `inside` (float32, 0 or 1) is 1; a plausible one where the picture has none."""
    fine = (echo_db - blurred(echo_db, 9.0)) * inside
    chosen = fine[inside > 0]
    power = float(np.mean(np.square(chosen))) if chosen.size else 0.0
    if power < 1e-3:
        return Grain(spread_db=1.0, across_px=1.0, down_px=1.0)
    return Grain(
        spread_db=float(np.clip(np.median(np.abs(chosen)) * 1.4826, 0.5, 7.0)),
        across_px=_spread_of(fine[:, 1:] * fine[:, :-1], inside[:, 1:] * inside[:, :-1], power),
        down_px=_spread_of(fine[1:] * fine[:-1], inside[1:] * inside[:-1], power),
    )


def _spread_of(product: Plane, counted: Plane, power: float) -> float:
    """Point spread whose white noise has this correlation between neighbours: rho = exp(-1 / (4 s^2))."""
    rho = float(product.sum() / max(float(counted.sum()), 1.0)) / power
    return float(np.clip(0.5 / math.sqrt(-math.log(min(max(rho, 0.05), 0.99))), 0.4, 5.0))


def speckle_db(shape: tuple[int, ...], grain: Grain, rng: Generator) -> Plane:
    """Fully developed speckle of this grain, in dB about zero: float32.

    The logarithm of a Rayleigh envelope (the magnitude of blurred complex normal noise), the mean of
    independent looks, and smoothed as a machine's speckle reduction does.
    """
    total = np.zeros(shape, np.float32)
    for _ in range(LOOKS):
        noise = rng.standard_normal((*shape, 2), dtype=np.float32)
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), grain.across_px, sigmaY=grain.down_px), np.float32)
        total += cv2.magnitude(noise[..., 0].copy(), noise[..., 1].copy())
    level = np.log10(np.maximum(total, np.float32(0.1 * total.mean())))
    level = blurred(level, 0.6 * grain.across_px, 0.6 * grain.down_px)
    level = (level - level.mean()) / max(float(level.std()), 1e-6)
    # Speckle reduction fills the deep nulls.
    level = np.maximum(level, np.float32(-1.6))
    return np.asarray(level * np.float32(0.85 * grain.spread_db), np.float32)


def smooth_noise(shape: tuple[int, ...], scale_px: float, rng: Generator) -> Plane:
    """A smooth field of zero mean and unit variance whose bumps are about `scale_px` wide: float32."""
    height_px, width_px = shape[:2]
    scale_px = max(scale_px, 1.0)
    size = (max(4, round(1.3 * width_px / scale_px)), max(4, round(1.3 * height_px / scale_px)))
    coarse = rng.standard_normal((size[1], size[0]), dtype=np.float32)
    field = np.asarray(cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)


def add_amplitude(echo_db: Plane, mirror_db: float, gain: Plane) -> Plane:
    """Adds a mirror-like echo of `mirror_db` times `gain` (0..1) as amplitude: dB, float32."""
    amplitude = np.power(np.float32(10), echo_db / np.float32(20))
    amplitude = amplitude + np.float32(10 ** (mirror_db / 20)) * gain
    return np.asarray(20 * np.log10(np.maximum(amplitude, np.float32(1e-6))), np.float32)
