"""Step 13 of 13: console. What a reading's lengths say at a gestational age that a person gives: reckoned when asked,
never stored."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query

from cloud.console.api.models import Problem
from cloud.console.api.reading_models import Assessed
from cloud.console.api.services import Injected
from cloud.infer.assess import AGE_MAX_DAYS, Context
from cloud.infer.reading import NOTICE
from cloud.infer.stored import assess_stored
from cloud.publish.worklist import read_image

Age = Annotated[
    float,
    Query(gt=0, le=AGE_MAX_DAYS, allow_inf_nan=False, description="Days, above 0 and at most 315."),
]
_ABSENT: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Problem, "description": "No such image, or it has no reading (yet)."}
}


def router() -> APIRouter:
    """The route /api/images/{image_id}/assessment."""
    routes = APIRouter(prefix="/api/images", tags=["pictures"])

    @routes.get(
        "/{image_id}/assessment",
        summary="What an image's stored lengths say at a gestational age",
        description=(
            "By the limits that the site has now; the stored result and the ledger stay as they are. A reading "
            "without a head, or one whose outline is in doubt, has no length to judge: `lengths_judged` is false."
        ),
        responses=_ABSENT,
    )
    async def get_assessment(services: Injected, image_id: UUID, gestational_age_days: Age) -> Assessed:
        source = await services.database.read(lambda tx: read_image(tx, str(image_id)))
        if source is None:
            raise HTTPException(404, "There is no such image.")
        if source.reading is None:
            raise HTTPException(404, "The image has no reading (yet).")
        context = Context(gestational_age_days=gestational_age_days, thresholds=services.site.thresholds)
        said = assess_stored(source.reading, context).to_json()
        asked = {**said["gestational_age"], "source": "asked"}
        return Assessed.model_validate(
            services.site.sex.facts({**said, "gestational_age": asked, "notice": NOTICE})
        )

    return routes
