"""Finding the head, annotating and measuring it, checked on shapes whose truth is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud.infer.annotate import Ellipse, annotate, bounding, canonical_ellipse, fill, polygon
from cloud.infer.measure import Scale, measure
from cloud.infer.preprocess import Letterbox, letterbox
from cloud.infer.segment import find_head

HEAD = Ellipse(cx=400.0, cy=260.0, a=220.0, b=170.0, angle_deg=30.0)
IMAGE_HW = (540, 800)


def probability(
    *ellipses: Ellipse, image_hw: tuple[int, int] = IMAGE_HW
) -> tuple[NDArray[np.float32], Letterbox]:
    """A perfect model's answer: the filled ellipses, shrunk as the still is."""
    mask = np.zeros(image_hw, np.uint8)
    for ellipse in ellipses:
        mask |= fill(ellipse, image_hw)
    return letterbox(mask, (256, 256))


@pytest.mark.req("READ-05")
@settings(max_examples=40, deadline=None)
@given(
    cx=st.floats(300, 500),
    cy=st.floats(240, 300),
    a=st.floats(120, 230),
    ratio=st.floats(0.65, 0.95),
    angle_deg=st.floats(0, 179.9),
)
def test_the_ellipse_of_a_whole_head_is_found(
    cx: float, cy: float, a: float, ratio: float, angle_deg: float
) -> None:
    """From a 256-pixel canvas the ellipse comes back at the still's resolution to a pixel and a degree."""
    truth = Ellipse(cx=cx, cy=cy, a=a, b=a * ratio, angle_deg=angle_deg)
    search = find_head(*probability(truth))
    assert search.head_count == 1
    assert search.head is not None
    found = search.head.ellipse
    assert found.a >= found.b
    assert 0 <= found.angle_deg < 180
    assert math.hypot(found.cx - cx, found.cy - cy) < 1.0
    assert found.a == pytest.approx(truth.a, abs=1.5)
    assert found.b == pytest.approx(truth.b, abs=1.5)
    turn = abs(found.angle_deg - angle_deg)
    assert min(turn, 180 - turn) < (1.5 if ratio < 0.9 else 6)
    assert search.head.confidence > 0.98
    assert not search.head.cut_off


def test_no_region_is_no_head() -> None:
    """An empty answer, and one with only a speck, hold no head."""
    assert find_head(*probability()).head is None
    assert find_head(*probability(Ellipse(cx=400, cy=260, a=12, b=10, angle_deg=0))).head is None


def test_two_large_regions_are_counted() -> None:
    """A second region of comparable size is seen, a small one is not; the largest is the head."""
    left = Ellipse(cx=200, cy=270, a=150, b=120, angle_deg=90)
    right = Ellipse(cx=600, cy=270, a=130, b=110, angle_deg=90)
    speck = Ellipse(cx=600, cy=270, a=40, b=30, angle_deg=90)
    search = find_head(*probability(left, right))
    assert search.head_count == 2
    assert search.head is not None
    assert search.head.ellipse.cx == pytest.approx(200, abs=1)
    assert find_head(*probability(left, speck)).head_count == 1


@pytest.mark.parametrize("shift_px", [60, 120])
def test_a_head_that_leaves_the_still_is_seen_and_still_fitted(shift_px: float) -> None:
    """The cut along the frame is not taken for skull: the ellipse of the visible arc is the whole head's."""
    truth = Ellipse(cx=170.0 - shift_px, cy=270.0, a=200.0, b=160.0, angle_deg=90.0)
    head = find_head(*probability(truth)).head
    assert head is not None
    assert head.cut_off
    assert head.ellipse.cx == pytest.approx(truth.cx, abs=4)
    assert head.ellipse.a == pytest.approx(truth.a, rel=0.03)


def test_a_shape_that_no_head_has_is_no_head() -> None:
    """A long bar is not fitted as a head."""
    bar = Ellipse(cx=400, cy=260, a=300, b=40, angle_deg=10)
    assert find_head(*probability(bar)).head is None


def test_an_outline_that_is_no_ellipse_has_low_confidence() -> None:
    """A cross is one region, but agrees badly with any ellipse."""
    mask = np.zeros(IMAGE_HW, np.uint8)
    mask[240:290, 150:650] = 255
    mask[40:500, 370:430] = 255
    head = find_head(*letterbox(mask, (256, 256))).head
    assert head is not None
    assert head.confidence < 0.8


@pytest.mark.req("READ-05")
def test_the_kept_annotation_has_the_three_shapes() -> None:
    """Rectangle and polygon follow the ellipse's outline; the polygon has at most 64 points."""
    contours, _ = cv2.findContours(fill(HEAD, IMAGE_HW), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    kept = annotate(HEAD, contours[0].reshape(-1, 2).astype(np.float32), IMAGE_HW)
    assert kept.ellipse == HEAD
    ys, xs = np.nonzero(fill(HEAD, IMAGE_HW))
    assert kept.rectangle.x == pytest.approx(xs.min(), abs=1)
    assert kept.rectangle.y == pytest.approx(ys.min(), abs=1)
    assert kept.rectangle.x + kept.rectangle.w - 1 == pytest.approx(xs.max(), abs=1)
    assert kept.rectangle.y + kept.rectangle.h - 1 == pytest.approx(ys.max(), abs=1)
    assert len(kept.polygon) == 64
    area = cv2.contourArea(np.array(kept.polygon, np.float32))
    assert area == pytest.approx(math.pi * HEAD.a * HEAD.b, rel=0.01)


def test_a_short_outline_keeps_its_own_number_of_points() -> None:
    """No points are made up for an outline of fewer than 64."""
    assert len(polygon(np.array([[0, 0], [10, 0], [10, 10]], np.float32))) == 3


def test_the_rectangle_stays_inside_the_still() -> None:
    """An ellipse that leaves the still has a rectangle clipped to it."""
    box = bounding(Ellipse(cx=5, cy=530, a=100, b=80, angle_deg=0), IMAGE_HW)
    assert (box.x, box.y + box.h) == (0, 540)
    assert box.w >= 1


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (((1, 2), (10, 6), 20.0), (5, 3, 20.0)),
        (((1, 2), (6, 10), 20.0), (5, 3, 110.0)),
        (((1, 2), (6, 10), 100.0), (5, 3, 10.0)),
        (((1, 2), (10, 6), 180.0), (5, 3, 0.0)),
    ],
)
def test_the_major_axis_comes_first(
    box: tuple[tuple[float, float], tuple[float, float], float], expected: tuple[float, float, float]
) -> None:
    """Whatever order OpenCV gives, a >= b and the angle is the major axis's, in [0, 180)."""
    ellipse = canonical_ellipse(box)
    assert (ellipse.a, ellipse.b, ellipse.angle_deg) == expected


def test_the_angle_turns_clockwise_on_the_screen() -> None:
    """At 30 degrees the major axis's right end lies below the centre, since y grows downwards."""
    mask = fill(HEAD, IMAGE_HW)
    dx, dy = 0.95 * HEAD.a * math.cos(math.radians(30)), 0.95 * HEAD.a * math.sin(math.radians(30))
    assert mask[round(HEAD.cy + dy), round(HEAD.cx + dx)] == 255
    assert mask[round(HEAD.cy - dy), round(HEAD.cx + dx)] == 0


def test_lengths_of_a_known_ellipse() -> None:
    """HC agrees with the ellipse's perimeter by numerical integration; BPD and OFD are the full axes."""
    t = np.linspace(0, 2 * math.pi, 200_001)
    x, y = HEAD.a * np.cos(t), HEAD.b * np.sin(t)
    true_perimeter = float(np.hypot(np.diff(x), np.diff(y)).sum())
    lengths = measure(HEAD, Scale(mm_per_pixel=0.2, source="scale_file"))
    assert lengths.hc_px == pytest.approx(true_perimeter, rel=1e-6)
    assert (lengths.bpd_px, lengths.ofd_px) == (340.0, 440.0)
    assert lengths.cephalic_index == pytest.approx(340 / 440)
    assert lengths.hc_mm == pytest.approx(0.2 * lengths.hc_px)
    assert lengths.bpd_mm == pytest.approx(68.0)
    assert lengths.ofd_mm == pytest.approx(88.0)


def test_without_a_scale_there_are_no_millimetres() -> None:
    """An unknown pixel length is never guessed."""
    lengths = measure(HEAD, None)
    assert (lengths.hc_mm, lengths.bpd_mm, lengths.ofd_mm, lengths.scale) == (None, None, None, None)


@pytest.mark.parametrize("mm_per_pixel", [0.0, -0.1, math.nan, math.inf])
def test_a_scale_must_make_sense(mm_per_pixel: float) -> None:
    """A pixel has a finite length above zero, and someone has said so."""
    with pytest.raises(ValueError, match="finite and above 0"):
        Scale(mm_per_pixel=mm_per_pixel, source="scale_file")
    with pytest.raises(ValueError, match="source"):
        Scale(mm_per_pixel=0.1, source="")
