"""Probabilities, heat maps and the reading's JSON, checked against figures worked out by hand."""

from __future__ import annotations

import json
import math
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from cloud.infer import ModelInfo
from cloud.infer.annotate import Annotation, Ellipse, Rectangle
from cloud.infer.classify import Classification, classify
from cloud.infer.errors import ModelInvalid
from cloud.infer.heatmap import LEVELS, Heat, heat_map, palette
from cloud.infer.measure import Scale, measure
from cloud.infer.pictures import indexed_png
from cloud.infer.pipeline import abstain_reasons
from cloud.infer.preprocess import CropBox
from cloud.infer.reading import HeadReading, ModelUsed, Reading
from cloud.infer.reasons import SENTENCES, AbstainReason
from cloud.infer.segment import Head, HeadSearch

BOX = CropBox(x0=100, y0=50, size_px=224)
IMAGE_HW = (540, 800)


def info(labels: tuple[str, ...] = ("normal", "other"), **card: Any) -> ModelInfo:
    """A model that says so about itself."""
    return ModelInfo(name="fetal_brain_cls", version="1", sha256="0" * 64, labels=labels, card=card)


def logits(*values: float) -> NDArray[np.float32]:
    """One item's logits."""
    return np.array(values, np.float32)


@pytest.mark.req("READ-07")
def test_probabilities_are_the_softmax_of_the_scaled_logits() -> None:
    """p = e^(l/T) / sum; the temperature is the card's."""
    answer = classify(logits(2.0, 0.0), info(calibration={"temperature": 2.0}))
    assert answer.probabilities["normal"] == pytest.approx(math.e / (math.e + 1))
    assert sum(answer.probabilities.values()) == pytest.approx(1.0)
    assert (answer.label, answer.index, answer.sure) == ("normal", 0, True)


def test_huge_logits_do_not_overflow() -> None:
    """Probabilities stay finite whatever the logits."""
    answer = classify(logits(-3e38, 3e38), info())
    assert answer.probabilities == {"normal": 0.0, "other": 1.0}


@pytest.mark.parametrize(("least", "sure"), [(0.7, True), (0.74, False)])
def test_the_cards_threshold_decides_what_is_sure(least: float, sure: bool) -> None:
    """The most probable class is sure from the card's least probability on; it is named all the same."""
    answer = classify(logits(1.0, 0.0), info(abstain={"min_probability": least}))
    assert (answer.label, answer.sure) == ("normal", sure)


@pytest.mark.parametrize(
    ("values", "model", "reason"),
    [
        ((1.0,), info(), "1,"),
        ((math.nan, 0.0), info(), "not finite"),
        ((1.0, 0.0), info(calibration={"temperature": 0}), "not above 0"),
        ((1.0, 0.0), info(calibration={"temperature": "warm"}), "calibration.temperature"),
        ((1.0, 0.0), info(abstain={"min_probability": math.nan}), "abstain.min_probability"),
        ((1.0, 0.0), info(abstain=3), "abstain.min_probability"),
        ((), info(()), "0 labels"),
    ],
)
def test_an_answer_or_a_card_that_makes_no_sense_is_refused(
    values: tuple[float, ...], model: ModelInfo, reason: str
) -> None:
    """Nothing is classified from figures that are not there or not finite."""
    with pytest.raises(ModelInvalid, match=reason):
        classify(logits(*values), model)


@pytest.mark.req("READ-08")
def test_a_hot_cell_shows_at_its_place() -> None:
    """One hot cell of a 7 x 7 map lies at the centre of its 32 x 32 pixels of the crop, in still
    coordinates."""
    cells = np.full((7, 7), -1.0, np.float32)
    cells[2, 5] = 3.5
    heat = heat_map(cells, "other", BOX, IMAGE_HW).heat
    assert (heat.label, heat.peak) == ("other", 3.5)
    assert heat.centre_px[0] == pytest.approx(100 + 5 * 32 + 15.5, abs=0.5)
    assert heat.centre_px[1] == pytest.approx(50 + 2 * 32 + 15.5, abs=0.5)
    # Half of the peak and above: a little less than one cell of the 49, after bilinear upsampling.
    assert 0.3 / 49 < heat.share < 1.2 / 49


def test_evidence_against_a_class_is_not_heat() -> None:
    """A map without a positive value is empty: nothing marked, nothing coloured."""
    mapped = heat_map(np.full((7, 7), -2.0, np.float32), "other", BOX, IMAGE_HW)
    assert (mapped.heat.peak, mapped.heat.share) == (0.0, 0.0)
    assert not mapped.levels.any()


def test_heat_is_clipped_to_the_still() -> None:
    """Where the crop leaves the still there is no heat, and the share counts only what lies inside."""
    box = CropBox(x0=-112, y0=0, size_px=224)
    mapped = heat_map(np.ones((7, 7), np.float32), "other", box, IMAGE_HW)
    assert not mapped.levels[:, :112].any()
    assert (mapped.levels[:, 112:] == LEVELS - 1).all()
    assert mapped.heat.share == 1.0
    assert mapped.heat.centre_px[0] == pytest.approx(111 / 2, abs=0.1)


@pytest.mark.req("READ-08")
def test_pseudo_colour_is_inferno_with_alpha_by_strength_and_probability() -> None:
    """No strength is transparent; full strength has Inferno's last colour and the probability as its
    alpha."""
    colours = palette(0.8)
    picture = indexed_png(np.array([[0, LEVELS // 2, LEVELS - 1]], np.uint8), colours)
    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    last = cv2.applyColorMap(np.array([[255]], np.uint8), cv2.COLORMAP_INFERNO)[0, 0]
    assert decoded.shape == (1, 3, 4)
    assert decoded[0, 0].tolist() == [0, 0, 0, 0]
    assert decoded[0, 2].tolist() == [*last.tolist(), 204]
    assert 95 < decoded[0, 1, 3] < 110


ELLIPSE = Ellipse(cx=1, cy=2, a=4, b=3, angle_deg=179.999)


def search(count: int = 1, *, confidence: float = 0.98, cut_off: bool = False) -> HeadSearch:
    """What a segmentation found."""
    outline = np.zeros((4, 2), np.float32)
    head = Head(ellipse=ELLIPSE, outline=outline, confidence=confidence, cut_off=cut_off) if count else None
    return HeadSearch(head=head, head_count=count)


def answer(label: str, sure: bool = True) -> Classification:
    """A classifier's answer."""
    return Classification(label=label, index=0, probabilities={label: 0.9}, sure=sure)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(
    ("blank", "plane", "found", "brain", "expected"),
    [
        (False, answer("brain"), search(), answer("normal"), []),
        (True, answer("brain"), search(0), None, ["IMAGE_BLANK", "NO_HEAD"]),
        (False, answer("brain", False), search(), answer("normal"), ["PLANE_UNCERTAIN"]),
        (False, answer("femur", False), search(0), None, ["PLANE_UNCERTAIN"]),
        (False, answer("femur"), search(0), None, ["NOT_BRAIN_PLANE"]),
        (False, answer("brain"), search(0), None, ["NO_HEAD"]),
        (False, answer("brain"), search(2), answer("normal"), ["SEVERAL_HEADS"]),
        (False, answer("brain"), search(cut_off=True), answer("normal"), ["HEAD_CUT_OFF"]),
        (False, answer("brain"), search(confidence=0.5), answer("normal"), ["HEAD_UNCERTAIN"]),
        (False, answer("brain"), search(), answer("normal", False), ["LOW_CONFIDENCE"]),
    ],
)
def test_every_doubt_has_its_reason(
    blank: bool,
    plane: Classification,
    found: HeadSearch,
    brain: Classification | None,
    expected: list[str],
) -> None:
    """Each doubtful circumstance makes the reading abstain under its own code, and nothing else does."""
    assert [reason.value for reason in abstain_reasons(blank, plane, found, brain)] == expected


def test_every_reason_has_both_sentences() -> None:
    """The table of sentences is complete: English and Chinese, none empty, none twice."""
    assert set(SENTENCES) == set(AbstainReason)
    assert all(set(sentences) == {"en", "zh"} for sentences in SENTENCES.values())
    texts = [text for sentences in SENTENCES.values() for text in sentences.values()]
    assert all(texts)
    assert len(set(texts)) == len(texts)


def reading(**changes: Any) -> Reading:
    """A full reading."""
    annotation = Annotation(
        ellipse=ELLIPSE, rectangle=Rectangle(x=0, y=0, w=5, h=5), polygon=((0.5, 1.5), (2.0, 3.0))
    )
    fields: dict[str, Any] = {
        "width_px": 800,
        "height_px": 540,
        "plane": "brain",
        "plane_probabilities": {"brain": 0.999961, "femur": 0.000039},
        "finding": "normal",
        "finding_probabilities": {"normal": 0.75, "other": 0.25},
        "abstain_reasons": (),
        "head": HeadReading(annotation=annotation, confidence=0.98),
        "crop": BOX,
        "measurements": measure(ELLIPSE, Scale(mm_per_pixel=0.5, source="scale_file")),
        "heat": Heat(label="normal", centre_px=(10.04, 20.06), peak=1.5, share=0.1),
        "models": {"fetal_head_seg": ModelUsed(version="1", sha256="ab")},
        "timings_ms": {"decode": 1.23456},
    }
    return Reading(**(fields | changes))


@pytest.mark.req("BEY-10")
def test_a_reading_as_json() -> None:
    """The JSON form is the schema's, rounded, and bears the notice; rounding keeps the angle below 180."""
    form = reading().to_json()
    assert json.loads(json.dumps(form, allow_nan=False)) == form
    assert form["notice"] == "research use, not for diagnosis"
    assert form["head"]["ellipse"] == {"cx": 1, "cy": 2, "a": 4, "b": 3, "angle_deg": 0.0}
    assert form["head"]["rectangle"] == {"x": 0, "y": 0, "w": 5, "h": 5}
    assert form["head"]["polygon"] == [[0.5, 1.5], [2.0, 3.0]]
    assert form["plane_probabilities"] == {"brain": 1.0, "femur": 0.0}
    assert form["crop"] == {"x0": 100, "y0": 50, "size_px": 224}
    assert (form["measurements"]["ofd_px"], form["measurements"]["ofd_mm"]) == (8.0, 4.0)
    assert (form["measurements"]["mm_per_pixel"], form["measurements"]["scale_source"]) == (0.5, "scale_file")
    assert form["heat"] == {"label": "normal", "centre_px": [10.0, 20.1], "peak": 1.5, "share": 0.1}
    assert form["models"] == {"fetal_head_seg": {"version": "1", "sha256": "ab"}}
    assert form["timings_ms"] == {"decode": 1.235}
    assert (form["abstained"], form["abstain_reasons"]) == (False, [])


def test_what_a_reading_lacks_is_null() -> None:
    """No head, no finding, no scale: the keys stay, their values are null, and it says that it abstains."""
    form = reading(
        finding=None,
        finding_probabilities=None,
        abstain_reasons=(AbstainReason.NO_HEAD,),
        head=None,
        crop=None,
        measurements=None,
        heat=None,
    ).to_json()
    absent = {key for key, value in form.items() if value is None}
    assert absent == {
        *("finding", "finding_probabilities", "head", "crop", "measurements", "heat", "loop"),
        *("gestational_age", "gestational_age_by_hc", "subplane", "ventricles"),
    }
    assert (form["abstained"], form["abstain_reasons"]) == (True, ["NO_HEAD"])
    unscaled = reading(measurements=measure(ELLIPSE, None)).to_json()["measurements"]
    known = {"hc_px", "bpd_px", "ofd_px", "cephalic_index", "outline_offset_px", "formula"}
    assert {key for key, value in unscaled.items() if value is not None} == known
