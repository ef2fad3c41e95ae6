"""The brightness shortcut: a logistic regression on seven numbers that know nothing of anatomy.

Where it separates the classes, a high score of a network on the same pictures is no proof of skill.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import Gray
from cloud.training.metrics import Values

NUMBERS = (
    "mean",
    "standard deviation",
    "5th percentile",
    "median",
    "95th percentile",
    "share of pixels below 8",
    "mean of the four corners",
)


def brightness(gray: Gray) -> list[float]:
    """The seven NUMBERS of a picture uint8 HxW."""
    low, median, high = np.percentile(gray, [5, 50, 95])
    rows, columns = max(1, gray.shape[0] // 10), max(1, gray.shape[1] // 10)
    corners = [gray[:rows, :columns], gray[:rows, -columns:], gray[-rows:, :columns], gray[-rows:, -columns:]]
    return [
        float(gray.mean()),
        float(gray.std()),
        float(low),
        float(median),
        float(high),
        float((gray < 8).mean()),
        float(np.mean([corner.mean() for corner in corners])),
    ]


def fit_and_score(
    train: Sequence[Gray], positive: NDArray[np.bool_], test: Sequence[Gray], *, ridge: float = 1.0
) -> Values:
    """Scores (log odds) of the test pictures by a ridge logistic regression on the training pictures."""
    known = np.array([brightness(gray) for gray in train])
    centre, spread = known.mean(axis=0), known.std(axis=0) + 1e-9
    coefficients = _logistic(_design((known - centre) / spread), positive.astype(np.float64), ridge)
    asked = (np.array([brightness(gray) for gray in test]) - centre) / spread
    return np.asarray(_design(asked) @ coefficients)


def without_brightness(scores: Values, pictures: Sequence[Gray], *, ridge: float = 1.0) -> Values:
    """What is left of scores float64 [N] when a ridge regression on the NUMBERS of N pictures is taken off.

    Labels play no part: whatever goes along with brightness is removed, be it skill or shortcut.
    """
    numbers = np.array([brightness(gray) for gray in pictures])
    design = _design((numbers - numbers.mean(axis=0)) / (numbers.std(axis=0) + 1e-9))
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0
    return np.asarray(scores - design @ np.linalg.solve(design.T @ design + penalty, design.T @ scores))


def _design(numbers: Values) -> Values:
    return np.hstack([np.ones((len(numbers), 1)), numbers])


def _logistic(design: Values, target: Values, ridge: float) -> Values:
    """Newton's method on the ridge-penalised likelihood; the intercept carries no penalty."""
    penalty = ridge * np.eye(design.shape[1])
    penalty[0, 0] = 0
    coefficients = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(design @ coefficients, -30, 30)))
        gradient = design.T @ (target - chance) - penalty @ coefficients
        weight = np.maximum(chance * (1 - chance), 1e-9)
        step = np.linalg.solve(design.T @ (design * weight[:, np.newaxis]) + penalty, gradient)
        coefficients = coefficients + step
        if float(np.abs(step).max()) < 1e-9:
            break
    return np.asarray(coefficients)
