"""Painting: the same generator paints the same, masks say what was painted, widths are as asked."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.random import Generator

from cloud.training.echo import Grain, grain_of, speckle_db, to_db, to_gray
from cloud.training.lesions import paint_bleeding, paint_cavity, paint_posterior_fluid
from cloud.training.painting import (
    NORMAL_WIDTHS,
    WIDE_WIDTHS,
    Painted,
    normal_width,
    paint_ventricles,
    wide_width,
)
from cloud.training.scene import Head

SHAPE = (220, 300)
GRAIN = Grain(spread_db=3.0, across_px=1.4, down_px=0.9)

Lesion = Callable[[np.ndarray, Head, Generator], Painted]
LESIONS: tuple[Lesion, ...] = (paint_cavity, paint_posterior_fluid, paint_bleeding)


def _head(angle_deg: float = 0.0) -> Head:
    return Head(cx=150, cy=110, a=95, b=75, angle_deg=angle_deg)


def _picture(head: Head) -> np.ndarray:
    """Even, grainy brain inside of a bright skull, on a dark ground."""
    echo = np.full(SHAPE, -52.0, np.float32)
    box = ((head.cx, head.cy), (2 * head.a, 2 * head.b), head.angle_deg)
    cv2.ellipse(echo, box, -36.0, -1)
    cv2.ellipse(echo, box, -12.0, 4)
    return to_gray(echo + speckle_db(SHAPE, GRAIN, np.random.default_rng(5)))


def _widest(mask: np.ndarray) -> float:
    """Diameter of the largest circle inside of the mask, in pixels."""
    fine = cv2.resize(mask.astype(np.float32), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR) > 0.5
    return float(
        2 * cv2.distanceTransform(fine.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max() / 4
    )


def test_gray_and_echo_are_two_ways_to_say_the_same() -> None:
    """Every gray value comes back from its echo; 60 dB below white is black."""
    gray = np.arange(256, dtype=np.uint8)[np.newaxis]
    assert (gray == to_gray(to_db(gray))).all()
    assert (-60.0, 0.0) == (float(to_db(gray).min()), float(to_db(gray).max()))


def test_the_grain_of_a_picture_is_found_again() -> None:
    """Speckle painted with a known grain is measured as about that grain, wider across than down."""
    echo = speckle_db((200, 200), GRAIN, np.random.default_rng(0)) - 30
    found = grain_of(echo, np.ones((200, 200), np.float32))
    assert found.spread_db == pytest.approx(0.85 * GRAIN.spread_db, rel=0.25)
    assert found.across_px == pytest.approx(GRAIN.across_px, rel=0.4)
    assert found.across_px > found.down_px


def test_a_flat_picture_can_be_painted_on() -> None:
    """A head without any contrast breaks nothing."""
    flat = np.full(SHAPE, 80, np.uint8)
    painted = paint_ventricles(flat, _head(), np.random.default_rng(0), far=0.2)
    assert painted.ventricle.any()


@pytest.mark.parametrize("angle_deg", [0.0, 35.0, 90.0, 160.0])
@pytest.mark.parametrize("width", [0.07, 0.2, 0.32])
def test_widths_are_as_asked(angle_deg: float, width: float) -> None:
    """The widest place of the mask is the asked share of the BPD within a pixel, wherever the head points."""
    head = _head(angle_deg)
    painted = paint_ventricles(_picture(head), head, np.random.default_rng(3), far=width)
    (ventricle,) = painted.ventricles
    assert ventricle.far
    assert ventricle.width_px == pytest.approx(width * 2 * head.b, abs=0.01)
    assert _widest(painted.ventricle) == pytest.approx(ventricle.width_px, abs=1.0)
    x0, y0, x1, y1 = ventricle.line
    assert math.hypot(x1 - x0, y1 - y0) == pytest.approx(ventricle.width_px, abs=0.01)
    assert painted.ventricle[round((y0 + y1) / 2), round((x0 + x1) / 2)]


def test_a_width_that_does_not_fit_is_made_narrower_and_said() -> None:
    """Ventricles stay between the midline and the skull; the result says what was painted."""
    head = _head()
    painted = paint_ventricles(_picture(head), head, np.random.default_rng(0), far=0.9)
    (ventricle,) = painted.ventricles
    assert ventricle.width_px < 0.5 * 2 * head.b
    rows = np.nonzero(painted.ventricle)[0]
    assert head.cy < rows.min() < rows.max() < head.cy + head.b


def test_fluid_is_darker_than_brain_and_only_the_head_is_changed() -> None:
    """The lumen is darker than the brain around it, and no pixel outside of the head is touched."""
    head = _head()
    before = _picture(head)
    painted = paint_ventricles(before, head, np.random.default_rng(1), far=0.3, near=0.3)
    outside = np.ones(SHAPE, np.uint8)
    cv2.ellipse(outside, ((head.cx, head.cy), (2 * head.a + 2, 2 * head.b + 2), 0.0), 0, -1)
    assert (painted.gray[outside > 0] == before[outside > 0]).all()
    lumen = painted.ventricle & (np.arange(SHAPE[0])[:, np.newaxis] > head.cy)
    brain = (outside == 0) & ~painted.ventricle
    assert np.median(painted.gray[lumen]) < 0.7 * np.median(painted.gray[brain])


def test_known_is_the_painted_half_and_the_surround() -> None:
    """Where only the far half was painted, nothing is claimed of the near half; the forehead's end is open."""
    head = _head()
    painted = paint_ventricles(_picture(head), head, np.random.default_rng(0), far=0.1, forehead=1)
    assert painted.known[5, 5]
    assert not painted.known[round(head.cy - 30), round(head.cx)]
    assert painted.known[round(head.cy + 30), round(head.cx - 20)]
    assert not painted.known[round(head.cy + 20), round(head.cx + 0.6 * head.a)]
    assert (painted.known | ~painted.ventricle).all()


def test_no_ventricle_is_painted_as_even_brain() -> None:
    """A width of 0 changes the picture but marks no ventricle, so that paint alone says nothing."""
    head = _head()
    before = _picture(head)
    painted = paint_ventricles(before, head, np.random.default_rng(0), far=0.0)
    assert painted.ventricles == ()
    assert not painted.ventricle.any()
    assert (painted.gray != before).any()


def test_the_same_generator_paints_the_same() -> None:
    """All randomness comes from the generator; another seed paints otherwise; the given still is not changed."""
    head = _head(20)
    still = _picture(head)
    kept = still.copy()
    first, again, other = (
        paint_ventricles(still, head, np.random.default_rng(seed), far=0.2, near=0.2) for seed in (7, 7, 8)
    )
    assert (first.gray == again.gray).all()
    assert first.ventricles == again.ventricles
    assert (first.gray != other.gray).any()
    assert (still == kept).all()


@pytest.mark.parametrize("paint", LESIONS)
def test_lesions_are_marked_where_they_were_painted(paint: Lesion) -> None:
    """Inside of the mask the picture has changed; it lies in the head, marks no ventricle and is repeatable."""
    head = _head(10)
    before = _picture(head)
    painted = paint(before, head, np.random.default_rng(2))
    again = paint(before, head, np.random.default_rng(2))
    assert (painted.gray == again.gray).all()
    assert 40 < painted.lesion.sum() < 0.5 * math.pi * head.a * head.b
    assert not painted.ventricle.any()
    change = np.abs(painted.gray.astype(int) - before)
    assert np.median(change[painted.lesion]) > 5
    inside = np.zeros(SHAPE, np.uint8)
    cv2.ellipse(inside, ((head.cx, head.cy), (2 * head.a, 2 * head.b), head.angle_deg), 1, -1)
    assert (inside[painted.lesion] > 0).all()


def test_a_bleeding_is_bright_and_a_cavity_dark() -> None:
    """Blood echoes more than brain, fluid less."""
    head = _head()
    before = _picture(head)
    for seed in range(4):
        blood = paint_bleeding(before, head, np.random.default_rng(seed))
        cavity = paint_cavity(before, head, np.random.default_rng(seed), open_to_skull=seed % 2 == 1)
        assert np.median(blood.gray[blood.lesion]) > np.median(before[blood.lesion])
        assert np.median(cavity.gray[cavity.lesion]) < np.median(before[cavity.lesion])


def test_drawn_widths_leave_a_gap_between_normal_and_wide() -> None:
    """Normal and wide widths keep their ranges."""
    rng = np.random.default_rng(0)
    normal, wide = [normal_width(rng) for _ in range(200)], [wide_width(rng) for _ in range(200)]
    assert NORMAL_WIDTHS[0] <= min(normal) <= max(normal) <= NORMAL_WIDTHS[1] < WIDE_WIDTHS[0]
    assert WIDE_WIDTHS[0] <= min(wide) <= max(wide) <= WIDE_WIDTHS[1]
