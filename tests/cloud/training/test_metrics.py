"""The figures of the cards, against values known by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cloud.infer.annotate import Ellipse, fill
from cloud.infer.measure import perimeter
from cloud.training.metrics import (
    area_under_curve,
    bootstrap,
    calibration_error,
    dice,
    fit_head,
    hausdorff_px,
    softmax,
    temperature,
)


def test_dice_of_half_overlap() -> None:
    """Twice the overlap over both areas: two 4-pixel rows that share 2 pixels give one half."""
    first, second = np.zeros((2, 8), bool), np.zeros((2, 8), bool)
    first[0, :4], second[0, 2:6] = True, True
    assert dice(first, second) == 0.5
    assert dice(first, ~np.ones_like(first)) == 0.0
    assert dice(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1.0


def test_hausdorff_of_a_shift() -> None:
    """A square moved by three pixels is three pixels away; an empty mask is infinitely far."""
    first, second = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    first[10:20, 10:20], second[10:20, 13:23] = True, True
    assert hausdorff_px(first, second) == pytest.approx(3, abs=0.05)
    assert hausdorff_px(first, np.zeros_like(first)) == math.inf


def test_an_ellipse_is_found_again() -> None:
    """The fit of a drawn ellipse has its centre, axes and circumference."""
    truth = Ellipse(cx=150.0, cy=100.0, a=70.0, b=45.0, angle_deg=120.0)
    fit = fit_head((fill(truth, (220, 300)) > 0).astype(np.float32))
    assert fit is not None
    assert (fit.cx, fit.cy) == pytest.approx((truth.cx, truth.cy), abs=0.5)
    assert (fit.a, fit.b) == pytest.approx((truth.a, truth.b), abs=0.75)
    assert perimeter(fit) == pytest.approx(perimeter(truth), rel=0.01)
    assert fit_head(np.zeros((20, 20), np.float32)) is None


def test_a_circle_has_the_circumference_of_a_circle() -> None:
    """Ramanujan's formula is exact for circles."""
    circle = Ellipse(cx=0.0, cy=0.0, a=5.0, b=5.0, angle_deg=0.0)
    assert perimeter(circle) == pytest.approx(10 * math.pi)


def test_area_under_the_curve() -> None:
    """Perfect order gives 1, ties give one half, a missing class gives no number."""
    assert area_under_curve([0.1, 0.2, 0.9], [False, False, True]) == 1.0
    assert area_under_curve([0.5, 0.5], [False, True]) == 0.5
    assert area_under_curve([0.9, 0.1, 0.8, 0.2], [False, True, True, False]) == 0.25
    assert math.isnan(area_under_curve([0.1], [True]))


def test_calibration_error_of_a_boaster() -> None:
    """Always sure and right half the time is off by one half."""
    chances = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(chances, np.array([0, 1])) == pytest.approx(0.5)
    assert calibration_error(chances, np.array([0, 0])) == 0.0


def test_the_temperature_undoes_a_known_sharpening() -> None:
    """Labels drawn from softmax(z) and logits 3 z give a temperature of about 3."""
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (4000, 3))
    chances = softmax(logits)
    labels = np.array([rng.choice(3, p=row) for row in chances], np.int64)
    assert temperature(3 * logits, labels) == pytest.approx(3, rel=0.1)


def test_the_interval_draws_whole_groups() -> None:
    """Copies of one patient's frame add nothing: ten copies leave the interval as wide as it was."""
    values = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    groups = list("abcdef")
    once = bootstrap(lambda chosen: float(values[chosen].mean()), groups, seed=2)
    copied = np.repeat(values, 10)
    tenfold = bootstrap(
        lambda chosen: float(copied[chosen].mean()), [g for g in groups for _ in range(10)], seed=2
    )
    assert (once.value, once.low, once.high, once.count) == (
        tenfold.value,
        tenfold.low,
        tenfold.high,
        tenfold.count,
    )
    assert once.low < once.value < once.high
