"""Cloud's side of step 3: a capture that the edge refused, held or could not send shows its reason."""

from __future__ import annotations

from cloud.db import Tx
from cloud.errors import CallRefused
from cloud.ingest import captures
from cloud.ingest.devices import check_device_id, check_known, check_uuid
from cloud.ingest.services import IngestServices
from cloud.items import CaptureState
from cloud.publish.topic import OUTBOX_TOPIC
from sonorelay.contract.digest import trace_id
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason, WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import WithdrawRequest, WithdrawResponse


async def withdraw(services: IngestServices, request: WithdrawRequest) -> WithdrawResponse:
    """When it returns, the slot durably shows the reason. A repeat changes nothing; what is committed stays.

    A capture that was never announced gets its slot here: the withdrawal may overtake the first word. Refuses
    MANIFEST_INVALID, REQUEST_ID_REUSED, DEVICE_UNKNOWN, DEVICE_REVOKED.
    """
    check_device_id(request.device_id)
    check_uuid("capture_id", request.capture_id)
    if request.reason not in EDGE_RULES:
        raise CallRefused(WireReason.MANIFEST_INVALID, "reason is not a reason of the contract")
    reason = EdgeReason(request.reason)
    state = CaptureState.HELD if request.held else CaptureState.REFUSED
    series_label = captures.series_label_of(request)
    now = services.clock()

    def work(tx: Tx) -> bool:
        check_known(tx, request.device_id)
        row = captures.find(tx, request.capture_id, request.device_id)
        if row is None:
            captures.insert(
                tx,
                capture_id=request.capture_id,
                device_id=request.device_id,
                now=now,
                missing_after_s=services.missing_after_s,
                gap_s=services.examination_gap_s,
                state=state,
                series_label=series_label,
                reason=reason.value,
            )
        elif row.committed_time is not None or (row.state, row.reason) == (state.value, reason.value):
            return False
        else:
            captures.change(tx, request.capture_id, now, state=state.value, reason=reason.value)
        captures.announce(
            tx,
            capture_id=request.capture_id,
            device_id=request.device_id,
            now=now,
            series_label=series_label if row is None else row.series_label,
        )
        return True

    if await services.database.write(work):
        await services.bus.publish(OUTBOX_TOPIC)
        services.log.info(
            "capture_withdrawn",
            trace_id=trace_id(request.capture_id),
            device_id=request.device_id,
            reason=reason.value,
        )
    return WithdrawResponse()
