"""Entries of `report.json`: what the agent knows of an input joined with what the cloud read in it."""

from __future__ import annotations

from typing import Any, Final

from deploy.local.console_client import READ, Item, steps_ms

NOTICE: Final = "research use, not for diagnosis"

PICTURES: Final[dict[str, str | None]] = {
    "mask": None,
    "overlay": None,
    "crop": "crop",
    "heatmap": "heat",
    "fused": "heat",
}
"""Picture -> the part of the reading without which it does not exist (None: always there)."""


def entry_of(capture: dict[str, Any], item: Item | None) -> dict[str, Any]:
    """The entry of one input: the agent's row of it and the cloud's worklist item, where it got there."""
    entry: dict[str, Any] = {
        "name": capture["source_name"],
        "sha256": capture["sha256"],
        "status": "failed",
        "reason": capture["reason"],
    }
    duplicate = capture["duplicate_of"] is not None
    if capture["state"] in ("refused", "held") and not (duplicate and item is not None):
        entry["status"] = capture["state"]
        entry["detail"] = capture["detail"]
        return entry
    if item is None or item["status"] not in READ:
        entry["reason"] = (item or {}).get("reason") or capture["last_error"] or "the line did not finish"
        return entry
    if duplicate:
        entry["duplicate"] = True
    images = sorted(item["images"], key=lambda image: int(image["index_in_capture"]))
    timings_ms = {**capture["steps_ms"], **steps_ms(item)}
    read = [_image(image, timings_ms) for image in images]
    if all(image["reading"] is None for image in images):
        entry["status"], entry["reason"] = "refused", images[0]["reason"]
        return entry
    entry.update(read[0])
    entry["status"], entry["reason"] = "done", None
    if len(read) > 1:
        entry["further_images"] = read[1:]
    return entry


_ASSESSED: Final = (
    *("lengths_judged", "gestational_age", "gestational_age_by_hc", "growth", "remarks", "threshold_scheme"),
)


def _image(image: dict[str, Any], timings_ms: dict[str, float]) -> dict[str, Any]:
    reading = image["reading"]
    common = {
        "type": image["image_type"],
        "type_probabilities": image["type_probabilities"],
        "ledger_index": image["ledger_index"],
        "timings_ms": {**timings_ms, **image["timings_ms"]},
    }
    if reading is None:
        return {**common, "reason": image["reason"]}
    measured = reading["measurements"] or {}
    head = reading["head"] or {}
    probabilities = reading["plane_probabilities"]
    return {
        **common,
        "plane": reading["plane"],
        "plane_probability": probabilities[reading["plane"]],
        "plane_probabilities": probabilities,
        "finding": reading["finding"],
        "finding_probabilities": reading["finding_probabilities"],
        "abstained": reading["abstained"],
        "abstain_reasons": reading["abstain_reasons"],
        "ellipse": head.get("ellipse"),
        "hc_px": measured.get("hc_px"),
        "hc_mm": measured.get("hc_mm"),
        "measurements": reading["measurements"],
        **{key: reading[key] for key in _ASSESSED},
        "heat": reading["heat"],
        "loop": reading["loop"],
        "models": reading["models"],
        "analysis_ms": reading["timings_ms"],
    }
