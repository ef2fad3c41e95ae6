"""Echoes obey the statistics and the geometry of ultrasound."""

import math

import numpy as np
import pytest

from edge_agent.simulator.physics import (
    Display,
    Probe,
    View,
    compounded,
    compress,
    envelope,
    scan_convert,
    speckle_field,
)
from edge_agent.simulator.tissue import Canvas, Field, Label, Surface, Tissue, inside, line_band

PROBE = Probe(radius_mm=55.0, half_angle_rad=0.6, near_mm=0.0, far_mm=120.0, focus_mm=70.0)
# Loses just what time-gain compensation gives back: the mean echo does not change with depth.
EVEN = Tissue(label=Label.MOTHER, echo_db=-20.0, loss_db_per_mm=0.05)


def _homogeneous() -> Canvas:
    canvas = Canvas(PROBE.grid())
    canvas.fill(np.ones_like(canvas.grid.x_mm), EVEN)
    return canvas


def _snr(patch: Field) -> float:
    return float(patch.mean() / patch.std())


def test_speckle_is_rayleigh() -> None:
    """In homogeneous tissue the envelope's mean over its deviation is 1.91: fully developed speckle."""
    fields = [speckle_field(PROBE, np.random.default_rng(seed)) for seed in range(3)]
    snr = np.mean([_snr(envelope(_homogeneous(), PROBE, field)[250:650, 40:240]) for field in fields])
    assert snr == pytest.approx(1.91, abs=0.08)


def test_compounding_averages_speckle() -> None:
    """Three independent looks raise the ratio by the square root of three."""
    fields = [speckle_field(PROBE, np.random.default_rng(seed)) for seed in range(3)]
    snr = _snr(compounded(_homogeneous(), PROBE, fields, -90.0)[250:650, 40:240])
    assert snr == pytest.approx(1.91 * math.sqrt(3.0), rel=0.08)


def test_echo_level_is_the_tissues() -> None:
    """The root mean square of the envelope is the tissue's backscatter: -20 dB within 1 dB."""
    patch = envelope(_homogeneous(), PROBE, speckle_field(PROBE, np.random.default_rng(1)))[250:650, 40:240]
    assert 10.0 * math.log10(float(np.square(patch).mean())) == pytest.approx(-20.0, abs=1.0)


def test_speckle_widens_with_distance_from_the_focus() -> None:
    """Speckle is wider in mm across the beam at 118 mm than at the focus."""
    image = envelope(_homogeneous(), PROBE, speckle_field(PROBE, np.random.default_rng(2)))

    def width_mm(rows: slice) -> float:
        patch = image[rows] - image[rows].mean()
        power = np.abs(np.fft.rfft(patch, axis=1)) ** 2
        frequency = np.arange(power.shape[1])
        spread = math.sqrt(float((power.mean(axis=0) * frequency**2).sum() / power.mean(axis=0).sum()))
        depth = float(PROBE.depths_mm()[rows].mean()) + PROBE.radius_mm
        return depth / spread

    assert width_mm(slice(660, 719)) > 1.15 * width_mm(slice(390, 450))


def test_bone_casts_a_shadow() -> None:
    """Behind a strongly absorbing rod the echo drops by over 10 dB, beside it not."""
    canvas = _homogeneous()
    bone = Tissue(label=Label.BONE, echo_db=-20.0, loss_db_per_mm=2.0)
    rod = inside(np.abs(canvas.grid.z_mm - 50.0) - 2.5, 0.5) * (np.abs(canvas.grid.x_mm) < 8.0)
    canvas.fill(rod.astype(np.float32), bone)
    image = envelope(canvas, PROBE, speckle_field(PROBE, np.random.default_rng(3)))
    behind, beside = image[380:500, 140:148], image[380:500, 20:60]
    assert 20.0 * math.log10(float(beside.mean() / behind.mean())) > 10.0


def test_a_mirror_echoes_only_squarely() -> None:
    """A flat reflector under the middle beam is brighter there than where the beam meets it slanting."""
    canvas = _homogeneous()
    offset = canvas.grid.z_mm - 60.0
    flat = Surface(distance_mm=offset, normal_x=np.zeros_like(offset), normal_z=np.ones_like(offset))
    canvas.shine(line_band(offset, 1.0), flat, 0.0, power=4.0, floor=0.0)
    assert canvas.coherent[:, 144].max() > 1.5 * canvas.coherent[:, 5].max()


def test_gray_grows_with_the_echo_and_ends_at_black_and_white() -> None:
    """Compression is monotonic over the dynamic range; 0 dB is white, below the range is black."""
    display = Display(range_db=50.0, gain_db=0.0, smoothing=0.0)
    levels = np.power(10.0, np.arange(-60.0, 1.0, 5.0) / 20.0).astype(np.float32)[None, :]
    gray = compress(levels, display)[0]
    assert gray[0] == 0.0
    assert gray[-1] == pytest.approx(255.0)
    assert (np.diff(gray[2:]) > 0).all()


def test_sector_is_black_outside_and_lit_inside() -> None:
    """Screen points map to the sector by geometry: corners are black, a ring of full gray fills the rest."""
    gray: Field = np.full((PROBE.rows, PROBE.beams), 255.0, dtype=np.float32)
    view = View(mm_per_pixel=0.25, origin_x_px=400.0, origin_y_px=10.0)
    screen = scan_convert(gray, PROBE, view, (0, 0, 800, 540))
    for corner in (screen[:20, :60], screen[:20, -60:], screen[-20:, :60], screen[-20:, -60:]):
        assert not corner.any()
    assert (screen[200:400, 380:420] == 255).all()
    area_mm2 = 0.6 * ((55.0 + 120.0) ** 2 - 55.0**2)
    assert (screen > 127).sum() * 0.25**2 == pytest.approx(area_mm2, rel=0.01)
