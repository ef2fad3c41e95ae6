"""Step 13 of 13: console. Puts the API and the page together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from cloud.accounts.errors import AccountRefused
from cloud.console.api import (
    acts,
    assessments,
    audit,
    captures,
    devices,
    events,
    examinations,
    facts,
    growth,
    ledger,
    ledger_files,
    model_life,
    oidc,
    pictures,
    reports,
    scales,
    series,
    sessions,
    studies,
    system,
    tenants,
    tokens,
    uploads,
    users,
)
from cloud.console.api.described import complete
from cloud.console.api.door import Door, come_again, refusal
from cloud.console.api.guard import Guard
from cloud.console.api.measure import Measure
from cloud.console.api.page import STATIC_DIR, mount_page
from cloud.console.api.services import ConsoleServices
from cloud.console.api.shown import not_deleted
from cloud.errors import RetryLater
from cloud.examinations.errors import STATUS, ExaminationRefused

API_VERSION: Final = "1"
_DESCRIPTION: Final = "Worklist, pictures and results of the line. Research use, not for diagnosis."


def create_app(services: ConsoleServices, *, static_dir: Path = STATIC_DIR) -> FastAPI:
    """The console: API under /api, ledger files under /ledger, the page elsewhere.

    It answers only for loopback host names and `services.allowed_hosts`, and only whom the table in `access.py`
    lets in. Without a built page it says how to build one; the API works all the same.
    """
    app = _described_api()
    app.state.services = services
    app.state.started_time = services.clock()
    app.include_router(ledger_files.router())
    app.include_router(oidc.router())
    app.include_router(system.metrics_router())
    mount_page(app, static_dir)
    app.add_exception_handler(RetryLater, _come_again)
    app.add_exception_handler(AccountRefused, _refused)
    app.add_exception_handler(ExaminationRefused, _not_done)
    app.add_exception_handler(series.Conflict, series.conflict)
    app.add_exception_handler(RequestValidationError, _not_understood)
    # The one that is added last stands in front.
    app.add_middleware(Door, accounts=services.accounts, limits=services.limits)
    app.add_middleware(Guard, allowed_hosts=services.allowed_hosts)
    app.add_middleware(Measure, answered=services.monitor.exposition.answered)
    return app


async def _come_again(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RetryLater)
    return come_again(exc)


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AccountRefused)
    return refusal(exc)


async def _not_done(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, ExaminationRefused)
    status, detail = STATUS[exc.reason]
    return JSONResponse({"reason": exc.reason.value, "detail": detail}, status)


async def _not_understood(request: Request, exc: Exception) -> Response:
    """422 with place and rule of each mistake, never what was sent: it may be a password."""
    assert isinstance(exc, RequestValidationError)
    told = [{key: error[key] for key in ("loc", "msg", "type")} for error in exc.errors()]
    return JSONResponse({"detail": told}, status_code=422)


def openapi_document() -> dict[str, Any]:
    """The API's description, OpenAPI 3.1: what the page's types are generated from."""
    return _described_api().openapi()


def _described_api() -> FastAPI:
    app = _Described(
        title="SonoRelay console",
        version=API_VERSION,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        dependencies=[Depends(not_deleted)],
        generate_unique_id_function=_operation_id,
    )
    app.include_router(captures.router())
    app.include_router(examinations.router())
    app.include_router(reports.router())
    app.include_router(acts.router())
    app.include_router(studies.router())
    app.include_router(studies.acts_router())
    app.include_router(events.router())
    app.include_router(pictures.router())
    app.include_router(assessments.router())
    app.include_router(scales.router())
    app.include_router(growth.router())
    app.include_router(facts.router())
    app.include_router(series.router())
    app.include_router(uploads.router())
    app.include_router(ledger.router())
    app.include_router(sessions.router())
    app.include_router(users.router())
    app.include_router(tokens.router())
    app.include_router(audit.router())
    app.include_router(model_life.router())
    app.include_router(devices.router())
    app.include_router(tenants.router())
    app.include_router(system.router())
    return app


class _Described(FastAPI):
    """Its description also says what the door answers."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def _operation_id(route: APIRoute) -> str:
    """The function's name: short, stable names in the generated client."""
    return route.name
