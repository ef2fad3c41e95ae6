"""Step 13 of 13: console. The worklist of captures, and their receipts."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import PlainTextResponse

from cloud.console.api.models import Problem, WorkItem, WorkList
from cloud.console.api.present import work_item
from cloud.console.api.receipts import receipt
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.items import CaptureState
from cloud.publish.worklist import read_item, read_items

PAGE_MAX: Final = 200
_SLOT_MAX: Final = 2**63 - 1
_UNKNOWN_CAPTURE: Final = "There is no such capture."


def router() -> APIRouter:
    """Routes under /api/captures."""
    routes = APIRouter(prefix="/api", tags=["worklist"])
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown."}}

    @routes.get("/captures", summary="The worklist, newest first")
    async def list_captures(
        services: Injected,
        signed: Signed,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        before_slot: Annotated[
            int | None, Query(ge=1, le=_SLOT_MAX, description="Older than this slot.")
        ] = None,
        state: Annotated[list[CaptureState] | None, Query(description="Only these states.")] = None,
    ) -> WorkList:
        # The cursor is read first: what changes in between comes again as an event, never gets lost.
        cursor = await services.hub.newest()
        stored = await services.database.read(
            lambda tx: read_items(
                tx, tenant_id=signed.tenant_id, limit=limit, before_slot=before_slot, states=state
            )
        )
        items = [work_item(item, services.site) for item in stored]
        more = items[-1].slot if len(items) == limit else None
        return WorkList(items=items, next_before_slot=more, cursor=cursor)

    @routes.get("/captures/{capture_id}", summary="One capture", responses=missing)
    async def get_capture(services: Injected, capture_id: UUID) -> WorkItem:
        return await _item(services, str(capture_id))

    @routes.get(
        "/captures/{capture_id}/receipts/{part}.txt",
        summary="Receipt of a part of the capture (tlog-proof)",
        response_class=PlainTextResponse,
        responses=missing,
    )
    async def get_part_receipt(services: Injected, capture_id: UUID, part: int) -> PlainTextResponse:
        item = await _item(services, str(capture_id))
        index = next((image.ledger_index for image in item.images if image.part_index == part), None)
        return await receipt(services, index)

    @routes.get(
        "/captures/{capture_id}/results/{image_id}.txt",
        summary="Receipt of an image's result (tlog-proof)",
        response_class=PlainTextResponse,
        responses=missing,
    )
    async def get_result_receipt(services: Injected, capture_id: UUID, image_id: UUID) -> PlainTextResponse:
        item = await _item(services, str(capture_id))
        found = (image.result_ledger_index for image in item.images if image.image_id == str(image_id))
        return await receipt(services, next(found, None))

    return routes


async def _item(services: ConsoleServices, capture_id: str) -> WorkItem:
    stored = await services.database.read(lambda tx: read_item(tx, capture_id))
    if stored is None:
        raise HTTPException(404, _UNKNOWN_CAPTURE)
    return work_item(stored, services.site)
