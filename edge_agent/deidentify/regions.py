"""Step 4 of 13: de-identify. The ultrasound regions as typed numbers, and the scale they give.

PS3.3 C.8.5.5 (US Region Calibration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from pydicom.dataset import Dataset

from edge_agent.formats.dicom import finite

REGIONS_MAX: Final = 32
_TWO_DIMENSIONAL: Final = 1
_CENTIMETRE: Final = 3
_ISOTROPIC: Final = 0.01
WHOLE_NUMBERS: Final = (
    "RegionSpatialFormat", "RegionDataType", "RegionFlags", "ReferencePixelX0", "ReferencePixelY0",
    "PhysicalUnitsXDirection", "PhysicalUnitsYDirection", "TransducerFrequency",
)  # fmt: skip
NUMBERS: Final = (
    "ReferencePixelPhysicalValueX", "ReferencePixelPhysicalValueY", "PhysicalDeltaX", "PhysicalDeltaY",
    "PulseRepetitionFrequency", "DopplerCorrectionAngle", "SteeringAngle",
)  # fmt: skip
ScaleSource = Literal["dicom_region", "pixel_spacing", "given"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One ultrasound region."""

    x0: int
    """First column, pixels."""
    y0: int
    """First row, pixels."""
    x1: int
    """Last column, inclusive, pixels."""
    y1: int
    """Last row, inclusive, pixels."""
    whole: dict[str, int]
    """Other whole-number elements by keyword."""
    numbers: dict[str, float]
    """Other real-number elements by keyword."""

    @property
    def is_two_dimensional(self) -> bool:
        """Whether it is an image of a plane, not a trace or a spectrum."""
        return self.whole.get("RegionSpatialFormat") == _TWO_DIMENSIONAL

    @property
    def mm_per_pixel(self) -> float | None:
        """Scale where both directions are in centimetres and agree within 1 %."""
        units = (self.whole.get("PhysicalUnitsXDirection"), self.whole.get("PhysicalUnitsYDirection"))
        dx, dy = (abs(self.numbers.get(name, 0.0)) for name in ("PhysicalDeltaX", "PhysicalDeltaY"))
        if units != (_CENTIMETRE, _CENTIMETRE) or not dx or not dy or abs(dx - dy) > _ISOTROPIC * max(dx, dy):
            return None
        return 10.0 * (dx + dy) / 2


def read_regions(ds: Dataset, width_px: int, height_px: int) -> tuple[Region, ...]:
    """Gives the regions that lie in the picture, with finite numbers only."""
    sequence: Any = ds.get("SequenceOfUltrasoundRegions") or []
    regions = (_region(item, width_px, height_px) for item in list(sequence)[:REGIONS_MAX])
    return tuple(region for region in regions if region is not None)


def _region(item: Any, width_px: int, height_px: int) -> Region | None:
    edges = [
        finite(item.get(f"RegionLocation{name}")) if isinstance(item, Dataset) else None
        for name in ("MinX0", "MinY0", "MaxX1", "MaxY1")
    ]
    if not isinstance(item, Dataset) or any(edge is None for edge in edges):
        return None
    x0, y0, x1, y1 = (int(edge) for edge in edges if edge is not None)
    x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width_px - 1, x1), min(height_px - 1, y1)
    if x1 <= x0 or y1 <= y0:
        return None
    whole = {name: int(value) for name in WHOLE_NUMBERS if (value := finite(item.get(name))) is not None}
    numbers = {name: value for name in NUMBERS if (value := finite(item.get(name))) is not None}
    return Region(x0=x0, y0=y0, x1=x1, y1=y1, whole=whole, numbers=numbers)


def pixel_spacing(ds: Dataset) -> tuple[float, float] | None:
    """Gives PixelSpacing (row, column, mm) where both are positive numbers."""
    values: Any = ds.get("PixelSpacing")
    if values is None or isinstance(values, str) or len(values) != 2:
        return None
    row, column = finite(values[0]), finite(values[1])
    return (row, column) if row and column and row > 0 and column > 0 else None


def scale(
    ds: Dataset, regions: tuple[Region, ...], given: float | None
) -> tuple[float | None, ScaleSource | None]:
    """Gives millimetres per pixel and where they come from: region, then PixelSpacing, then the order's."""
    planes = [region for region in regions if region.is_two_dimensional]
    found = [region.mm_per_pixel for region in planes]
    known = [value for value in found if value is not None]
    # Both ends of a length must lie in one calibrated region, so the plane regions have to agree.
    if known and len(known) == len(found) and max(known) - min(known) <= _ISOTROPIC * max(known):
        return known[0], "dicom_region"
    spacing = pixel_spacing(ds)
    if not planes and spacing is not None and abs(spacing[0] - spacing[1]) <= _ISOTROPIC * max(spacing):
        return sum(spacing) / 2, "pixel_spacing"
    return (given, "given") if given is not None else (None, None)
