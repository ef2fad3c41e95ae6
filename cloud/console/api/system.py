"""Step 13 of 13: console. The server's resources, its agents, its alarms; and the metrics for Prometheus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.values import Principal
from cloud.console.api.account_models import Refused
from cloud.console.api.alarms import AlarmNews, alarm_facts
from cloud.console.api.events import EVENT_STREAM, RETRY_MS
from cloud.console.api.models import Sentence
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.console.api.system_models import (
    AcknowledgeAsked,
    Agent,
    AlarmFacts,
    Alarms,
    Course,
    NotSo,
    RuleAsked,
    RuleFacts,
    Rules,
    Span,
    SystemHistory,
    SystemNow,
    Trial,
    Value,
    WayOut,
)
from cloud.db import Tx
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.monitor.book import ALARMS_TOPIC, AlarmBook
from cloud.monitor.channels import Channel
from cloud.monitor.errors import AlarmUnknown, ChannelAbsent, RuleInvalid, RuleUnknown, SendFailed
from cloud.monitor.exposition import CONTENT_TYPE
from cloud.monitor.metrics import HISTORY, METRICS, Metric, is_about
from cloud.monitor.rules import Rule
from cloud.tenants.rows import devices_elsewhere

PAGE_MAX: Final = 200
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Refused, "description": "There is no such alarm, rule or way out."}
}
_INVALID: Final[dict[int | str, dict[str, Any]]] = {
    **_UNKNOWN,
    422: {"model": NotSo, "description": "The rule cannot be so."},
}


def router() -> APIRouter:
    """Routes under /api/system but /api/system itself, which is older."""
    routes = APIRouter(prefix="/api/system", tags=["system"], responses=REFUSED)

    @routes.get("/now", summary="Resources, agents, ways out, as they are now")
    async def get_system_now(services: Injected, signed: Signed) -> SystemNow:
        return await _now(services, await _elsewhere(services, signed))

    @routes.get("/history", summary="The course of metrics")
    async def get_system_history(
        services: Injected,
        span: Span = Span.RECENT,
        metric: Annotated[list[Metric] | None, Query(description="Only these; none: all.")] = None,
    ) -> SystemHistory:
        history = services.monitor.sampler.history
        points = history.recent() if span is Span.RECENT else history.day()
        asked = [each for each in HISTORY if metric is None or each in metric]
        return SystemHistory(
            times=[point.time for point in points],
            courses=[
                Course(metric=m, unit=METRICS[m].unit, values=[point.values.get(m) for point in points])
                for m in asked
            ],
        )

    @routes.get("/alarms", summary="Alarms, and those that are over")
    async def list_alarms(
        services: Injected,
        signed: Signed,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        before: Annotated[datetime | None, Query(description="Fired before this.")] = None,
    ) -> Alarms:
        book, sex = services.monitor.book, services.site.sex
        # A time without a zone could be any hour.
        known = before if before is None or before.tzinfo is not None else None
        elsewhere = await _elsewhere(services, signed)
        past = await book.past(limit, known, elsewhere)
        return Alarms(
            raised=[alarm_facts(alarm, sex) for alarm in book.raised(elsewhere)],
            pending=[alarm_facts(alarm, sex) for alarm in book.pending(elsewhere)],
            past=[alarm_facts(alarm, sex) for alarm in past],
            next_before=past[-1].fired_time if len(past) == limit else None,
        )

    @routes.post(
        "/alarms/{alarm_id}/acknowledge",
        summary="Say that one takes care of an alarm",
        responses=_UNKNOWN,
    )
    async def acknowledge_alarm(
        services: Injected, signed: Signed, alarm_id: UUID, asked: AcknowledgeAsked
    ) -> AlarmFacts:
        note, sex = " ".join(asked.note.split()) or None, services.site.sex
        if note is not None and sex.withholds(note):
            raise ExaminationRefused(ExaminationProblem.SEX_WITHHELD)
        try:
            return alarm_facts(await services.monitor.book.acknowledge(signed, str(alarm_id), note), sex)
        except AlarmUnknown as error:
            raise AccountRefused(Refusal.UNKNOWN) from error

    @routes.get("/rules", summary="Rules of alarms")
    async def list_rules(services: Injected) -> Rules:
        book = services.monitor.book
        return Rules(rules=[_rule_facts(book, rule) for rule in book.rules.values()])

    @routes.put("/rules/{rule}", summary="Change a rule", responses=_INVALID, response_model=RuleFacts)
    async def change_rule(
        services: Injected, signed: Signed, rule: str, asked: RuleAsked
    ) -> RuleFacts | Response:
        book = services.monitor.book
        try:
            changed = await book.change_rule(signed, rule, **asked.model_dump())
        except RuleUnknown as error:
            raise AccountRefused(Refusal.UNKNOWN) from error
        except RuleInvalid as error:
            told = NotSo(reason="RULE_INVALID", detail=str(error))
            return JSONResponse(told.model_dump(), 422)
        return _rule_facts(book, changed)

    @routes.delete("/rules/{rule}", summary="Take a change of a rule back", responses=_UNKNOWN)
    async def reset_rule(services: Injected, signed: Signed, rule: str) -> RuleFacts:
        book = services.monitor.book
        try:
            return _rule_facts(book, await book.reset_rule(signed, rule))
        except RuleUnknown as error:
            raise AccountRefused(Refusal.UNKNOWN) from error

    @routes.post(
        "/ways-out/{channel}/test",
        summary="Send a test message; the answer says what came of it",
        responses=_UNKNOWN,
    )
    async def try_way_out(services: Injected, signed: Signed, channel: Channel) -> Trial:
        await services.monitor.book.note_trial(signed, channel.value)
        try:
            await services.monitor.deliveries.trial(channel)
        except ChannelAbsent as error:
            raise AccountRefused(Refusal.UNKNOWN) from error
        except SendFailed as failed:
            return Trial(sent=False, reason=failed.reason, code=failed.code)
        return Trial(sent=True, reason=None, code=None)

    @routes.get(
        "/events",
        summary="Alarms as server-sent events",
        description="An `alarm` event (Raised) at once and after each change, for readers who may not see images.",
        response_class=StreamingResponse,
        responses={200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}}},
    )
    async def get_alarm_events(services: Injected, signed: Signed) -> StreamingResponse:
        return StreamingResponse(
            alarm_stream(services, signed),
            media_type=EVENT_STREAM,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return routes


def metrics_router() -> APIRouter:
    """The route /metrics."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    def get_metrics(services: Injected) -> Response:
        headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
        return Response(services.monitor.exposition.text(), headers=headers)

    return routes


async def alarm_stream(services: ConsoleServices, reader: Principal) -> AsyncIterator[bytes]:
    """Only the alarms. Ends when `reader` may not read any more."""

    def look(tx: Tx) -> frozenset[str] | None:
        is_open = services.accounts.sign_in.is_open(tx, reader)
        return devices_elsewhere(tx, reader.tenant_id) if is_open else None

    news = AlarmNews(services.monitor.book, services.site.sex)
    yield format_sse_event(comment="connected", retry=RETRY_MS)
    after = await services.hub.newest()
    batches = services.hub.batches(after, quiet_s=services.heartbeat_s, also=ALARMS_TOPIC)
    async with aclosing(batches):
        async for _ in batches:
            elsewhere = await services.database.read(look)
            if elsewhere is None:
                return
            yield news.take(elsewhere) or KEEPALIVE_COMMENT


def _rule_facts(book: AlarmBook, rule: Rule) -> RuleFacts:
    change = book.change_of(rule.name)
    return RuleFacts(
        name=rule.name,
        metric=rule.metric,
        unit=METRICS[rule.metric].unit,
        comparison=rule.comparison,
        threshold=rule.threshold,
        clear=rule.clear,
        hold_s=rule.hold_s,
        severity=rule.severity,
        enabled=rule.enabled,
        text=Sentence(en=rule.en, zh=rule.zh),
        changed_by=change.changed_by if change else None,
        changed_time=change.changed_time if change else None,
    )


async def _elsewhere(services: ConsoleServices, reader: Principal) -> frozenset[str]:
    """Devices that the reader is told nothing of."""
    return await services.database.read(lambda tx: devices_elsewhere(tx, reader.tenant_id))


async def _now(services: ConsoleServices, elsewhere: frozenset[str]) -> SystemNow:
    monitor = services.monitor
    sample = monitor.sampler.latest
    missing = sample.readings.of(Metric.CAPTURES_MISSING) or {}
    return SystemNow(
        time=sample.time,
        values=[
            Value(metric=metric, unit=facts.unit, subject=subject, value=value)
            for metric, facts in METRICS.items()
            for subject, value in (sample.readings.of(metric) or {}).items()
            if not is_about(metric, subject, elsewhere)
        ],
        gpus=monitor.watched.gpus.state,
        agents=[
            Agent(
                device_id=agent.device_id,
                connected=agent.connected,
                first_seen_time=agent.first_seen_time,
                last_seen_time=agent.last_seen_time,
                clock_offset_ms=agent.clock_offset_ms,
                captures_last_day=agent.captures_last_day,
                captures_missing=int(missing.get(agent.device_id, 0)),
            )
            for agent in monitor.sampler.agents
            if agent.device_id not in elsewhere
        ],
        ways_out=[
            WayOut(
                channel=facts.channel,
                waiting=facts.waiting,
                failures=facts.failures,
                last_reason=facts.last_reason,
                last_done_time=facts.last_done_time,
            )
            for facts in await monitor.deliveries.facts()
        ],
        checked_time=monitor.watched.checks.checked_time,
    )
