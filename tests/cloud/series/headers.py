"""Headers without files, for rules that look at headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cloud.series.header import Header, Place
from tests.cloud.series.phantom import AXIAL, SERIES, STUDY

SLICE = Header(
    path=Path("/data/001.dcm"),
    patient_name="zhang^wei",
    study_uid=STUDY,
    series_uid=SERIES,
    sop_instance_uid=f"{SERIES}.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    series_number=3,
    body_part="HEAD",
    modality="CT",
    instance_number=1,
    images_in_acquisition=None,
    rows=64,
    columns=64,
    places=(
        Place(
            position_mm=(0.0, 0.0, 0.0),
            row_direction=AXIAL[0],
            column_direction=AXIAL[1],
            pixel_spacing_mm=(1.0, 1.0),
            slope=1.0,
            intercept=0.0,
        ),
    ),
    frame_count=1,
    frame_rate_hz=None,
    slice_thickness_mm=1.0,
    photometric="MONOCHROME2",
    samples_per_pixel=1,
    bits_stored=16,
    is_signed=True,
    window=None,
)


def header(number: int = 1, position: Sequence[float] | None = None, **changes: Any) -> Header:
    """An axial slice of the series, numbered, at `position` (LPS, mm; the default: `number` mm up); fields of the
    header and of its place replaced by `changes`."""
    x, y, z = (0.0, 0.0, float(number)) if position is None else position
    of_place = {key: changes.pop(key) for key in Place.__dataclass_fields__ if key in changes}
    place = replace(SLICE.places[0], **{"position_mm": (float(x), float(y), float(z)), **of_place})
    whole = {
        "path": Path(f"/data/{number:03}.dcm"),
        "sop_instance_uid": f"{SERIES}.{number}",
        "instance_number": number,
        "places": (place,),
    }
    return replace(SLICE, **{**whole, **changes})


def stack(positions: Sequence[Sequence[float]], first_number: int = 1, **changes: Any) -> list[Header]:
    """Slices at these positions, numbered on."""
    return [header(number, position, **changes) for number, position in enumerate(positions, first_number)]
