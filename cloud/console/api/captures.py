"""Step 13 of 13: console. The worklist: captures, their receipts, and the stream of changes."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException, Query
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from cloud.accounts.values import Principal
from cloud.console.api.alarms import AlarmNews
from cloud.console.api.models import Problem, WorkItem, WorkList
from cloud.console.api.present import work_item
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.db import Tx
from cloud.items import CaptureState, Event
from cloud.monitor.book import ALARMS_TOPIC
from cloud.publish.worklist import read_item, read_items

EVENT_STREAM: Final = "text/event-stream"
RETRY_MS: Final = 1000
PACE_S: Final = 0.02
PAGE_MAX: Final = 200
_EVENT_ID: Final = re.compile(r"[0-9]{1,18}")
_SLOT_MAX: Final = 2**63 - 1
_UNKNOWN_CAPTURE: Final = "There is no such capture."


def router() -> APIRouter:
    """Routes under /api/captures and /api/events."""
    routes = APIRouter(prefix="/api", tags=["worklist"])
    missing: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "Unknown."}}

    @routes.get("/captures", summary="The worklist, newest first")
    async def list_captures(
        services: Injected,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        before_slot: Annotated[
            int | None, Query(ge=1, le=_SLOT_MAX, description="Older than this slot.")
        ] = None,
        state: Annotated[list[CaptureState] | None, Query(description="Only these states.")] = None,
    ) -> WorkList:
        # The cursor is read first: what changes in between comes again as an event, never gets lost.
        cursor = await services.hub.newest()
        stored = await services.database.read(
            lambda tx: read_items(tx, limit=limit, before_slot=before_slot, states=state)
        )
        items = [work_item(item) for item in stored]
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
        return await _receipt(services, index)

    @routes.get(
        "/captures/{capture_id}/results/{image_id}.txt",
        summary="Receipt of an image's result (tlog-proof)",
        response_class=PlainTextResponse,
        responses=missing,
    )
    async def get_result_receipt(services: Injected, capture_id: UUID, image_id: UUID) -> PlainTextResponse:
        item = await _item(services, str(capture_id))
        found = (image.result_ledger_index for image in item.images if image.image_id == str(image_id))
        return await _receipt(services, next(found, None))

    @routes.get(
        "/events",
        summary="Changes of captures as server-sent events",
        description=(
            "Each `capture` event carries the whole capture as it is now (WorkItem) and the change's id; each "
            "`alarm` event, which has no id, every alarm that is not over (Raised). "
            "A reconnecting reader sends Last-Event-ID and misses nothing; a new one starts at now. "
            "The stream ends when the session is locked or ends; it does not keep one alive."
        ),
        response_class=StreamingResponse,
        responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
    )
    async def get_events(
        services: Injected, signed: Signed, last_event_id: Annotated[str | None, Header()] = None
    ) -> StreamingResponse:
        newest = await services.hub.newest()
        # An id of another data folder must not end the stream: the page fetches the list anyway.
        known = _EVENT_ID.fullmatch(last_event_id or "")
        after = min(int(known[0]), newest) if known else newest
        return StreamingResponse(
            event_stream(services, after, signed),
            media_type=EVENT_STREAM,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes


async def event_stream(services: ConsoleServices, after: int, reader: Principal) -> AsyncIterator[bytes]:
    """Server-sent events after the cursor, each with the capture as it is now; a comment when it is quiet.

    Of several changes of one capture that wait together only the newest is sent: all would carry the same. Before
    each batch it looks whether `reader` may still read; if not, it ends.
    """

    def encode(tx: Tx, events: Sequence[Event]) -> list[bytes] | None:
        return _encode(tx, events) if services.accounts.sign_in.is_open(tx, reader) else None

    news = AlarmNews(services.monitor.book)
    yield format_sse_event(comment="connected", retry=RETRY_MS)
    batches = services.hub.batches(after, quiet_s=services.heartbeat_s, also=ALARMS_TOPIC)
    async with contextlib.aclosing(batches):
        async for batch in batches:
            encoded = await services.database.read(partial(encode, events=_newest_each(batch.events)))
            if encoded is None:
                return
            told = news.take()
            if told is not None:
                yield told
            elif not batch.events:
                yield KEEPALIVE_COMMENT
            for data in encoded:
                yield data
            # Changes that come faster than a screen shows them are sent together.
            if batch.events:
                await asyncio.sleep(PACE_S)


def _newest_each(events: Sequence[Event]) -> list[Event]:
    """The newest event of each capture, in the order of their ids."""
    newest = {event.capture_id: event for event in events}
    return sorted(newest.values(), key=lambda event: event.event_id)


def _encode(tx: Tx, events: Sequence[Event]) -> list[bytes]:
    encoded: list[bytes] = []
    for event in events:
        stored = read_item(tx, event.capture_id)
        if stored is not None:
            data = work_item(stored).model_dump_json(by_alias=True)
            encoded.append(format_sse_event(event="capture", id=str(event.event_id), data_str=data))
    return encoded


async def _item(services: ConsoleServices, capture_id: str) -> WorkItem:
    stored = await services.database.read(lambda tx: read_item(tx, capture_id))
    if stored is None:
        raise HTTPException(404, _UNKNOWN_CAPTURE)
    return work_item(stored)


async def _receipt(services: ConsoleServices, ledger_index: int | None) -> PlainTextResponse:
    if ledger_index is None:
        raise HTTPException(404, "The ledger has no such entry (yet).")
    (proof,) = await services.ledger.prove([ledger_index])
    disposition = f'attachment; filename="receipt-{ledger_index}.txt"'
    return PlainTextResponse(proof.encode(), headers={"Content-Disposition": disposition})
