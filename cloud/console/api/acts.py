"""Step 13 of 13: console. What persons do with examinations: review, sign, move, give an age, tick."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from cloud.console.api import examination_models as models
from cloud.console.api.examination_models import Examination, ExaminationRefusedFacts, Signature
from cloud.console.api.present_examinations import examination, signature
from cloud.console.api.present_reviews import review
from cloud.console.api.receipts import receipt
from cloud.console.api.review_models import Review, ReviewAsked, ReviewList
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.db import Tx
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.items import AgeSource
from cloud.examinations.items import Examination as StoredExamination
from cloud.examinations.leads import leads_of
from cloud.examinations.review_items import Corrected, Said
from cloud.examinations.review_items import Review as StoredReview
from cloud.examinations.signing import Asked
from cloud.infer.annotate import Ellipse
from cloud.infer.measure import Scale
from cloud.publish.worklist import ImageSource, read_image, read_item

_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ExaminationRefusedFacts, "description": what}
    for status, what in ((404, "Unknown."), (409, "Not as things are now; nothing was done."))
}


def router() -> APIRouter:
    """Routes that change examinations, and reviews of images."""
    routes = APIRouter(prefix="/api", tags=["examinations"], responses=_REFUSED)

    @routes.patch("/examinations/{examination_id}", summary="Give an examination a gestational age")
    async def change_examination(
        services: Injected, signed: Signed, examination_id: UUID, asked: models.ExaminationChange
    ) -> Examination:
        age = asked.gestational_age
        given = [] if age is None else [(AgeSource(name), value) for name, value in age if value is not None]
        source, value = given[0] if given else (None, None)
        arranging = services.examinations.arranging
        changed = await arranging.set_age(signed, str(examination_id), source, value)
        return await _examination(services, changed)

    @routes.post(
        "/captures/{capture_id}/examination", summary="Move a print to another examination, or to a new one"
    )
    async def move_capture(
        services: Injected, signed: Signed, capture_id: UUID, asked: models.MoveAsked
    ) -> Examination:
        target = None if asked.examination_id is None else str(asked.examination_id)
        changed = await services.examinations.arranging.move(signed, str(capture_id), target)
        return await _examination(services, changed)

    @routes.put(
        "/examinations/{examination_id}/protocol/{item}", summary="Tick an item of the protocol by hand"
    )
    async def tick_item(
        services: Injected, signed: Signed, examination_id: UUID, item: str, asked: models.TickAsked
    ) -> Examination:
        arranging = services.examinations.arranging
        changed = await arranging.tick(signed, str(examination_id), item, asked.seen)
        return await _examination(services, changed)

    @routes.post("/examinations/{examination_id}/signatures", summary="Sign an examination")
    async def sign_examination(
        services: Injected, signed: Signed, examination_id: UUID, asked: models.SignatureAsked
    ) -> Signature:
        wanted = Asked(
            signature_id=str(asked.signature_id),
            examination_id=str(examination_id),
            content=bytes.fromhex(asked.content),
            override=asked.override,
        )
        return signature(await services.examinations.signing.sign(signed, wanted), services.site)

    @routes.post("/images/{image_id}/reviews", summary="Say of an image whether its reading is right")
    async def add_review(services: Injected, signed: Signed, image_id: UUID, asked: ReviewAsked) -> Review:
        stored = await services.examinations.reviews.add(signed, _said(str(image_id), asked))
        return (await _shown(services, str(image_id), [stored]))[0]

    @routes.get("/images/{image_id}/reviews", summary="Every review of an image, newest first")
    async def list_reviews(services: Injected, image_id: UUID) -> ReviewList:
        stored = await services.examinations.reviews.of_image(str(image_id))
        return ReviewList(reviews=await _shown(services, str(image_id), stored))

    @routes.get(
        "/reviews/{review_id}.txt",
        summary="Receipt of a review (tlog-proof)",
        response_class=PlainTextResponse,
    )
    async def get_review_receipt(services: Injected, review_id: UUID) -> PlainTextResponse:
        return await receipt(services, await services.examinations.reviews.ledger_index(str(review_id)))

    return routes


async def _examination(services: ConsoleServices, stored: StoredExamination) -> Examination:
    leads = await services.database.read(lambda tx: leads_of(tx, [stored]))
    return examination(stored, services.site, leads.get(stored.examination_id))


def _said(image_id: str, asked: ReviewAsked) -> Said:
    given = asked.corrected
    corrected = None
    if given is not None:
        ellipse = None if given.ellipse is None else Ellipse(**given.ellipse.model_dump())
        corrected = Corrected(plane=given.plane, finding=given.finding, ellipse=ellipse)
    return Said(
        review_id=str(asked.review_id),
        image_id=image_id,
        result_ledger_index=asked.result_ledger_index,
        decision=asked.decision,
        reason=asked.reason,
        note=asked.note,
        corrected=corrected,
    )


async def _shown(services: ConsoleServices, image_id: str, stored: list[StoredReview]) -> list[Review]:
    """The reviews with the lengths that they correct, at the age that the image's examination has now."""

    def read(tx: Tx) -> tuple[ImageSource, float | None] | None:
        source = read_image(tx, image_id)
        item = None if source is None else read_item(tx, source.capture_id)
        if source is None or item is None:
            return None
        return source, item.examination.age_days if item.examination else None

    found = await services.database.read(read)
    if found is None:
        raise ExaminationRefused(ExaminationProblem.UNKNOWN)
    source, age_days = found
    scale = None
    if source.mm_per_pixel is not None:
        scale = Scale(mm_per_pixel=source.mm_per_pixel, source=source.scale_source or "given")
    return [review(each, scale, age_days, services.site) for each in stored]
