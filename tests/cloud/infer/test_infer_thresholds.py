"""A site's limits: what is remarked at which length, what a file may say, and the digest that readings carry."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from cloud.infer.biometry import Measure, centile_value
from cloud.infer.errors import ThresholdsInvalid
from cloud.infer.thresholds import (
    REMARK_SENTENCES,
    Judged,
    Limits,
    RemarkCode,
    ThresholdScheme,
    judge,
    load_thresholds,
)

DEFAULTS = ThresholdScheme()
README = Path(__file__).resolve().parents[3] / "README.md"


def codes(measured: Judged, scheme: ThresholdScheme = DEFAULTS) -> list[str]:
    """What is remarked."""
    return [remark.code.value for remark in judge(measured, scheme)]


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(
    ("width_mm", "expected"),
    [
        (9.99, []),
        (10.0, ["VENTRICLE_MILD"]),
        (11.99, ["VENTRICLE_MILD"]),
        (12.0, ["VENTRICLE_MODERATE"]),
        (14.99, ["VENTRICLE_MODERATE"]),
        (15.0, ["VENTRICLE_SEVERE"]),
        (40.0, ["VENTRICLE_SEVERE"]),
    ],
)
def test_the_ventricle_by_its_width(width_mm: float, expected: list[str]) -> None:
    """10, 12 and 15 mm: mild, moderate, severe, one of them only, at any age."""
    assert codes(Judged(ventricle_width_mm=width_mm)) == expected


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize(
    ("hc_mm", "expected"),
    [
        (centile_value(Measure.HC, 3.1, 140), []),
        (centile_value(Measure.HC, 2.9, 140), ["HEAD_SMALL"]),
        (172.48 - 2.99 * 7.44, ["HEAD_SMALL"]),
        (172.48 - 3.01 * 7.44, ["HEAD_VERY_SMALL"]),
    ],
)
def test_the_head_against_its_age(hc_mm: float, expected: list[str]) -> None:
    """Below the third centile small, below -3 SD very small; without a covered age it is not judged."""
    assert codes(Judged(hc_mm=hc_mm, age_days=140)) == expected
    assert codes(Judged(hc_mm=hc_mm)) == []
    assert codes(Judged(hc_mm=hc_mm, age_days=290)) == []


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Judged(cisterna_magna_mm=1.9), ["CISTERNA_MAGNA_NARROW"]),
        (Judged(cisterna_magna_mm=2.0), []),
        (Judged(cisterna_magna_mm=10.0), []),
        (Judged(cisterna_magna_mm=10.1), ["CISTERNA_MAGNA_WIDE"]),
        (Judged(nuchal_translucency_mm=3.4), []),
        (Judged(nuchal_translucency_mm=3.5), ["NUCHAL_TRANSLUCENCY_THICK"]),
        (Judged(nuchal_fold_mm=6.0), []),
        (Judged(nuchal_fold_mm=6.0, age_days=104), []),
        (Judged(nuchal_fold_mm=6.0, age_days=105), ["NUCHAL_FOLD_THICK"]),
        (Judged(nuchal_fold_mm=6.0, age_days=146), ["NUCHAL_FOLD_THICK"]),
        (Judged(nuchal_fold_mm=6.0, age_days=147), []),
        (Judged(nuchal_fold_mm=5.9, age_days=140), []),
        (Judged(), []),
    ],
)
def test_the_other_limits(measured: Judged, expected: list[str]) -> None:
    """Cisterna magna 2 to 10 mm, nuchal fold from 6 mm at 15 to 20 weeks, nuchal translucency from 3.5 mm."""
    assert codes(measured) == expected


def test_a_remark_carries_what_it_rests_on() -> None:
    """Measured value, limit and unit; several lengths give several remarks."""
    small, wide = judge(Judged(hc_mm=140.0, ventricle_width_mm=12.5, age_days=140), DEFAULTS)[::-1]
    assert (wide.code, wide.value, wide.limit, wide.unit) == (RemarkCode.VENTRICLE_MODERATE, 12.5, 12.0, "mm")
    assert (small.code, small.limit, small.unit) == (RemarkCode.HEAD_VERY_SMALL, -3.0, "SD")
    assert small.value == pytest.approx((140 - 172.48) / 7.44, abs=0.01)


def test_every_remark_has_both_sentences() -> None:
    """The table is complete: English and Chinese, each naming the limit, none twice."""
    assert set(REMARK_SENTENCES) == set(RemarkCode)
    texts = [text for sentences in REMARK_SENTENCES.values() for text in sentences.values()]
    assert all(set(sentences) == {"en", "zh"} for sentences in REMARK_SENTENCES.values())
    assert all(text.count("{limit}") == 1 for text in texts)
    assert len(set(texts)) == len(texts)


def test_a_sites_own_limits(tmp_path: Path) -> None:
    """A file changes the limits that it names; what it leaves out stays; the digest follows the values."""
    file = tmp_path / "limits.toml"
    file.write_text('name = "Ward 3"\nversion = "2026-11"\n[limits]\nventricle_mild_mm = 9\n')
    scheme = load_thresholds(file)
    assert (scheme.name, scheme.version) == ("Ward 3", "2026-11")
    assert scheme.limits == Limits(ventricle_mild_mm=9.0)
    assert codes(Judged(ventricle_width_mm=9.5), scheme) == ["VENTRICLE_MILD"]
    file.write_text(
        '# The same\nversion = "2026-11"\nname = "Ward 3"\n[limits]\nnuchal_fold_mm = 6.0\nventricle_mild_mm = 9.0'
    )
    assert load_thresholds(file).sha256 == scheme.sha256
    others = {
        DEFAULTS.sha256,
        ThresholdScheme(name="Ward 3", version="2026-12", limits=scheme.limits).sha256,
        ThresholdScheme(name="Ward 4", version="2026-11", limits=scheme.limits).sha256,
        ThresholdScheme(name="Ward 3", version="2026-11").sha256,
    }
    assert len(others | {scheme.sha256}) == 5
    assert re.fullmatch("[0-9a-f]{64}", scheme.sha256)


HEADER = 'name = "x"\nversion = "1"\n'


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('version = "1"', "name"),
        ('name = "x"', "version"),
        ('name = 3\nversion = "1"', "name"),
        ('name = " "\nversion = "1"', "name"),
        (f'name = "{"x" * 101}"\nversion = "1"', "name"),
        ('name = "a\\tb"\nversion = "1"', "name"),
        (HEADER + "colour = 1", "colour"),
        (HEADER + "limits = 3", "limits"),
        (HEADER + "[limits]\nventricle_mm = 3", "ventricle_mm"),
        (HEADER + "[limits]\nventricle_mild_mm = nan", "ventricle_mild_mm"),
        (HEADER + "[limits]\nventricle_severe_mm = inf", "ventricle_severe_mm"),
        (HEADER + f"[limits]\nnuchal_fold_mm = 1{'0' * 400}", "nuchal_fold_mm"),
        (HEADER + "[limits]\nnuchal_fold_mm = true", "nuchal_fold_mm"),
        (HEADER + '[limits]\nnuchal_fold_mm = "6"', "nuchal_fold_mm"),
        (HEADER + "[limits]\nnuchal_translucency_mm = -1", "nuchal_translucency_mm"),
        (
            HEADER + "[limits]\nventricle_mild_mm = 12",
            "ventricle_moderate_mm must be above ventricle_mild_mm",
        ),
        (HEADER + "[limits]\nventricle_severe_mm = 11", "ventricle_severe_mm must be above"),
        (HEADER + "[limits]\ncisterna_magna_min_mm = 10", "cisterna_magna_max_mm must be above"),
        (HEADER + "[limits]\nhc_low_centile = 50", "hc_low_centile"),
        (HEADER + "[limits]\nhc_microcephaly_z = -1", "hc_microcephaly_z"),
        ("= broken", "not TOML"),
    ],
)
def test_an_unusable_file_is_refused_by_key(tmp_path: Path, text: str, named: str) -> None:
    """Unknown keys, wrong types, numbers that are none and limits in the wrong order name the key."""
    file = tmp_path / "limits.toml"
    file.write_text(text)
    with pytest.raises(ThresholdsInvalid, match=named):
        load_thresholds(file)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    """A file that was named must be there."""
    with pytest.raises(ThresholdsInvalid, match="cannot be read"):
        load_thresholds(tmp_path / "none.toml")


def test_the_readmes_example_states_the_defaults(tmp_path: Path) -> None:
    """The example in the README is a file that loads, names every limit, and has the program's values."""
    examples = re.findall(r"```toml\n(.*?)```", README.read_text(), re.S)
    (text,) = [example for example in examples if "[limits]" in example]
    file = tmp_path / "limits.toml"
    file.write_text(text)
    assert load_thresholds(file).limits == Limits()
    assert all(each.name in text for each in fields(Limits))
