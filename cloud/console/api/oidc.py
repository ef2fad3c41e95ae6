"""Step 13 of 13: console. The way through the identity provider: addresses that a browser goes to, not calls.

Every answer leads on by 303. The page itself is open and holds no data, so it does not matter that the session's
cookie (SameSite=Strict) is not sent on the way back: the page asks for the session by a request of its own.
"""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response

from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.oidc import AWAY_AT_MOST, HOME, Away
from cloud.console.api.door import peer
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed, set_session
from cloud.errors import RetryLater

AWAY_COOKIE: Final = "__Host-sonorelay-away"
"""Holds the question while the person is away. Lax: it must come back with them from another site."""
CALLBACK: Final = "/api/oidc/callback"
_UNLOCKED: Final = "/unlocked"
Text = Annotated[str, Query(max_length=2000)]


def router() -> APIRouter:
    """Routes under /api/oidc."""
    routes = APIRouter(prefix="/api/oidc", include_in_schema=False)

    @routes.get("/begin")
    async def begin(services: Injected, request: Request, back: Text = HOME) -> Response:
        try:
            away = await services.accounts.oidc.send(_redirect_uri(services, request), back)
        except (AccountRefused, RetryLater) as refused:
            return _to_login(refused)
        return _sent(away)

    @routes.get("/unlock")
    async def unlock(services: Injected, request: Request, signed: Signed) -> Response:
        try:
            away = await services.accounts.oidc.send(_redirect_uri(services, request), HOME, unlock=signed)
        except (AccountRefused, RetryLater) as refused:
            return _to_login(refused)
        return _sent(away)

    @routes.get("/callback")
    async def take_back(
        services: Injected, request: Request, state: Text = "", code: Text = "", error: Text = ""
    ) -> Response:
        oidc, cookie = services.accounts.oidc, request.cookies.get(AWAY_COOKIE)
        try:
            if error or not code:
                raise await oidc.refuse(cookie, state, peer(request))
            returned = await oidc.take_back(cookie, state, code, peer(request))
        except (AccountRefused, RetryLater) as refused:
            return _to_login(refused)
        answer = _to(_UNLOCKED if returned.signed_in is None else returned.back)
        if returned.signed_in is not None:
            set_session(answer, returned.signed_in)
        return answer

    return routes


def _redirect_uri(services: ConsoleServices, request: Request) -> str:
    base = services.public_url or str(request.base_url)
    return base.rstrip("/") + CALLBACK


def _sent(away: Away) -> Response:
    answer = RedirectResponse(away.address, 303)
    answer.set_cookie(
        AWAY_COOKIE,
        away.cookie,
        max_age=int(AWAY_AT_MOST.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    return answer


def _to(address: str) -> Response:
    answer = RedirectResponse(address, 303)
    answer.delete_cookie(AWAY_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return answer


def _to_login(refused: AccountRefused | RetryLater) -> Response:
    reason = refused.reason if isinstance(refused, AccountRefused) else Refusal.OIDC_AWAY
    return _to(f"/login?{urlencode({'problem': reason.value})}")
