"""Numbers for the model cards: overlap, circumference, accuracy, calibration, intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse, canonical_ellipse
from cloud.infer.preprocess import Plane

Values: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its 95 % bootstrap interval."""

    value: float
    """The figure itself."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    count: int
    """Independent groups that the figure rests on."""


def fit_head(probability: Plane, threshold: float = 0.5) -> Ellipse | None:
    """The ellipse of the largest region above the threshold, or None where there is no such region."""
    binary = (probability > threshold).astype(np.uint8)
    contours, _ = cv2.findContours(binary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=cv2.contourArea, default=None)
    if contour is None or len(contour) < 5:
        return None
    return canonical_ellipse(cv2.fitEllipse(contour))


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Twice the overlap over the sum of both areas; 1 for two empty masks."""
    total = int(first.sum()) + int(second.sum())
    return 1.0 if total == 0 else 2 * int((first & second).sum()) / total


def hausdorff_px(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Largest distance from either outline to the other, in pixels; infinite when one mask is empty."""
    if not first.any() or not second.any():
        return math.inf
    outlines = [_outline(mask) for mask in (first, second)]
    distances = [cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, 5) for outline in outlines]
    return float(max(distances[0][outlines[1]].max(), distances[1][outlines[0]].max()))


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0)
    return np.asarray(mask & (inner == 0))


def softmax(logits: NDArray[np.floating]) -> Values:
    """Probabilities over the last axis, float64."""
    shifted = np.asarray(logits, np.float64)
    shifted = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def area_under_curve(scores: Sequence[float] | Values, positive: Sequence[bool] | NDArray[np.bool_]) -> float:
    """Chance that a positive has a higher score than a negative, ties counted half (Mann-Whitney).

    Not a number where one of the two kinds is absent.
    """
    values, marks = np.asarray(scores, np.float64), np.asarray(positive, bool)
    above, below = values[marks][:, np.newaxis], values[~marks][np.newaxis]
    if above.size == 0 or below.size == 0:
        return math.nan
    return float(np.mean((above > below) + 0.5 * (above == below)))


def calibration_error(probabilities: Values, labels: Labels, bins: int = 10) -> float:
    """Expected calibration error of the most probable class (Guo et al., ICML 2017), 0..1."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = index == number
        if inside.any():
            error += float(inside.mean()) * abs(
                float(right[inside].mean()) - float(confidence[inside].mean())
            )
    return error


def temperature(logits: NDArray[np.floating], labels: Labels) -> float:
    """The temperature in 0.05..20 that makes the labels most likely (Guo et al., ICML 2017)."""

    def cost(log_temperature: float) -> float:
        chances = softmax(np.asarray(logits, np.float64) / math.exp(log_temperature))
        return -float(np.log(np.maximum(chances[np.arange(len(labels)), labels], 1e-12)).mean())

    low, high = math.log(0.05), math.log(20.0)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def bootstrap(
    figure: Callable[[Labels], float],
    groups: Sequence[str],
    *,
    seed: int,
    rounds: int = 1000,
) -> Interval:
    """A figure with its 95 % interval; whole groups are drawn, since frames of one patient are no
    independent facts.

    `figure` takes the indices of the frames to count. Rounds whose figure is not a number are left out.
    """
    names = np.asarray(groups)
    members = [np.flatnonzero(names == name) for name in sorted(set(groups))]
    rng = np.random.default_rng(seed)
    drawn: list[float] = []
    for _ in range(rounds):
        chosen = rng.integers(0, len(members), len(members))
        value = figure(np.concatenate([members[number] for number in chosen]))
        if math.isfinite(value):
            drawn.append(value)
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn else (math.nan, math.nan)
    whole = figure(np.arange(len(names)))
    return Interval(value=whole, low=float(low), high=float(high), count=len(members))
