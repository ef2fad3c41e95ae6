"""Real series: each is reconstructed where it was, or refused with the reason; no real file ends the search."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from cloud.series.found import Found, find
from cloud.series.geometry import Plan, understand
from cloud.series.group import group
from cloud.series.header import Header
from cloud.series.planes import DIRECTIONS, PlaneName, plane
from cloud.series.reasons import LEFT_OUT, NoteKind, Refusal
from cloud.series.reconstruct import gather
from cloud.series.reslice import cut
from cloud.series.volume import Volume, build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SERIES = {"ct_phantom_5mm_28": 28, "ct_phantom_tilt_28": 28, "mr_papaya_pd_axial_20": 20}

INNER = (slice(8, -8), slice(8, -8))


@pytest.fixture(name="found", scope="module")
def _found(unpacked: Path) -> Found:
    """All series of the set in one search, as they lie."""
    return find(unpacked / "mpr")


def plan_of(found: Found, name: str) -> Plan:
    """The plan of the series in this folder, picked out of all by the header of one of its images."""
    current = next(each for each in found.headers if each.path.parent.name == name)
    members = group(current, found.headers).members
    assert SERIES[name] == len(members)
    assert {name} == {each.path.parent.name for each in members}
    result = understand(members, current).result
    assert isinstance(result, Plan), result
    return result


def values_at(volume: Volume, point: np.ndarray) -> float:
    """The volume's value at a place in the patient, by SimpleITK's linear interpolation."""
    return (
        float(volume.image.EvaluateAtPhysicalPoint(point.tolist(), sitk.sitkLinear)) * volume.scale
        + volume.offset
    )


def worst_offset_mm(volume: Volume, plan: Plan) -> float:
    """How far, at most, the pictures of the source slices lie from their place in the volume, mm.

    For each slice of the plan the volume is cut at the slice's own place (from its file, read here afresh), and the
    shift between both pictures is found by least squares in all three directions.
    """
    worst = 0.0
    for each in plan.slices:
        ds = pydicom.dcmread(each.header.path)
        source = ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        source = source[INNER].astype(float)
        apart_mm = plan.step_mm / 4
        along = (seen_at(volume, ds, apart_mm) - seen_at(volume, ds, -apart_mm)) / (2 * apart_mm)
        down, right = np.gradient(source, float(ds.PixelSpacing[0]))
        shift = _shift_mm(source, seen_at(volume, ds, 0.0), (down, right, along))
        worst = max(worst, float(np.linalg.norm(shift)))
    return worst


def seen_at(volume: Volume, ds: pydicom.Dataset, away_mm: float) -> np.ndarray:
    """The volume cut where this slice lies, or so far along its normal; its outermost pixels left away."""
    position, directions = (
        np.array(ds.ImagePositionPatient, float),
        np.array(ds.ImageOrientationPatient, float),
    )
    u, v, pixel_mm, side = (
        directions[:3],
        directions[3:],
        float(ds.PixelSpacing[0]),
        (int(ds.Columns), int(ds.Rows)),
    )
    middle = position + pixel_mm / 2 * ((side[0] - 1) * u + (side[1] - 1) * v) + away_mm * np.cross(u, v)
    return cut(volume, plane(middle, u, v, side, pixel_mm)).pixels[INNER].astype(float)


def _shift_mm(first: np.ndarray, second: np.ndarray, slopes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Least-squares shift between two nearly equal pictures along the directions of `slopes` (Lucas, Kanade 1981)."""
    equations = np.stack([slope.ravel() for slope in slopes], axis=1)
    shift, *_ = np.linalg.lstsq(equations, (second - first).ravel(), rcond=1e-3)
    return np.asarray(shift)


def moved(volume: Volume, by_mm: np.ndarray) -> Volume:
    """The same voxels somewhere else."""
    image = sitk.Image(volume.image)
    image.SetOrigin((np.array(image.GetOrigin()) + by_mm).tolist())
    return replace(volume, image=image)


@pytest.mark.req("MPR-08")
def test_the_measure_sees_a_volume_that_is_one_millimetre_off(found: Found) -> None:
    """What the tests below measure with finds 1 mm in each direction, so that 0.5 mm means something."""
    plan = plan_of(found, "mr_papaya_pd_axial_20")
    volume = build(plan)
    some = replace(plan, slices=plan.slices[8:12])
    for direction in (plan.row_direction, plan.column_direction, plan.normal):
        assert worst_offset_mm(moved(volume, 1.0 * np.array(direction)), some) > 0.7


@pytest.mark.req("MPR-08")
def test_the_plain_series_is_simpleitks_own(found: Found, unpacked: Path) -> None:
    """Origin, spacing, direction and every voxel are those that SimpleITK (GDCM) reads by itself."""
    plan = plan_of(found, "ct_phantom_5mm_28")
    assert plan.is_even
    assert () == plan.notes
    volume = build(plan)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(unpacked / "mpr" / "ct_phantom_5mm_28")))
    own = reader.Execute()
    assert own.GetOrigin() == pytest.approx(volume.image.GetOrigin())
    assert own.GetSpacing() == pytest.approx(volume.image.GetSpacing())
    assert own.GetDirection() == pytest.approx(volume.image.GetDirection())
    assert np.array_equal(sitk.GetArrayFromImage(own), sitk.GetArrayFromImage(volume.image))


@pytest.mark.req("MPR-08")
def test_the_tilted_series_is_straightened(found: Found) -> None:
    """The tilt is the header's 18.5 degrees; every slice lies within 0.5 mm of its place; slices 1 to 10 are said to
    be missing."""
    plan = plan_of(found, "ct_phantom_tilt_28")
    assert 18.5 == pytest.approx(plan.tilt_deg, abs=0.05)
    assert plan.step_mm == pytest.approx(2.5 * math.cos(math.radians(18.5)), abs=1e-3)
    assert {NoteKind.TILT_SHEARED, NoteKind.FIRST_MISSING} == {note.kind for note in plan.notes}
    assert worst_offset_mm(build(plan), plan) < 0.5


@pytest.mark.req("MPR-08")
def test_the_tilted_series_read_as_if_upright_would_fail(found: Found) -> None:
    """The measure of the test above sees the fault that it guards against: stacked without shear, slices lie
    centimetres off."""
    plan = plan_of(found, "ct_phantom_tilt_28")
    last = plan.slices[-1]
    assert math.hypot(*last.aside_mm) > 20
    volume = build(plan)
    ds = pydicom.dcmread(last.header.path)
    bright = np.unravel_index(int(ds.pixel_array.argmax()), ds.pixel_array.shape)
    row, column = np.array(plan.row_direction), np.array(plan.column_direction)
    spacing = plan.pixel_spacing_mm
    true = (
        np.array(ds.ImagePositionPatient, float)
        + bright[1] * spacing[1] * row
        + bright[0] * spacing[0] * column
    )
    brightest = float(ds.pixel_array.max()) - 1024
    assert brightest == pytest.approx(values_at(volume, true), abs=0.25 * abs(brightest))
    upright = true - last.aside_mm[0] * row - last.aside_mm[1] * column
    assert brightest != pytest.approx(values_at(volume, upright), abs=0.25 * abs(brightest))


@pytest.mark.req("MPR-08")
def test_the_uneven_series_is_resampled_by_true_positions(found: Found) -> None:
    """The MR's slices lie 6.96 to 7.07 mm apart, while its header says 2 mm: positions decide, and each slice is
    within 0.5 mm of its place."""
    plan = plan_of(found, "mr_papaya_pd_axial_20")
    assert not plan.is_even
    (note,) = plan.notes
    assert (NoteKind.RESAMPLED_EVEN, 6.96, 7.07) == (
        note.kind,
        note.values["least_mm"],
        note.values["most_mm"],
    )
    assert worst_offset_mm(build(plan), plan) < 0.5


@pytest.mark.req("MPR-07")
@pytest.mark.parametrize("name", SERIES)
def test_planes_of_real_series_hold_their_source(found: Found, name: str) -> None:
    """A coronal and a sagittal cut through the middle agree, along the line where they meet, to 2 % of the range."""
    volume = build(plan_of(found, name))
    crossing = []
    for view in (PlaneName.CORONAL, PlaneName.SAGITTAL):
        made = cut(volume, plane(volume.centre_mm, *DIRECTIONS[view], (201, 201), 0.5))
        crossing.append(made.pixels[:, 100].astype(float))
    assert float(np.abs(crossing[0] - crossing[1]).max()) <= 0.02 * max(float(np.ptp(crossing[0])), 100)


@pytest.mark.req("MPR-06")
def test_gathering_a_series_out_of_the_whole_set(unpacked: Path) -> None:
    """From one image of the tilted series, with the whole set as its folder, the series and no other is planned."""
    folder = unpacked / "mpr"
    current = next(each for each in find(folder / "ct_phantom_tilt_28").headers)
    series = gather(current, folder)
    assert not isinstance(series.plan, Refusal)
    assert 28 == len(series.members)
    assert 49 == len(series.left_out)
    assert list(range(1, 11)) == [each.instance_number for each in series.gaps.missing]


@pytest.mark.req("MPR-02")
@pytest.mark.parametrize("name", ["us_dicom", "malformed"])
def test_every_real_file_gives_a_header_or_a_reason(unpacked: Path, name: str) -> None:
    """Fuzzed, cut and odd files, in 18 character sets: each comes back once, nothing is raised, warned or printed."""
    folder = unpacked / name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = find(folder)
    paths = [each.path for each in (*found.headers, *found.left_out)]
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(paths)
    assert {each.reason for each in found.left_out} <= set(LEFT_OUT)
    expected = {"us_dicom": 24, "malformed": 200}
    assert expected[name] <= len(found.headers)


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("name", ["us_dicom", "malformed"])
def test_no_single_real_file_becomes_a_volume(unpacked: Path, name: str) -> None:
    """Ultrasound loops and stills, and fuzzed files, are refused in words, in both languages; nothing is raised."""
    for header in find(unpacked / name).headers:
        result = understand(group(header, [header]).members, header).result
        assert isinstance(result, Refusal), header.sop_class_uid
        assert result.sentence("en")
        assert result.sentence("zh")


@pytest.mark.req("MPR-03")
def test_real_names_in_many_character_sets_are_read(unpacked: Path) -> None:
    """GB2312 and GB18030 names come back in Chinese characters."""
    found: list[Header] = list(find(unpacked / "malformed" / "pydicom_charset").headers)
    names = {each.path.name: each.patient_name for each in found}
    assert "小东" in names["chrX2.dcm"]
    assert "\ufffd" not in "".join(names.values())
