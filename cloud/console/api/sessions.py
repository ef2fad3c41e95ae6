"""Step 13 of 13: console. Signing in and out, the lock, and one's own account."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from cloud.accounts.errors import Refusal
from cloud.accounts.roles import PERMITTED
from cloud.accounts.sign_in import SignedIn
from cloud.accounts.values import ABSOLUTE, IDLE, Principal
from cloud.console.api.account_models import (
    CodeGiven,
    CodesOffered,
    FirstAsked,
    NameToSignIn,
    PasswordAsked,
    PasswordChangeAsked,
    PasswordGiven,
    Refused,
    SessionFacts,
    SignInAsked,
    WhoIsThere,
)
from cloud.console.api.door import COOKIE, peer
from cloud.console.api.services import ConsoleServices, Injected


def signed_in(request: Request) -> Principal:
    """Who makes the request, as the door found."""
    principal: Principal = request.state.principal
    return principal


Signed = Annotated[Principal, Depends(signed_in)]
"""Type of a route's parameter that holds who makes the request."""

REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Refused, "description": "Not signed in, or name, password or code is wrong."},
    403: {"model": Refused, "description": "Not allowed."},
    423: {"model": Refused, "description": "The session is locked."},
    429: {"model": Refused, "description": "Too many tries; Retry-After says when."},
}


def router() -> APIRouter:
    """Routes under /api/session, and those of one-time links."""
    routes = APIRouter(prefix="/api", tags=["session"], responses=REFUSED)

    @routes.post("/session", summary="Sign in")
    async def sign_in(
        services: Injected, request: Request, response: Response, asked: SignInAsked
    ) -> SessionFacts:
        done = await services.accounts.sign_in.sign_in(
            asked.name, asked.password.get_secret_value(), asked.code, peer(request)
        )
        return _begun(services, request, response, done)

    @routes.get("/session", summary="Who is signed in, and whether the session is locked")
    async def get_session(services: Injected, request: Request) -> WhoIsThere:
        there: Principal | None = getattr(request.state, "principal", None)
        if there is None or there.session is None:
            ended = getattr(request.state, "refused", None) is Refusal.SESSION_ENDED
            return WhoIsThere(session=None, ended=ended, provider=services.accounts.oidc.label)
        return WhoIsThere(
            session=facts(services, there, request), ended=False, provider=services.accounts.oidc.label
        )

    @routes.delete("/session", summary="Sign out", status_code=204)
    async def sign_out(services: Injected, signed: Signed, response: Response) -> None:
        await services.accounts.sign_in.sign_out(signed)
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")

    @routes.post(
        "/session/seen", summary="The person did something: the idle time begins anew", status_code=204
    )
    async def seen(signed: Signed) -> None:
        # The door has noted it, as for everything that is not a mere reading.
        del signed

    @routes.post("/session/lock", summary="Lock")
    async def lock(services: Injected, request: Request, signed: Signed) -> SessionFacts:
        return facts(services, await services.accounts.sign_in.lock(signed), request)

    @routes.post("/session/unlock", summary="Unlock with the password")
    async def unlock(
        services: Injected, request: Request, signed: Signed, asked: PasswordGiven
    ) -> SessionFacts:
        opened = await services.accounts.sign_in.unlock(signed, asked.password.get_secret_value())
        return facts(services, opened, request)

    @routes.post("/session/password", summary="Change one's own password", status_code=204)
    async def change_password(services: Injected, signed: Signed, asked: PasswordChangeAsked) -> None:
        await services.accounts.own.change_password(
            signed, asked.password.get_secret_value(), asked.new_password.get_secret_value()
        )

    @routes.post("/session/codes", summary="Offer one-time codes: they begin once one is confirmed")
    async def offer_codes(services: Injected, signed: Signed, asked: PasswordGiven) -> CodesOffered:
        offer = await services.accounts.own.offer_codes(signed, asked.password.get_secret_value())
        return CodesOffered(secret=offer.secret, uri=offer.uri, qr=offer.qr)

    @routes.post("/session/codes/confirm", summary="Turn one-time codes on", status_code=204)
    async def confirm_codes(services: Injected, signed: Signed, asked: CodeGiven) -> None:
        await services.accounts.own.confirm_codes(signed, asked.code)

    @routes.post("/session/codes/remove", summary="Turn one-time codes off", status_code=204)
    async def remove_codes(services: Injected, signed: Signed, asked: PasswordGiven) -> None:
        await services.accounts.own.remove_codes(signed, asked.password.get_secret_value())

    @routes.post(
        "/first-administrator", summary="Make the first administrator, by the one-time link, and sign in"
    )
    async def make_first(
        services: Injected, request: Request, response: Response, asked: FirstAsked
    ) -> SessionFacts:
        done = await services.accounts.people.make_first(
            asked.link, asked.name, asked.password.get_secret_value(), peer(request)
        )
        return _begun(services, request, response, done)

    @routes.post("/password", summary="Set a password by a one-time link")
    async def set_password(services: Injected, request: Request, asked: PasswordAsked) -> NameToSignIn:
        name = await services.accounts.people.set_password(
            asked.link, asked.password.get_secret_value(), peer(request)
        )
        return NameToSignIn(name=name)

    return routes


def facts(services: ConsoleServices, signed: Principal, request: Request) -> SessionFacts:
    """What the page knows of a session."""
    assert signed.session is not None
    assert signed.user is not None
    now = services.clock()
    oidc = services.accounts.oidc
    by_provider = signed.user.oidc_sha256 is not None
    login = f"{(services.public_url or str(request.base_url)).rstrip('/')}/login"
    idle_s = (signed.session.seen_time + IDLE - now).total_seconds()
    return SessionFacts(
        name=signed.name,
        role=signed.role,
        may=[action for action in PERMITTED[signed.role] if signed.may(action)],
        locked=signed.locked,
        codes=signed.user.totp_secret is not None,
        tenant_id=signed.tenant_id,
        provider=oidc.label if by_provider else None,
        provider_sign_out=oidc.sign_out_address(login) if by_provider else None,
        locks_in_s=0.0 if signed.locked else max(0.0, idle_s),
        ends_in_s=max(0.0, (signed.session.created_time + ABSOLUTE - now).total_seconds()),
    )


def set_session(response: Response, done: SignedIn) -> None:
    """Gives the browser the session's cookie."""
    response.set_cookie(COOKIE, done.cookie, path="/", secure=True, httponly=True, samesite="strict")


def _begun(services: ConsoleServices, request: Request, response: Response, done: SignedIn) -> SessionFacts:
    set_session(response, done)
    return facts(services, done.principal, request)
