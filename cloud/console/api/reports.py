"""Step 13 of 13: console. The report of an examination: for the page to print, and as a PDF."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from cloud.console.api.models import Problem
from cloud.console.api.pictures import Picture, picture_of
from cloud.console.api.report_models import Report
from cloud.console.api.services import ConsoleServices, Injected
from cloud.errors import BlobMissing
from cloud.infer.errors import ImageUnreadable, PictureUnavailable
from cloud.publish.worklist import read_image
from cloud.report.errors import ReportUnavailable
from cloud.report.facts import LogFacts
from cloud.report.gather import ReportSite, gather
from cloud.report.pictures import reduced
from cloud.report.sheet import KeyImage, Language, Sheet
from cloud.report.wording import worded
from sonorelay.contract.notes import Checkpoint, open_note

PDF: Final = "application/pdf"
Written = Annotated[Language, Query(description="Of every word.")]
AllHeat = Annotated[
    bool, Query(description="Every key image with its heat map, not the abnormal ones alone.")
]


def router() -> APIRouter:
    """Routes under /api/examinations/{examination_id}/report."""
    routes = APIRouter(prefix="/api/examinations", tags=["reports"])
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown."}}
    printed: dict[int | str, dict[str, Any]] = {
        200: {"content": {PDF: {}}, "description": "The report."},
        **missing,
        503: {"model": Problem, "description": "The report could not be made."},
    }

    @routes.get("/{examination_id}/report", summary="The report, worded, for the page", responses=missing)
    async def get_report(
        services: Injected,
        examination_id: UUID,
        language: Written = Language.ENGLISH,
        all_heat: AllHeat = False,
    ) -> Report:
        return Report.model_validate(await _sheet(services, examination_id, language, all_heat))

    @routes.get(
        "/{examination_id}/report.pdf",
        summary="The report as PDF/A",
        response_class=Response,
        responses=printed,
    )
    async def get_report_pdf(
        services: Injected,
        examination_id: UUID,
        language: Written = Language.ENGLISH,
        all_heat: AllHeat = False,
    ) -> Response:
        sheet = await _sheet(services, examination_id, language, all_heat)
        pictures: dict[str, bytes] = {}
        for key in sheet.images:
            pictures |= await _pictures(services, key)
        try:
            pdf = await services.press.print(sheet, pictures)
        except ReportUnavailable as exc:
            raise HTTPException(503, f"The report could not be made: {exc}.") from exc
        headers = {"Content-Disposition": f'attachment; filename="{sheet.file_name}"'}
        return Response(pdf, media_type=PDF, headers=headers)

    return routes


async def _sheet(
    services: ConsoleServices, examination_id: UUID, language: Language, all_heat: bool
) -> Sheet:
    site = ReportSite(
        name=services.site_name,
        time_zone=services.time_zone,
        software=services.version,
        thresholds=services.site.thresholds,
        protocol=services.examinations.protocol,
        sex=services.site.sex,
    )
    log, now = await _log(services), services.clock()
    facts = await services.database.read(lambda tx: gather(tx, str(examination_id), site, log, now))
    if facts is None:
        raise HTTPException(404, "There is no such examination.")
    return await asyncio.to_thread(worded, facts, language, all_heat=all_heat)


async def _log(services: ConsoleServices) -> LogFacts:
    verifier = services.ledger.verifier
    text, _ = open_note(await services.ledger.checkpoint(), [verifier])
    checkpoint = Checkpoint.parse(text)
    return LogFacts(
        origin=checkpoint.origin,
        verifier_key=str(verifier),
        size=checkpoint.size,
        root=base64.b64encode(checkpoint.root).decode(),
    )


async def _pictures(services: ConsoleServices, key: KeyImage) -> dict[str, bytes]:
    """The pictures of a key image by their names in the report."""
    source = await services.database.read(lambda tx: read_image(tx, key.image_id))
    if source is None:
        raise HTTPException(404, "An image of the report is gone.")
    wanted = {f"still-{key.number}.jpg": Picture.STILL}
    if key.heat_caption is not None:
        wanted[f"heat-{key.number}.jpg"] = Picture.FUSED
    try:
        pngs = {name: await picture_of(services, source, which) for name, which in wanted.items()}
    except (BlobMissing, PictureUnavailable, ImageUnreadable) as exc:
        raise HTTPException(503, "The report could not be made: a picture of it is missing.") from exc
    return {name: await asyncio.to_thread(reduced, png) for name, png in pngs.items()}
