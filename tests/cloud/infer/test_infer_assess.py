"""What a reading says about its lengths: age, growth, remarks, and when it says nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from cloud.infer.annotate import Ellipse
from cloud.infer.assess import HARMLESS, Context, age_text, assess
from cloud.infer.biometry import Measure, age_from_hc, z_score
from cloud.infer.measure import Length, Measurements, Scale, measure
from cloud.infer.reading import Reading
from cloud.infer.reasons import AbstainReason
from cloud.infer.thresholds import Limits, ThresholdScheme

# A head of 20 weeks: BPD 48 mm, OFD 61 mm, HC 172 mm.
HEAD = Ellipse(cx=400.0, cy=260.0, a=152.5, b=120.0, angle_deg=30.0)
SCALE = Scale(mm_per_pixel=0.2, source="given")
W20 = Context(gestational_age_days=143)


def lengths(scale: Scale | None = SCALE, **more: Any) -> Measurements:
    """The head's lengths."""
    return measure(HEAD, scale, outline_sd_px=1.0, **more)


def form(measured: Measurements | None, context: Context, *doubts: AbstainReason) -> dict[str, Any]:
    """The JSON form of a reading with these lengths."""
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
        context=context,
    )
    made = reading.to_json()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    return made


@pytest.mark.req("BEY-07")
def test_without_a_given_age_it_is_estimated_and_nothing_is_held_against_it() -> None:
    """The age comes from the head, with formula, publication and uncertainty; no centile is made of it."""
    measured = lengths()
    made = form(measured, Context())
    assert measured.hc_mm is not None
    age = age_from_hc(measured.hc_mm, measured.hc_mm_sd)
    shown = made["gestational_age"]
    assert shown == made["gestational_age_by_hc"]
    assert (shown["source"], shown["text"]) == ("hc", age_text(age.days))
    assert (shown["days"], shown["sd_days"]) == (round(age.days, 1), round(age.sd_days or 0, 1))
    assert shown["low_days"] < shown["days"] < shown["high_days"]
    assert "exp(0.05970" in shown["formula"]
    assert "INTERGROWTH-21st" in shown["reference"]
    assert (made["lengths_judged"], made["growth"], made["remarks"]) == (True, {}, [])


@pytest.mark.req("BEY-07")
def test_with_a_given_age_each_length_has_its_place() -> None:
    """The examination's age goes first; z-score and centile of every measured length, with the publication."""
    measured = lengths(ventricle_width=Length(px=55.0, sd_px=4.0))
    made = form(measured, W20)
    assert (made["gestational_age"]["source"], made["gestational_age"]["text"]) == ("examination", "20w3d")
    assert made["gestational_age_by_hc"]["source"] == "hc"
    assert list(made["growth"]) == ["hc", "bpd", "ofd", "ventricle_width"]
    assert measured.hc_mm is not None
    z = z_score(Measure.HC, measured.hc_mm, 143)
    assert made["growth"]["hc"]["z_score"] == round(z, 2)
    assert made["growth"]["hc"]["centile"] == pytest.approx(50 * math.erfc(-z / math.sqrt(2)), abs=0.05)
    assert all(one["z_score_sd"] > 0 for one in made["growth"].values())
    assert all("INTERGROWTH-21st" in one["reference"] for one in made["growth"].values())
    assert [(r["code"], r["value"], r["limit"], r["unit"]) for r in made["remarks"]] == [
        ("VENTRICLE_MILD", 11.0, 10.0, "mm")
    ]


def test_an_age_that_no_standard_covers_gives_no_number() -> None:
    """At 38 weeks the head has its place and the ventricle none; at 41 weeks nothing has, and the keys say which
    weeks are covered."""
    measured = lengths(ventricle_width=Length(px=30.0))
    late = form(measured, Context(gestational_age_days=266))["growth"]
    assert late["hc"]["z_score"] is not None
    assert (late["ventricle_width"]["z_score"], late["ventricle_width"]["centile"]) == (None, None)
    assert (late["ventricle_width"]["first_week"], late["ventricle_width"]["last_week"]) == (15, 36)
    after = form(measured, Context(gestational_age_days=287))
    assert {one["z_score"] for one in after["growth"].values()} == {None}
    assert after["gestational_age"]["text"] == "41w0d"


@pytest.mark.req("BEY-02")
def test_without_a_scale_nothing_is_said_in_millimetres() -> None:
    """No age, no growth, no remark, however wide the ventricle is in pixels."""
    made = form(lengths(None, ventricle_width=Length(px=300.0)), W20)
    assert (made["gestational_age_by_hc"], made["growth"], made["remarks"]) == (None, {}, [])
    assert made["measurements"]["ventricle_width_px"] == 300.0
    assert made["measurements"]["ventricle_width_mm"] is None


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("doubt", sorted(set(AbstainReason) - HARMLESS))
def test_lengths_that_are_doubted_are_not_judged(doubt: AbstainReason) -> None:
    """A head that is cut off, uncertain or on another plane gets no age, centile or remark; its lengths stay."""
    made = form(lengths(ventricle_width=Length(px=60.0)), W20, AbstainReason.LOW_CONFIDENCE, doubt)
    assert made["measurements"]["hc_mm"] > 0
    assert not made["lengths_judged"]
    assert (made["gestational_age_by_hc"], made["growth"], made["remarks"]) == (None, {}, [])
    assert made["gestational_age"]["source"] == "examination"


def test_a_doubt_about_the_class_alone_does_not_touch_the_lengths() -> None:
    """Where only the class of the brain is unsure, the outline still counts."""
    found = assess(lengths(), W20, (AbstainReason.LOW_CONFIDENCE,))
    assert found.lengths_judged
    assert found.growth
    assert not assess(None, W20, ()).lengths_judged


@pytest.mark.req("BEY-10")
@pytest.mark.parametrize("measured", [None, lengths()])
def test_every_reading_names_its_threshold_scheme(measured: Measurements | None) -> None:
    """Name, version and digest, also where nothing was measured."""
    scheme = ThresholdScheme(name="Ward 3", version="7", limits=Limits(ventricle_mild_mm=9.0))
    made = form(measured, Context(thresholds=scheme))
    assert made["threshold_scheme"] == {"name": "Ward 3", "version": "7", "sha256": scheme.sha256}
    assert made["notice"] == "research use, not for diagnosis"


@pytest.mark.req("BEY-02")
def test_the_lengths_as_json() -> None:
    """Every length has its uncertainty beside it, rounded; how they came about is said."""
    scale = Scale(mm_per_pixel=0.2, source="dicom_region")
    made = form(lengths(scale, outline_offset_px=0.94, midline_shift=Length(px=5.0, sd_px=1.0)), W20)
    shown = made["measurements"]
    for name in ("hc_px", "hc_mm", "bpd_px", "bpd_mm", "ofd_px", "ofd_mm", "midline_shift_mm"):
        assert shown[name] > shown[f"{name}_sd"] > 0
    assert (shown["outline_offset_px"], shown["mm_per_pixel_relative_sd"]) == (0.94, 0.00577)
    assert (shown["scale_source"], shown["formula"]) == ("dicom_region", "ellipse perimeter, Ramanujan 1914")
    assert shown["bpd_px"] == pytest.approx(240 - 1.88)
    assert (shown["ventricle_width_px"], shown["ventricle_width_mm_sd"]) == (None, None)


@pytest.mark.parametrize(
    ("days", "text"), [(140, "20w0d"), (143, "20w3d"), (146.6, "21w0d"), (146.4, "20w6d"), (98.0, "14w0d")]
)
def test_days_as_weeks_and_days(days: float, text: str) -> None:
    """To the nearest day."""
    assert age_text(days) == text


@pytest.mark.parametrize("days", [0, -1, 316, math.nan, math.inf])
def test_a_given_age_must_make_sense(days: float) -> None:
    """No pregnancy is that old."""
    with pytest.raises(ValueError, match="gestational_age_days"):
        Context(gestational_age_days=days)
