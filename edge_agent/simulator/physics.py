"""From tissue to gray: scatterers, beam, attenuation, speckle, log compression, scan conversion.

Everything up to scan conversion happens in beam space (rows: depth along the beam, columns: beams), where the
point spread function is separable. Echoes are complex baseband, so a homogeneous patch gives Rayleigh
statistics (mean / standard deviation of the envelope = 1.91).
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.simulator.tissue import Canvas, Field, Grid

# The machine's time-gain compensation, one way. Less than soft tissue loses, more than fluid: so tissue
# darkens slowly with depth and shines behind fluid, as on a real screen.
TGC_DB_PER_MM = 0.05
# A beam never goes quite dark behind bone: clutter from its neighbours fills in.
DEEPEST_SHADOW_DB = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A curved array, its beams and its pulse."""

    radius_mm: float
    """Radius of the array's face in mm."""
    half_angle_rad: float
    """Angle from the middle beam to the outermost, radians."""
    near_mm: float
    """Depth of the first sample below the face in mm."""
    far_mm: float
    """Depth of the last sample in mm."""
    focus_mm: float
    """Depth in mm at which the beam is narrowest."""
    pulse_mm: float = 0.36
    """Standard deviation of the pulse's envelope along the beam in mm."""
    waist_mm: float = 0.62
    """Standard deviation of the beam across at the focus in mm."""
    rows: int = 720
    """Samples along each beam."""
    beams: int = 288
    """Number of beams."""

    @property
    def step_mm(self) -> float:
        """Distance between two samples of a beam in mm."""
        return (self.far_mm - self.near_mm) / (self.rows - 1)

    @property
    def step_rad(self) -> float:
        """Angle between two beams in radians."""
        return 2.0 * self.half_angle_rad / (self.beams - 1)

    def depths_mm(self) -> Field:
        """Give the depth of each row in mm, shape (rows,)."""
        return np.linspace(self.near_mm, self.far_mm, self.rows, dtype=np.float32)

    def grid(self) -> Grid:
        """Give the world position of every sample, arrays of shape (rows, beams)."""
        angle = np.linspace(-self.half_angle_rad, self.half_angle_rad, self.beams, dtype=np.float32)
        radius = (self.depths_mm() + np.float32(self.radius_mm))[:, None]
        sine, cosine = np.sin(angle)[None, :], np.cos(angle)[None, :]
        ones = np.ones_like(radius)
        return Grid(
            x_mm=radius * sine,
            z_mm=radius * cosine - np.float32(self.radius_mm),
            beam_x=ones * sine,
            beam_z=ones * cosine,
        )

    def beam_sigma_mm(self, depth_mm: Field) -> Field:
        """Give the beam's standard deviation across in mm: a Gaussian beam with dynamic receive focus."""
        away = (depth_mm - np.float32(self.focus_mm)) / np.float32(60.0)
        return np.asarray(self.waist_mm * np.sqrt(1.0 + away * away), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """The machine's image settings."""

    range_db: float = 52.0
    """Dynamic range from black to white in dB."""
    gain_db: float = 0.0
    """Added to every echo before compression, dB."""
    gamma: float = 1.15
    """Exponent of the gray curve."""
    smoothing: float = 0.9
    """Strength of the speckle reduction: standard deviation in samples of its filter."""
    looks: int = 3
    """Number of independent looks averaged (spatial and frequency compounding); 1 is none."""
    floor_db: float = -54.0
    """Receiver noise at 100 mm depth in dB."""


def speckle_field(probe: Probe, rng: np.random.Generator) -> Field:
    """Draw the scatterers: independent complex normal samples, shape (rows, beams, 2), float32."""
    return rng.standard_normal((probe.rows, probe.beams, 2), dtype=np.float32) * np.float32(math.sqrt(0.5))


def compounded(canvas: Canvas, probe: Probe, fields: list[Field], floor_db: float) -> Field:
    """Give the mean envelope over several looks with independent speckle, shape (rows, beams)."""
    total = envelope(canvas, probe, fields[0], floor_db)
    for field in fields[1:]:
        total += envelope(canvas, probe, field, floor_db)
    return total / np.float32(len(fields))


def _kernel(sigma: float) -> Field:
    half = max(1, math.ceil(3.0 * sigma))
    taps = np.exp(-0.5 * np.square(np.arange(-half, half + 1) / max(sigma, 0.3)))
    return np.asarray(taps / taps.sum(), dtype=np.float32)


def _energy(kernel: Field) -> float:
    return float(np.sqrt(np.square(kernel).sum()))


def gain_db(canvas: Canvas, probe: Probe) -> Field:
    """Give what attenuation takes and time-gain compensation gives back at each sample, dB, round trip."""
    lost = np.cumsum(canvas.loss_db_per_mm, axis=0, dtype=np.float32) * np.float32(2.0 * probe.step_mm)
    given = (probe.depths_mm() - np.float32(probe.near_mm))[:, None] * np.float32(2.0 * TGC_DB_PER_MM)
    gain = np.maximum(given - lost, np.float32(-DEEPEST_SHADOW_DB))
    # An aperture is wide: part of it looks round an obstacle, so that a shadow's edge is soft.
    return np.asarray(cv2.GaussianBlur(gain, (0, 0), 3.0, sigmaY=0.8), dtype=np.float32)


def envelope(canvas: Canvas, probe: Probe, speckle: Field, floor_db: float = -90.0) -> Field:
    """Give the detected echo amplitude, shape (rows, beams); 1 is the brightest gray of the display.

    Args:
        canvas: the tissue on `probe.grid()`.
        speckle: from `speckle_field`; the same field gives the same speckle.
        floor_db: receiver noise at 100 mm depth in dB.
    """
    depth = probe.depths_mm()
    gain = np.power(np.float32(10.0), gain_db(canvas, probe) / 20.0)
    noise_db = floor_db + (depth - 100.0) * np.float32(2.0 * TGC_DB_PER_MM)
    # Reverberation between skin and probe lifts the first centimetres, also over fluid.
    haze_db = np.float32(-33.0) - depth * np.float32(0.45)
    noise_power = (10.0 ** (noise_db / 10.0) + 10.0 ** (haze_db / 10.0)).astype(np.float32)[:, None]
    power = np.power(np.float32(10.0), canvas.echo_db / 10.0) * gain * gain + noise_power

    axial = _kernel(probe.pulse_mm / probe.step_mm)
    scatter = np.sqrt(power)[..., None] * speckle
    scatter /= np.float32(_energy(axial))
    mirror = canvas.coherent * gain
    sigma_beams = probe.beam_sigma_mm(depth) / ((depth + np.float32(probe.radius_mm)) * probe.step_rad)
    out = np.empty((probe.rows, probe.beams), dtype=np.float32)
    one = np.ones(1, dtype=np.float32)
    for start in range(0, probe.rows, 48):
        rows = slice(start, min(start + 48, probe.rows))
        lateral = _kernel(float(sigma_beams[rows].mean()))
        scatter[rows] = cv2.sepFilter2D(scatter[rows] / np.float32(_energy(lateral)), -1, lateral, one)
        mirror[rows] = cv2.sepFilter2D(mirror[rows], -1, lateral, one)
    scatter = np.asarray(cv2.sepFilter2D(scatter, -1, one, axial), dtype=np.float32)
    scatter[..., 0] += cv2.sepFilter2D(mirror, -1, one, axial)
    cv2.magnitude(scatter[..., 0].copy(), scatter[..., 1].copy(), out)
    return out


def compress(amplitude: Field, display: Display) -> Field:
    """Give gray 0..255 (float32, same shape) by log compression and the machine's speckle reduction."""
    level_db = 20.0 * np.log10(np.maximum(amplitude, np.float32(1e-6))) + np.float32(display.gain_db)
    # Below black there is nothing to average: clipping first keeps single deep nulls from eating holes.
    level = np.clip(level_db / np.float32(display.range_db) + 1.0, -0.25, 1.05)
    if display.smoothing > 0.0:
        level = np.asarray(cv2.GaussianBlur(level, (0, 0), display.smoothing, sigmaY=display.smoothing * 1.3))
    return np.asarray(255.0 * np.clip(level, 0.0, 1.0) ** np.float32(display.gamma), dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where the body's millimetres lie on the screen."""

    mm_per_pixel: float
    """Size of a pixel in mm, the same both ways."""
    origin_x_px: float
    """Screen column of the middle of the probe's face (x = 0)."""
    origin_y_px: float
    """Screen row of the middle of the probe's face (z = 0); negative when zoomed past it."""

    def to_screen(self, x_mm: float, z_mm: float) -> tuple[float, float]:
        """Give the screen position (column, row) in pixels of a point of the body."""
        return self.origin_x_px + x_mm / self.mm_per_pixel, self.origin_y_px + z_mm / self.mm_per_pixel


def scan_convert(gray: Field, probe: Probe, view: View, box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Give the sector image of a screen box (x0, y0, x1, y1), black outside the sector; uint8."""
    x0, y0, x1, y1 = box
    columns = np.arange(x0, x1, dtype=np.float32)
    lines = np.arange(y0, y1, dtype=np.float32)
    x = ((columns - view.origin_x_px) * view.mm_per_pixel)[None, :]
    z = ((lines - view.origin_y_px) * view.mm_per_pixel + probe.radius_mm)[:, None]
    radius = np.sqrt(x * x + z * z).astype(np.float32)
    angle = np.arctan2(x, z).astype(np.float32)
    row = (radius - np.float32(probe.radius_mm + probe.near_mm)) / np.float32(probe.step_mm)
    beam = (angle + np.float32(probe.half_angle_rad)) / np.float32(probe.step_rad)
    flat = cv2.remap(gray, beam, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0.0)
    return np.asarray(np.clip(flat + 0.5, 0, 255), dtype=np.uint8)
