"""Part of step 11: stored. The lengths of a stored reading again, to say what they mean at another age.

A reading's JSON form has lengths to 0.01, so what is said here may differ from what was said at first in the last
digit. Nothing is written. Research use, not for diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.infer.assess import Assessment, Context, assess
from cloud.infer.measure import Length, Measurements, Scale
from cloud.infer.reasons import AbstainReason


def assess_stored(reading: Mapping[str, Any], context: Context) -> Assessment:
    """What the lengths of a reading's JSON form say in this context. A doubt that is not known here counts as one
    that concerns the lengths."""
    codes = reading["abstain_reasons"]
    known = {reason.value for reason in AbstainReason}
    stored = reading["measurements"] if known.issuperset(codes) else None
    measured = None if stored is None else measurements_from_json(stored)
    return assess(measured, context, [AbstainReason(code) for code in codes if code in known])


def measurements_from_json(stored: Mapping[str, Any]) -> Measurements:
    """The lengths of a reading's JSON form; what an earlier version did not write is not known. Raises KeyError
    for something else."""
    return Measurements(
        hc_px=stored["hc_px"],
        hc_px_sd=stored.get("hc_px_sd"),
        bpd_px=stored["bpd_px"],
        bpd_px_sd=stored.get("bpd_px_sd"),
        ofd_px=stored["ofd_px"],
        ofd_px_sd=stored.get("ofd_px_sd"),
        cephalic_index=stored["cephalic_index"],
        cephalic_index_sd=stored.get("cephalic_index_sd"),
        hc_mm=stored["hc_mm"],
        hc_mm_sd=stored.get("hc_mm_sd"),
        bpd_mm=stored["bpd_mm"],
        bpd_mm_sd=stored.get("bpd_mm_sd"),
        ofd_mm=stored["ofd_mm"],
        ofd_mm_sd=stored.get("ofd_mm_sd"),
        scale=_scale(stored),
        outline_offset_px=stored.get("outline_offset_px") or 0.0,
        ventricle_width=_length(stored, "ventricle_width"),
        midline_shift=_length(stored, "midline_shift"),
    )


def _scale(stored: Mapping[str, Any]) -> Scale | None:
    if stored["mm_per_pixel"] is None:
        return None
    return Scale(
        mm_per_pixel=stored["mm_per_pixel"],
        source=stored["scale_source"],
        stated_sd=stored.get("mm_per_pixel_relative_sd"),
    )


def _length(stored: Mapping[str, Any], name: str) -> Length | None:
    px = stored.get(f"{name}_px")
    return None if px is None else Length(px=px, sd_px=stored.get(f"{name}_px_sd"))
