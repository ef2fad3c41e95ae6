"""What gives an examination its state."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.infer.reasons import AbstainReason
from cloud.items import CaptureState
from sonorelay.contract.reasons import EdgeReason
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict


def lead(get: Get) -> dict[str, Any] | None:
    """Of the newest examination."""
    shown: dict[str, Any] = get("/api/examinations").json["items"][0]
    whole = get(f"/api/examinations/{shown['examination_id']}").json["examination"]
    assert shown["lead"] == whole["lead"]
    found: dict[str, Any] | None = shown["lead"]
    return found


@pytest.mark.req("BEY-01")
def test_the_first_image_that_stands_so_leads(console: RunningConsole, get: Get) -> None:
    """A normal image does not lead an examination with a suspected one; of two suspected ones the first does."""
    world = console.world
    console.do(world.result(1, Verdict()))
    assert ("normal", None) == ((lead(get) or {})["finding"], (lead(get) or {})["reason"])
    first = console.do(world.result(2, Verdict(finding="other", probability=0.8)))
    console.do(world.result(3, Verdict(finding="ventriculomegaly", probability=0.99)))
    found = lead(get)
    assert found is not None
    assert (first, "other", None) == (found["capture_id"], found["finding"], found["reason"])
    shares = get(f"/api/captures/{first}").json["images"][0]["reading"]["finding_probabilities"]
    assert 1 - shares["normal"] == pytest.approx(found["not_normal"])


def test_an_abstention_leads_with_its_first_reason(console: RunningConsole, get: Get) -> None:
    """Its finding is none to rely on and is not said."""
    reasons = (AbstainReason.LOW_CONFIDENCE, AbstainReason.HEAD_CUT_OFF)
    console.do(console.world.result(4, Verdict(finding="other", reasons=reasons)))
    found = lead(get)
    assert found is not None
    assert (None, AbstainReason.LOW_CONFIDENCE.value) == (found["finding"], found["reason"])


def test_what_never_became_an_image_leads_with_its_reason(console: RunningConsole, get: Get) -> None:
    """Also where normal images beside it make the whole one for review; what was refused does not lead then."""
    world = console.world
    for state, reason in (
        (CaptureState.REFUSED, EdgeReason.BLANK),
        (CaptureState.HELD, EdgeReason.SECTOR_NOT_FOUND),
    ):
        console.do(world.stop(console.do(world.announce()), state, reason))
    assert EdgeReason.SECTOR_NOT_FOUND.value == (lead(get) or {})["reason"]
    console.do(world.result(5, Verdict()))
    found = lead(get)
    assert found is not None
    assert (None, EdgeReason.SECTOR_NOT_FOUND.value) == (found["image_id"], found["reason"])


def test_what_is_on_its_way_has_no_lead(console: RunningConsole, get: Get) -> None:
    """There is nothing to say of it yet."""
    console.do(console.world.announce())
    assert lead(get) is None
