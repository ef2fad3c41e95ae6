"""How uncertain the lengths of a head are, and what is never made up about them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.infer.annotate import Ellipse
from cloud.infer.measure import Length, Measurements, Scale, measure, perimeter

HEAD = Ellipse(cx=400.0, cy=260.0, a=220.0, b=170.0, angle_deg=30.0)
EXACT = Scale(mm_per_pixel=0.2, source="given")


def grown(step_px: float) -> Ellipse:
    """The head with its whole outline further out."""
    return Ellipse(cx=HEAD.cx, cy=HEAD.cy, a=HEAD.a + step_px, b=HEAD.b + step_px, angle_deg=HEAD.angle_deg)


@pytest.mark.req("BEY-02")
@given(sd_px=st.floats(0.01, 5))
def test_the_outlines_error_is_carried_over(sd_px: float) -> None:
    """An outline that is off by its deviation changes each length by that length's, on an exact scale."""
    at = measure(HEAD, EXACT, outline_sd_px=sd_px)
    off = measure(grown(sd_px), EXACT)
    assert at.bpd_px_sd == pytest.approx(off.bpd_px - at.bpd_px)
    assert at.ofd_px_sd == pytest.approx(off.ofd_px - at.ofd_px)
    assert at.hc_px_sd == pytest.approx(off.hc_px - at.hc_px, rel=0.02)
    assert at.hc_mm_sd == pytest.approx(0.2 * (at.hc_px_sd or 0))
    assert at.bpd_mm_sd == pytest.approx(0.4 * sd_px)
    assert at.ofd_mm_sd == pytest.approx(0.4 * sd_px)


def test_the_indexs_error_is_that_of_two_independent_axes() -> None:
    """The root of the two axes' squared shares, each found by moving that axis alone."""
    s = 1e-3
    by_a = HEAD.b / (HEAD.a + s) - HEAD.b / HEAD.a
    by_b = (HEAD.b + s) / HEAD.a - HEAD.b / HEAD.a
    found = measure(HEAD, None, outline_sd_px=s).cephalic_index_sd
    assert found == pytest.approx(math.hypot(by_a, by_b), rel=1e-4)


@pytest.mark.req("BEY-02")
@pytest.mark.parametrize(
    ("scale", "share"),
    [
        (Scale(mm_per_pixel=0.2, source="given"), 0.0),
        (Scale(mm_per_pixel=0.2, source="pixel_spacing"), 0.0),
        (Scale(mm_per_pixel=0.2, source="dicom_region"), 0.01 / math.sqrt(3)),
        (Scale(mm_per_pixel=0.2, source="dicom_region", stated_sd=0.0), 0.0),
        (Scale(mm_per_pixel=0.2, source="ruler", stated_sd=0.02), 0.02),
    ],
)
def test_the_scales_error_adds_in_quadrature(scale: Scale, share: float) -> None:
    """Outline and scale are independent; the scale is as uncertain as stated, else as its source is, and it
    changes millimetres only."""
    assert scale.relative_sd == pytest.approx(share)
    lengths = measure(HEAD, scale, outline_sd_px=1.5)
    assert lengths.hc_px_sd == pytest.approx(3 * math.pi)
    assert lengths.hc_mm is not None
    assert lengths.hc_mm_sd == pytest.approx(math.hypot(0.2 * 3 * math.pi, share * lengths.hc_mm))
    wide = Length(px=50.0, sd_px=3.0)
    assert wide.sd_mm(scale) == pytest.approx(math.hypot(0.6, share * 10.0))


def uncertainties(lengths: Measurements) -> dict[str, float | None]:
    """Every 1-sigma of the head's own lengths, by name."""
    names = [f"{name}_{unit}_sd" for name in ("hc", "bpd", "ofd") for unit in ("px", "mm")]
    return {name: getattr(lengths, name) for name in (*names, "cephalic_index_sd")}


@pytest.mark.req("BEY-02")
def test_what_is_not_known_is_not_made_up() -> None:
    """Without the outline's error no uncertainty is given, not even 0; without a scale none in millimetres."""
    assert set(uncertainties(measure(HEAD, EXACT)).values()) == {None}
    unscaled = uncertainties(measure(HEAD, None, outline_sd_px=1.0))
    assert {name for name, sd in unscaled.items() if sd is None} == {"hc_mm_sd", "bpd_mm_sd", "ofd_mm_sd"}
    width = Length(px=40.0)
    assert (width.mm(None), width.sd_mm(None), width.sd_mm(EXACT)) == (None, None, None)
    assert width.mm(EXACT) == pytest.approx(8.0)


def test_the_outline_is_drawn_in_by_its_offset() -> None:
    """Both half axes are shortened before anything is measured; by default nothing is."""
    inside = measure(grown(0.94), EXACT, outline_offset_px=0.94)
    plain = measure(HEAD, EXACT)
    assert inside.hc_px == pytest.approx(perimeter(HEAD))
    assert (inside.bpd_px, inside.ofd_px) == (pytest.approx(340.0), pytest.approx(440.0))
    assert inside.cephalic_index == pytest.approx(plain.cephalic_index)
    assert (inside.outline_offset_px, plain.outline_offset_px) == (0.94, 0.0)
    with pytest.raises(ValueError, match="offset"):
        measure(HEAD, EXACT, outline_offset_px=170.0)


def test_widths_inside_the_head_are_taken_as_given() -> None:
    """Ventricle and midline are measured elsewhere and converted here; absent ones stay absent."""
    lengths = measure(HEAD, EXACT, ventricle_width=Length(px=55.0, sd_px=4.0), midline_shift=Length(px=0.0))
    assert lengths.ventricle_width_mm == pytest.approx(11.0)
    assert lengths.ventricle_width_mm_sd == pytest.approx(0.8)
    assert lengths.midline_shift == Length(px=0.0)
    bare = measure(HEAD, EXACT)
    assert (bare.ventricle_width, bare.ventricle_width_mm, bare.ventricle_width_mm_sd) == (None, None, None)


@pytest.mark.parametrize("bad", [-0.1, math.nan, math.inf])
def test_uncertainties_and_lengths_must_make_sense(bad: float) -> None:
    """Negative or endless ones are refused where they come in."""
    makers: tuple[Any, ...] = (
        lambda: Length(px=bad),
        lambda: Length(px=1.0, sd_px=bad),
        lambda: Scale(mm_per_pixel=0.2, source="ruler", stated_sd=bad),
        lambda: measure(HEAD, EXACT, outline_sd_px=bad),
    )
    for make in makers:
        with pytest.raises(ValueError, match="finite and not negative"):
            make()
