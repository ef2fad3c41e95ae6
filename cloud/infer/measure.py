"""Part of step 11: measure. Head circumference, biparietal and occipitofrontal diameter from the fitted
ellipse, widths inside the head as they are handed in, and how uncertain each is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from cloud.infer.annotate import Ellipse

FORMULA = "ellipse perimeter, Ramanujan 1914"

SOURCE_SD: Final = {"dicom_region": 0.01 / math.sqrt(3)}
"""1 sigma of a scale as a share of it, by its source; a source that is not here is exact. A DICOM region's two
directions may differ by 1 % (dicom.py) and one of them is used for both: a rectangular distribution of that
half-width (JCGM 100:2008, 4.3.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How long a pixel is, and who says so."""

    mm_per_pixel: float
    """Length of a pixel's side, in millimetres; finite and above 0."""
    source: str
    """Where the figure comes from, as a short code: "dicom_region", "scale_file"."""
    stated_sd: float | None = None
    """1 sigma of `mm_per_pixel` as a share of it, where who read the scale says so (a ruler, a calliper)."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mm_per_pixel) and self.mm_per_pixel > 0):
            raise ValueError("mm_per_pixel must be finite and above 0")
        if not self.source:
            raise ValueError("a scale must name its source")
        if self.stated_sd is not None:
            _check_sd(self.stated_sd)

    @property
    def relative_sd(self) -> float:
        """1 sigma of `mm_per_pixel` as a share of it: as stated, else its source's; 0 where exact."""
        return SOURCE_SD.get(self.source, 0.0) if self.stated_sd is None else self.stated_sd


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedRegion:
    """An upright rectangle of a still on which the length of a pixel is known; its edges are in still pixels."""

    x0: int
    """Left edge: its first column."""
    y0: int
    """Upper edge: its first row."""
    x1: int
    """Right edge: the column behind its last one."""
    y1: int
    """Lower edge: the row behind its last one."""
    mm_per_pixel_x: float
    """A step to the right, in millimetres; finite and above 0."""
    mm_per_pixel_y: float
    """A step down, in millimetres; finite and above 0."""
    source: str
    """Who says so, as in `Scale`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length on the still."""

    px: float
    """The length, in pixels; finite, not negative."""
    sd_px: float | None = None
    """1 sigma, in pixels; None where it is not known."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.px) and self.px >= 0):
            raise ValueError("a length must be finite and not negative")
        if self.sd_px is not None:
            _check_sd(self.sd_px)

    def mm(self, scale: Scale | None) -> float | None:
        """The length in millimetres; None without a scale."""
        return None if scale is None else self.px * scale.mm_per_pixel

    def sd_mm(self, scale: Scale | None) -> float | None:
        """1 sigma in millimetres: that of the pixels and that of the scale, in quadrature; None where either
        is not known."""
        if scale is None or self.sd_px is None:
            return None
        return scale.mm_per_pixel * math.hypot(self.sd_px, self.px * scale.relative_sd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Lengths of the head: always in pixels, in millimetres only where the scale is known.

    Each `_sd` is 1 sigma, None where the error of the outline (or of the handed-in width) is not known.
    """

    hc_px: float
    """Head circumference, in pixels."""
    hc_px_sd: float | None
    """Of the circumference, in pixels."""
    bpd_px: float
    """Biparietal diameter, in pixels: the ellipse's minor axis, from outer edge to outer edge as the outline
    runs."""
    bpd_px_sd: float | None
    """Of the biparietal diameter, in pixels."""
    ofd_px: float
    """Occipitofrontal diameter, in pixels: the ellipse's major axis, outer to outer."""
    ofd_px_sd: float | None
    """Of the occipitofrontal diameter, in pixels."""
    cephalic_index: float
    """BPD divided by OFD, without unit, in (0, 1]."""
    cephalic_index_sd: float | None
    """Of the cephalic index."""
    hc_mm: float | None
    """Head circumference, in millimetres."""
    hc_mm_sd: float | None
    """Of the circumference, in millimetres."""
    bpd_mm: float | None
    """Biparietal diameter, in millimetres."""
    bpd_mm_sd: float | None
    """Of the biparietal diameter, in millimetres."""
    ofd_mm: float | None
    """Occipitofrontal diameter, in millimetres."""
    ofd_mm_sd: float | None
    """Of the occipitofrontal diameter, in millimetres."""
    scale: Scale | None
    """The scale used; None where it is not known, and then every length in millimetres is None."""
    outline_offset_px: float
    """By how much the outline was drawn in before measuring, in pixels."""
    ventricle_width: Length | None = None
    """Width of the lateral ventricle at its atrium; None where it was not measured."""
    midline_shift: Length | None = None
    """Distance of the midline from the middle of the head; None where it was not measured."""

    @property
    def ventricle_width_mm(self) -> float | None:
        """Width of the lateral ventricle, in millimetres."""
        return self.ventricle_width.mm(self.scale) if self.ventricle_width else None

    @property
    def ventricle_width_mm_sd(self) -> float | None:
        """Of that width, in millimetres."""
        return self.ventricle_width.sd_mm(self.scale) if self.ventricle_width else None


def perimeter(ellipse: Ellipse) -> float:
    """Perimeter in pixels: pi (3(a+b) - sqrt((3a+b)(a+3b))).

    S. Ramanujan, Modular equations and approximations to pi, Q. J. Math. 45 (1914); for the shape of a head
    (b/a near 0.8) its error is far below a millionth.
    """
    return _perimeter(ellipse.a, ellipse.b)


def measure(
    ellipse: Ellipse,
    scale: Scale | None,
    *,
    outline_sd_px: float | None = None,
    outline_offset_px: float = 0.0,
    ventricle_width: Length | None = None,
    midline_shift: Length | None = None,
) -> Measurements:
    """The lengths of a head with this outline, and their uncertainty.

    `outline_sd_px` is 1 sigma of how far the whole outline lies too far out or in, in still pixels, as the head
    model's card states it; None: not known, and nor is any uncertainty. A whole outline that is off by s changes
    the diameters by 2 s and the circumference by 2 pi s (Steiner's formula for parallel curves): more than errors
    of the two axes that are independent would. For the cephalic index it is the other way round, so there the
    axes' errors count as independent. `outline_offset_px` is how far the outline is known to run outside what is
    to be measured: both half axes are shortened by it first. Raises ValueError where nothing is left, and for an
    uncertainty that is none.
    """
    a, b = ellipse.a - outline_offset_px, ellipse.b - outline_offset_px
    if not b > 0:
        raise ValueError("the outline is no wider than its offset")
    s = outline_sd_px
    if s is not None:
        _check_sd(s)
    hc = Length(px=_perimeter(a, b), sd_px=None if s is None else 2 * math.pi * s)
    bpd = Length(px=2 * b, sd_px=None if s is None else 2 * s)
    ofd = Length(px=2 * a, sd_px=None if s is None else 2 * s)
    return Measurements(
        hc_px=hc.px,
        hc_px_sd=hc.sd_px,
        bpd_px=bpd.px,
        bpd_px_sd=bpd.sd_px,
        ofd_px=ofd.px,
        ofd_px_sd=ofd.sd_px,
        cephalic_index=b / a,
        cephalic_index_sd=None if s is None else s * math.hypot(1 / a, b / a**2),
        hc_mm=hc.mm(scale),
        hc_mm_sd=hc.sd_mm(scale),
        bpd_mm=bpd.mm(scale),
        bpd_mm_sd=bpd.sd_mm(scale),
        ofd_mm=ofd.mm(scale),
        ofd_mm_sd=ofd.sd_mm(scale),
        scale=scale,
        outline_offset_px=outline_offset_px,
        ventricle_width=ventricle_width,
        midline_shift=midline_shift,
    )


def _perimeter(a: float, b: float) -> float:
    return math.pi * (3 * (a + b) - math.sqrt((3 * a + b) * (a + 3 * b)))


def _check_sd(sd: float) -> None:
    if not (math.isfinite(sd) and sd >= 0):
        raise ValueError("an uncertainty must be finite and not negative")
