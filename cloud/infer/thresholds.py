"""Part of step 11: thresholds. The limits that a site judges lengths by, and what is remarked about lengths beyond
them.

Every reading carries the scheme's name, version and digest, so that it can be told later which limits were used.
Research use, not for diagnosis.
"""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

from cloud.infer.biometry import DAYS_A_WEEK, Measure, centile, z_score
from cloud.infer.errors import OutsideReference, ThresholdsInvalid

NUCHAL_FOLD_DAYS: Final = (15 * DAYS_A_WEEK, 21 * DAYS_A_WEEK)
"""The nuchal fold is judged from 15 weeks 0 days to 20 weeks 6 days."""
_NAME_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a scheme. A file has the same names under [limits]; what it leaves out is as here."""

    ventricle_mild_mm: float = 10.0
    """From this width of the atrium on, the lateral ventricle is mildly wide, millimetres."""
    ventricle_moderate_mm: float = 12.0
    """From this width on moderately, millimetres."""
    ventricle_severe_mm: float = 15.0
    """From this width on severely, millimetres."""
    hc_low_centile: float = 3.0
    """Below this centile the head is small, percent, above 0 and below 50."""
    hc_microcephaly_z: float = -3.0
    """Below this z-score it is very small, standard deviations; below that of `hc_low_centile`."""
    cisterna_magna_min_mm: float = 2.0
    """Below it the cisterna magna is narrow, millimetres."""
    cisterna_magna_max_mm: float = 10.0
    """Above it the cisterna magna is wide, millimetres."""
    nuchal_fold_mm: float = 6.0
    """From this on the nuchal fold is thick, at 15 to 20 weeks, millimetres."""
    nuchal_translucency_mm: float = 3.5
    """From this on the nuchal translucency is thick, millimetres."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not math.isfinite(value):
                raise ThresholdsInvalid(f"{each.name} must be finite")
            if each.name != "hc_microcephaly_z" and value <= 0:
                raise ThresholdsInvalid(f"{each.name} must be above 0")
        if self.hc_low_centile >= 50:
            raise ThresholdsInvalid("hc_low_centile must be below 50")
        if self.hc_microcephaly_z >= NormalDist().inv_cdf(self.hc_low_centile / 100):
            raise ThresholdsInvalid("hc_microcephaly_z must be below the z-score of hc_low_centile")
        for lower, upper in _GROWING:
            if getattr(self, lower) >= getattr(self, upper):
                raise ThresholdsInvalid(f"{upper} must be above {lower}")


_GROWING: Final = (
    ("ventricle_mild_mm", "ventricle_moderate_mm"),
    ("ventricle_moderate_mm", "ventricle_severe_mm"),
    ("cisterna_magna_min_mm", "cisterna_magna_max_mm"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdScheme:
    """A site's limits under the name and version that readings carry."""

    name: str = "SonoRelay defaults"
    """What the site calls it, 1 to 100 printable characters."""
    version: str = "1"
    """Which edition of it, likewise."""
    limits: Limits = field(default_factory=Limits)
    """The limits themselves."""

    def __post_init__(self) -> None:
        for key in ("name", "version"):
            text = getattr(self, key)
            if not (text.strip() and text.isprintable() and len(text) <= _NAME_MAX):
                raise ThresholdsInvalid(f"{key} must be 1 to {_NAME_MAX} printable characters")

    @property
    def sha256(self) -> str:
        """SHA-256, hexadecimal, of name, version and every limit as compact JSON with sorted keys: equal for
        schemes that judge alike under one name, whatever their files look like."""
        values = {name: float(value) for name, value in asdict(self.limits).items()}
        whole = {"name": self.name, "version": self.version, "limits": values}
        text = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


class RemarkCode(StrEnum):
    """What is remarked about a length. The value is the code that readings carry."""

    VENTRICLE_MILD = "VENTRICLE_MILD"
    VENTRICLE_MODERATE = "VENTRICLE_MODERATE"
    VENTRICLE_SEVERE = "VENTRICLE_SEVERE"
    HEAD_SMALL = "HEAD_SMALL"
    HEAD_VERY_SMALL = "HEAD_VERY_SMALL"
    CISTERNA_MAGNA_NARROW = "CISTERNA_MAGNA_NARROW"
    CISTERNA_MAGNA_WIDE = "CISTERNA_MAGNA_WIDE"
    NUCHAL_FOLD_THICK = "NUCHAL_FOLD_THICK"
    NUCHAL_TRANSLUCENCY_THICK = "NUCHAL_TRANSLUCENCY_THICK"


REMARK_SENTENCES: Final[dict[RemarkCode, dict[str, str]]] = {
    RemarkCode.VENTRICLE_MILD: {
        "en": "The lateral ventricle is mildly wide: {limit} mm or more.",
        "zh": "侧脑室轻度增宽：不小于 {limit} mm。",
    },
    RemarkCode.VENTRICLE_MODERATE: {
        "en": "The lateral ventricle is moderately wide: {limit} mm or more.",
        "zh": "侧脑室中度增宽：不小于 {limit} mm。",
    },
    RemarkCode.VENTRICLE_SEVERE: {
        "en": "The lateral ventricle is severely wide: {limit} mm or more.",
        "zh": "侧脑室重度增宽：不小于 {limit} mm。",
    },
    RemarkCode.HEAD_SMALL: {
        "en": "The head circumference is below centile {limit} for the gestational age.",
        "zh": "头围低于该孕周第 {limit} 百分位。",
    },
    RemarkCode.HEAD_VERY_SMALL: {
        "en": "The head circumference is below {limit} SD for the gestational age.",
        "zh": "头围低于该孕周均值 {limit} SD。",
    },
    RemarkCode.CISTERNA_MAGNA_NARROW: {
        "en": "The cisterna magna is narrow: below {limit} mm.",
        "zh": "后颅窝池偏窄：小于 {limit} mm。",
    },
    RemarkCode.CISTERNA_MAGNA_WIDE: {
        "en": "The cisterna magna is wide: above {limit} mm.",
        "zh": "后颅窝池增宽：大于 {limit} mm。",
    },
    RemarkCode.NUCHAL_FOLD_THICK: {
        "en": "The nuchal fold is thick: {limit} mm or more.",
        "zh": "颈后皮褶增厚：不小于 {limit} mm。",
    },
    RemarkCode.NUCHAL_TRANSLUCENCY_THICK: {
        "en": "The nuchal translucency is thick: {limit} mm or more.",
        "zh": "颈项透明层增厚：不小于 {limit} mm。",
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A length beyond a limit."""

    code: RemarkCode
    """What is remarked."""
    value: float
    """What was measured, in `unit`."""
    limit: float
    """The scheme's limit, in `unit`."""
    unit: str
    """mm, centile or SD."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The lengths that limits exist for, millimetres; None where one was not measured."""

    hc_mm: float | None = None
    """Head circumference."""
    ventricle_width_mm: float | None = None
    """Lateral ventricle at its atrium."""
    cisterna_magna_mm: float | None = None
    """Cisterna magna."""
    nuchal_fold_mm: float | None = None
    """Nuchal fold."""
    nuchal_translucency_mm: float | None = None
    """Nuchal translucency."""
    age_days: float | None = None
    """Gestational age that the examination gives, days. Never one that was reckoned from these lengths."""


def judge(measured: Judged, scheme: ThresholdScheme) -> tuple[Remark, ...]:
    """What lies beyond the scheme's limits, at most one remark a length; a limit that needs the age is not
    applied where no age is given or the standard does not cover it."""
    limits = scheme.limits
    found = (
        _ventricle(measured.ventricle_width_mm, limits),
        _head(measured.hc_mm, measured.age_days, limits),
        _cisterna_magna(measured.cisterna_magna_mm, limits),
        _nuchal_fold(measured.nuchal_fold_mm, measured.age_days, limits),
        _from(
            RemarkCode.NUCHAL_TRANSLUCENCY_THICK,
            measured.nuchal_translucency_mm,
            limits.nuchal_translucency_mm,
        ),
    )
    return tuple(remark for remark in found if remark is not None)


def load_thresholds(path: Path) -> ThresholdScheme:
    """The scheme of a TOML file: `name`, `version` and a table `limits`. Raises ThresholdsInvalid, naming the
    key, for a file that cannot be read, an unknown or absent key, and a value that cannot be used."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise ThresholdsInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ThresholdsInvalid(f"{path}: not TOML: {exc}") from exc
    try:
        return _scheme(raw)
    except ThresholdsInvalid as exc:
        raise ThresholdsInvalid(f"{path}: {exc}") from exc


def _scheme(raw: dict[str, Any]) -> ThresholdScheme:
    _only(raw, {"name", "version", "limits"})
    for key in ("name", "version"):
        if not isinstance(raw.get(key), str):
            raise ThresholdsInvalid(f"{key} must be there, and text")
    limits = raw.get("limits", {})
    if not isinstance(limits, dict):
        raise ThresholdsInvalid("limits must be a table")
    _only(limits, {each.name for each in fields(Limits)})
    values = {key: _number(key, value) for key, value in limits.items()}
    return ThresholdScheme(name=raw["name"], version=raw["version"], limits=Limits(**values))


def _number(key: str, value: object) -> float:
    # In Python a bool is an int; as a limit it is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ThresholdsInvalid(f"{key} must be a number")
    try:
        return float(value)
    except OverflowError as exc:
        raise ThresholdsInvalid(f"{key} must be finite") from exc


def _only(table: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise ThresholdsInvalid(f"unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _from(code: RemarkCode, value_mm: float | None, limit_mm: float) -> Remark | None:
    """The remark where the length reaches the limit."""
    if value_mm is None or value_mm < limit_mm:
        return None
    return Remark(code=code, value=value_mm, limit=limit_mm, unit="mm")


def _ventricle(width_mm: float | None, limits: Limits) -> Remark | None:
    return (
        _from(RemarkCode.VENTRICLE_SEVERE, width_mm, limits.ventricle_severe_mm)
        or _from(RemarkCode.VENTRICLE_MODERATE, width_mm, limits.ventricle_moderate_mm)
        or _from(RemarkCode.VENTRICLE_MILD, width_mm, limits.ventricle_mild_mm)
    )


def _head(hc_mm: float | None, age_days: float | None, limits: Limits) -> Remark | None:
    if hc_mm is None or age_days is None:
        return None
    try:
        z = z_score(Measure.HC, hc_mm, age_days)
    except OutsideReference:
        return None
    if z < limits.hc_microcephaly_z:
        return Remark(code=RemarkCode.HEAD_VERY_SMALL, value=z, limit=limits.hc_microcephaly_z, unit="SD")
    percent = centile(z)
    if percent < limits.hc_low_centile:
        return Remark(code=RemarkCode.HEAD_SMALL, value=percent, limit=limits.hc_low_centile, unit="centile")
    return None


def _cisterna_magna(width_mm: float | None, limits: Limits) -> Remark | None:
    if width_mm is None:
        return None
    least_mm, most_mm = limits.cisterna_magna_min_mm, limits.cisterna_magna_max_mm
    if width_mm < least_mm:
        return Remark(code=RemarkCode.CISTERNA_MAGNA_NARROW, value=width_mm, limit=least_mm, unit="mm")
    if width_mm > most_mm:
        return Remark(code=RemarkCode.CISTERNA_MAGNA_WIDE, value=width_mm, limit=most_mm, unit="mm")
    return None


def _nuchal_fold(thickness_mm: float | None, age_days: float | None, limits: Limits) -> Remark | None:
    first, end = NUCHAL_FOLD_DAYS
    if age_days is None or not first <= age_days < end:
        return None
    return _from(RemarkCode.NUCHAL_FOLD_THICK, thickness_mm, limits.nuchal_fold_mm)
