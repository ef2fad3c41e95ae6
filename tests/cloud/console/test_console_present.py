"""Step 13: what a row shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

import cloud.line as cloud_line
import edge_agent.line as edge_line
from cloud.console.api import models
from cloud.console.api.models import Status
from cloud.console.api.present import STEPS, work_item
from cloud.console.api.site import Site
from cloud.infer.reasons import AbstainReason
from cloud.items import CaptureState, ImageState, WorkImage, WorkItem
from tests.cloud.console.world import Verdict, brain_shot, made_reading

TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FAILED = "failed"


@pytest.fixture(scope="module")
def readings() -> dict[str, dict[str, object]]:
    """A reading of each kind."""
    shot = brain_shot(3)
    verdicts = {
        "normal": Verdict(),
        "ventriculomegaly": Verdict(finding="ventriculomegaly"),
        "other": Verdict(finding="other"),
        "abstained": Verdict(finding="ventriculomegaly", reasons=(AbstainReason.LOW_CONFIDENCE,)),
        "no brain": Verdict(finding=None, plane="femur", reasons=(AbstainReason.NOT_BRAIN_PLANE,)),
    }
    return {name: made_reading(shot, verdict)[0].to_json() for name, verdict in verdicts.items()}


def image(state: ImageState, reading: dict[str, object] | None) -> WorkImage:
    """A stored image."""
    return WorkImage(
        image_id="i",
        part_index=0,
        index_in_capture=0,
        image_type="brain",
        type_probabilities={"brain": 1.0},
        width_px=8,
        height_px=6,
        frame_count=1,
        mm_per_pixel=None,
        scale_source=None,
        source_format="png",
        sha256="00",
        state=state,
        reason=None,
        reading=reading,
        ledger_index=0,
        result_ledger_index=None,
        timings_ms={},
        review=None,
    )


def item(state: CaptureState, *images: WorkImage) -> WorkItem:
    """A capture."""
    return WorkItem(
        capture_id="c",
        trace_id="t",
        slot=1,
        device_id="d",
        state=state,
        reason=None,
        expected_image_count=1,
        size_bytes=1,
        received_time=TIME,
        notified_time=TIME,
        updated_time=TIME,
        steps_ms={"capture": 1.5, "infer": 20.0, "queue": 3.0},
        images=images,
        examination=None,
    )


def shown_item(stored: WorkItem) -> models.WorkItem:
    """The capture as the page shows it."""
    return work_item(stored, Site())


@pytest.mark.parametrize("state", [s for s in CaptureState if s is not CaptureState.RESULT])
def test_a_capture_without_result_shows_its_state(state: CaptureState) -> None:
    """Every state but `result` is shown as it is."""
    assert state.value == shown_item(item(state)).status


@pytest.mark.req("READ-09")
@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (["normal"], Status.NORMAL),
        (["ventriculomegaly"], Status.ABNORMAL),
        (["other"], Status.ABNORMAL),
        (["abstained"], Status.REVIEW),
        (["no brain"], Status.REVIEW),
        ([FAILED], Status.FAILED),
        (["normal", "ventriculomegaly", "abstained"], Status.ABNORMAL),
        (["normal", "abstained"], Status.REVIEW),
        (["normal", FAILED], Status.REVIEW),
        ([FAILED, "other"], Status.ABNORMAL),
    ],
)
def test_a_result_shows_its_most_pressing_image(
    readings: dict[str, dict[str, object]], kinds: list[str], shown: Status
) -> None:
    """Suspected before review before normal; a part that could not be read is for review, never normal."""
    images = [
        image(ImageState.FAILED, None) if kind == FAILED else image(ImageState.RESULT, readings[kind])
        for kind in kinds
    ]
    assert shown == shown_item(item(CaptureState.RESULT, *images)).status


def test_an_abstained_finding_is_never_shown_as_a_finding(readings: dict[str, dict[str, object]]) -> None:
    """An abstained reading is for review whatever its most probable class is."""
    for kind in ("normal", "other"):
        reading = {**readings[kind], "abstained": True, "abstain_reasons": ["HEAD_CUT_OFF"]}
        shown = shown_item(item(CaptureState.RESULT, image(ImageState.RESULT, reading)))
        assert Status.REVIEW == shown.images[0].status


def test_the_steps_are_thirteen_in_order_with_their_times() -> None:
    """Each step is there, timed or not; waiting for a turn is no step."""
    shown = shown_item(item(CaptureState.ANALYSING))
    assert list(enumerate(STEPS, 1)) == [(step.number, step.name) for step in shown.steps]
    assert {1: 1.5, 11: 20.0} == {step.number: step.ms for step in shown.steps if step.ms is not None}
    assert 3.0 == shown.waited_ms


def test_an_unread_image_is_analysing(readings: dict[str, dict[str, object]]) -> None:
    """While one image waits the strip shows which."""
    waiting = image(ImageState.ANALYSING, None)
    done = replace(image(ImageState.RESULT, readings["normal"]), index_in_capture=1)
    shown = shown_item(item(CaptureState.ANALYSING, waiting, done))
    assert [Status.ANALYSING, Status.NORMAL] == [each.status for each in shown.images]


def test_the_steps_are_those_of_the_line() -> None:
    """The page's thirteen steps are the tables of both programs, number by number."""
    both = {(step.number, step.name) for step in (*edge_line.STEPS, *cloud_line.STEPS)}
    assert set(enumerate(STEPS, 1)) == both
