"""Heads of the virtual scanner as samples of the brain model, with the place of what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cloud.infer.annotate import Ellipse
from cloud.infer.preprocess import Gray
from cloud.training.brain import BrainSample, Mask, head_sample
from cloud.training.scanner import LESION_SHARE, PRINTS, printed_heads

_ATRIUM_REACH = 0.65
"""Radius of what counts as the widened atrium's place, as a share of its width."""


def simulated_heads(work: Path, seed: int, count: int = PRINTS) -> list[BrainSample]:
    """The heads among `count` pictures of the virtual scanner, printed once into a folder below `work`.

    Raises ScannerFailed when it does not print.
    """
    heads = printed_heads(work, seed, count, LESION_SHARE)
    return [_sample(head.gray, head.truth, head.name) for head in heads]


def _sample(gray: Gray, truth: dict[str, Any], name: str) -> BrainSample:
    skull = truth["ellipse"]
    head = Ellipse(
        cx=skull["cx"], cy=skull["cy"], a=skull["a"], b=skull["b"], angle_deg=skull["angle_deg"] % 180.0
    )
    shown = truth["finding"]
    if shown == "ventriculomegaly" and truth["atrium_px"] is None:
        # The plane of the cerebellum shows no ventricle: nothing on it is wide.
        shown = "normal"
    return head_sample(gray, head, shown, f"simulated:{name}", "simulated", _evidence(gray, truth, shown))


def _evidence(gray: Gray, truth: dict[str, Any], finding: str) -> Mask | None:
    """Where the finding is seen, bool HxW: the lesion, or the widened atrium; None for a normal head."""
    picture = np.zeros(gray.shape, np.uint8)
    if finding == "other":
        e = truth["lesion"]
        cv2.ellipse(picture, ((e["cx"], e["cy"]), (2 * e["a"], 2 * e["b"]), e["angle_deg"]), 1, -1)
    elif finding == "ventriculomegaly":
        x0, y0, x1, y1 = truth["atrium_px"]
        radius = _ATRIUM_REACH * float(np.hypot(x1 - x0, y1 - y0))
        cv2.circle(picture, (round((x0 + x1) / 2), round((y0 + y1) / 2)), round(radius), 1, -1)
    else:
        return None
    return picture > 0
