"""The head turned to its own axes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.subplane import VIEW_SIZE_HW, turned_head


def _still(head: Ellipse, size_hw: tuple[int, int] = (600, 900)) -> np.ndarray:
    """A dim head on black with a bright spot half way along its long axis, and one half way across."""
    gray = np.zeros(size_hw, np.uint8)
    cv2.ellipse(gray, ((head.cx, head.cy), (2 * head.a, 2 * head.b), head.angle_deg), 80, -1)
    turn = np.deg2rad(head.angle_deg)
    along, across = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    for place in (along * head.a / 2, across * head.b / 2):
        x, y = np.array([head.cx, head.cy]) + place
        cv2.circle(gray, (round(float(x)), round(float(y))), max(4, round(head.b / 6)), 255, -1)
    return gray


@pytest.mark.parametrize("angle_deg", [0.0, 35.0, 90.0, 160.0])
@pytest.mark.parametrize("size", [0.15, 1.0])
def test_what_lies_on_an_axis_keeps_its_place(angle_deg: float, size: float) -> None:
    """However the head is turned and however large it is, a spot half way along an axis is found there."""
    head = Ellipse(cx=450.0, cy=300.0, a=260 * size, b=200 * size, angle_deg=angle_deg)
    picture = turned_head(_still(head), head)[0]
    rows, columns = VIEW_SIZE_HW
    assert picture.shape == VIEW_SIZE_HW
    bright = (picture > 0.8).astype(np.uint8)
    count, _, _, centres = cv2.connectedComponentsWithStats(bright)
    places = sorted((round(float(x)), round(float(y))) for x, y in centres[1:count])
    expected = [((columns - 1) / 2, 0.75 * rows - 0.5), (0.75 * columns - 0.5, (rows - 1) / 2)]
    assert len(places) == 2
    for wanted, found in zip(expected, places, strict=True):
        assert wanted == pytest.approx(found, abs=2)


def test_gain_and_range_do_not_count() -> None:
    """A still at half the gain and with a raised floor gives the same picture in 0..1."""
    head = Ellipse(cx=450.0, cy=300.0, a=260.0, b=200.0, angle_deg=20.0)
    grain = np.random.default_rng(1).integers(0, 120, (600, 900))
    still = np.clip(_still(head).astype(np.int64) + grain, 0, 255).astype(np.uint8)
    first, second = turned_head(still, head), turned_head((still // 2 + 40).astype(np.uint8), head)
    assert (first.min(), first.max()) == (0.0, 1.0)
    np.testing.assert_allclose(first, second, atol=0.03)


def test_an_even_still_gives_an_even_picture() -> None:
    """Without any contrast there is nothing to stretch, and no number that is none."""
    head = Ellipse(cx=50.0, cy=50.0, a=40.0, b=30.0, angle_deg=0.0)
    assert not turned_head(np.full((100, 100), 90, np.uint8), head).any()
