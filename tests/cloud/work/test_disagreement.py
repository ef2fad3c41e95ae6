"""The numbers by which a shadow differs from the live version, by hand-made readings and masks."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from cloud.work.disagreement import Disagreement, dice, disagreement


def mask(*inside: tuple[slice, slice], size: tuple[int, int] = (20, 30)) -> bytes:
    """A mask with bright rectangles, as PNG."""
    pixels = np.zeros(size, np.uint8)
    for place in inside:
        pixels[place] = 255
    encoded, data = cv2.imencode(".png", pixels)
    assert encoded
    return bytes(data)


def reading(plane: str, brain: float, hc_mm: float | None = None) -> dict[str, Any]:
    """What of a reading is compared."""
    return {
        "plane": plane,
        "plane_probabilities": {"brain": brain, "femur": 1 - brain},
        "finding": None,
        "finding_probabilities": None,
        "measurements": None if hc_mm is None else {"hc_mm": hc_mm},
    }


def test_a_classifier_is_compared_by_label_and_probability() -> None:
    """The label, and the largest difference of one class's probability."""
    found = disagreement("fetal_plane_cls", reading("brain", 0.9), reading("femur", 0.4), mask(), mask())
    assert found == Disagreement(same_label=False, probability_difference=pytest.approx(0.5))


def test_what_one_of_both_did_not_say_is_not_compared() -> None:
    """Without a finding there is no number; without a scale there is no length."""
    live, shadow = reading("brain", 0.9), reading("brain", 0.9, 200.0)
    assert disagreement("fetal_brain_cls", live, shadow, None, None) == Disagreement()
    assert disagreement("fetal_head_seg", live, shadow, None, None) == Disagreement()


def test_the_head_is_compared_by_mask_and_circumference() -> None:
    """Dice of the masks, and the shadow's circumference minus the live one."""
    left, right = mask((slice(0, 10), slice(0, 10))), mask((slice(0, 10), slice(5, 15)))
    found = disagreement(
        "fetal_head_seg", reading("brain", 1.0, 250.0), reading("brain", 1.0, 247.5), left, right
    )
    assert found == Disagreement(dice=0.5, hc_difference_mm=-2.5)


def test_dice_of_nothing_and_of_other_sizes() -> None:
    """Two empty masks agree fully, masks of different sizes cannot be compared."""
    assert dice(mask(), mask()) == 1.0
    assert dice(mask(), mask((slice(0, 1), slice(0, 1)))) == 0.0
    assert dice(mask(), mask(size=(20, 31))) is None
