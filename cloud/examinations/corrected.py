"""Examinations: the lengths of an outline that a person drew, reckoned by the same functions as the model's."""

from __future__ import annotations

from typing import Any

from cloud.infer.annotate import Ellipse
from cloud.infer.assess import Context, assess
from cloud.infer.measure import Scale, measure
from cloud.infer.reading import measurements_json


def corrected_lengths(ellipse: Ellipse, scale: Scale | None, context: Context) -> dict[str, Any]:
    """The keys that a reading's JSON form has of lengths and of what they say: HC, BPD, OFD, CI, z-scores, centiles.

    A person's outline counts as drawn: nothing is drawn in, and its uncertainty is not known.
    """
    measured = measure(ellipse, scale)
    return {"measurements": measurements_json(measured), **assess(measured, context, ()).to_json()}
