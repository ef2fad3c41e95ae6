"""Part of step 11: biometry. Fetal sizes against the INTERGROWTH-21st standards: z-scores, centiles, gestational
age and weight.

Every answer names its formula and its source, and outside the weeks or sizes that a source covers there is a
refusal (`OutsideReference`), never a number. Research use, not for diagnosis.

In the formulas `w` is exact weeks, `ln` natural, lengths are millimetres unless said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

from cloud.infer.errors import OutsideReference

DAYS_A_WEEK: Final = 7

FETAL_SIZE: Final = "INTERGROWTH-21st, Papageorghiou et al., Lancet 2014; 384: 869-879"
BRAIN_STRUCTURES: Final = "INTERGROWTH-21st, Napolitano et al., Ultrasound Obstet Gynecol 2020; 56: 359-370"
CEREBELLUM: Final = "INTERGROWTH-21st, Rodriguez-Sibaja et al., Ultrasound Obstet Gynecol 2021; 57: 614-623"
LATE_DATING: Final = "INTERGROWTH-21st, Papageorghiou et al., Ultrasound Obstet Gynecol 2016; 48: 719-726"
EARLY_DATING: Final = "INTERGROWTH-21st, Papageorghiou et al., Ultrasound Obstet Gynecol 2014; 44: 641-648"
WEIGHT: Final = "INTERGROWTH-21st, Stirnemann et al., Ultrasound Obstet Gynecol 2017; 49: 478-486"
HADLOCK: Final = "Hadlock et al., Am J Obstet Gynecol 1985; 151: 333-337"


class Measure(StrEnum):
    """What has a standard. The value is the name that readings carry."""

    HC = "hc"
    BPD = "bpd"
    OFD = "ofd"
    AC = "ac"
    FL = "fl"
    TCD = "tcd"
    ATRIUM = "ventricle_width"
    ANTERIOR_HORN = "anterior_horn"
    CISTERNA_MAGNA = "cisterna_magna"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The standard of one measure. Lengths are millimetres."""

    name: str
    """The measure in words."""
    first_week: int
    """First week that the standard covers: from this many weeks and 0 days on."""
    last_week: int
    """Last one: up to this many weeks and 0 days."""
    citation: str
    """Where it was published."""
    mu: Callable[[float], float]
    """Mean at exact weeks, in millimetres; of the logarithm where `on_log_scale`."""
    sigma: Callable[[float], float]
    """Standard deviation at exact weeks, on the same scale."""
    on_log_scale: bool = False
    """Whether mean and deviation are those of ln(length in millimetres)."""

    @property
    def covers(self) -> str:
        """The weeks that it covers, in words."""
        return f"{self.first_week} to {self.last_week} weeks"

    @property
    def formula(self) -> str:
        """How a z-score is reckoned by it, in words."""
        x = "ln x" if self.on_log_scale else "x"
        return f"z = ({x} - mean) / SD at exact weeks, x in mm"


def _hc_sigma(w: float) -> float:
    ln = math.log(w)
    return 1.98735 + 0.0136772 * w**3 - 0.00726264 * w**3 * ln + 0.000976253 * w**3 * ln**2


def _bpd_sigma(w: float) -> float:
    ln = math.log(w)
    return math.exp(0.101242 + 0.00150557 * w**3 - 0.000771535 * w**3 * ln + 0.0000999638 * w**3 * ln**2)


def _ofd_sigma(w: float) -> float:
    ln = math.log(w)
    return math.exp(-0.880034 + 0.0631165 * w**2 - 0.0317136 * w**2 * ln + 0.00408302 * w**2 * ln**2)


REFERENCES: Final[dict[Measure, Reference]] = {
    Measure.HC: Reference(
        name="head circumference",
        first_week=14,
        last_week=40,
        citation=FETAL_SIZE,
        mu=lambda w: -28.2849 + 1.69267 * w**2 - 0.397485 * w**2 * math.log(w),
        sigma=_hc_sigma,
    ),
    Measure.BPD: Reference(
        name="biparietal diameter",
        first_week=14,
        last_week=40,
        citation=FETAL_SIZE,
        mu=lambda w: 5.60878 + 0.158369 * w**2 - 0.00256379 * w**3,
        sigma=_bpd_sigma,
    ),
    Measure.OFD: Reference(
        name="occipitofrontal diameter",
        first_week=14,
        last_week=40,
        citation=FETAL_SIZE,
        mu=lambda w: -12.4097 + 0.626342 * w**2 - 0.148075 * w**2 * math.log(w),
        sigma=_ofd_sigma,
    ),
    Measure.AC: Reference(
        name="abdominal circumference",
        first_week=14,
        last_week=40,
        citation=FETAL_SIZE,
        mu=lambda w: -81.3243 + 11.6772 * w - 0.000561865 * w**3,
        sigma=lambda w: -4.36302 + 0.121445 * w**2 - 0.0130256 * w**3 + 0.00282143 * w**3 * math.log(w),
    ),
    Measure.FL: Reference(
        name="femur length",
        first_week=14,
        last_week=40,
        citation=FETAL_SIZE,
        mu=lambda w: -39.9616 + 4.32298 * w - 0.0380156 * w**2,
        sigma=lambda w: math.exp(0.605843 - 42.0014 * w**-2 + 0.00000917972 * w**3),
    ),
    Measure.TCD: Reference(
        name="transcerebellar diameter",
        first_week=14,
        last_week=40,
        citation=CEREBELLUM,
        mu=lambda w: -13.10907 + 20.8941 * (w / 10) ** 0.5 + 0.5035914 * (w / 10) ** 3,
        sigma=lambda w: 0.4719837 + 0.0500382 * (w / 10) ** 3,
    ),
    Measure.ATRIUM: Reference(
        name="lateral ventricle, atrium of the posterior horn",
        first_week=15,
        last_week=36,
        citation=BRAIN_STRUCTURES,
        mu=lambda w: 4.389214 + 38.10015 / w + 0.0000020063 * w**3,
        sigma=lambda w: 0.6707227 + 0.034258 * w,
    ),
    Measure.ANTERIOR_HORN: Reference(
        name="lateral ventricle, anterior horn",
        first_week=15,
        last_week=36,
        citation=BRAIN_STRUCTURES,
        mu=lambda w: 6.396214 + 0.00006205 * w**3,
        sigma=lambda _w: 1.204454,
    ),
    Measure.CISTERNA_MAGNA: Reference(
        name="cisterna magna",
        first_week=15,
        last_week=36,
        citation=BRAIN_STRUCTURES,
        mu=lambda w: 2.098095 - 239.0659 / w**2 - 0.0000001547 * w**3,
        sigma=lambda w: 0.2297936 + 8.1872 / w**2,
        on_log_scale=True,
    ),
}
"""Papageorghiou 2014 covers 14 to 40 weeks, Rodriguez-Sibaja 2021 the same, Napolitano 2020 15 to 36."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a length lies among those of healthy pregnancies of the same age."""

    z_score: float
    """Standard deviations above the mean, below it where negative."""
    z_score_sd: float | None
    """1 sigma of the z-score from the uncertainty of the length alone; None where that is not known."""
    centile: float
    """Share of healthy fetuses of this age below the length, in percent."""
    formula: str
    """How it was reckoned."""
    reference: str
    """The standard, with its publication."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeEstimate:
    """A gestational age reckoned from lengths."""

    days: float
    """Days since the first day of the last period, as is usual."""
    formula: str
    """How it was reckoned."""
    reference: str
    """Where the formula was published."""
    sd_days: float | None = None
    """1 sigma from the uncertainty of the length alone; None where that is not known."""
    low_days: float | None = None
    """Age at which the length would lie 2 standard deviations above the mean of its standard; None where no
    age that the standard covers is."""
    high_days: float | None = None
    """Age at which it would lie 2 below; None as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightEstimate:
    """A weight reckoned from lengths."""

    grams: float
    """Estimated fetal weight, grams."""
    formula: str
    """How it was reckoned."""
    reference: str
    """Where the formula was published."""


def z_score(measure: Measure, length_mm: float, age_days: float) -> float:
    """Standard deviations of a length above its mean at this age: (x - mu) / sigma, of ln x for the cisterna
    magna.

    Raises OutsideReference for an age that the standard does not cover and for what is no length.
    """
    reference = REFERENCES[measure]
    weeks = _weeks(reference, age_days)
    _check_length(reference.name, length_mm)
    x = math.log(length_mm) if reference.on_log_scale else length_mm
    return (x - reference.mu(weeks)) / reference.sigma(weeks)


def centile(z: float) -> float:
    """Percent of a standard normal distribution below `z`, 0..100."""
    return 50 * (1 + math.erf(z / math.sqrt(2)))


def centile_value(measure: Measure, percent: float, age_days: float) -> float:
    """The length, in millimetres, below which `percent` (above 0, below 100) of healthy fetuses of this age
    lie. Raises OutsideReference for an age that the standard does not cover, ValueError for another percent."""
    if not 0 < percent < 100:
        raise ValueError("a centile lies above 0 and below 100")
    reference = REFERENCES[measure]
    weeks = _weeks(reference, age_days)
    x = reference.mu(weeks) + NormalDist().inv_cdf(percent / 100) * reference.sigma(weeks)
    return math.exp(x) if reference.on_log_scale else x


def place(measure: Measure, length_mm: float, age_days: float, sd_mm: float | None = None) -> Placement:
    """Where a length with this uncertainty lies at this age. Errors as `z_score`."""
    z = z_score(measure, length_mm, age_days)
    reference = REFERENCES[measure]
    sigma = reference.sigma(age_days / DAYS_A_WEEK)
    slope = 1 / (length_mm * sigma) if reference.on_log_scale else 1 / sigma
    return Placement(
        z_score=z,
        z_score_sd=None if sd_mm is None else sd_mm * slope,
        centile=centile(z),
        formula=reference.formula,
        reference=reference.citation,
    )


def age_from_hc(hc_mm: float, hc_mm_sd: float | None = None) -> AgeEstimate:
    """Gestational age from the head circumference: exp(0.05970 (ln HC)^2 + 6.409e-9 HC^3 + 3.3258) days.

    The uncertainty of the circumference is carried over by the formula's slope (`sd_days`). How far healthy
    heads of one size differ in age is not in the formula: it is read from the head circumference's own standard,
    as the ages at which this head would lie 2 standard deviations above and below the mean (`low_days`,
    `high_days`).

    Raises OutsideReference where the age is not one of 14 to 40 weeks.
    """
    _check_length("head circumference", hc_mm)
    ln = math.log(hc_mm)
    days = _dated("head circumference", 0.05970 * ln**2 + 6.409e-9 * hc_mm**3 + 3.3258)
    slope = days * (2 * 0.05970 * ln / hc_mm + 3 * 6.409e-9 * hc_mm**2)
    return AgeEstimate(
        days=days,
        formula="days = exp(0.05970 (ln HC)^2 + 6.409e-9 HC^3 + 3.3258), HC in mm",
        reference=LATE_DATING,
        sd_days=None if hc_mm_sd is None else slope * hc_mm_sd,
        low_days=_age_at_z(Measure.HC, hc_mm, 2.0),
        high_days=_age_at_z(Measure.HC, hc_mm, -2.0),
    )


def age_from_hc_and_fl(hc_mm: float, fl_mm: float) -> AgeEstimate:
    """Gestational age from head circumference and femur: exp(0.03243 (ln HC)^2 + 0.001644 FL ln HC + 3.813)
    days. Raises OutsideReference where the age is not one of 14 to 40 weeks."""
    _check_length("head circumference", hc_mm)
    _check_length("femur length", fl_mm)
    ln = math.log(hc_mm)
    return AgeEstimate(
        days=_dated("head circumference and femur length", 0.03243 * ln**2 + 0.001644 * fl_mm * ln + 3.813),
        formula="days = exp(0.03243 (ln HC)^2 + 0.001644 FL ln HC + 3.813), HC and FL in mm",
        reference=LATE_DATING,
    )


def age_from_crl(crl_mm: float) -> AgeEstimate:
    """Gestational age from the crown-rump length: 40.9041 + 3.21585 CRL^0.5 + 0.348956 CRL days. Raises
    OutsideReference outside 15 to 95 mm."""
    if not 15 <= crl_mm <= 95:
        raise OutsideReference("crown-rump length", "15 to 95 mm")
    return AgeEstimate(
        days=40.9041 + 3.21585 * crl_mm**0.5 + 0.348956 * crl_mm,
        formula="days = 40.9041 + 3.21585 CRL^0.5 + 0.348956 CRL, CRL in mm",
        reference=EARLY_DATING,
    )


def weight_intergrowth(hc_mm: float, ac_mm: float) -> WeightEstimate:
    """Fetal weight, grams, of INTERGROWTH-21st: exp(5.084820 - 54.06633 (AC/100)^3 - 95.80076 (AC/100)^3
    ln(AC/100) + 3.136370 HC/100), lengths in centimetres. Raises OutsideReference for sizes of no fetus of 14 to
    40 weeks."""
    hc, ac = _plausible_cm(Measure.HC, hc_mm) / 100, _plausible_cm(Measure.AC, ac_mm) / 100
    return WeightEstimate(
        grams=math.exp(5.084820 - 54.06633 * ac**3 - 95.80076 * ac**3 * math.log(ac) + 3.136370 * hc),
        formula="ln EFW = 5.084820 - 54.06633 (AC/100)^3 - 95.80076 (AC/100)^3 ln(AC/100) + 3.136370 HC/100, "
        "AC and HC in cm, EFW in g",
        reference=WEIGHT,
    )


def weight_hadlock(hc_mm: float, ac_mm: float, fl_mm: float) -> WeightEstimate:
    """Fetal weight, grams, of Hadlock's three lengths: log10 EFW = 1.326 + 0.0107 HC + 0.0438 AC + 0.158 FL
    - 0.00326 AC FL, lengths in centimetres. Errors as `weight_intergrowth`."""
    hc, ac = _plausible_cm(Measure.HC, hc_mm), _plausible_cm(Measure.AC, ac_mm)
    fl = _plausible_cm(Measure.FL, fl_mm)
    return WeightEstimate(
        grams=10 ** (1.326 + 0.0107 * hc + 0.0438 * ac + 0.158 * fl - 0.00326 * ac * fl),
        formula="log10 EFW = 1.326 + 0.0107 HC + 0.0438 AC + 0.158 FL - 0.00326 AC FL, cm, EFW in g",
        reference=HADLOCK,
    )


def _weeks(reference: Reference, age_days: float) -> float:
    weeks = age_days / DAYS_A_WEEK
    if not reference.first_week <= weeks <= reference.last_week:
        raise OutsideReference(reference.name, reference.covers)
    return weeks


def _check_length(name: str, length_mm: float) -> None:
    if not (math.isfinite(length_mm) and length_mm > 0):
        raise OutsideReference(name, "finite lengths above 0 mm")


def _dated(name: str, exponent: float) -> float:
    """exp(exponent) days, where the standard that was dated by covers them: 14 to 40 weeks."""
    reference = REFERENCES[Measure.HC]
    least, most = (math.log(DAYS_A_WEEK * week) for week in (reference.first_week, reference.last_week))
    if not least <= exponent <= most:
        raise OutsideReference(f"gestational age from {name}", reference.covers)
    return math.exp(exponent)


def _age_at_z(measure: Measure, length_mm: float, z: float) -> float | None:
    """Days at which a length has this z-score, to a hundredth; None where no age that the standard covers
    does. The standard's mean + z sigma must grow with age."""
    reference = REFERENCES[measure]

    def excess_mm(days: float) -> float:
        weeks = days / DAYS_A_WEEK
        return reference.mu(weeks) + z * reference.sigma(weeks) - length_mm

    low, high = (float(DAYS_A_WEEK * week) for week in (reference.first_week, reference.last_week))
    if excess_mm(low) > 0 or excess_mm(high) < 0:
        return None
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (middle, high) if excess_mm(middle) < 0 else (low, middle)
    return (low + high) / 2


def _plausible_cm(measure: Measure, length_mm: float) -> float:
    """A length in centimetres, where it lies within 5 deviations of the standard's first and last mean."""
    reference = REFERENCES[measure]
    first, last = float(reference.first_week), float(reference.last_week)
    least = reference.mu(first) - 5 * reference.sigma(first)
    most = reference.mu(last) + 5 * reference.sigma(last)
    if not least <= length_mm <= most:
        raise OutsideReference(reference.name, f"{least:.0f} to {most:.0f} mm")
    return length_mm / 10
