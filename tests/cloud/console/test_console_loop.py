"""Step 13: a loop on the console is shown by its best frame, with the reason in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from cloud.console.api import pictures as pictures_module
from cloud.console.api.facts import reasons
from cloud.infer.loop_reading import BestReason
from tests.cloud.console.made import BEST, made_loop
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading
from tests.cloud.infer.loops import dicom_loop


@pytest.mark.req("READ-11")
@pytest.mark.parametrize("held_max_bytes", [pictures_module.HELD_MAX_BYTES, 1000])
def test_the_still_of_a_loop_is_its_best_frame(
    console: RunningConsole, get: Callable[..., Any], held_max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the result the first frame is shown, after it the best one, under another tag; the overlay too."""
    monkeypatch.setattr(pictures_module, "HELD_MAX_BYTES", held_max_bytes)
    world, shot = console.world, brain_shot(5)
    gray = np.ascontiguousarray(shot.still.pixels.reshape(*shot.still.pixels.shape[:2], -1)[:, :, 0])
    frames = [np.roll(gray, 7 * index, axis=0) for index in range(3)]
    capture_id = console.do(world.announce())
    stored = world.store_images(capture_id, [dicom_loop(frames)], [shot], media_type="application/dicom")
    (image_id,) = console.do(stored)

    def shown(picture: str) -> tuple[str, np.ndarray[Any, Any]]:
        answer = get(f"/api/images/{image_id}/{picture}.png?frame=0")
        decoded = cv2.imdecode(np.frombuffer(answer.body, np.uint8), cv2.IMREAD_UNCHANGED)
        assert decoded is not None
        return answer.headers["etag"], decoded

    first_tag, first = shown("still")
    np.testing.assert_array_equal(frames[0], first)
    reading = made_reading(shot, Verdict())[0].to_json() | {"loop": made_loop().to_json(), "head": None}
    console.do(world._conclude(capture_id, image_id, {"ok": True, "reading": reading, "pictures": {}}))
    tag, best = shown("still")
    np.testing.assert_array_equal(frames[BEST], best)
    assert first_tag != tag
    np.testing.assert_array_equal(frames[BEST][:400], shown("overlay")[1][:400, :, 0])
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    assert ["PLANE_SURE", "SHARP"] == image["reading"]["loop"]["best_reason"]


@pytest.mark.req("BEY-07")
def test_every_reason_for_the_frame_is_served_in_both_languages() -> None:
    """The page finds words for each code."""
    words = reasons().best_frame
    assert {reason.value for reason in BestReason} == set(words)
    assert all(text.en and text.zh for text in words.values())
    assert "FRAMES_DISAGREE" in reasons().abstain
