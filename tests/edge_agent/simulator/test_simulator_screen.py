"""The screen and its truth agree to the pixel."""

import json
import math
from datetime import datetime

import cv2
import numpy as np
import pytest

from edge_agent.simulator import biometry
from edge_agent.simulator.head import TRANS_THALAMIC
from edge_agent.simulator.phantom import NORMAL, THORAX, brain_phantom, draw_fetus, other_phantom
from edge_agent.simulator.screen import LAYOUTS, MARK, TICK_MM, Banner, Frame, Layout, Motion, Scan

BANNER = Banner(
    name="EXAMPLE ALICE",
    patient_id="SIM-000001",
    taken=datetime(2025, 3, 4, 10, 20, 30),
    weeks=22.4,
    mechanical_index=1.1,
    thermal_index=0.4,
)


def _frame(seed: int, layout: Layout = LAYOUTS[0], banner: Banner | None = BANNER) -> Frame:
    rng = np.random.default_rng(seed)
    return Scan(brain_phantom(rng, TRANS_THALAMIC, draw_fetus(rng, NORMAL)), layout, banner, rng).frame()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.machine)
def test_truth_agrees_with_itself(layout: Layout) -> None:
    """The ellipse in pixels times mm per pixel is the head circumference, and the head lies in the region."""
    frame = _frame(layout.width_px, layout)
    truth, ellipse = frame.truth, frame.truth.ellipse
    assert ellipse is not None
    assert truth.hc_mm == pytest.approx(
        biometry.ramanujan_perimeter(ellipse.a, ellipse.b) * truth.mm_per_pixel, rel=0.005
    )
    assert truth.bpd_mm == pytest.approx(2.0 * ellipse.b * truth.mm_per_pixel)
    assert truth.ofd_mm == pytest.approx(2.0 * ellipse.a * truth.mm_per_pixel)
    assert -90.0 < ellipse.angle_deg <= 90.0
    turn = math.radians(ellipse.angle_deg)
    half_x = math.hypot(ellipse.a * math.cos(turn), ellipse.b * math.sin(turn))
    half_y = math.hypot(ellipse.a * math.sin(turn), ellipse.b * math.cos(turn))
    x0, y0, x1, y1 = truth.sector_box
    assert x0 < ellipse.cx - half_x
    assert ellipse.cx + half_x < x1
    assert y0 < ellipse.cy - half_y
    assert ellipse.cy + half_y < y1


def test_pixels_have_the_layouts_shape() -> None:
    """A gray machine gives height x width, a colour machine height x width x 3, both uint8."""
    assert _frame(1, LAYOUTS[0]).pixels.shape == (540, 800)
    assert _frame(1, LAYOUTS[1]).pixels.shape == (720, 960, 3)
    assert _frame(1, LAYOUTS[1]).pixels.dtype == np.uint8


def test_skull_is_the_brightest_ring() -> None:
    """Just inside the true ellipse, above and below, the picture is far brighter than in the brain."""
    frame = _frame(3)
    ellipse = frame.truth.ellipse
    assert ellipse is not None
    ring, brain = np.zeros((540, 800), np.uint8), np.zeros((540, 800), np.uint8)
    shape = ((ellipse.cx, ellipse.cy), (2 * ellipse.a - 4, 2 * ellipse.b - 4), ellipse.angle_deg)
    cv2.ellipse(ring, shape, 255, 3)
    small = ((ellipse.cx, ellipse.cy), (1.5 * ellipse.a, 1.5 * ellipse.b), ellipse.angle_deg)
    cv2.ellipse(brain, small, 255, -1)
    assert frame.pixels[ring > 0].mean() > 2.0 * frame.pixels[brain > 0].mean()


def test_same_seed_same_pixels_other_seed_other_pixels() -> None:
    """Pixels are a function of the seed."""
    assert np.array_equal(_frame(7).pixels, _frame(7).pixels)
    assert not np.array_equal(_frame(7).pixels, _frame(8).pixels)


def test_banner_is_burned_in_where_the_truth_says() -> None:
    """Each text's box holds ink with a banner, and outside the boxes the two pictures are the same."""
    with_text, without = _frame(4), _frame(4, banner=None)
    truth = with_text.truth
    assert truth.burned_texts[0] == "EXAMPLE ALICE"
    assert any("SIM-000001" in text for text in truth.burned_texts)
    assert MARK in truth.burned_texts
    assert without.truth.burned_texts == ()
    assert without.truth.banner_boxes == ()
    differs = with_text.pixels != without.pixels
    for x0, y0, x1, y1 in truth.banner_boxes:
        assert with_text.pixels[y0:y1, x0:x1].max() > 150
        assert differs[y0:y1, x0:x1].any()
        differs[y0:y1, x0:x1] = False
    assert not differs.any()


def test_outside_region_and_scales_nothing_is_drawn_without_a_banner() -> None:
    """A clean picture is black above and below its ultrasound region."""
    frame = _frame(5, banner=None)
    _, y0, _, y1 = frame.truth.sector_box
    assert not frame.pixels[: y0 - 12].any()
    assert not frame.pixels[y1 + 12 :].any()


def test_ruler_ticks_are_ten_millimetres_apart() -> None:
    """The distance between neighbouring ticks times mm per pixel is 10 mm."""
    frame = _frame(6)
    x1 = frame.truth.sector_box[2]
    rows = np.flatnonzero((frame.pixels[:, x1 + 5 : x1 + 9] > 150).all(axis=1))
    assert len(rows) >= 4
    assert np.diff(rows).mean() * frame.truth.mm_per_pixel == pytest.approx(TICK_MM, rel=0.02)


def test_motion_moves_truth_and_tissue_together() -> None:
    """A probe 2 mm to the right sees the head 2 mm to the left, in truth and in pixels."""
    rng = np.random.default_rng(11)
    scan = Scan(brain_phantom(rng, TRANS_THALAMIC, draw_fetus(rng, NORMAL)), LAYOUTS[0], None, rng)
    still, moved = scan.frame(), scan.frame(Motion(dx_mm=2.0))
    assert still.truth.ellipse is not None
    assert moved.truth.ellipse is not None
    shift_px = 2.0 / scan.view.mm_per_pixel
    assert still.truth.ellipse.cx - moved.truth.ellipse.cx == pytest.approx(shift_px)
    # Where a window about the head's middle of the first picture is found again in the second.
    left, top = round(still.truth.ellipse.cx) - 150, round(still.truth.ellipse.cy) - 100
    window = still.pixels[top : top + 200, left : left + 300]
    likeness = cv2.matchTemplate(moved.pixels, window, cv2.TM_CCOEFF_NORMED)
    _, best, _, (found_x, found_y) = cv2.minMaxLoc(likeness)
    assert best > 0.7
    assert left - found_x == pytest.approx(shift_px, abs=2.0)
    assert found_y == pytest.approx(top, abs=2)


def test_other_types_have_no_head_in_their_truth() -> None:
    """A chest has neither ellipse nor head circumference nor finding."""
    rng = np.random.default_rng(12)
    truth = Scan(other_phantom(rng, THORAX, draw_fetus(rng, NORMAL)), LAYOUTS[0], BANNER, rng).frame().truth
    assert (truth.type, truth.ellipse, truth.hc_mm, truth.finding) == (THORAX, None, None, None)


def test_truth_survives_json() -> None:
    """JSON carries every field of the truth."""
    truth = _frame(9).truth
    read = json.loads(truth.to_json())
    assert read["hc_mm"] == truth.hc_mm
    assert read["ellipse"]["angle_deg"] == truth.ellipse.angle_deg if truth.ellipse else None
    assert set(read) == set(truth.__dataclass_fields__)
