"""Step 13 of 13: console. The door: nobody gets past it who may not, and no address without a rule."""

from __future__ import annotations

import math
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.accounts.all import Accounts
from cloud.accounts.errors import STATUS, AccountRefused, Refusal
from cloud.accounts.values import Principal
from cloud.console.api.access import UNLIMITED, Access, Matched, Rule, Standing
from cloud.console.api.limits import Kind, Limits
from cloud.errors import RetryLater

COOKIE: Final = "__Host-sonorelay"
"""The prefix makes browsers insist on Secure, on this very host and on the whole path (RFC 6265bis, 4.1.3.2)."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SAME_ORIGIN: Final = "same-origin"


class Door:
    """Decides before anything of the app runs; leaves who it is in the request's state. No object that an address
    names is reached by who belongs to another tenant: that is decided here, once for all addresses.

    Requests that only read do not keep a session alive: the page makes them by itself. What a person does is told
    by requests that change something, and by /api/session/seen.
    """

    def __init__(
        self,
        app: ASGIApp,
        accounts: Accounts,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> None:
        self._app = app
        self._accounts = accounts
        self._limits = limits
        self._access = access or Access()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._check(scope)
        except AccountRefused as refused:
            await refusal(refused)(scope, receive, send)
        except RetryLater as busy:
            await come_again(busy)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _check(self, scope: Scope) -> None:
        method, path = str(scope["method"]), str(scope["path"])
        found = self._access.find(method, path)
        if found is None:
            known = self._access.knows(path)
            raise AccountRefused(Refusal.METHOD_UNKNOWN if known else Refusal.UNKNOWN)
        scope.setdefault("state", {})["address"] = found.template
        headers = Headers(scope=scope)
        bearer = _bearer(headers)
        if method not in _SAFE and bearer is None and not _from_own_page(headers):
            raise AccountRefused(Refusal.CROSS_SITE)
        connection = HTTPConnection(scope)
        kind = _kind(found.rule, method)
        if self._limits is not None and not path.startswith(UNLIMITED):
            _must_not_wait(self._limits.by_address(peer(connection), kind))
        if found.rule.standing is Standing.OPEN:
            return
        try:
            principal = await self._accounts.sign_in.principal(
                connection.cookies.get(COOKIE), bearer, peer(connection)
            )
        except AccountRefused as refused:
            if found.rule.standing is not Standing.ANYBODY:
                raise
            scope.setdefault("state", {})["refused"] = refused.reason
            return
        if self._limits is not None:
            _must_not_wait(self._limits.by_person(principal.actor, kind))
        await self._allow(principal, found, method)
        if method not in _SAFE and not principal.locked:
            await self._accounts.sign_in.seen(principal)
        scope.setdefault("state", {})["principal"] = principal

    async def _allow(self, principal: Principal, found: Matched, method: str) -> None:
        rule = found.rule
        if rule.standing is Standing.ANYBODY:
            return
        if principal.session is None and rule.standing is not Standing.SIGNED_IN:
            raise AccountRefused(Refusal.SESSION_NEEDED)
        if principal.locked and rule.standing is not Standing.SESSION:
            raise AccountRefused(Refusal.LOCKED)
        if rule.action is not None and not principal.may(rule.action):
            await self._accounts.looks.note_refused(principal, f"{method} {found.template}"[:64])
            raise AccountRefused(Refusal.NOT_PERMITTED)
        # Another tenant's object and one that does not exist look alike, also in the audit.
        if not await self._accounts.tenants.may_see(principal, found.objects):
            raise AccountRefused(Refusal.UNKNOWN)
        if rule.look is not None and (rule.looked_at is None or found.object_id is not None):
            await self._accounts.looks.note(principal, rule.look, found.object_id)


def peer(connection: HTTPConnection) -> str:
    """The IP address that the request comes from."""
    return connection.client.host if connection.client is not None else "-"


def refusal(refused: AccountRefused) -> Response:
    """A refusal as JSON with its reason code."""
    status, detail = STATUS[refused.reason]
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="sonorelay"'
    if refused.after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(refused.after_s)))
    return JSONResponse({"reason": refused.reason.value, "detail": detail}, status, headers)


def come_again(busy: RetryLater) -> Response:
    """503 with Retry-After: the database or the store is busy, full or closing; nothing was done."""
    answer = {"detail": "The server is busy; try again."}
    return JSONResponse(answer, 503, {"Retry-After": str(max(1, math.ceil(busy.after_s)))})


def _kind(rule: Rule, method: str) -> Kind:
    if rule.export:
        return Kind.EXPORT
    return Kind.READ if rule.many or method in _SAFE else Kind.CHANGE


def _must_not_wait(after_s: float) -> None:
    if after_s > 0:
        raise AccountRefused(Refusal.TOO_MANY_REQUESTS, after_s)


def _bearer(headers: Headers) -> str | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def _from_own_page(headers: Headers) -> bool:
    """Whether a browser says that a page of this very origin asks. Pages cannot set these headers themselves."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == _SAME_ORIGIN
    origin = headers.get("origin", "")
    return bool(origin) and origin.partition("://")[2] == headers.get("host")
