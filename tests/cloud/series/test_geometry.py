"""How slices lie: a plan of the stack, or a refusal in words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.series.geometry import Geometry, Plan, understand
from cloud.series.read_header import read_header
from cloud.series.reasons import LEFT_OUT, NOTES, REFUSALS, LeftOutReason, NoteKind, Refusal, RefusalReason
from tests.cloud.series import phantom
from tests.cloud.series.headers import header, stack

UP = [(0.0, 0.0, 2.0 * index) for index in range(12)]


def planned(geometry: Geometry) -> Plan:
    assert isinstance(geometry.result, Plan), geometry.result
    return geometry.result


def refused(geometry: Geometry) -> Refusal:
    assert isinstance(geometry.result, Refusal), geometry.result
    return geometry.result


def kinds(plan: Plan) -> set[NoteKind]:
    return {note.kind for note in plan.notes}


@pytest.mark.req("MPR-08")
def test_positions_order_the_slices_not_numbers() -> None:
    """Slices are ordered by their place along the normal, even where their numbers say otherwise, and that is told."""
    members = stack(UP)
    shuffled = [
        header(number, each.places[0].position_mm) for number, each in zip((3, 1, 2), members, strict=False)
    ]
    plan = planned(understand([*shuffled, *members[3:]], members[3]))
    assert [2.0 * index for index in range(12)] == [each.along_mm for each in plan.slices]
    assert (2.0, 12, True, 0.0) == (plan.step_mm, plan.slice_count, plan.is_even, plan.tilt_deg)
    assert {NoteKind.NUMBERS_UNLIKE_POSITIONS} == kinds(plan)


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("directions", [phantom.AXIAL, phantom.CORONAL, phantom.TURNED])
def test_any_orientation(directions: Any) -> None:
    """The normal is that of the images, whatever their direction, and a stack written from either end is the same."""
    positions = phantom.centred(directions, phantom.even(12, 1.5))
    ways = {"row_direction": directions[0], "column_direction": directions[1]}
    for order in (positions, positions[::-1]):
        plan = planned(understand(members := stack(order, **ways), members[0]))
        assert phantom.normal(directions) == pytest.approx(plan.normal)
        assert tuple(positions[0]) == pytest.approx(plan.origin_mm)
        assert plan.step_mm == pytest.approx(1.5)
        assert set() == kinds(plan)


@pytest.mark.req("MPR-08")
def test_uneven_distances_are_found_and_kept() -> None:
    """A stack that wobbles by more than rounding is to be resampled by true positions; one that rounds is even."""
    wobbly = [(0.0, 0.0, 2.0 * index + (0.3 if index % 2 else 0.0)) for index in range(12)]
    plan = planned(understand(stack(wobbly), header(1, wobbly[0])))
    assert not plan.is_even
    assert {NoteKind.RESAMPLED_EVEN} == kinds(plan)
    assert [z for _, _, z in wobbly] == pytest.approx([each.along_mm for each in plan.slices])
    rounded = [(0.0, 0.0, round(0.625 * index, 2)) for index in range(400)]
    plan = planned(understand(stack(rounded), header(1, rounded[0])))
    assert plan.is_even
    assert 400 == plan.slice_count


@pytest.mark.req("MPR-08")
def test_missing_slices_within_are_said_and_a_wide_hole_is_refused() -> None:
    """One or two slices missing side by side are counted and interpolated, more are refused: they would be made up."""
    plan = planned(understand(stack(UP[:4] + UP[5:]), header(1, UP[0])))
    assert 12 == plan.slice_count
    (note,) = [each for each in plan.notes if each.kind is NoteKind.SLICES_MISSING_WITHIN]
    assert 1 == note.values["count"]
    wide = refused(
        understand(stack([*UP[:10], *((0.0, 0.0, z + 8.0) for _, _, z in UP[10:])]), header(1, UP[0]))
    )
    assert RefusalReason.HOLE_TOO_WIDE == wide.reason
    assert {"gap_mm": 10.0, "step_mm": 2.0} == dict(wide.values)


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("degrees", [-18.5, 30.0])
def test_gantry_tilt_is_measured(degrees: float) -> None:
    """A stack whose positions lean against its normal is sheared by that angle; beyond 45 degrees it is refused."""
    shear = math.tan(math.radians(degrees))
    leaning = [(0.0, shear * z, z) for _, _, z in UP]
    plan = planned(understand(stack(leaning), header(1, leaning[0])))
    assert plan.tilt_deg == pytest.approx(abs(degrees))
    assert (0.0, shear * 22.0) == pytest.approx(plan.slices[-1].aside_mm)
    assert {NoteKind.TILT_SHEARED} == kinds(plan)
    steep = [(0.0, 1.2 * z, z) for _, _, z in UP]
    assert RefusalReason.TILT_TOO_STEEP == refused(understand(stack(steep), header(1, steep[0]))).reason


@pytest.mark.req("MPR-08")
def test_slices_beside_the_line_are_refused() -> None:
    """A slice that lies sideways of the line of the others makes no right-angled stack."""
    moved = [*UP[:5], (3.0, 0.0, UP[5][2]), *UP[6:]]
    assert RefusalReason.POSITIONS_SCATTERED == refused(understand(stack(moved), header(1, UP[0]))).reason


@pytest.mark.req("MPR-08")
def test_second_images_of_a_position() -> None:
    """Single copies are left out, the image now read stays; two images at most positions are another dimension."""
    copy = header(50, UP[3])
    geometry = understand([*stack(UP), copy], copy)
    assert 12 == len(planned(geometry).slices)
    assert [(header(4).path, LeftOutReason.DUPLICATE_POSITION)] == [
        (each.path, each.reason) for each in geometry.left_out
    ]
    twice = refused(understand([*stack(UP), *stack(UP, first_number=13)], header(1, UP[0])))
    assert RefusalReason.SEVERAL_PER_POSITION == twice.reason
    assert {"positions": 12, "count": 24} == dict(twice.values)


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"row_direction": (0.0, 1.0, 0.0), "column_direction": (0.0, 0.0, -1.0)},
            LeftOutReason.OTHER_ORIENTATION,
        ),
        ({"rows": 32}, LeftOutReason.OTHER_SIZE),
        ({"pixel_spacing_mm": (0.5, 0.5)}, LeftOutReason.OTHER_PIXEL_SPACING),
        ({"position_mm": None}, LeftOutReason.NO_POSITION),
        ({"row_direction": (0.0, 0.0, 0.0)}, LeftOutReason.OTHER_ORIENTATION),
    ],
)
def test_what_is_no_slice_of_the_stack_is_left_out(changes: dict[str, Any], expected: LeftOutReason) -> None:
    """A localizer, another size or pixel size, an image without position: left out with the reason, and where it is
    the image now read, that is told."""
    odd = header(50, (1.0, 2.0, 3.0), **changes)
    geometry = understand([odd, *stack(UP)], odd)
    assert [(odd.path, expected)] == [(each.path, each.reason) for each in geometry.left_out]
    assert {NoteKind.CURRENT_NOT_IN_STACK} == kinds(planned(geometry))


@pytest.mark.req("MPR-08")
def test_of_two_stacks_the_current_images_own() -> None:
    """Of two large stacks in one series, the one of the image now read is taken, though it is the smaller one."""
    ways = {"row_direction": phantom.CORONAL[0], "column_direction": phantom.CORONAL[1]}
    coronal = stack([(0.0, 2.0 * index, 0.0) for index in range(10)], first_number=20, **ways)
    geometry = understand([*stack(UP), *coronal], coronal[4])
    assert 10 == len(planned(geometry).slices)
    assert 12 == len(geometry.left_out)


@pytest.mark.req("MPR-08")
def test_missing_ends_are_said_where_they_can_be_known() -> None:
    """Numbers that begin above 1 and a count in the header that is not reached name the end that lacks slices."""
    members = stack(UP, first_number=5, images_in_acquisition=20)
    notes = {note.kind: dict(note.values) for note in planned(understand(members, members[0])).notes}
    assert {
        NoteKind.FIRST_MISSING: {"number": 5, "end": "F"},
        NoteKind.LAST_MISSING: {"expected": 20, "number": 16, "end": "H"},
    } == notes
    downwards = stack(UP[::-1], first_number=5)
    (note,) = planned(understand(downwards, downwards[0])).notes
    assert {"number": 5, "end": "H"} == dict(note.values)


@pytest.mark.req("MPR-06")
def test_too_few_and_one_slice() -> None:
    """Below the threshold the refusal names both numbers; one slice is refused as what it is."""
    few = refused(understand(stack(UP[:9]), header(1, UP[0])))
    assert (RefusalReason.TOO_FEW_IMAGES, 9) == (few.reason, few.values["count"])
    assert RefusalReason.ONE_SLICE == refused(understand([header(1)], header(1), threshold=1)).reason
    assert 9 == len(planned(understand(stack(UP[:9]), header(1, UP[0]), threshold=9)).slices)


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"position_mm": None}, RefusalReason.NO_POSITIONS),
        ({"column_direction": (0.5, 0.5, 0.0)}, RefusalReason.ORIENTATION_INVALID),
        ({"photometric": "PALETTE COLOR"}, RefusalReason.PALETTE_COLOUR),
    ],
)
def test_what_cannot_be_a_volume(changes: dict[str, Any], expected: RefusalReason) -> None:
    """No positions at all, directions that are not at right angles, palette colours: refused with the reason."""
    positions = dict(changes).pop("position_mm", 0)
    members = (
        stack(UP, **changes) if positions == 0 else [header(n, UP[n], position_mm=None) for n in range(12)]
    )
    assert expected == refused(understand(members, members[0])).reason


@pytest.mark.req("MPR-08")
def test_a_moving_image_is_no_volume(tmp_path: Path) -> None:
    """An ultrasound loop says how many frames and how fast, and that it is no volume."""
    loop = read_header(phantom.write_cine(tmp_path / "1.dcm", 12))
    refusal = refused(understand([loop], loop))
    assert RefusalReason.CINE == refusal.reason
    assert {"frames": 12, "rate": " (25.0 Hz)"} == dict(refusal.values)


@pytest.mark.req("MPR-08")
def test_frames_that_are_no_slices_become_a_note(tmp_path: Path) -> None:
    """A file of which one frame repeats a position is used and not left out; the frame is counted in a note."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(12, 2.0))
    whole = read_header(phantom.write_enhanced(tmp_path / "1.dcm", [*positions, positions[3]]))
    geometry = understand([whole], whole)
    assert () == geometry.left_out
    (note,) = planned(geometry).notes
    assert (NoteKind.FRAMES_LEFT_OUT, {"count": 1}) == (note.kind, dict(note.values))


@pytest.mark.req("MPR-08")
def test_many_frames_without_place_or_rate_are_no_moving_image() -> None:
    """Frames that are not points of time are refused for what they lack: positions."""
    frames = header(1, frame_count=30, modality="NM")
    assert RefusalReason.NO_POSITIONS == refused(understand([frames], frames)).reason


@pytest.mark.req("MPR-08")
@pytest.mark.parametrize("keyword", ["ImagePositionPatient", "PixelSpacing", "ImageOrientationPatient"])
@pytest.mark.parametrize("value", ["1e300", "-1e12"])
def test_places_outside_any_patient_count_as_not_said(tmp_path: Path, keyword: str, value: str) -> None:
    """A position, direction or pixel size beyond reason is refused before anything is computed from it."""
    ds = phantom.header()
    phantom.place(ds, np.zeros(3), phantom.AXIAL, 1.0)
    ds[keyword].value = [value, *ds[keyword].value[1:]]
    seen = read_header(phantom.write(tmp_path / "1.dcm", ds, np.zeros((4, 4))))
    assert RefusalReason.NO_POSITIONS == refused(understand([seen], seen, threshold=1)).reason


@pytest.mark.req("MPR-08")
def test_frames_of_an_enhanced_object_are_slices(tmp_path: Path) -> None:
    """A single file with a position per frame is a stack of its frames, in the order of their positions."""
    positions = phantom.centred(phantom.AXIAL, phantom.even(12, 2.0))
    whole = read_header(phantom.write_enhanced(tmp_path / "1.dcm", positions[::-1]))
    plan = planned(understand([whole], whole))
    assert list(range(12))[::-1] == [each.frame_index for each in plan.slices]
    assert tuple(positions[0]) == pytest.approx(plan.origin_mm)
    assert (2.0, -50.0) == (plan.slices[0].place.slope, plan.slices[0].place.intercept)


@pytest.mark.req("MPR-08")
def test_hostile_directions_do_not_take_long() -> None:
    """Thousands of frames, each in a direction of its own, are refused soon."""
    angles = np.linspace(0, 1.5, 3_000)
    members = [
        header(
            n,
            row_direction=(math.cos(a), math.sin(a), 0.0),
            column_direction=(-math.sin(a), math.cos(a), 0.0),
        )
        for n, a in enumerate(angles, 1)
    ]
    assert RefusalReason.TOO_FEW_IMAGES == refused(understand(members, members[0], threshold=100)).reason


def test_every_reason_has_its_sentence_in_both_languages() -> None:
    """Each table is complete."""
    for table, codes in ((LEFT_OUT, LeftOutReason), (REFUSALS, RefusalReason), (NOTES, NoteKind)):
        assert set(codes) == set(table)
        for sentences in table.values():
            assert {"en", "zh"} == set(sentences)
            assert all(sentences.values())
