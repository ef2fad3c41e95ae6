"""Step 11: the lengths of a stored reading say the same again, at any age."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.assess import Context, assess
from cloud.infer.measure import Length, Measurements, Scale, measure
from cloud.infer.reading import Reading
from cloud.infer.reasons import AbstainReason
from cloud.infer.stored import assess_stored, measurements_from_json

# A head of 20 weeks: BPD 48 mm, OFD 61 mm, HC 172 mm.
HEAD = Ellipse(cx=400.0, cy=260.0, a=152.5, b=120.0, angle_deg=30.0)
W20 = Context(gestational_age_days=143)
SCALES = [None, Scale(mm_per_pixel=0.2, source="given"), Scale(mm_per_pixel=0.1973, source="dicom_region")]


def lengths(scale: Scale | None) -> Measurements:
    """The head's lengths, all of them."""
    return measure(
        HEAD,
        scale,
        outline_sd_px=1.234567,
        outline_offset_px=1.1,
        ventricle_width=Length(px=61.2345, sd_px=2.3),
        midline_shift=Length(px=3.456),
    )


def stored(measured: Measurements | None, *doubts: AbstainReason) -> dict[str, Any]:
    """A reading as it comes back from the database."""
    reading = Reading(
        width_px=800,
        height_px=540,
        plane="brain",
        plane_probabilities={"brain": 1.0},
        finding=None,
        finding_probabilities=None,
        abstain_reasons=doubts,
        head=None,
        crop=None,
        measurements=measured,
        heat=None,
        models={},
        timings_ms={},
    )
    loaded: dict[str, Any] = json.loads(json.dumps(reading.to_json()))
    return loaded


@pytest.mark.parametrize("scale", SCALES)
def test_the_lengths_come_back_to_the_last_digit_stored(scale: Scale | None) -> None:
    """Writing and reading changes no number by more than its rounding; what was not known stays so."""
    before = lengths(scale)
    after = measurements_from_json(stored(before)["measurements"])
    for each in fields(Measurements):
        was, now = getattr(before, each.name), getattr(after, each.name)
        if isinstance(was, float):
            assert was == pytest.approx(now, abs=0.0051), each.name
        elif each.name in ("ventricle_width", "midline_shift"):
            assert was.px == pytest.approx(now.px, abs=0.0051), each.name
            assert (was.sd_px is None) == (now.sd_px is None), each.name
        elif scale is not None:
            assert (was.mm_per_pixel, was.source) == (now.mm_per_pixel, now.source)
            assert was.relative_sd == pytest.approx(now.relative_sd, abs=1e-5)
        else:
            assert (None, None) == (was, now), each.name


@pytest.mark.req("BEY-07")
def test_a_stored_reading_is_judged_as_the_fresh_one() -> None:
    """Age, z-scores with their uncertainty, centiles and remarks at a given age are those of the lengths."""
    measured = lengths(SCALES[1])
    fresh = assess(measured, W20, ()).to_json()
    again = assess_stored(stored(measured), W20).to_json()
    assert fresh["growth"].keys() == again["growth"].keys() == {"hc", "bpd", "ofd", "ventricle_width"}
    for name, one in fresh["growth"].items():
        for key in ("z_score", "z_score_sd", "centile"):
            assert one[key] == pytest.approx(again["growth"][name][key], abs=0.11), (name, key)
        assert one["formula"] == again["growth"][name]["formula"]
    assert fresh["gestational_age"] == again["gestational_age"]
    assert fresh["gestational_age_by_hc"]["days"] == pytest.approx(
        again["gestational_age_by_hc"]["days"], abs=0.11
    )
    assert [(one["code"], one["limit"]) for one in fresh["remarks"]] == [
        (one["code"], one["limit"]) for one in again["remarks"]
    ]
    assert fresh["threshold_scheme"] == again["threshold_scheme"]


def test_doubts_hold_for_a_stored_reading_too() -> None:
    """Lengths that the reading does not rely on are not judged, nor those under a doubt that is not known here;
    doubts of the brain's class alone do not matter."""
    measured = lengths(SCALES[1])
    assert assess_stored(stored(measured, AbstainReason.LOW_CONFIDENCE), W20).lengths_judged
    of_later = {**stored(measured), "abstain_reasons": ["A_DOUBT_OF_A_LATER_VERSION"]}
    for reading in (stored(measured, AbstainReason.HEAD_CUT_OFF), of_later, stored(None)):
        said = assess_stored(reading, W20)
        assert (said.lengths_judged, said.growth, said.remarks, said.age_by_hc) == (False, {}, (), None)


def test_a_reading_of_an_earlier_version_has_lengths_without_uncertainty() -> None:
    """Where it wrote no deviation and no ventricle, the z-score has none and the ventricle no place."""
    later = (
        "_sd",
        "ventricle_width_px",
        "ventricle_width_mm",
        "midline_shift_px",
        "midline_shift_mm",
        "offset_px",
    )
    form = stored(lengths(SCALES[1]))
    old = {key: value for key, value in form["measurements"].items() if not key.endswith(later)}
    measured = measurements_from_json(old)
    assert measured == replace(
        measurements_from_json(form["measurements"]),
        **dict.fromkeys(f"{name}_{unit}_sd" for name in ("hc", "bpd", "ofd") for unit in ("px", "mm")),
        cephalic_index_sd=None,
        outline_offset_px=0.0,
        scale=SCALES[1],
        ventricle_width=None,
        midline_shift=None,
    )
    growth = assess_stored({**form, "measurements": old}, W20).to_json()["growth"]
    assert growth.keys() == {"hc", "bpd", "ofd"}
    assert {None} == {one["z_score_sd"] for one in growth.values()}
