"""A plan's slices become an even, right-angled volume in the patient."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import SecondaryCaptureImageStorage

from cloud.series.errors import SeriesRefused, SliceUnreadable
from cloud.series.reasons import NoteKind, RefusalReason
from cloud.series.volume import build, needed_bytes
from tests.cloud.series import phantom
from tests.cloud.series.volumes import oracle, plan_of, volume_of, voxels


def ramp_error(volume: Any, reach_mm: float = 14.0) -> float:
    """The largest difference from the body's own value at places all over the volume; 0.5 mm off makes 2 to 5."""
    steps = np.linspace(-reach_mm, reach_mm, 9)
    points = np.stack(np.meshgrid(steps, steps, steps / 2), axis=-1).reshape(-1, 3)
    found, inside = oracle(volume, points)
    assert inside.all()
    return float(np.abs(found * volume.scale + volume.offset - phantom.ramp(points)).max())


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.CORONAL, phantom.TURNED])
def test_every_voxel_lies_where_the_patient_has_it(tmp_path: Path, directions: Any) -> None:
    """Whatever the direction of the images, the volume's value at a place in the patient is the body's there."""
    positions = phantom.centred(directions, phantom.even(24, 2.0), side_px=64)
    volume = volume_of(phantom.write_series(tmp_path, positions, directions, side_px=64))
    assert ramp_error(volume) < 1.01
    assert (0.0, 0.0, 0.0) == pytest.approx(volume.centre_mm, abs=1e-4)


@pytest.mark.req("MPR-08")
def test_uneven_slices_are_resampled_by_their_true_positions(tmp_path: Path) -> None:
    """Slices 1 to 3 mm apart give an even volume that is right everywhere; stacked as if even it would be mm off."""
    rng = np.random.default_rng(7)
    along = np.cumsum(rng.uniform(1.0, 3.0, 20))
    positions = phantom.centred(phantom.AXIAL, list(along - along.mean()), side_px=64)
    paths = phantom.write_series(tmp_path, positions, side_px=64)
    plan = plan_of(paths)
    assert NoteKind.RESAMPLED_EVEN in {note.kind for note in plan.notes}
    assert ramp_error(build(plan)) < 1.6


@pytest.mark.req("MPR-08")
def test_a_hole_is_filled_at_its_place(tmp_path: Path) -> None:
    """Where a slice is missing, those beyond it stay where they are."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(24, 2.0), side_px=64)
    paths = phantom.write_series(tmp_path, positions, side_px=64)
    volume = volume_of(paths[:9] + paths[10:])
    assert 24 == volume.image.GetSize()[2]
    assert ramp_error(volume) < 1.6


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("degrees", [-18.5, 12.0])
def test_tilted_slices_are_sheared_upright(tmp_path: Path, degrees: float) -> None:
    """Slices that lean give a right-angled volume with every value where it was; outside them it is background."""
    shear = math.tan(math.radians(degrees))
    positions = [
        place + np.array([0.0, shear * place[2], 0.0])
        for place in phantom.centred(phantom.AXIAL, phantom.even(24, 2.0), side_px=64)
    ]
    plan = plan_of(phantom.write_series(tmp_path, positions, side_px=64))
    volume = build(plan)
    drift_mm = abs(shear) * 46.0
    assert (64, 64 + math.ceil(drift_mm), 24) == volume.image.GetSize()
    assert ramp_error(volume) < 1.01
    values = voxels(volume)
    assert volume.background == values[0, -1 if degrees > 0 else 0].max()


@pytest.mark.req("MPR-08")
def test_uneven_and_tilted_together(tmp_path: Path) -> None:
    """Both at once are right, too."""
    along = [z + (0.4 if index % 3 == 0 else 0.0) for index, z in enumerate(phantom.even(24, 2.0))]
    shear = np.array([math.tan(math.radians(10)), -math.tan(math.radians(5)), 0.0])
    positions = [
        place + along_mm * shear
        for place, along_mm in zip(phantom.centred(phantom.AXIAL, along, side_px=64), along, strict=True)
    ]
    assert ramp_error(volume_of(phantom.write_series(tmp_path, positions, side_px=64))) < 1.6


@pytest.mark.req("MPR-08")
def test_the_rescale_is_applied_and_int16_kept(tmp_path: Path) -> None:
    """Stored x slope + intercept, per slice; whole numbers stay what they are."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(4, 2.0))
    paths = phantom.write_series(
        tmp_path, positions, RescaleSlope="2", RescaleIntercept="-1024", value=lambda at: 700 + at[..., 0]
    )
    volume = volume_of(paths)
    assert (1.0, 0.0) == (volume.scale, volume.offset)
    assert 2 * np.rint(700 + positions[0][0]) - 1024 == voxels(volume).min() == volume.background


@pytest.mark.req("MPR-08")
def test_values_finer_or_wider_than_int16_keep_their_meaning(tmp_path: Path) -> None:
    """A slope that is a fraction spreads the values over int16; scale and offset give them back."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(4, 2.0))
    for slope in ("0.0125", "1000"):
        paths = phantom.write_series(tmp_path / slope, positions, RescaleSlope=slope, RescaleIntercept="3")
        volume = volume_of(paths)
        expected = np.rint(phantom.ramp(positions[0])) * float(slope) + 3
        full = float(np.ptp(voxels(volume)))
        assert float(voxels(volume)[0, 0, 0]) == pytest.approx(expected, abs=full / 60_000)
        assert full > 0


@pytest.mark.req("MPR-08")
def test_monochrome1_is_turned_over(tmp_path: Path) -> None:
    """Low values that mean bright become high, within the range of the bits, and that is said."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(4, 2.0))
    dark = phantom.write_series(
        tmp_path,
        positions,
        PhotometricInterpretation="MONOCHROME1",
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
        value=lambda at: 1000 + at[..., 0],
    )
    plan = plan_of(dark)
    assert {NoteKind.INVERTED} == {note.kind for note in plan.notes}
    assert 4095 - np.rint(1000 + positions[0][0]) == voxels(build(plan)).max()


@pytest.mark.req("MPR-08")
def test_colour_becomes_brightness(tmp_path: Path) -> None:
    """Colour images give their luma, and that is said."""
    paths = []
    for number in range(1, 5):
        ds = phantom.header(number, SOPClassUID=SecondaryCaptureImageStorage)
        phantom.place(ds, np.array([0.0, 0.0, 2.0 * number]), phantom.AXIAL, 1.0)
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
        paths.append(phantom.write(tmp_path / f"{number}.dcm", ds, np.full((8, 8, 3), (200, 100, 50))))
    plan = plan_of(paths)
    assert {NoteKind.COLOUR_TO_GRAY} == {note.kind for note in plan.notes}
    # 0.299 x 200 + 0.587 x 100 + 0.114 x 50
    assert {124} == set(voxels(build(plan)).ravel().tolist())


@pytest.mark.req("MPR-08")
def test_an_enhanced_object_gives_its_frames(tmp_path: Path) -> None:
    """Frames of one file, with shared slope and intercept, lie where their positions say."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(24, 2.0))
    volume = volume_of([phantom.write_enhanced(tmp_path / "1.dcm", positions[::-1])])
    assert ramp_error(volume) < 2.01


@pytest.mark.req("MPR-08")
def test_memory_is_refused_before_a_pixel_is_read(tmp_path: Path) -> None:
    """A volume above the cap is refused in MiB, and no slice was opened."""
    plan = plan_of(phantom.write_series(tmp_path, phantom.centred(phantom.AXIAL, phantom.even(4, 2.0))))

    def read(each: Any) -> Any:
        raise AssertionError("a slice was read")

    assert 4 * 48 * 48 * 9 == needed_bytes(plan)
    with pytest.raises(SeriesRefused) as refused:
        build(plan, cap_bytes=needed_bytes(plan) - 1, read=read)
    assert RefusalReason.TOO_LARGE == refused.value.refusal.reason


@pytest.mark.req("MPR-08")
def test_a_slice_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    """Pixels of another size than the header's, as damage leaves them, are an error with the slice's path, not a
    hole in the volume; the text holds no path."""
    paths = phantom.write_series(tmp_path, phantom.centred(phantom.AXIAL, phantom.even(4, 2.0)))
    plan = plan_of(paths)
    paths[2].write_bytes(paths[2].read_bytes()[:-2000])
    with pytest.raises(SliceUnreadable) as broken:
        build(plan)
    assert paths[2] == broken.value.path
    assert str(tmp_path) not in str(broken.value)
