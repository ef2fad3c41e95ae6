"""Step 13 of 13: console. Puts the API and the page together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from cloud.accounts.errors import AccountRefused
from cloud.console.api import (
    assessments,
    audit,
    captures,
    facts,
    ledger_files,
    pictures,
    sessions,
    system,
    tokens,
    users,
)
from cloud.console.api.door import Door, come_again, refusal
from cloud.console.api.guard import Guard
from cloud.console.api.measure import Measure
from cloud.console.api.page import STATIC_DIR, mount_page
from cloud.console.api.services import ConsoleServices
from cloud.errors import RetryLater

API_VERSION: Final = "1"
_DESCRIPTION: Final = "Worklist, pictures and results of the line. Research use, not for diagnosis."


def create_app(services: ConsoleServices, *, static_dir: Path = STATIC_DIR) -> FastAPI:
    """The console: API under /api, ledger files under /ledger, the page elsewhere.

    It answers only for loopback host names and `services.allowed_hosts`, and only whom the table in `access.py`
    lets in. Without a built page it says how to
    build one; the API works all the same.
    """
    app = _described_api()
    app.state.services = services
    app.state.started_time = services.clock()
    app.include_router(ledger_files.router())
    app.include_router(system.metrics_router())
    mount_page(app, static_dir)
    app.add_exception_handler(RetryLater, _come_again)
    app.add_exception_handler(AccountRefused, _refused)
    app.add_exception_handler(RequestValidationError, _not_understood)
    # The one that is added last stands in front.
    app.add_middleware(Door, accounts=services.accounts)
    app.add_middleware(Guard, allowed_hosts=services.allowed_hosts)
    app.add_middleware(Measure, answered=services.monitor.exposition.answered)
    return app


async def _come_again(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RetryLater)
    return come_again(exc)


async def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AccountRefused)
    return refusal(exc)


async def _not_understood(request: Request, exc: Exception) -> Response:
    """422 with place and rule of each mistake, never what was sent: it may be a password."""
    assert isinstance(exc, RequestValidationError)
    told = [{key: error[key] for key in ("loc", "msg", "type")} for error in exc.errors()]
    return JSONResponse({"detail": told}, status_code=422)


def openapi_document() -> dict[str, Any]:
    """The API's description, OpenAPI 3.1: what the page's types are generated from."""
    return _described_api().openapi()


def _described_api() -> FastAPI:
    app = FastAPI(
        title="SonoRelay console",
        version=API_VERSION,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_operation_id,
    )
    app.include_router(captures.router())
    app.include_router(pictures.router())
    app.include_router(assessments.router())
    app.include_router(facts.router())
    app.include_router(sessions.router())
    app.include_router(users.router())
    app.include_router(tokens.router())
    app.include_router(audit.router())
    app.include_router(system.router())
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: short, stable names in the generated client."""
    return route.name
