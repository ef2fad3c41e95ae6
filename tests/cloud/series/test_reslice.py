"""Planes and slabs through a volume, against scipy and against landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cloud.series.errors import SliceInvalid
from cloud.series.planes import DIRECTIONS, PlaneName, oblique
from cloud.series.reslice import SlabMode, cut
from cloud.series.sweep import PLANES_MAX, sweep
from cloud.series.volume import Volume
from tests.cloud.series import phantom
from tests.cloud.series.volumes import facing, landmark_mm, oracle, points_of, volume_of

VIEWS = {
    "axial": DIRECTIONS[PlaneName.AXIAL],
    "coronal": DIRECTIONS[PlaneName.CORONAL],
    "sagittal": DIRECTIONS[PlaneName.SAGITTAL],
    "oblique": oblique((35, -20, 50)),
}
ACQUIRED = {"axial": phantom.AXIAL, "coronal": phantom.CORONAL, "turned": phantom.TURNED}


@pytest.fixture(name="volumes", scope="module")
def _volumes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Volume]:
    """The body with two landmarks, acquired in three directions, 2 mm apart."""
    made = {}
    for name, directions in ACQUIRED.items():
        positions = phantom.centred(directions, phantom.even(24, 2.0))
        folder = tmp_path_factory.mktemp(name)
        made[name] = volume_of(phantom.write_series(folder, positions, directions, value=phantom.blobs))
    return made


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("acquired", ACQUIRED)
def test_any_plane_of_any_acquisition_is_scipys(volumes: dict[str, Volume], acquired: str, view: str) -> None:
    """Every pixel is what scipy interpolates at its place, to rounding."""
    made = cut(volumes[acquired], facing((1.0, -2.0, 0.5), *VIEWS[view]))
    found, inside = oracle(volumes[acquired], points_of(made.plane))
    assert inside.mean() > 0.9
    assert float(np.abs(made.pixels - found)[inside].max()) <= 0.51
    assert np.int16 == made.pixels.dtype


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("acquired", ACQUIRED)
def test_landmarks_lie_where_they_were_put(volumes: dict[str, Volume], acquired: str, view: str) -> None:
    """In every view of every acquisition the landmark's middle is within 0.5 mm of where the body has it."""
    for mark in phantom.LANDMARKS:
        seen = landmark_mm(cut(volumes[acquired], facing(mark, *VIEWS[view])), mark)
        assert float(np.linalg.norm(seen - np.array(mark))) < 0.5


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize(
    ("mode", "of"), [(SlabMode.MEAN, np.mean), (SlabMode.MIP, np.max), (SlabMode.MINIP, np.min)]
)
def test_a_slab_is_that_of_its_planes(volumes: dict[str, Volume], mode: SlabMode, of: Any) -> None:
    """A slab of 6 mm is the mean, the highest or the lowest of planes 1 mm apart, 3 mm to either side."""
    at = facing((1.0, -2.0, 0.5), *VIEWS["oblique"], side_px=16)
    made = cut(volumes["axial"], at, slab_mm=6.0, mode=mode)
    points = points_of(at)
    layers = [oracle(volumes["axial"], points + depth * np.array(at.normal))[0] for depth in range(-3, 4)]
    assert 7 == made.layer_count
    assert float(np.abs(made.pixels - of(layers, axis=0)).max()) <= 0.51


@pytest.mark.req("MPR-07")
def test_outside_is_background_and_said(volumes: dict[str, Volume]) -> None:
    """Beyond the voxels a cut has the background, its own or the one asked for, and says which share lies inside."""
    volume = volumes["axial"]
    at = facing((24.0, 0.0, 0.0), *VIEWS["axial"])
    made = cut(volume, at, background=-77)
    assert -77 == made.background
    # The volume ends half a voxel beyond its last centre, at 24.0: the left half of the picture.
    assert {-77} == set(made.pixels[:, 20:].ravel().tolist())
    assert -77 not in made.pixels[:, :20]
    assert made.inside_share == pytest.approx(0.5)
    assert volume.background == cut(volume, at).background
    assert 0.0 == cut(volume, facing((500.0, 0, 0), *VIEWS["axial"])).inside_share


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize("mode", SlabMode)
def test_a_slab_takes_only_what_is_inside(volumes: dict[str, Volume], mode: SlabMode) -> None:
    """Planes of a slab that miss the volume change nothing: the background is never mixed in."""
    at = facing((0.0, 0.0, 23.0), *VIEWS["axial"], side_px=8)
    made = cut(volumes["axial"], at, slab_mm=4.0, mode=mode, background=-5000)
    assert 1.0 == made.inside_share
    assert int(made.pixels.min()) >= 0


@pytest.mark.req("MPR-07")
def test_a_slab_beyond_reason_is_refused(volumes: dict[str, Volume]) -> None:
    """Thickness and background are checked before anything is computed."""
    at = facing((0, 0, 0), *VIEWS["axial"])
    for wrong in ({"slab_mm": -1.0}, {"slab_mm": 1e9}, {"slab_mm": float("nan")}, {"background": -32768}):
        with pytest.raises(SliceInvalid):
            cut(volumes["axial"], at, **wrong)  # type: ignore[arg-type]


@pytest.mark.req("MPR-07")
def test_a_sweep_covers_the_volume(volumes: dict[str, Volume]) -> None:
    """Parallel planes, as far apart as asked, reach every voxel; through a point there is one."""
    volume = volumes["axial"]
    planes = sweep(volume, *VIEWS["coronal"], step_mm=4.0)
    assert [-22.0 + 4.0 * index for index in range(12)] == pytest.approx([at.centre_mm[1] for at in planes])
    assert (48, 48) == planes[0].size_px
    assert all(cut(volume, at).inside_share == pytest.approx(1.0) for at in planes)
    (one,) = sweep(volume, *VIEWS["coronal"], step_mm=4.0, centre_mm=(3.0, 7.5, 2.0))
    assert (0.0, 7.5, 0.0) == pytest.approx(one.centre_mm, abs=1e-4)
    with pytest.raises(SliceInvalid, match="larger step"):
        sweep(volume, *VIEWS["coronal"], step_mm=48 / (PLANES_MAX + 1))
