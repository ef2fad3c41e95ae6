"""Heads of the virtual scanner as sample images with ventricles of known width.

The outline of a ventricle follows from the stated caliper by the scanner's own shape of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cloud.infer.preprocess import Gray
from cloud.training.scanner import Print, printed_heads
from cloud.training.scene import Head, Mask


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedHead:
    """One printed head."""

    group: str
    """The made-up patient."""
    gray: Gray
    """The frame, uint8 HxW."""
    head: Head
    """The skull's outer edge, in pixels."""
    plane: str
    """trans-thalamic, trans-ventricular or trans-cerebellar."""
    mm_per_pixel: float
    """Side of a pixel in millimetres."""
    atrium_mm: float | None
    """Inner width of the ventricles at the atrium in millimetres; None where the plane shows none."""
    ventricle: Mask
    """Inside of both lateral ventricles, choroid plexus included, bool HxW."""
    lesion: bool
    """Whether something else was painted into it."""


def simulated_heads(folder: Path, seed: int, count: int) -> list[SimulatedHead]:
    """The heads among `count` printed files; prints them into `folder` where they are not there yet.

    Raises ScannerFailed when the scanner does not print.
    """
    return [_head(head, seed) for head in printed_heads(folder, seed, count)]


def _head(printed: Print, seed: int) -> SimulatedHead:
    truth, gray = printed.truth, printed.gray
    ellipse = truth["ellipse"]
    head = Head(**{name: float(ellipse[name]) for name in ("cx", "cy", "a", "b", "angle_deg")})
    shown = truth["atrium_px"] is not None and truth["plane"] != "trans-cerebellar"
    return SimulatedHead(
        group=f"simulated:{seed}:{printed.patient}",
        gray=gray,
        head=head,
        plane=truth["plane"],
        mm_per_pixel=float(truth["mm_per_pixel"]),
        atrium_mm=float(truth["atrium_mm"]) if shown else None,
        ventricle=_ventricles(head, truth, gray.shape) if shown else np.zeros(gray.shape, np.bool_),
        lesion=truth.get("lesion") is not None,
    )


def _ventricles(head: Head, truth: dict[str, Any], shape: tuple[int, ...]) -> Mask:
    """Both lateral ventricles: clubs that widen backwards, as `edge_agent/simulator/head.py` draws them."""
    cosine, sine = math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg))
    x0, y0, x1, y1 = truth["atrium_px"]
    middle_u = ((x0 + x1) / 2 - head.cx) * cosine + ((y0 + y1) / 2 - head.cy) * sine
    # The atrium lies towards the back of the head.
    front = -1 if middle_u > 0 else 1
    x = np.arange(shape[1], dtype=np.float32)[np.newaxis] - np.float32(head.cx)
    y = np.arange(shape[0], dtype=np.float32)[:, np.newaxis] - np.float32(head.cy)
    u, v = front * (x * cosine + y * sine), y * cosine - x * sine
    a, b, mm = head.a, head.b, float(truth["mm_per_pixel"])
    width = float(truth["atrium_mm"]) / mm
    room = b * math.sqrt(1 - 0.52**2) - 2.5 / mm
    back_v = min(max(0.44 * b, width / 2 + 2 / mm), room - width / 2)
    front_v = min(0.30 * b, back_v)
    mask = np.zeros(shape, np.bool_)
    for side in (-1, 1):
        du, dv = -0.62 * a, side * (back_v - front_v)
        along = np.clip(((u - 0.12 * a) * du + (v - side * front_v) * dv) / (du * du + dv * dv), 0, 1)
        away = np.hypot(u - 0.12 * a - along * du, v - side * front_v - along * dv)
        opened = np.clip(along / 0.7, 0, 1)
        mask |= away <= width / 2 * (0.38 + 0.62 * opened**2 * (3 - 2 * opened))
    return mask
