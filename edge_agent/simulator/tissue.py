"""Tissue on a grid: what each point of the body echoes, absorbs and is called.

World axes: `x` runs along the probe's face to the right, `z` into the body; both in mm, (0, 0) at the
middle of the face.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
"""A float32 array over the points of a grid, shape (rows, columns)."""


class Label(IntEnum):
    """The name of the tissue at a point."""

    MOTHER = 0
    FLUID = 1
    SKULL = 2
    BRAIN = 3
    MIDLINE = 4
    CAVUM = 5
    THALAMUS = 6
    VENTRICLE = 7
    CHOROID = 8
    CEREBELLUM = 9
    FETAL_SOFT = 10
    BONE = 11
    VESSEL = 12
    STOMACH = 13
    MYOCARDIUM = 14
    CHAMBER = 15
    LESION = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Tissue:
    """One kind of tissue."""

    label: Label
    """Its name in the label map."""
    echo_db: float
    """Backscatter in dB; 0 is the brightest gray of the display."""
    loss_db_per_mm: float
    """One-way attenuation in dB per mm at the probe's frequency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Sample points of the body with the direction from which sound reaches each."""

    x_mm: Field
    """Lateral position in mm."""
    z_mm: Field
    """Depth position in mm."""
    beam_x: Field
    """Lateral component of the beam's unit vector."""
    beam_z: Field
    """Depth component of the beam's unit vector."""

    def moved(self, dx_mm: float, dz_mm: float) -> "Grid":
        """Give the same probe looking at a place `dx_mm` to the right and `dz_mm` deeper."""
        return Grid(
            x_mm=self.x_mm + np.float32(dx_mm),
            z_mm=self.z_mm + np.float32(dz_mm),
            beam_x=self.beam_x,
            beam_z=self.beam_z,
        )

    def warped(self, shift_x_mm: Field, shift_z_mm: Field) -> "Grid":
        """Give the grid displaced point by point, so that what is painted on it is bent."""
        return Grid(
            x_mm=self.x_mm + shift_x_mm,
            z_mm=self.z_mm + shift_z_mm,
            beam_x=self.beam_x,
            beam_z=self.beam_z,
        )


def cartesian_grid(x0_mm: float, z0_mm: float, x1_mm: float, z1_mm: float, pitch_mm: float) -> Grid:
    """Give a square-pixel grid over a rectangle, insonated straight from above; `pitch_mm` between points."""
    xs = np.arange(x0_mm, x1_mm, pitch_mm, dtype=np.float32)
    zs = np.arange(z0_mm, z1_mm, pitch_mm, dtype=np.float32)
    x, z = np.meshgrid(xs, zs)
    return Grid(x_mm=x, z_mm=z, beam_x=np.zeros_like(x), beam_z=np.ones_like(x))


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Signed distance to an outline and its outward normal at each grid point."""

    distance_mm: Field
    """Distance in mm, negative inside."""
    normal_x: Field
    """Lateral component of the unit normal."""
    normal_z: Field
    """Depth component of the unit normal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ellipse:
    """An ellipse in the body."""

    x_mm: float
    """Lateral position of the centre in mm."""
    z_mm: float
    """Depth position of the centre in mm."""
    a_mm: float
    """Semi-axis along the ellipse's own first axis in mm."""
    b_mm: float
    """Semi-axis along the second axis in mm."""
    angle_rad: float
    """Turn of the first axis from +x towards +z in radians."""

    def local(self, grid: Grid) -> tuple[Field, Field]:
        """Give the grid's points in the ellipse's own axes (u along `a`, v along `b`), mm."""
        c, s = np.float32(math.cos(self.angle_rad)), np.float32(math.sin(self.angle_rad))
        dx, dz = grid.x_mm - np.float32(self.x_mm), grid.z_mm - np.float32(self.z_mm)
        return dx * c + dz * s, dz * c - dx * s

    def to_world(self, u_mm: float, v_mm: float) -> tuple[float, float]:
        """Give the world position (x, z) in mm of a point in the ellipse's own axes."""
        c, s = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return self.x_mm + u_mm * c - v_mm * s, self.z_mm + u_mm * s + v_mm * c

    def part(self, u: float, v: float, a_mm: float, b_mm: float, turn_rad: float = 0.0) -> "Ellipse":
        """Give a smaller ellipse at (`u`, `v`), fractions of this one's semi-axes, turned by `turn_rad`."""
        x, z = self.to_world(u * self.a_mm, v * self.b_mm)
        return Ellipse(x_mm=x, z_mm=z, a_mm=a_mm, b_mm=b_mm, angle_rad=self.angle_rad + turn_rad)

    def grown(self, by_mm: float) -> "Ellipse":
        """Give the ellipse with both semi-axes longer by `by_mm`."""
        return Ellipse(
            x_mm=self.x_mm,
            z_mm=self.z_mm,
            a_mm=self.a_mm + by_mm,
            b_mm=self.b_mm + by_mm,
            angle_rad=self.angle_rad,
        )

    def surface(self, grid: Grid) -> Surface:
        """Give the distance (first order: exact on the outline) and normal at each grid point."""
        u, v = self.local(grid)
        gu, gv = u / np.float32(self.a_mm**2), v / np.float32(self.b_mm**2)
        level = np.sqrt(u * gu + v * gv)
        slope = np.sqrt(gu * gu + gv * gv) + np.float32(1e-6)
        c, s = np.float32(math.cos(self.angle_rad)), np.float32(math.sin(self.angle_rad))
        nu, nv = gu / slope, gv / slope
        return Surface(
            distance_mm=(level - 1.0) * level / slope, normal_x=nu * c - nv * s, normal_z=nu * s + nv * c
        )


class Texture:
    """A smooth random field of zero mean and unit variance that stays with the body when the probe moves."""

    def __init__(self, rng: np.random.Generator, scale_x_mm: float, scale_z_mm: float | None = None) -> None:
        """Draw a field whose bumps are about `scale_x_mm` wide and `scale_z_mm` (default: the same) deep."""
        self._scale_x_mm = scale_x_mm
        self._scale_z_mm = scale_z_mm or scale_x_mm
        # Padded by wrapping, so that the field repeats without a seam.
        noise = np.pad(rng.standard_normal((128, 128)).astype(np.float32), 4, mode="wrap")
        smooth = cv2.GaussianBlur(noise, (0, 0), 1.0)[4:-3, 4:-3]
        self._field = (smooth / smooth.std()).astype(np.float32)

    def at(self, x_mm: Field, z_mm: Field) -> Field:
        """Give the field's value at each point; the field repeats after 64 scales."""
        # cv2.remap cannot wrap with sub-pixel accuracy below zero, so the coordinates are folded first.
        u = x_mm * np.float32(2.0 / self._scale_x_mm / 128.0)
        v = z_mm * np.float32(2.0 / self._scale_z_mm / 128.0)
        u -= np.floor(u)
        v -= np.floor(v)
        u *= 128.0
        v *= 128.0
        return np.asarray(cv2.remap(self._field, u, v, cv2.INTER_LINEAR), dtype=np.float32)


def as_field(values: NDArray[np.floating[Any]]) -> Field:
    """Give `values` as a field, without a copy where they are float32 already."""
    return np.asarray(values, dtype=np.float32)


def inside(distance_mm: Field, edge_mm: float) -> Field:
    """Give 1 inside an outline, 0 outside, with a ramp `edge_mm` wide across it."""
    return as_field(np.clip(0.5 - distance_mm / np.float32(edge_mm), 0.0, 1.0))


def line_band(offset_mm: Field, width_mm: float) -> Field:
    """Give a bell of full width `width_mm` about offset zero, peak 1."""
    return as_field(np.exp(-np.square(offset_mm / np.float32(width_mm / 2.0))))


class Canvas:
    """The body as sound meets it, painted from back to front."""

    def __init__(self, grid: Grid) -> None:
        """Start with empty (anechoic, lossless) space on `grid`."""
        shape = grid.x_mm.shape
        self.grid = grid
        self.echo_db: Field = np.full(shape, -90.0, dtype=np.float32)
        self.loss_db_per_mm: Field = np.zeros(shape, dtype=np.float32)
        self.coherent: Field = np.zeros(shape, dtype=np.float32)
        self.label: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)

    def fill(self, weight: Field, tissue: Tissue, texture_db: Field | None = None) -> None:
        """Replace what is there by `tissue` where `weight` is 1, blend where it is less."""
        echo = np.float32(tissue.echo_db) if texture_db is None else tissue.echo_db + texture_db
        self.echo_db += weight * (echo - self.echo_db)
        self.loss_db_per_mm += weight * (np.float32(tissue.loss_db_per_mm) - self.loss_db_per_mm)
        self.coherent *= 1.0 - weight
        self.label[weight > 0.5] = tissue.label

    def shine(self, band: Field, surface: Surface, peak_db: float, *, power: float, floor: float) -> None:
        """Add a mirror-like echo: `peak_db` where the beam meets it squarely, `floor` of it at grazing."""
        cosine = np.abs(surface.normal_x * self.grid.beam_x + surface.normal_z * self.grid.beam_z)
        gain = floor + (1.0 - floor) * cosine ** np.float32(power)
        self.coherent += np.float32(10.0 ** (peak_db / 20.0)) * band * gain
