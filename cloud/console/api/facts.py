"""Step 13 of 13: console. Facts about the server: reasons in words, models, counts, health."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from cloud.console.api.models import (
    EdgeReasonText,
    Health,
    ModelFacts,
    Reasons,
    Sentence,
    System,
    WireReasonText,
)
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.errors import CloudError
from cloud.infer import ModelInfo
from cloud.infer.errors import InferError
from cloud.infer.loop_reading import BEST_SENTENCES
from cloud.infer.pipeline import MODELS
from cloud.infer.reading import NOTICE
from cloud.infer.reasons import SENTENCES
from cloud.infer.thresholds import REMARK_SENTENCES
from cloud.infer.ventricle import NO_WIDTH_SENTENCES
from cloud.policy.sex import SexPolicy
from cloud.publish.worklist import count_by_state
from sonorelay.contract.reasons import EDGE_RULES, WIRE_RULES

_NOT_READY: Final[dict[int | str, dict[str, Any]]] = {503: {"model": Health, "description": "Not ready."}}


def router() -> APIRouter:
    """Routes under /api/reasons, /api/system and /api/health."""
    routes = APIRouter(prefix="/api", tags=["server"])

    @routes.get("/reasons", summary="Every reason code in words")
    async def get_reasons() -> Reasons:
        return reasons()

    @routes.get("/system", summary="Version, counts, models, key of the ledger")
    async def get_system(services: Injected, signed: Signed, request: Request) -> System:
        started_time: datetime = request.app.state.started_time
        return System(
            version=services.version,
            uptime_s=(services.clock() - started_time).total_seconds(),
            counts=await services.database.read(lambda tx: count_by_state(tx, signed.tenant_id)),
            log_verifier_key=str(services.ledger.verifier),
            models=loaded_models(services),
            notice=NOTICE,
        )

    @routes.get("/health/live", summary="The process answers")
    async def get_live() -> Health:
        return Health(status="ok", failing=[])

    @routes.get("/health/ready", summary="The server can read images", responses=_NOT_READY)
    async def get_ready(services: Injected, response: Response) -> Health:
        failing = await _failing(services)
        response.status_code = 503 if failing else 200
        return Health(status="not ready" if failing else "ok", failing=failing)

    return routes


def reasons() -> Reasons:
    """Reason codes of the contract and of inference with their sentences."""
    return Reasons(
        edge={
            code.value: EdgeReasonText(status=rule.status, text=Sentence(en=rule.en, zh=rule.zh))
            for code, rule in EDGE_RULES.items()
        },
        wire={
            code.value: WireReasonText(code=rule.code, action=rule.action, hint=rule.hint)
            for code, rule in WIRE_RULES.items()
        },
        abstain={code.value: Sentence(en=text["en"], zh=text["zh"]) for code, text in SENTENCES.items()},
        no_width={c.value: Sentence(en=text["en"], zh=text["zh"]) for c, text in NO_WIDTH_SENTENCES.items()},
        best_frame={c.value: Sentence(en=text["en"], zh=text["zh"]) for c, text in BEST_SENTENCES.items()},
        remark={c.value: Sentence(en=text["en"], zh=text["zh"]) for c, text in REMARK_SENTENCES.items()},
    )


def loaded_models(services: ConsoleServices) -> list[ModelFacts]:
    """Facts about the models that the engine knows; one that it does not know is left out."""
    if services.engine is None:
        return []
    facts: list[ModelFacts] = []
    for model in MODELS:
        try:
            info = services.engine.describe(model)
        except InferError:
            continue
        facts.append(model_facts(info, services.site.sex))
    return facts


def model_facts(info: ModelInfo, sex: SexPolicy) -> ModelFacts:
    """What a model says about itself, as it may be told."""
    return ModelFacts(
        name=sex.label(info.name),
        version=info.version,
        sha256=info.sha256,
        labels=[sex.label(label) for label in info.labels],
    )


async def _failing(services: ConsoleServices) -> list[str]:
    failing: list[str] = []
    try:
        await services.database.read(lambda tx: count_by_state(tx, None))
    except (CloudError, SQLAlchemyError):
        failing.append("database")
    engine = services.engine
    if engine is not None and not all([await engine.ready(model) for model in MODELS]):
        failing.append("models")
    return failing
