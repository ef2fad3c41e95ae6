"""The corrected outline: unrolling, crossing and fitting agree with each other."""

import math

import cv2
import numpy as np
import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.outline import BAND_HW, HIGH, LOW, RAYS, band, radii_of, refined, unrolled

TRUTH = Ellipse(cx=402.0, cy=271.0, a=180.0, b=140.0, angle_deg=32.0)
ROUGH = Ellipse(cx=410.0, cy=265.0, a=172.0, b=146.0, angle_deg=25.0)


def _still(ellipse: Ellipse) -> np.ndarray:
    """A bright disc on gray ground: uint8 540x800."""
    gray = np.full((540, 800), 40, np.uint8)
    box = ((ellipse.cx, ellipse.cy), (2 * ellipse.a, 2 * ellipse.b), ellipse.angle_deg)
    cv2.ellipse(gray, box, 200, -1)
    return gray


@pytest.mark.req("READ-05")
def test_points_where_the_truth_is_crossed_give_the_truth_back() -> None:
    """From a rough ellipse, the true crossings of its rays lead to the true ellipse."""
    found = refined(ROUGH, radii_of(TRUTH, ROUGH))
    assert found is not None
    e = found.ellipse
    assert (e.cx, e.cy, e.a, e.b, e.angle_deg) == pytest.approx((402, 271, 180, 140, 32), abs=0.05)
    assert found.sd_px < 0.05


def test_the_band_shows_the_edge_where_it_is_crossed() -> None:
    """On the unrolled still, the disc ends in the row of the crossing."""
    rows = unrolled(_still(TRUTH), ROUGH).astype(float)
    edge = (rows > 120).sum(axis=0)[::2] / BAND_HW[0] * (HIGH - LOW) + LOW
    crossed = radii_of(TRUTH, ROUGH)
    assert np.abs(edge - crossed).max() < 2 * (HIGH - LOW) / BAND_HW[0]


def test_an_outline_that_is_right_stays() -> None:
    """Radii of one leave the ellipse as it is."""
    found = refined(TRUTH, np.ones(RAYS, np.float32))
    assert found is not None
    assert found.ellipse.a == pytest.approx(TRUTH.a, abs=0.01)
    assert found.ellipse.angle_deg == pytest.approx(TRUTH.angle_deg, abs=0.05)


def test_scatter_is_the_points_distance_from_the_ellipse() -> None:
    """Points that leave the ellipse by turns in and out by two pixels scatter by two pixels."""
    round_one = Ellipse(cx=300, cy=300, a=100, b=100, angle_deg=0)
    found = refined(round_one, (1 + 0.02 * (-1.0) ** np.arange(RAYS)).astype(np.float32))
    assert found is not None
    assert found.sd_px == pytest.approx(2.0, abs=0.1)


def test_an_even_still_gives_an_even_band() -> None:
    """A still without contrast becomes zeros, not amplified noise; the size is the model's."""
    flat = band(np.full((100, 100), 77, np.uint8), Ellipse(cx=50, cy=50, a=20, b=15, angle_deg=0))
    assert flat.shape == (1, *BAND_HW)
    assert flat.dtype == np.float32
    assert float(np.abs(flat).max()) < 1e-3


def test_rays_outside_of_the_still_are_black() -> None:
    """An ellipse that leaves the still is unrolled all the same."""
    rows = unrolled(np.full((100, 100), 255, np.uint8), Ellipse(cx=0, cy=50, a=60, b=40, angle_deg=0))
    assert math.isclose(float(rows.min()), 0.0)
    assert float(rows.max()) == 255.0
