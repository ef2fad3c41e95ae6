"""Ventricles and midline on drawn probability pictures: known widths, places, shifts, and reasons for none."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.midline import ridges, trace_midline
from cloud.infer.preprocess import CropBox, crop_box
from cloud.infer.ventricle import NoWidth, VentricleReading, read_ventricles

SIDE_PX = 112
STILL = (540, 800)
CANVAS = np.zeros((1, 2 * SIDE_PX, 2 * SIDE_PX), np.float32)


def _ellipse(angle_deg: float = 0.0, a: float = 180.0) -> Ellipse:
    return Ellipse(cx=400, cy=270, a=a, b=0.78 * a, angle_deg=angle_deg)


def _own_axes(ellipse: Ellipse, crop: CropBox) -> tuple[np.ndarray, np.ndarray]:
    """u along the major axis and v away from the probe, in still pixels, at each pixel of the picture."""
    scale = SIDE_PX / crop.size_px
    at = (np.arange(SIDE_PX) + 0.5) / scale - 0.5
    x, y = at[np.newaxis] + crop.x0 - ellipse.cx, at[:, np.newaxis] + crop.y0 - ellipse.cy
    cosine, sine = math.cos(math.radians(ellipse.angle_deg)), math.sin(math.radians(ellipse.angle_deg))
    away = 1 if cosine >= 0 else -1
    return x * cosine + y * sine, away * (y * cosine - x * sine)


def _drawn(
    ellipse: Ellipse,
    width_px: float,
    *,
    side: int = 1,
    turn_deg: float = 8.0,
    aside: float = 0.42,
    shift_px: float = 0.0,
    peak: float = 1.0,
) -> tuple[np.ndarray, CropBox]:
    """A ventricle with parallel walls and round ends, and a straight midline `shift_px` off the axis."""
    crop = crop_box(ellipse, STILL)
    scale = SIDE_PX / crop.size_px
    u, v = _own_axes(ellipse, crop)
    du, dv = u + 0.15 * ellipse.a, v - side * aside * ellipse.b
    cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    along, across = du * cosine + dv * sine, dv * cosine - du * sine
    distance = np.hypot(np.maximum(np.abs(along) - 0.3 * ellipse.a, 0), across) - width_px / 2
    ventricle = peak * np.clip(0.5 - distance * scale / 2, 0, 1)
    midline = np.exp(-(((v - shift_px) * scale / 1.5) ** 2)) * (np.abs(u) < 0.85 * ellipse.a)
    return np.stack([ventricle, midline]).astype(np.float32), crop


def _read(
    probability: np.ndarray, ellipse: Ellipse, crop: CropBox, view: str | None = None
) -> VentricleReading:
    """What is read where the crop shows a bright line wherever the picture has its midline."""
    bright = cv2.resize(probability[1], (2 * SIDE_PX, 2 * SIDE_PX), interpolation=cv2.INTER_LINEAR)
    canvas = (0.15 + 0.6 * bright).astype(np.float32)[np.newaxis]
    return read_ventricles(probability, canvas, ellipse, crop, view=view)


@pytest.mark.req("READ-05")
@pytest.mark.parametrize("angle_deg", [0.0, 23.0, 90.0, 134.0, 179.0])
@pytest.mark.parametrize("a", [110.0, 180.0, 240.0])
@pytest.mark.parametrize("share", [0.08, 0.17, 0.3])
def test_known_widths_are_measured(angle_deg: float, a: float, share: float) -> None:
    """The width is right within a pixel of the still, or of the picture where that is coarser."""
    ellipse = _ellipse(angle_deg, a)
    width_px = share * 2 * ellipse.b
    probability, crop = _drawn(ellipse, width_px)
    reading = _read(probability, ellipse, crop)
    assert reading.measured is not None
    assert reading.measured.width_px == pytest.approx(width_px, abs=1.0)
    assert reading.measured.far
    assert reading.measured.width_sd_px > 0


def test_the_caliper_lies_across_the_ventricle() -> None:
    """Its ends are a width apart, on the walls, at right angles to the ventricle's axis."""
    ellipse = _ellipse(30)
    probability, crop = _drawn(ellipse, 50, turn_deg=12)
    found = _read(probability, ellipse, crop).measured
    assert found is not None
    x0, y0, x1, y1 = found.line
    assert math.hypot(x1 - x0, y1 - y0) == pytest.approx(found.width_px, abs=0.01)
    # The ventricle runs at 30 + 12 degrees.
    apart_deg = (math.degrees(math.atan2(y1 - y0, x1 - x0)) - 42) % 180
    assert apart_deg == pytest.approx(90, abs=8)
    turn = math.radians(ellipse.angle_deg)
    dx, dy = (x0 + x1) / 2 - ellipse.cx, (y0 + y1) / 2 - ellipse.cy
    assert dy * math.cos(turn) - dx * math.sin(turn) == pytest.approx(0.42 * ellipse.b, abs=8)


def test_the_far_ventricle_is_preferred() -> None:
    """Of two ventricles the one away from the probe comes first, since the near one is veiled."""
    ellipse = _ellipse()
    far, crop = _drawn(ellipse, 40)
    near, _ = _drawn(ellipse, 60, side=-1)
    reading = _read(np.maximum(far, near), ellipse, crop)
    assert [True, False] == [one.far for one in reading.ventricles]
    assert reading.measured is not None
    assert reading.measured.width_px == pytest.approx(40, abs=1.5)
    assert reading.ventricles[1].width_px == pytest.approx(60, abs=1.5)


def test_nothing_found_is_said() -> None:
    """An empty picture gives no ventricle, no midline, and the reason."""
    ellipse = _ellipse()
    reading = _read(np.zeros((2, SIDE_PX, SIDE_PX), np.float32), ellipse, crop_box(ellipse, STILL))
    assert (reading.ventricles, reading.midline, reading.measured) == ((), None, None)
    assert reading.no_width is NoWidth.NONE_FOUND


def test_a_speck_is_no_ventricle() -> None:
    """A region of a few pixels is left out."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 40)
    probability[0] = 0
    probability[0, 70:72, 60:62] = 1
    assert _read(probability, ellipse, crop).no_width is NoWidth.NONE_FOUND


def test_a_region_in_the_skull_is_refused() -> None:
    """Where the region reaches the skull there is no wall to measure to; it is shown but not relied on."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 70, aside=0.85, turn_deg=0)
    reading = _read(probability, ellipse, crop)
    assert reading.no_width is NoWidth.TOUCHES_SKULL
    assert reading.measured is None
    assert reading.ventricles[0].touches_skull


def test_a_sound_near_ventricle_replaces_a_far_one_in_the_skull() -> None:
    """A doubtful region is not preferred for its place."""
    ellipse = _ellipse()
    far, crop = _drawn(ellipse, 70, aside=0.85, turn_deg=0)
    near, _ = _drawn(ellipse, 40, side=-1)
    found = _read(np.maximum(far, near), ellipse, crop).measured
    assert found is not None
    assert not found.far


def test_a_low_probability_is_refused() -> None:
    """A region that the model hardly believes in gives no width."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 40, peak=0.56)
    assert _read(probability, ellipse, crop).no_width is NoWidth.UNSURE


def test_other_planes_are_refused() -> None:
    """In the plane of the cerebellum the atrium is not measured; the others may show it."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 40)
    refused = _read(probability, ellipse, crop, view="trans-cerebellar")
    assert (NoWidth.NOT_TRANSVENTRICULAR, None) == (refused.no_width, refused.measured)
    for view in ("trans-ventricular", "trans-thalamic", None):
        assert _read(probability, ellipse, crop, view=view).measured is not None


@pytest.mark.parametrize("angle_deg", [0.0, 40.0, 120.0])
@pytest.mark.parametrize("shift_px", [-14.0, 0.0, 9.0])
def test_the_midline_is_traced(angle_deg: float, shift_px: float) -> None:
    """A straight midline gives its shift within a pixel of the picture, and no angle against the major axis."""
    ellipse = _ellipse(angle_deg)
    probability, crop = _drawn(ellipse, 40, shift_px=shift_px)
    midline = _read(probability, ellipse, crop).midline
    assert midline is not None
    assert midline.shift_px == pytest.approx(shift_px, abs=1.5)
    assert midline.angle_deg == pytest.approx(0, abs=1)
    assert midline.strength > 0.4
    assert midline.shift_sd_px > 0


@pytest.mark.parametrize("angle_deg", [0.0, 70.0, 150.0])
def test_the_midlines_angle_is_as_the_screen_shows_it(angle_deg: float) -> None:
    """A head turned against its outline by 4 degrees clockwise has a midline at +4 degrees."""
    drawn = _ellipse(angle_deg)
    probability, crop = _drawn(drawn, 40)
    outline = replace(drawn, angle_deg=(angle_deg - 4) % 180)
    midline = _read(probability, outline, crop).midline
    assert midline is not None
    assert midline.angle_deg == pytest.approx(4, abs=0.7)


def test_a_bright_line_is_a_ridge() -> None:
    """The same tracing finds a bright line on a plain picture by its ridges."""
    picture = np.full((120, 160), 60, np.float32)
    picture[64:67] = 160
    found = trace_midline(ridges(picture, 3.0), (80.0, 60.0), (1.0, 0.0), (0.0, 1.0), (70.0, 50.0))
    assert found is not None
    assert found.shift_px == pytest.approx(5, abs=0.7)


@pytest.mark.parametrize("shape", [(1, 112, 112), (2, 112, 100), (112, 112)])
def test_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """A picture of another shape is an error, not a reading."""
    ellipse = _ellipse()
    with pytest.raises(ValueError, match="2xSxS"):
        read_ventricles(np.zeros(shape, np.float32), CANVAS, ellipse, crop_box(ellipse, STILL))


def test_another_shape_of_the_crop_is_refused() -> None:
    """The crop is the model's own input, with its channel."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 40)
    with pytest.raises(ValueError, match="1xSxS"):
        read_ventricles(probability, CANVAS[0], ellipse, crop)


def test_values_that_are_no_numbers_are_refused() -> None:
    """A model that answers NaN measures nothing."""
    ellipse = _ellipse()
    probability, crop = _drawn(ellipse, 40)
    probability[0, 3, 3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        read_ventricles(probability, CANVAS, ellipse, crop)
