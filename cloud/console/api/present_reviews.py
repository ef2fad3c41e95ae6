"""Step 13 of 13: console. From the server's reviews to what the page shows."""

from __future__ import annotations

from typing import Any

from cloud.console.api.review_models import Review
from cloud.console.api.site import Site
from cloud.examinations.corrected import corrected_lengths
from cloud.examinations.review_items import Corrected as StoredCorrected
from cloud.examinations.review_items import Review as StoredReview
from cloud.infer.assess import Context
from cloud.infer.measure import Scale


def review(stored: StoredReview, scale: Scale | None, age_days: float | None, site: Site) -> Review:
    """A review as the page shows it: the lengths of a person's outline are reckoned now, by the age that the
    examination has and the limits that the site has."""
    said = stored.said
    corrected = None
    if said.corrected is not None:
        context = Context(gestational_age_days=age_days, thresholds=site.thresholds)
        corrected = _corrected(said.corrected, scale, context)
    return Review.model_validate(
        {
            "review_id": said.review_id,
            "result_ledger_index": said.result_ledger_index,
            "decision": said.decision,
            "reason": said.reason,
            "note": None if said.note is None else site.sex.text(said.note),
            "corrected": None if corrected is None else site.sex.facts(corrected),
            "reviewer": stored.reviewer,
            "time": stored.time,
            "ledger_index": stored.ledger_index,
        }
    )


def _corrected(corrected: StoredCorrected, scale: Scale | None, context: Context) -> dict[str, Any]:
    absent = dict.fromkeys(("measurements", "gestational_age", "gestational_age_by_hc", "threshold_scheme"))
    lengths: dict[str, Any] = {**absent, "growth": {}, "remarks": []}
    if corrected.ellipse is not None:
        lengths = corrected_lengths(corrected.ellipse, scale, context)
    return {**lengths, **corrected.to_json()}
