"""Part of step 11: model life as administrators call it: a thin servicer in front of `ModelLife`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, TypeAlias

import grpc

from cloud.errors import CallRefused, RetryLater
from cloud.models.life import ModelLife, ModelReport, ModelSummary
from cloud.models.receive import receive
from cloud.models.rights import admin
from cloud.models.rows import Comparison, VersionRow
from cloud.models.rules import Action, ModelEvent
from sonorelay.contract.reasons import WireReason
from sonorelay.models.v1 import model_service_pb2 as pb
from sonorelay.models.v1.model_service_pb2_grpc import ModelServiceServicer

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

ACTIONS: Final[dict[Action, pb.ModelAction]] = {
    Action.SHIPPED: pb.MODEL_ACTION_SHIPPED,
    Action.PUSHED: pb.MODEL_ACTION_PUSHED,
    Action.PROMOTED: pb.MODEL_ACTION_PROMOTED,
    Action.ROLLED_BACK: pb.MODEL_ACTION_ROLLED_BACK,
    Action.SHADOWED: pb.MODEL_ACTION_SHADOWED,
}
"""The words of the rules as those of the wire."""
_BUSY_AFTER_S: Final = 5.0


class ModelServicer(ModelServiceServicer):
    """Promises and refusals stand in the .proto and in `ModelLife`; `life` is None where no models are kept."""

    def __init__(self, life: ModelLife | None) -> None:
        self._life = life
        self._is_pushed_to = False

    async def PushModel(
        self, request_iterator: AsyncIterator[pb.PushModelRequest], context: Context
    ) -> pb.PushModelResponse:
        """Takes one push at a time: it lies in memory as a whole; another one is told to come later."""
        life, actor = self._entered(context)
        if self._is_pushed_to:
            raise RetryLater("another push is under way", _BUSY_AFTER_S)
        self._is_pushed_to = True
        try:
            pushed = await receive(request_iterator)
            # Once all has come, a caller that goes away changes nothing.
            accepting = life.push(pushed.model, pushed.version, pushed.files, actor)
            digest, index = await asyncio.shield(accepting)
        finally:
            self._is_pushed_to = False
        return pb.PushModelResponse(sha256=digest, ledger_index=index)

    async def ListModels(self, request: pb.ListModelsRequest, context: Context) -> pb.ListModelsResponse:
        """Every model."""
        life, _ = self._entered(context)
        return pb.ListModelsResponse(models=[_model(each) for each in await life.summaries()])

    async def ShowModel(self, request: pb.ShowModelRequest, context: Context) -> pb.ShowModelResponse:
        """One model."""
        life, _ = self._entered(context)
        report = await life.report(request.model)
        state = report.summary.state
        used = {state.live, state.previous, state.shadow}
        in_use = [row.version for row in report.versions if row.version in used]
        cards = await asyncio.to_thread(lambda: {each: life.card(request.model, each) for each in in_use})
        return _report(report, cards)

    async def PromoteModel(
        self, request: pb.PromoteModelRequest, context: Context
    ) -> pb.PromoteModelResponse:
        """See `ModelLife.promote`."""
        life, actor = self._entered(context)
        # A caller that goes away does not stop half of a change.
        changed = await asyncio.shield(life.promote(request.model, request.version, actor))
        return pb.PromoteModelResponse(model=_model(changed))

    async def RollbackModel(
        self, request: pb.RollbackModelRequest, context: Context
    ) -> pb.RollbackModelResponse:
        """See `ModelLife.roll_back`."""
        life, actor = self._entered(context)
        changed = await asyncio.shield(life.roll_back(request.model, request.from_version, actor))
        return pb.RollbackModelResponse(model=_model(changed))

    async def SetShadow(self, request: pb.SetShadowRequest, context: Context) -> pb.SetShadowResponse:
        """See `ModelLife.set_shadow`."""
        life, actor = self._entered(context)
        changed = await asyncio.shield(life.set_shadow(request.model, request.version or None, actor))
        return pb.SetShadowResponse(model=_model(changed))

    def _entered(self, context: Context) -> tuple[ModelLife, str]:
        """The models and the administrator's name. Refuses NOT_PERMITTED and MODELS_ELSEWHERE."""
        actor = admin(context.auth_context())
        if self._life is None:
            raise CallRefused(WireReason.MODELS_ELSEWHERE, "this server keeps no models of its own")
        return self._life, actor


def _model(summary: ModelSummary) -> pb.Model:
    state = summary.state
    made = pb.Model(
        model=state.model,
        live_version=state.live,
        previous_version=state.previous or "",
        shadow_version=state.shadow or "",
        live_sha256=summary.live_sha256,
        version_count=summary.version_count,
    )
    made.updated_time.FromDatetime(summary.updated_time)
    return made


def _report(report: ModelReport, cards: Mapping[str, str]) -> pb.ShowModelResponse:
    return pb.ShowModelResponse(
        model=_model(report.summary),
        versions=[_version(row, cards.get(row.version, "")) for row in report.versions],
        events=[_event(event) for event in report.events],
        comparisons=[_comparison(each) for each in report.comparisons],
    )


def _version(row: VersionRow, card: str) -> pb.ModelVersion:
    made = pb.ModelVersion(
        version=row.version, sha256=row.sha256, size_bytes=row.size_bytes, actor=row.actor, card=card
    )
    made.accepted_time.FromDatetime(row.accepted_time)
    return made


def _event(event: ModelEvent) -> pb.ModelEvent:
    made = pb.ModelEvent(
        action=ACTIONS[event.action],
        version=event.version or "",
        before_version=event.before or "",
        actor=event.actor,
        ledger_index=-1 if event.ledger_index is None else event.ledger_index,
    )
    made.event_time.FromDatetime(event.time)
    return made


def _comparison(each: Comparison) -> pb.ShadowComparison:
    return pb.ShadowComparison(**{name: getattr(each, name) for name in Comparison.__dataclass_fields__})
