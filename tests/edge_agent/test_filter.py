"""Step 3: the tables of rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_agent.errors import ImageRefused
from edge_agent.filter import DicomFacts, Filter, FilterRules, PictureFacts
from sonorelay.contract.reasons import EdgeReason

US = "1.2.840.10008.5.1.4.1.1.6.1"
STORAGE = "1.2.840.10008.5.1.4.1.1."
GOOD = DicomFacts(
    sop_class=US, modality="US", image_type=("ORIGINAL", "PRIMARY"), has_pixels=True, frame_count=1,
    width_px=800, height_px=600,
)  # fmt: skip
PICTURE = PictureFacts(width_px=800, height_px=600, drawn_fraction=0.5)


def reason(facts: DicomFacts, rules: FilterRules | None = None) -> EdgeReason | None:
    try:
        Filter(rules=rules or FilterRules()).tags(facts)
    except ImageRefused as refused:
        return refused.reason
    return None


@pytest.mark.req("TX-03")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"sop_class": STORAGE + "3"}, None),
        ({"sop_class": STORAGE + "7"}, None),
        ({"modality": ""}, None),
        ({"sop_class": STORAGE + "7", "modality": "OT"}, EdgeReason.NOT_ULTRASOUND),
        ({"sop_class": STORAGE + "2", "modality": "CT"}, EdgeReason.NOT_ULTRASOUND),
        ({"modality": "MR"}, EdgeReason.NOT_ULTRASOUND),
        ({"sop_class": ""}, EdgeReason.NOT_ULTRASOUND),
        ({"sop_class": STORAGE + "88.33", "has_pixels": False}, EdgeReason.STRUCTURED_REPORT),
        ({"sop_class": STORAGE + "11.1"}, EdgeReason.PRESENTATION_STATE),
        ({"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, EdgeReason.LOCALIZER),
        ({"image_type": ("DERIVED", "SECONDARY", "SCREEN SAVE")}, EdgeReason.DERIVED_SCREEN_SAVE),
        ({"image_type": ("DERIVED", "PRIMARY")}, None),
        ({"body_part": "THYROID"}, EdgeReason.WRONG_BODY_PART),
        ({"body_part": "FETUS"}, None),
        ({"has_pixels": False}, EdgeReason.NO_PIXEL_DATA),
        ({"frame_count": 0}, EdgeReason.ZERO_FRAMES),
        ({"frame_count": 5001}, EdgeReason.TOO_MANY_FRAMES),
        ({"width_px": 10_000, "height_px": 10_000}, EdgeReason.TOO_MANY_PIXELS),
        ({"height_px": 63}, EdgeReason.TOO_SMALL),
    ],
)
def test_tag_table(changes: dict[str, object], expected: EdgeReason | None) -> None:
    """Each target identifier has its reason, and what the line reads passes."""
    assert expected is reason(replace(GOOD, **changes))  # type: ignore[arg-type]


def test_rules_are_settings() -> None:
    """A site may read another body part; the same object passes after the change."""
    facts = replace(GOOD, body_part="THYROID")
    assert EdgeReason.WRONG_BODY_PART is reason(facts)
    assert reason(facts, FilterRules(refused_body_parts=frozenset())) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"drawn_fraction": 0.0}, EdgeReason.BLANK),
        ({"width_px": 20}, EdgeReason.TOO_SMALL),
        ({"width_px": 50_001, "height_px": 1_000}, EdgeReason.TOO_MANY_PIXELS),
    ],
)
def test_picture_table(changes: dict[str, object], expected: EdgeReason) -> None:
    """Of pictures only the obvious is refused."""
    Filter().picture(PICTURE)
    with pytest.raises(ImageRefused) as refused:
        Filter().picture(replace(PICTURE, **changes))  # type: ignore[arg-type]
    assert expected is refused.value.reason
