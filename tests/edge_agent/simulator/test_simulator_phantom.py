"""The phantom's tissue map agrees with the sizes that are said to be true of it."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from edge_agent.simulator import biometry
from edge_agent.simulator.head import TRANS_CEREBELLAR, TRANS_THALAMIC, TRANS_VENTRICULAR
from edge_agent.simulator.phantom import (
    ABDOMEN,
    FEMUR,
    NORMAL,
    THORAX,
    VENTRICULOMEGALY,
    Lesion,
    Phantom,
    brain_phantom,
    draw_fetus,
    other_phantom,
)
from edge_agent.simulator.tissue import Canvas, Ellipse, Field, Grid, Label, cartesian_grid

PITCH_MM = 0.1


def _along(phantom: Phantom, start: tuple[float, float], end: tuple[float, float]) -> tuple[Canvas, float]:
    """Paint the phantom on a straight line of points `PITCH_MM` apart."""
    length = math.dist(start, end)
    count = round(length / PITCH_MM) + 1
    x: Field = np.linspace(start[0], end[0], count, dtype=np.float32)[None, :]
    z: Field = np.linspace(start[1], end[1], count, dtype=np.float32)[None, :]
    grid = Grid(x_mm=x, z_mm=z, beam_x=np.zeros_like(x), beam_z=np.ones_like(x))
    return phantom.tissue(grid), length / (count - 1)


@pytest.mark.parametrize(
    ("weeks", "function", "expected"),
    [
        (14.0, biometry.hc_mm, 97.88),
        (20.0, biometry.hc_mm, 172.48),
        (32.0, biometry.hc_mm, 294.37),
        (40.0, biometry.hc_mm, 333.95),
        (20.0, biometry.ac_mm, 147.73),
        (20.0, biometry.fl_mm, 31.29),
        (20.0, biometry.tcd_mm, 20.47),
        (20.0, biometry.atrium_mm, 6.31),
    ],
)
def test_biometry_gives_the_published_means(
    weeks: float, function: Callable[[float], float], expected: float
) -> None:
    """The sizes follow INTERGROWTH-21st: its check values come out to a hundredth of a millimetre."""
    assert function(weeks) == pytest.approx(expected, abs=0.011)


def test_biometry_deviations_are_the_published_ones() -> None:
    """One standard deviation at 20 weeks is 7.44 mm of head circumference."""
    assert biometry.hc_mm(20.0, 1.0) - biometry.hc_mm(20.0) == pytest.approx(7.44, abs=0.01)


@pytest.mark.parametrize("finding", [NORMAL, VENTRICULOMEGALY])
@pytest.mark.parametrize("seed", range(4))
def test_ventricle_in_the_map_is_as_wide_as_its_truth(seed: int, finding: str) -> None:
    """Counting ventricle and plexus points across the atrium gives the atrial width within 0.5 mm."""
    phantom = brain_phantom(
        np.random.default_rng(seed), TRANS_VENTRICULAR, draw_fetus(np.random.default_rng(seed), finding)
    )
    assert phantom.atrium_mm is not None
    assert phantom.atrium_line_mm is not None
    (x0, z0), (x1, z1) = phantom.atrium_line_mm
    assert math.dist((x0, z0), (x1, z1)) == pytest.approx(phantom.atrium_mm, abs=1e-6)
    # The caliper's line, extended by 2 mm on either side.
    ux, uz = (x1 - x0) / phantom.atrium_mm, (z1 - z0) / phantom.atrium_mm
    canvas, pitch = _along(phantom, (x0 - 2 * ux, z0 - 2 * uz), (x1 + 2 * ux, z1 + 2 * uz))
    lumen = np.isin(canvas.label, [Label.VENTRICLE, Label.CHOROID])
    assert lumen.sum() * pitch == pytest.approx(phantom.atrium_mm, abs=0.5)


def test_findings_differ_by_the_width_of_the_atrium() -> None:
    """Normal atria are 5-8 mm wide, enlarged ones 11-20 mm."""
    normal = [
        brain_phantom(
            np.random.default_rng(s), TRANS_THALAMIC, draw_fetus(np.random.default_rng(s), NORMAL)
        ).atrium_mm
        for s in range(20)
    ]
    wide = [
        brain_phantom(
            np.random.default_rng(s), TRANS_THALAMIC, draw_fetus(np.random.default_rng(s), VENTRICULOMEGALY)
        ).atrium_mm
        for s in range(20)
    ]
    assert all(width is not None and 5.0 <= width <= 8.0 for width in normal)
    assert all(width is not None and 11.0 <= width <= 20.0 for width in wide)


@pytest.mark.parametrize("seed", range(3))
def test_skull_in_the_map_has_the_true_diameters(seed: int) -> None:
    """From outer edge to outer edge the skull spans the OFD along its long axis."""
    phantom = brain_phantom(
        np.random.default_rng(seed), TRANS_THALAMIC, draw_fetus(np.random.default_rng(seed), NORMAL)
    )
    skull = phantom.outline
    canvas, pitch = _along(
        phantom, skull.to_world(-skull.a_mm - 5.0, 0.0), skull.to_world(skull.a_mm + 5.0, 0.0)
    )
    found = np.flatnonzero(canvas.label[0] == Label.SKULL)
    assert (found[-1] - found[0]) * pitch == pytest.approx(2.0 * skull.a_mm, abs=0.6)


@pytest.mark.parametrize("seed", range(12))
def test_the_whole_skull_lies_in_the_sector(seed: int) -> None:
    """Every point of the skull is nearer than the deepest sample and between the outermost beams."""
    phantom = brain_phantom(
        np.random.default_rng(seed), TRANS_THALAMIC, draw_fetus(np.random.default_rng(seed), NORMAL)
    )
    skull, probe = phantom.outline, phantom.probe
    for turn in np.linspace(0.0, 2.0 * math.pi, 60):
        x, z = skull.to_world(skull.a_mm * math.cos(turn), skull.b_mm * math.sin(turn))
        assert 0.0 < math.hypot(x, z + probe.radius_mm) - probe.radius_mm < probe.far_mm
        assert abs(math.atan2(x, z + probe.radius_mm)) < probe.half_angle_rad


def test_cerebellum_shows_no_atrium_but_its_own_diameter() -> None:
    """The trans-cerebellar plane carries a cerebellar diameter and no atrial width."""
    phantom = brain_phantom(
        np.random.default_rng(5), TRANS_CEREBELLAR, draw_fetus(np.random.default_rng(5), NORMAL)
    )
    assert phantom.atrium_mm is None
    assert phantom.tcd_mm is not None
    assert 0.5 < phantom.tcd_mm / biometry.tcd_mm(phantom.weeks) < 1.5


@pytest.mark.parametrize("kind", [ABDOMEN, FEMUR, THORAX])
def test_other_types_hold_their_own_organs_and_no_head(kind: str) -> None:
    """Stomach, bone or heart chambers lie in the map of their type, skull in none."""
    own = {ABDOMEN: Label.STOMACH, FEMUR: Label.BONE, THORAX: Label.CHAMBER}[kind]
    phantom = other_phantom(np.random.default_rng(1), kind, draw_fetus(np.random.default_rng(1), NORMAL))
    labels = phantom.tissue(cartesian_grid(-60.0, 0.0, 60.0, 140.0, 0.5)).label
    assert (labels == own).sum() > 50
    assert not (labels == Label.SKULL).any()
    assert phantom.hc_mm is None


def test_femur_in_the_map_is_as_long_as_its_truth() -> None:
    """Along its axis the bone spans the femur length within a millimetre."""
    phantom = other_phantom(np.random.default_rng(3), FEMUR, draw_fetus(np.random.default_rng(3), NORMAL))
    assert phantom.length_mm is not None
    thigh, reach = phantom.outline, phantom.length_mm / 2.0 + 4.0
    points = cartesian_grid(thigh.x_mm - 60, thigh.z_mm - 40, thigh.x_mm + 60, thigh.z_mm + 40, 0.25)
    u, v = thigh.local(points)
    bone = (phantom.tissue(points).label == Label.BONE) & (np.abs(v) < 15.0) & (np.abs(u) < reach)
    assert np.ptp(u[bone]) == pytest.approx(phantom.length_mm, abs=1.0)


def test_the_heart_beats() -> None:
    """Emptied ventricles leave less chamber in the map than filled ones."""
    phantom = other_phantom(np.random.default_rng(2), THORAX, draw_fetus(np.random.default_rng(2), NORMAL))
    grid = cartesian_grid(-60.0, 0.0, 60.0, 140.0, 0.5)
    filled, emptied = phantom.tissue(grid, 0.0), phantom.tissue(grid, 0.5)
    assert (emptied.label == Label.CHAMBER).sum() < 0.9 * (filled.label == Label.CHAMBER).sum()


def test_lesion_lies_where_it_is_put() -> None:
    """A lesion covers its outline's area at its place."""
    outline = Ellipse(x_mm=3.0, z_mm=50.0, a_mm=6.0, b_mm=4.0, angle_rad=0.5)
    canvas = Canvas(cartesian_grid(-20.0, 30.0, 20.0, 70.0, 0.1))
    Lesion(outline=outline, echo_db=-12.0).paint(canvas)
    inside = canvas.label == Label.LESION
    assert inside.sum() * 0.01 == pytest.approx(math.pi * 6.0 * 4.0, rel=0.02)
    assert float(canvas.grid.x_mm[inside].mean()) == pytest.approx(3.0, abs=0.1)
    assert float(canvas.grid.z_mm[inside].mean()) == pytest.approx(50.0, abs=0.1)
    assert float(canvas.echo_db[inside].max()) == pytest.approx(-12.0)


def test_unknown_type_is_refused() -> None:
    """A type without a phantom is an error, not another phantom."""
    with pytest.raises(ValueError, match="spleen"):
        other_phantom(np.random.default_rng(0), "spleen", draw_fetus(np.random.default_rng(0), NORMAL))
