"""The head of a real still as a scene to paint on: its own axes, the beam, its tissue's level and grain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from cloud.infer.preprocess import EllipseLike, Gray, Plane
from cloud.training.echo import (
    add_amplitude,
    blurred,
    grain_of,
    local_mean,
    smooth_noise,
    speckle_db,
    to_db,
    to_gray,
)

Mask = NDArray[np.bool_]

USUAL_BPD_MM = 60.0
"""Where only physics asks for millimetres (attenuation) and the scale does not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head's outline: the skull's outer edge as an ellipse, in still pixels (`EllipseLike`)."""

    cx: float
    """Centre column."""
    cy: float
    """Centre row."""
    a: float
    """Half the OFD."""
    b: float
    """Half the BPD."""
    angle_deg: float
    """Direction of the OFD, clockwise from +x as the screen shows it."""


def head_of(ellipse: EllipseLike) -> Head:
    """The outline as this module keeps it."""
    return Head(cx=ellipse.cx, cy=ellipse.cy, a=ellipse.a, b=ellipse.b, angle_deg=ellipse.angle_deg)


class Scene:
    """The window of a still around its head, in dB, with the head's own axes."""

    def __init__(self, gray: Gray, head: EllipseLike, rng: Generator, forehead: int | None = None) -> None:
        """`forehead` is +1 where it points along the ellipse's direction, -1 against it, None for either."""
        reach = math.ceil(max(head.a, head.b)) + 3
        self._shape = gray.shape
        left, top = max(0, round(head.cx) - reach), max(0, round(head.cy) - reach)
        right, bottom = round(head.cx) + reach + 1, round(head.cy) + reach + 1
        self.window = (slice(top, bottom), slice(left, right))
        self._gray = gray
        self.before = gray[self.window]
        self.echo = to_db(self.before)
        self.rng = rng
        self.a, self.b = float(head.a), float(head.b)
        self._place(head, left, top, int(rng.choice([-1, 1])) if forehead is None else forehead)
        radius = np.hypot(self.u / np.float32(self.a), self.v / np.float32(self.b))
        self.radius = np.asarray(radius, np.float32)
        self.head = self.radius <= 1
        self.brain = np.asarray(np.clip((0.90 - self.radius) / 0.04, 0, 1), np.float32)
        inner = (self.radius < 0.82).astype(np.float32)
        self.level = local_mean(self.echo, inner, max(2.0, 0.16 * self.b))
        self.grain = grain_of(self.echo, inner)
        calm = blurred(self.echo, 2.5)
        quiet = calm[inner > 0]
        lumps = np.abs(calm - self.level)[inner > 0]
        self.lumps_db = float(np.clip(np.median(lumps) * 1.4826, 0.5, 4.0)) if lumps.size else 1.0
        self._speckle = speckle_db(self.echo.shape, self.grain, rng)
        # The head's own fluid tells what fluid looks like on this machine, where the head shows any.
        usual_db = float(quiet.mean()) if quiet.size else -40.0
        self.dark_db = min(float(np.percentile(quiet, 3)) if quiet.size else -55.0, usual_db - 11.0)

    def _place(self, head: EllipseLike, left: int, top: int, forehead: int) -> None:
        rows, columns = self.before.shape
        dx = np.arange(left, left + columns, dtype=np.float32)[np.newaxis] - np.float32(head.cx)
        dy = np.arange(top, top + rows, dtype=np.float32)[:, np.newaxis] - np.float32(head.cy)
        cosine, sine = math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg))
        # v grows away from the probe, which sends its beams down the picture.
        away = 1 if cosine >= 0 else -1
        self.u_axis = (forehead * cosine, forehead * sine)
        self.v_axis = (-away * sine, away * cosine)
        self.centre = (float(head.cx), float(head.cy))
        self.u = np.asarray(dx * np.float32(self.u_axis[0]) + dy * np.float32(self.u_axis[1]), np.float32)
        self.v = np.asarray(dx * np.float32(self.v_axis[0]) + dy * np.float32(self.v_axis[1]), np.float32)
        self.facing = abs(cosine)
        depth = self.a * self.rng.uniform(2.2, 5.0)
        beam_x = dx - np.float32(self.rng.uniform(-0.4, 0.4) * self.a)
        beam_y = dy + np.float32(depth)
        length = np.hypot(beam_x, beam_y)
        self.beam = (np.asarray(beam_x / length, np.float32), np.asarray(beam_y / length, np.float32))

    def to_still(self, u: float, v: float) -> tuple[float, float]:
        """Still position (x, y) of a point in the head's own axes, in pixels."""
        return (
            self.centre[0] + u * self.u_axis[0] + v * self.v_axis[0],
            self.centre[1] + u * self.u_axis[1] + v * self.v_axis[1],
        )

    def lumps(self) -> Plane:
        """Folds and vessels: uneven tissue coarser than the speckle, as strong as the head's own, in dB."""
        fine_px = max(0.1 * self.b, 4 * self.grain.across_px)
        wide, fine = (smooth_noise(self.echo.shape, px, self.rng) for px in (0.25 * self.b, fine_px))
        return np.asarray(np.float32(0.7 * self.lumps_db) * (wide + 0.7 * fine), np.float32)

    def fill(self, weight: Plane, echo_db: Plane | float) -> None:
        """Puts tissue of this echo, with speckle, where `weight` is 1; blends where it is less.

        The scatterers stay where they are whatever the tissue, so one speckle serves every filling.
        """
        self.echo = np.asarray(self.echo + weight * (echo_db + self._speckle - self.echo), np.float32)

    def shine(self, distance: Plane, band: Plane, mirror_db: float, floor: float = 0.03) -> None:
        """A mirror-like wall: bright where the beam meets the outline of `distance` squarely."""
        calm = blurred(distance, 1.0)
        across = np.asarray(cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
        down = np.asarray(cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
        slope = np.hypot(down, across) + np.float32(1e-3)
        cosine = np.abs(across * self.beam[0] + down * self.beam[1]) / slope
        gain = floor + (1 - floor) * np.clip(cosine, 0, 1) ** 4
        self.echo = add_amplitude(self.echo, mirror_db, np.asarray(band * gain, np.float32))

    def shine_through(self, lumen: Plane) -> None:
        """Fluid takes no sound: what lies behind it is brighter."""
        mm_per_pixel = USUAL_BPD_MM / (2 * self.b)
        path_mm = np.cumsum(lumen, axis=0) * np.float32(mm_per_pixel)
        gain_db = np.minimum(path_mm * np.float32(0.09 * self.rng.uniform(0.4, 1.4)), 5.0)
        self.echo = self.echo + gain_db * self.brain * (1 - lumen)

    def soft(self, distance: Plane) -> Plane:
        """1 inside, 0 outside, with a ramp as wide as the picture's point spread."""
        edge = np.float32(1.2 + 1.6 * self.grain.across_px)
        return np.asarray(np.clip(0.5 - distance / edge, 0, 1), np.float32)

    def whole(self, mask: Mask) -> Mask:
        """A mask of the window as a mask of the still."""
        full = np.zeros(self._shape, np.bool_)
        full[self.window] = mask
        return full

    def outside(self, mask: Mask) -> Mask:
        """A mask of the window, and all outside of the window."""
        full = np.ones(self._shape, np.bool_)
        full[self.window] = mask
        return full

    def ellipse_distance(self, u: float, v: float, axes_px: tuple[float, float], turn: float) -> Plane:
        """Signed distance (exact on the outline) to an ellipse in the head's own axes, in pixels."""
        cosine, sine = np.float32(math.cos(turn)), np.float32(math.sin(turn))
        du, dv = self.u - np.float32(u), self.v - np.float32(v)
        p, q = du * cosine + dv * sine, dv * cosine - du * sine
        gp, gq = p / np.float32(axes_px[0] ** 2), q / np.float32(axes_px[1] ** 2)
        level = np.sqrt(p * gp + q * gq)
        return np.asarray((level - 1) * level / (np.hypot(gp, gq) + np.float32(1e-6)), np.float32)

    def picture(self, changed: Plane) -> Gray:
        """The still with the painted echoes where `changed` is above 0; elsewhere its own pixels."""
        gray = self._gray.copy()
        gray[self.window] = np.where(changed > 0, to_gray(self.echo), self.before)
        return gray
