"""Step 13 of 13: console. Versions of models: what they are, and which one answers."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter
from fastapi import Path as InPath

from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.values import Principal
from cloud.console.api.account_models import Refused
from cloud.console.api.manage_models import (
    CardShown,
    ModelAct,
    ModelDetail,
    ModelEventShown,
    ModelList,
    ModelShown,
    PromotionAsked,
    RollbackAsked,
    ShadowAsked,
    ShadowFigures,
    VersionShown,
)
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.errors import CallRefused
from cloud.models.card_facts import card_facts
from cloud.models.life import ModelLife, ModelReport, ModelSummary
from sonorelay.contract.reasons import WireReason

T = TypeVar("T")

REASONS: Final[Mapping[WireReason, Refusal]] = {
    WireReason.MODEL_UNKNOWN: Refusal.UNKNOWN,
    WireReason.MODEL_STATE_CHANGED: Refusal.MODEL_CHANGED,
    WireReason.MODEL_REFUSED: Refusal.MODEL_UNUSABLE,
}
"""What `ModelLife` refuses, as the page's reason."""
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **REFUSED,
    404: {"model": Refused, "description": "There is no such model or version."},
    409: {"model": Refused, "description": "The models stand otherwise by now, or a version cannot be used."},
}
Name = Annotated[str, InPath(min_length=1, max_length=63)]


def router() -> APIRouter:
    """Routes under /api/models."""
    routes = APIRouter(prefix="/api/models", tags=["models"], responses=_RESPONSES)

    @routes.get("", summary="All models and their versions in use")
    async def list_models(services: Injected) -> ModelList:
        found = [] if services.life is None else await services.life.summaries()
        return ModelList(models=[_model(each) for each in found])

    @routes.get("/{model}", summary="Versions with their cards, history and comparisons of a model")
    async def get_model(services: Injected, model: Name) -> ModelDetail:
        life = _life(services)
        report = await _answered(life.report(model))
        return await asyncio.to_thread(_detail, life, report)

    @routes.post("/{model}/promote", summary="Let a version answer from now on, without a restart")
    async def promote(services: Injected, signed: Signed, model: Name, asked: PromotionAsked) -> ModelShown:
        changing = _life(services).promote(model, asked.version, signed.actor)
        return await _changed(services, signed, Act.MODEL_PROMOTE, model, changing)

    @routes.post("/{model}/rollback", summary="Let the version before answer again")
    async def roll_back(services: Injected, signed: Signed, model: Name, asked: RollbackAsked) -> ModelShown:
        changing = _life(services).roll_back(model, asked.from_version, signed.actor)
        return await _changed(services, signed, Act.MODEL_ROLLBACK, model, changing)

    @routes.put("/{model}/shadow", summary="Let a version read along, or none")
    async def set_shadow(services: Injected, signed: Signed, model: Name, asked: ShadowAsked) -> ModelShown:
        changing = _life(services).set_shadow(model, asked.version, signed.actor)
        return await _changed(services, signed, Act.MODEL_SHADOW, model, changing)

    return routes


def _life(services: ConsoleServices) -> ModelLife:
    if services.life is None:
        raise AccountRefused(Refusal.MODELS_ELSEWHERE)
    return services.life


async def _answered(work: Coroutine[Any, Any, T]) -> T:
    try:
        # A browser that goes away does not stop half of a change.
        return await asyncio.shield(work)
    except CallRefused as refused:
        raise AccountRefused(REASONS[refused.reason]) from refused


async def _changed(
    services: ConsoleServices,
    by: Principal,
    act: Act,
    model: str,
    work: Coroutine[Any, Any, ModelSummary],
) -> ModelShown:
    """Makes the change, and writes who made it into the audit; the ledger has it already."""

    async def change() -> ModelSummary:
        summary = await work
        await services.database.write(lambda tx: services.accounts.looks.enter(tx, by, act, model))
        return summary

    return _model(await _answered(change()))


def _model(summary: ModelSummary) -> ModelShown:
    state = summary.state
    return ModelShown(
        model=state.model,
        live=state.live,
        previous=state.previous,
        shadow=state.shadow,
        live_sha256=summary.live_sha256.hex(),
        updated_time=summary.updated_time,
        version_count=summary.version_count,
    )


def _detail(life: ModelLife, report: ModelReport) -> ModelDetail:
    """Reads the cards, which lie in files."""
    model = report.summary.state.model
    cards = {row.version: card_facts(life.card(model, row.version)) for row in report.versions}
    return ModelDetail(
        model=_model(report.summary),
        versions=[
            VersionShown(
                version=row.version,
                sha256=row.sha256.hex(),
                size_bytes=row.size_bytes,
                accepted_time=row.accepted_time,
                actor=row.actor,
                card=None if (card := cards[row.version]) is None else CardShown(**asdict(card)),
            )
            for row in report.versions
        ],
        events=[
            ModelEventShown(
                action=ModelAct(event.action.value),
                version=event.version,
                before=event.before,
                actor=event.actor,
                time=event.time,
                ledger_index=event.ledger_index,
            )
            for event in report.events
        ],
        comparisons=[ShadowFigures(**asdict(each)) for each in report.comparisons],
    )
