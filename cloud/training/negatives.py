"""Made-up pictures that are no ultrasound plane: for the type "other" of the random ferns."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import Gray

_SIZE_HW = (216, 320)


def negative(rng: Generator) -> Gray:
    """One picture uint8 216x320 of a random kind: noise, text, stripes, a report and others."""
    kind = _KINDS[int(rng.integers(0, len(_KINDS)))]
    picture = kind(rng)
    if rng.random() < 0.3:
        picture = picture[:, ::-1]
    return np.ascontiguousarray(np.clip(picture, 0, 255).astype(np.uint8))


def _noise(rng: Generator) -> np.ndarray:
    grain = rng.standard_normal(_SIZE_HW).astype(np.float32)
    if rng.random() < 0.6:
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), rng.uniform(0.5, 12)))
    grain /= max(float(grain.std()), 1e-6)
    return grain * rng.uniform(5, 70) + rng.uniform(0, 255)


def _flat(rng: Generator) -> np.ndarray:
    return np.full(_SIZE_HW, rng.uniform(0, 255)) + rng.standard_normal(_SIZE_HW) * rng.uniform(0, 3)


def _gradient(rng: Generator) -> np.ndarray:
    y, x = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]] / _SIZE_HW[1]
    angle = rng.uniform(0, 2 * np.pi)
    slope = np.cos(angle) * x + np.sin(angle) * y
    if rng.random() < 0.4:
        slope = np.hypot(x - rng.random(), y - rng.random() * 0.7)
    return np.asarray(slope) * rng.uniform(80, 300) + rng.uniform(0, 120)


def _stripes(rng: Generator) -> np.ndarray:
    y, x = np.mgrid[0 : _SIZE_HW[0], 0 : _SIZE_HW[1]]
    period = rng.uniform(4, 60)
    wave = np.sin(2 * np.pi * x / period) * (np.sin(2 * np.pi * y / period) if rng.random() < 0.5 else 1)
    picture = wave if rng.random() < 0.5 else np.sign(wave)
    return np.asarray(128 + picture * rng.uniform(20, 127))


def _text(rng: Generator) -> np.ndarray:
    """A screen of letters, dark or light."""
    paper, ink = (255.0, 0.0) if rng.random() < 0.5 else (0.0, float(rng.uniform(120, 255)))
    picture = np.full(_SIZE_HW, paper, np.float32)
    for row in range(int(rng.integers(8, 20)), _SIZE_HW[0], int(rng.integers(9, 26))):
        letters = "".join(chr(int(code)) for code in rng.integers(48, 122, int(rng.integers(4, 44))))
        cv2.putText(
            picture,
            letters,
            (int(rng.integers(2, 40)), row),
            cv2.FONT_HERSHEY_SIMPLEX,
            rng.uniform(0.25, 0.6),
            ink,
            1,
        )
    return picture


def _report(rng: Generator) -> np.ndarray:
    """A page or a screen with boxes, lines and a curve."""
    picture = np.full(_SIZE_HW, rng.choice([255.0, 235.0, 20.0]), np.float32)
    for _ in range(int(rng.integers(2, 9))):
        corner = (int(rng.integers(0, 300)), int(rng.integers(0, 200)))
        end = (corner[0] + int(rng.integers(10, 150)), corner[1] + int(rng.integers(6, 90)))
        cv2.rectangle(picture, corner, end, float(rng.uniform(0, 255)), int(rng.choice([-1, 1, 2])))
    points = np.stack([np.arange(0, 320, 4), 108 + np.cumsum(rng.normal(0, 6, 80))], axis=1)
    cv2.polylines(picture, [points.astype(np.int32)], False, float(rng.uniform(0, 255)), 1)
    return picture


def _blobs(rng: Generator) -> np.ndarray:
    """Soft shapes on an even ground, as a photograph out of focus."""
    picture = np.full(_SIZE_HW, rng.uniform(20, 220), np.float32)
    for _ in range(int(rng.integers(3, 20))):
        centre = (int(rng.integers(0, 320)), int(rng.integers(0, 216)))
        axes = (int(rng.integers(5, 90)), int(rng.integers(5, 90)))
        cv2.ellipse(picture, centre, axes, rng.uniform(0, 180), 0, 360, float(rng.uniform(0, 255)), -1)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 8)))


def _wave_screen(rng: Generator) -> np.ndarray:
    """A Doppler-like screen: a bright trace over a dark ground with a base line."""
    picture = np.abs(rng.standard_normal(_SIZE_HW)).astype(np.float32) * rng.uniform(2, 18)
    base, period = int(rng.integers(60, 200)), rng.uniform(20, 90)
    columns = np.arange(_SIZE_HW[1])
    height = rng.uniform(15, 60) * np.abs(np.sin(np.pi * columns / period)) ** rng.uniform(0.5, 3)
    rows = np.arange(_SIZE_HW[0])[:, np.newaxis]
    inside = (rows < base) & (rows > base - height)
    picture += inside * rng.uniform(60, 200) * rng.random(_SIZE_HW)
    picture[base] = 200
    return picture


_KINDS: tuple[Callable[[Generator], np.ndarray], ...] = (
    _noise,
    _flat,
    _gradient,
    _stripes,
    _text,
    _report,
    _blobs,
    _wave_screen,
)
