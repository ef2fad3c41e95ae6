"""Directions, letters, and the way between a place in the patient and a pixel."""

from __future__ import annotations

import math
from typing import Any

import pytest

from cloud.series.errors import SliceInvalid
from cloud.series.planes import DIRECTIONS, Edges, PlaneName, letters, oblique, plane


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (PlaneName.AXIAL, Edges(left="R", right="L", top="A", bottom="P")),
        (PlaneName.CORONAL, Edges(left="R", right="L", top="H", bottom="F")),
        (PlaneName.SAGITTAL, Edges(left="A", right="P", top="H", bottom="F")),
    ],
)
def test_letters_of_the_three_planes(name: PlaneName, expected: Edges) -> None:
    """As radiology shows them: axial from the feet, coronal from the front, sagittal from the left."""
    u, v = DIRECTIONS[name]
    assert expected == plane((0, 0, 0), u, v, (4, 4), 1.0).edges


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, -3, 0), "A"),
        ((0, 0, -1), "F"),
        ((1, 1, 0), "LP"),
        ((-0.2, 0.9, 0), "PR"),
        ((1, 0.05, 0), "L"),
        ((1, -0.5, 0.75), "LHA"),
        ((-0.3, -0.4, -0.866), "FAR"),
    ],
)
def test_letters_of_a_direction(direction: tuple[float, float, float], expected: str) -> None:
    """The main side first, up to three; less than five degrees towards a side are not told."""
    assert expected == letters(direction)


@pytest.mark.req("MPR-07")
def test_oblique_angles_turn_about_the_patients_axes() -> None:
    """Worked out by hand: 90 degrees about x take back (P) to head; 30 about z take left towards back; x goes first."""
    u, v = oblique((90, 0, 0))
    assert (1.0, 0.0, 0.0) == pytest.approx(u)
    assert (0.0, 0.0, 1.0) == pytest.approx(v)
    u, v = oblique((0, 0, 30))
    assert (math.cos(math.radians(30)), 0.5, 0.0) == pytest.approx(u)
    assert (-0.5, math.cos(math.radians(30)), 0.0) == pytest.approx(v)
    u, v = oblique((90, 0, 90))
    assert (0.0, 1.0, 0.0) == pytest.approx(u)
    assert (0.0, 0.0, 1.0) == pytest.approx(v)


@pytest.mark.req("MPR-07")
def test_places_and_pixels() -> None:
    """A pixel's place and a place's pixel are each other's inverse; the upper left pixel is half a picture away."""
    at = plane((10.0, 20.0, 30.0), (1, 0, 0), (0, 0, -1), (5, 3), 2.0)
    assert (6.0, 20.0, 32.0) == pytest.approx(at.origin_mm)
    assert (14.0, 20.0, 28.0) == pytest.approx(at.to_patient(4, 2))
    assert (0.0, 1.0, 0.0) == pytest.approx(at.normal)
    assert (3.0, 0.5, 7.0) == pytest.approx(at.to_pixel((12.0, 27.0, 31.0)))


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize(
    "changes",
    [
        {"u": (0, 0, 0)},
        {"u": (1, 0.1, 0)},
        {"v": (1, 0, 0)},
        {"centre_mm": (math.nan, 0, 0)},
        {"centre_mm": (0, 0)},
        {"size_px": (0, 4)},
        {"size_px": (4, 5000)},
        {"pixel_mm": 0.0},
        {"pixel_mm": math.inf},
    ],
)
def test_a_plane_that_is_none(changes: dict[str, Any]) -> None:
    """What a caller may send wrong is refused before anything is computed."""
    sound: dict[str, Any] = {
        "centre_mm": (0, 0, 0),
        "u": (1, 0, 0),
        "v": (0, 2, 0),
        "size_px": (4, 4),
        "pixel_mm": 1.0,
    }
    assert (0.0, 1.0, 0.0) == plane(**sound).v
    with pytest.raises(SliceInvalid):
        plane(**{**sound, **changes})
