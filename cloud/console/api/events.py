"""Step 13 of 13: console. The stream of changes: captures and the examinations that they belong to."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from cloud.accounts.values import Principal
from cloud.console.api.alarms import AlarmNews
from cloud.console.api.examination_models import ExaminationGone
from cloud.console.api.present import work_item
from cloud.console.api.present_examinations import examination
from cloud.console.api.reading_models import Shown
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.db import Tx
from cloud.examinations.leads import leads_of
from cloud.examinations.read import read_examination
from cloud.items import Event, WorkItem
from cloud.monitor.book import ALARMS_TOPIC
from cloud.publish.worklist import read_item
from cloud.tenants.rows import captures_within, devices_elsewhere

EVENT_STREAM: Final = "text/event-stream"
RETRY_MS: Final = 1000
PACE_S: Final = 0.02
_EVENT_ID: Final = re.compile(r"[0-9]{1,18}")


def router() -> APIRouter:
    """The route /api/events."""
    routes = APIRouter(prefix="/api", tags=["worklist"])

    @routes.get(
        "/events",
        summary="Changes as server-sent events",
        description=(
            "Each `capture` event carries the whole capture as it is now (WorkItem) and the change's id. Before it "
            "comes an `examination` event with its examination as it is now (Examination), or `examination_gone` "
            "(ExaminationGone), under the id before: who is cut off between the two gets both again. "
            "An `alarm` event, which has no id, carries every alarm that is not over (Raised). "
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
    """Server-sent events after the cursor, each with what changed as it is now; a comment when it is quiet.

    Of several changes of one capture or examination that wait together only the newest is sent: all would carry the
    same. Before each batch it looks whether `reader` may still read; if not, it ends. What another tenant's devices
    sent is left out.
    """

    def encode(tx: Tx, events: Sequence[Event]) -> tuple[list[bytes], frozenset[str]] | None:
        if not services.accounts.sign_in.is_open(tx, reader):
            return None
        own = captures_within(tx, {event.capture_id for event in events}, reader.tenant_id)
        seen = [event for event in events if event.capture_id in own]
        return _encode(tx, services, seen), devices_elsewhere(tx, reader.tenant_id)

    news = AlarmNews(services.monitor.book, services.site.sex)
    yield format_sse_event(comment="connected", retry=RETRY_MS)
    batches = services.hub.batches(after, quiet_s=services.heartbeat_s, also=ALARMS_TOPIC)
    async with contextlib.aclosing(batches):
        async for batch in batches:
            found = await services.database.read(partial(encode, events=batch.events))
            if found is None:
                return
            encoded, elsewhere = found
            told = news.take(elsewhere)
            if told is not None:
                yield told
            elif not encoded:
                yield KEEPALIVE_COMMENT
            for data in encoded:
                yield data
            # Changes that come faster than a screen shows them are sent together.
            if batch.events:
                await asyncio.sleep(PACE_S)


def _encode(tx: Tx, services: ConsoleServices, events: Sequence[Event]) -> list[bytes]:
    """Messages in the order of their ids, each examination and each capture once."""
    items: dict[str, WorkItem | None] = {}
    changed: dict[str, int] = {}
    for event in events:
        if event.capture_id not in items:
            items[event.capture_id] = read_item(tx, event.capture_id)
        item = items[event.capture_id]
        of = item.examination.examination_id if item is not None and item.examination is not None else None
        changed |= {each: event.event_id for each in (of, event.examination_id) if each is not None}
    newest = {event.capture_id: event.event_id for event in events}
    messages = [(at, 0, _examination(tx, services, each, at)) for each, at in changed.items()]
    messages += [
        (at, 1, _message("capture", at, work_item(item, services.site)))
        for capture_id, at in newest.items()
        if (item := items[capture_id]) is not None
    ]
    return [data for _, _, data in sorted(messages)]


def _examination(tx: Tx, services: ConsoleServices, examination_id: str, event_id: int) -> bytes:
    stored = read_examination(tx, services.examinations.protocol, examination_id)
    if stored is None:
        return _message("examination_gone", event_id - 1, ExaminationGone(examination_id=examination_id))
    lead = leads_of(tx, [stored]).get(examination_id)
    return _message("examination", event_id - 1, examination(stored, services.site, lead))


def _message(name: str, message_id: int, content: Shown) -> bytes:
    return format_sse_event(event=name, id=str(message_id), data_str=content.model_dump_json(by_alias=True))
