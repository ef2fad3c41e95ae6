"""Part of step 12: results on their way back to the room: a stream that resumes by its cursor."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from cloud.db import Tx
from cloud.errors import CallRefused
from cloud.ingest import statements
from cloud.ingest.devices import check_device_id, check_known
from cloud.ingest.guard import SHUT_DOWN_RETRY_S
from cloud.ingest.services import IngestServices
from cloud.items import Event
from cloud.publish.hub import Hub
from sonorelay.agent.v1.agent_service_pb2 import (
    Heartbeat,
    Result,
    WatchResultsRequest,
    WatchResultsResponse,
)
from sonorelay.contract.limits import HEARTBEAT_INTERVAL_S
from sonorelay.contract.reasons import WireReason


async def watch_results(
    services: IngestServices, hub: Hub, request: WatchResultsRequest, quiet_s: float = HEARTBEAT_INTERVAL_S
) -> AsyncIterator[WatchResultsResponse]:
    """Every result of the device after the cursor, then each new one; a heartbeat after `quiet_s` of silence.

    A heartbeat's cursor covers everything that was sent. Ends with SHUTTING_DOWN when the server stops;
    refuses CURSOR_INVALID, DEVICE_UNKNOWN, DEVICE_REVOKED.
    """
    check_device_id(request.device_id)
    await services.database.read(lambda tx: check_known(tx, request.device_id))
    if not 0 <= request.cursor <= await hub.newest():
        raise CallRefused(WireReason.CURSOR_INVALID, "the cursor lies beyond the newest event")
    async with contextlib.aclosing(hub.batches(request.cursor, request.device_id, quiet_s)) as batches:
        async for batch in batches:
            # It may have been revoked since the stream began.
            await services.database.read(lambda tx: check_known(tx, request.device_id))
            if batch.events:
                for response in await _results(services, batch.events):
                    yield response
            else:
                heartbeat = Heartbeat()
                heartbeat.server_time.FromDatetime(services.clock())
                yield WatchResultsResponse(cursor=batch.position, heartbeat=heartbeat)
    raise CallRefused(WireReason.SHUTTING_DOWN, "the server is stopping", SHUT_DOWN_RETRY_S)


async def _results(services: IngestServices, events: tuple[Event, ...]) -> list[WatchResultsResponse]:
    """The results that `events` announce, in their order."""
    ids = [event.image_id for event in events if event.image_id is not None]

    def work(tx: Tx) -> dict[str, Result]:
        return {image_id: _result(statements.FIND_RESULT.one(tx, {"image": image_id})) for image_id in ids}

    by_image = await services.database.read(work)
    responses: list[WatchResultsResponse] = []
    for event in events:
        if event.image_id is not None:
            found = by_image[event.image_id]
            found.capture_id = event.capture_id
            responses.append(WatchResultsResponse(cursor=event.event_id, result=found))
    return responses


def _result(row: Any) -> Result:
    found = Result(
        image_id=row.image_id,
        reading_json=json.dumps(row.reading) if row.reading is not None else "",
        ok=row.ok,
        reason=row.reason or "",
    )
    found.result_time.FromDatetime(row.result_time)
    return found
