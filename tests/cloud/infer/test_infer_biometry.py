"""Fetal sizes against the standards: every published check value, and refusal outside what they cover."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.infer.biometry import (
    REFERENCES,
    Measure,
    age_from_crl,
    age_from_hc,
    age_from_hc_and_fl,
    centile,
    centile_value,
    place,
    weight_hadlock,
    weight_intergrowth,
    z_score,
)
from cloud.infer.errors import OutsideReference

W20_DAYS = 140


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(
    ("measure", "weeks", "mu", "sigma"),
    [
        (Measure.HC, 20, 172.48, 7.44),
        (Measure.BPD, 20, 48.45, 2.30),
        (Measure.OFD, 20, 60.69, 2.78),
        (Measure.AC, 20, 147.73, 7.63),
        (Measure.FL, 20, 31.29, 1.78),
        (Measure.TCD, 20, 20.47, 0.87),
        (Measure.HC, 14, 97.88, 5.58),
        (Measure.HC, 32, 294.37, 9.62),
        (Measure.HC, 40, 333.95, 12.92),
    ],
)
def test_mean_and_deviation_are_the_published_ones(
    measure: Measure, weeks: int, mu: float, sigma: float
) -> None:
    """The formulas give the tables' means and standard deviations to their last digit: the coefficients are
    rounded too, so half a digit may tip over (AC 147.725)."""
    assert REFERENCES[measure].mu(weeks) == pytest.approx(mu, abs=0.0055)
    assert REFERENCES[measure].sigma(weeks) == pytest.approx(sigma, abs=0.0055)
    assert z_score(measure, mu, weeks * 7) == pytest.approx(0, abs=0.002)
    assert z_score(measure, mu + 2 * sigma, weeks * 7) == pytest.approx(2, abs=0.02)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(
    ("measure", "expected_mm"),
    [(Measure.ATRIUM, (3.76, 6.31, 8.86)), (Measure.CISTERNA_MAGNA, (2.80, 4.48, 7.17))],
)
def test_centiles_are_the_published_ones(measure: Measure, expected_mm: tuple[float, float, float]) -> None:
    """Third, fiftieth and ninety-seventh centile at 20 weeks; the cisterna magna's on the logarithm's scale."""
    found = [centile_value(measure, percent, W20_DAYS) for percent in (3, 50, 97)]
    assert found == pytest.approx(expected_mm, abs=0.005)


@given(measure=st.sampled_from(Measure), percent=st.floats(0.5, 99.5), share=st.floats(0, 1))
def test_a_centile_and_its_length_are_each_others_inverse(
    measure: Measure, percent: float, share: float
) -> None:
    """The length at a centile has that centile, at every age of every standard."""
    reference = REFERENCES[measure]
    days = 7 * (reference.first_week + share * (reference.last_week - reference.first_week))
    length_mm = centile_value(measure, percent, days)
    assert length_mm > 0
    placed = place(measure, length_mm, days)
    assert placed.centile == pytest.approx(percent, abs=1e-6)
    assert centile(placed.z_score) == placed.centile


@pytest.mark.parametrize(("z", "percent"), [(0, 50), (-1.8808, 3), (1.8808, 97), (-3, 0.13499), (1, 84.1345)])
def test_a_z_score_as_a_centile(z: float, percent: float) -> None:
    """The normal distribution's well-known points."""
    assert centile(z) == pytest.approx(percent, abs=0.001)


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_has_a_standard_that_names_itself(measure: Measure) -> None:
    """The table is complete; a placement names the formula and the publication."""
    reference = REFERENCES[measure]
    assert reference.first_week < reference.last_week
    days = 7 * reference.first_week
    placed = place(measure, centile_value(measure, 50, days), days, 0.5)
    assert placed.z_score == pytest.approx(0, abs=1e-9)
    assert ("ln x" in placed.formula) == (measure is Measure.CISTERNA_MAGNA)
    assert placed.reference == reference.citation
    assert "INTERGROWTH-21st" in placed.reference


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("measure", Measure)
def test_outside_its_weeks_a_standard_gives_no_number(measure: Measure) -> None:
    """A day before the first and after the last week, and for an age that is none, there is a refusal that says
    what is covered."""
    reference = REFERENCES[measure]
    first, last = 7 * reference.first_week, 7 * reference.last_week
    for days in (first, last):
        assert math.isfinite(z_score(measure, 5.0, days))
    for days in (first - 1, last + 1, 0, -140, math.nan, math.inf):
        with pytest.raises(OutsideReference, match=reference.covers):
            z_score(measure, 5.0, days)
        with pytest.raises(OutsideReference):
            centile_value(measure, 50, days)


@pytest.mark.parametrize("length_mm", [0.0, -1.0, math.nan, math.inf])
def test_what_is_no_length_is_refused(length_mm: float) -> None:
    """Neither a z-score nor an age nor a weight comes of a length that is none."""
    calls: tuple[Callable[[], object], ...] = (
        lambda: z_score(Measure.CISTERNA_MAGNA, length_mm, W20_DAYS),
        lambda: age_from_hc(length_mm),
        lambda: age_from_hc_and_fl(172.0, length_mm),
        lambda: age_from_crl(length_mm),
        lambda: weight_intergrowth(length_mm, 148.0),
        lambda: weight_hadlock(172.0, 148.0, length_mm),
    )
    for call in calls:
        with pytest.raises(OutsideReference):
            call()


@pytest.mark.parametrize("percent", [0, 100, -1, math.nan])
def test_a_centile_lies_between_0_and_100(percent: float) -> None:
    """No length belongs to the ends."""
    with pytest.raises(ValueError, match="centile"):
        centile_value(Measure.HC, percent, W20_DAYS)


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("weeks", range(15, 37))
def test_the_mean_head_is_as_old_as_its_age(weeks: int) -> None:
    """Dating by circumference and the circumference's own standard agree to 3 days up to 36 weeks."""
    assert age_from_hc(REFERENCES[Measure.HC].mu(weeks)).days == pytest.approx(7 * weeks, abs=3)


def test_a_larger_head_is_older() -> None:
    """Age grows with the circumference over the whole range, and so do both ends of its interval."""
    ages = [age_from_hc(float(hc)) for hc in range(98, 345)]
    for before, after in itertools.pairwise(ages):
        assert before.days < after.days
        for a, b in ((before.low_days, after.low_days), (before.high_days, after.high_days)):
            assert a is None or b is None or a < b


def test_the_interval_of_an_age_is_where_the_head_is_two_deviations_off() -> None:
    """At the lower age the head is 2 SD above the mean, at the upper 2 SD below; where the standard covers no
    such age there is no end."""
    age = age_from_hc(172.48)
    assert age.low_days is not None
    assert age.high_days is not None
    assert age.low_days < age.days < age.high_days
    assert z_score(Measure.HC, 172.48, age.low_days) == pytest.approx(2, abs=0.01)
    assert z_score(Measure.HC, 172.48, age.high_days) == pytest.approx(-2, abs=0.01)
    assert age_from_hc(100.0).low_days is None
    assert age_from_hc(320.0).high_days is None


def test_the_uncertainty_of_a_length_is_carried_over() -> None:
    """Age and z-score move by their stated deviation when the length moves by its own; unknown stays unknown."""
    age = age_from_hc(172.48, 2.0)
    assert age.sd_days == pytest.approx((age_from_hc(174.48).days - age_from_hc(170.48).days) / 2, rel=1e-3)
    assert age_from_hc(172.48).sd_days is None
    for measure, length_mm in ((Measure.HC, 172.48), (Measure.CISTERNA_MAGNA, 4.5)):
        step = 0.01
        moved = z_score(measure, length_mm + step, W20_DAYS) - z_score(measure, length_mm - step, W20_DAYS)
        sd = place(measure, length_mm, W20_DAYS, step).z_score_sd
        assert sd == pytest.approx(moved / 2, rel=1e-3)
    assert place(Measure.HC, 172.48, W20_DAYS).z_score_sd is None


@pytest.mark.parametrize("hc_mm", [60.0, 95.0, 350.0, 1e6])
def test_a_head_of_no_covered_age_is_not_dated(hc_mm: float) -> None:
    """Outside 14 to 40 weeks there is a refusal."""
    with pytest.raises(OutsideReference, match="14 to 40 weeks"):
        age_from_hc(hc_mm)


def test_the_other_ways_to_date_agree() -> None:
    """At 20 weeks the mean head and femur give 20 weeks; crown-rump length is dated from 15 to 95 mm only; each
    names its formula and publication."""
    both = age_from_hc_and_fl(172.48, 31.29)
    assert both.days == pytest.approx(140, abs=1)
    # 40.9041 + 3.21585 * sqrt(64) + 0.348956 * 64
    assert age_from_crl(64.0).days == pytest.approx(88.964, abs=0.001)
    for crl_mm in (14.9, 95.1):
        with pytest.raises(OutsideReference, match="15 to 95 mm"):
            age_from_crl(crl_mm)
    for age in (both, age_from_crl(64.0), age_from_hc(172.48)):
        assert age.formula.startswith("days = ")
        assert "INTERGROWTH-21st" in age.reference


def test_weights() -> None:
    """Both formulas, worked out by hand with logarithms of other bases, and each with its name; sizes of no fetus
    are refused."""
    hc, ac, fl = 300.0, 290.0, 60.0
    intergrowth = weight_intergrowth(hc, ac)
    cubed = 0.29**3
    by_hand = 5.084820 - cubed * (54.06633 + 95.80076 * math.log2(0.29) / math.log2(math.e)) + 3.136370 * 0.30
    assert intergrowth.grams == pytest.approx(math.e**by_hand)
    assert 1800 < intergrowth.grams < 2300
    hadlock = weight_hadlock(hc, ac, fl)
    assert math.log(hadlock.grams, 10) == pytest.approx(1.326 + 0.321 + 1.2702 + 0.948 - 0.56724)
    assert "Stirnemann" in intergrowth.reference
    assert "Hadlock" in hadlock.reference
    with pytest.raises(OutsideReference):
        weight_intergrowth(hc, 900.0)
    with pytest.raises(OutsideReference):
        weight_hadlock(hc, ac, 600.0)
