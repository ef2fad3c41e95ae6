"""What is true of a made-up frame: type, plane, finding, sizes, places, texts."""

import json
from dataclasses import asdict, dataclass

Box = tuple[int, int, int, int]
"""Pixels x0, y0, x1, y1; the last column and row are outside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EllipsePx:
    """An ellipse on the screen, rows growing downwards."""

    cx: float
    """Column of the centre in pixels."""
    cy: float
    """Row of the centre in pixels."""
    a: float
    """Longer semi-axis in pixels."""
    b: float
    """Shorter semi-axis in pixels."""
    angle_deg: float
    """Turn of the longer axis from +x towards +y (clockwise as seen), above -90 up to 90 degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The known truth of one frame."""

    type: str
    """brain, abdomen, femur or thorax."""
    plane: str
    """trans-thalamic, trans-ventricular or trans-cerebellar for a brain; else the type again."""
    finding: str | None
    """normal, ventriculomegaly or other (a lesion) for a brain, None otherwise."""
    weeks: float
    """Gestational age in weeks."""
    hc_mm: float | None
    """Head circumference at the skull's outer edge in mm; None without a head."""
    bpd_mm: float | None
    """Biparietal diameter, outer to outer, in mm; None without a head."""
    ofd_mm: float | None
    """Occipitofrontal diameter, outer to outer, in mm; None without a head."""
    atrium_mm: float | None
    """Inner width of the lateral ventricle at the atrium in mm; None where not shown."""
    atrium_px: tuple[float, float, float, float] | None
    """The far atrium's caliper x0, y0, x1, y1 in pixels; None where not shown."""
    tcd_mm: float | None
    """Transcerebellar diameter in mm; None where not shown."""
    femur_mm: float | None
    """Femur length in mm; None where not shown."""
    ellipse: EllipsePx | None
    """The skull's outer edge; None without a head."""
    lesion: EllipsePx | None
    """The edge of an extra finding inside the head; None without one."""
    mm_per_pixel: float
    """Size of a pixel in mm, the same both ways."""
    width_px: int
    """Columns of the frame."""
    height_px: int
    """Rows of the frame."""
    sector_box: Box
    """The ultrasound region: everything outside it is the machine's drawing."""
    banner_boxes: tuple[Box, ...]
    """Where identifying or machine text is burned in; empty without a banner."""
    burned_texts: tuple[str, ...]
    """The burned-in texts, in the order of `banner_boxes`."""

    def to_dict(self) -> dict[str, object]:
        """Give the truth as JSON-ready values; tuples become lists in JSON."""
        return asdict(self)

    def to_json(self) -> str:
        """Give the truth as one JSON object with sorted keys."""
        return json.dumps(self.to_dict(), sort_keys=True, ensure_ascii=False)
