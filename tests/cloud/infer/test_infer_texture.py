"""Tissue has speckle inside; a drawn outline and a flat area have none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.texture import is_tissue, texture_share
from edge_agent.simulator.exam import draw_examination

ELLIPSE = Ellipse(cx=400, cy=270, a=210, b=165, angle_deg=20)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(("ground", "inside", "thickness"), [(0, 235, 6), (250, 60, -1), (20, 220, -1)])
def test_a_drawing_is_no_tissue(ground: int, inside: int, thickness: int) -> None:
    """A ring on black and ovals of one gray value have no texture."""
    pixels = np.full((540, 800), ground, np.uint8)
    cv2.ellipse(pixels, ((400.0, 270.0), (420.0, 330.0), 20.0), inside, thickness, cv2.LINE_AA)
    assert 0.01 > texture_share(pixels, ELLIPSE)
    assert not is_tissue(pixels, ELLIPSE)


def test_a_scanned_head_is_tissue() -> None:
    """The virtual scanner's speckle counts, and an ellipse outside of the still holds nothing."""
    truth = next(
        shot.still for shot in draw_examination(3, 0, banner=False, cines=False) if shot.still.truth.ellipse
    )
    drawn, gray = truth.truth.ellipse, truth.pixels
    assert drawn is not None
    gray = gray if gray.ndim == 2 else np.ascontiguousarray(gray[:, :, 0])
    ellipse = Ellipse(cx=drawn.cx, cy=drawn.cy, a=drawn.a, b=drawn.b, angle_deg=drawn.angle_deg % 180)
    assert is_tissue(gray, ellipse)
    assert 0.0 == texture_share(gray, Ellipse(cx=-500, cy=-500, a=9, b=8, angle_deg=0))
