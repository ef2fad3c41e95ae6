"""Step 13 of 13: console. Tokens of machines."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter

from cloud.accounts.values import Token
from cloud.console.api.account_models import Refused, TokenAsked, TokenFacts, TokenList, TokenMade
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.console.api.users import home_asked

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Refused, "description": "There is no such token."}
}


def router() -> APIRouter:
    """Routes under /api/tokens."""
    routes = APIRouter(prefix="/api/tokens", tags=["tokens"], responses={**REFUSED, **_UNKNOWN})

    @routes.get("", summary="All tokens, without their values")
    async def list_tokens(services: Injected, signed: Signed) -> TokenList:
        now = services.clock()
        found = await services.accounts.tokens.tokens(signed.tenant_id)
        return TokenList(tokens=[token_facts(token, now) for token in found])

    @routes.post("", summary="Make a token: its value is in this answer and never again")
    async def create_token(services: Injected, signed: Signed, asked: TokenAsked) -> TokenMade:
        token, value = await services.accounts.tokens.create(
            asked.name,
            asked.role,
            asked.days,
            actor=signed.actor,
            origin=signed.address,
            within=signed.tenant_id,
            wanted=home_asked(asked),
        )
        return TokenMade(token=token_facts(token, services.clock()), value=value)

    @routes.delete("/{token_id}", summary="Revoke a token", status_code=204)
    async def revoke_token(services: Injected, signed: Signed, token_id: UUID) -> None:
        await services.accounts.tokens.revoke(
            str(token_id), actor=signed.actor, origin=signed.address, within=signed.tenant_id
        )

    return routes


def token_facts(token: Token, now: datetime) -> TokenFacts:
    """What is shown of a token at `now`."""
    return TokenFacts(
        token_id=token.token_id,
        name=token.name,
        role=token.role,
        valid=token.is_valid(now),
        created_time=token.created_time,
        created_by=token.created_by,
        expires_time=token.expires_time,
        last_used_time=token.last_used_time,
        revoked_time=token.revoked_time,
        tenant_id=token.tenant_id,
    )
