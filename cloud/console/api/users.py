"""Step 13 of 13: console. Users, as administrators manage them."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter

from cloud.accounts.tenants import Home
from cloud.accounts.values import User
from cloud.console.api.account_models import (
    Refused,
    TokenAsked,
    UserAsked,
    UserChangeAsked,
    UserFacts,
    UserLink,
    Users,
)
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Refused, "description": "There is no such user."},
    409: {
        "model": Refused,
        "description": "The name is taken, or the site would have no administrator left.",
    },
}


def router() -> APIRouter:
    """Routes under /api/users."""
    routes = APIRouter(prefix="/api/users", tags=["users"], responses={**REFUSED, **_UNKNOWN})

    @routes.get("", summary="All users")
    async def list_users(services: Injected, signed: Signed) -> Users:
        found = await services.accounts.people.users(signed.tenant_id)
        return Users(users=[user_facts(user) for user in found])

    @routes.post("", summary="Invite a user: the answer holds a one-time link to set the password")
    async def create_user(services: Injected, signed: Signed, asked: UserAsked) -> UserLink:
        user, link = await services.accounts.people.create(signed, asked.name, asked.role, home_asked(asked))
        return UserLink(user=user_facts(user), link=link)

    @routes.patch("/{user_id}", summary="Change role, close or open an account; its sessions end")
    async def change_user(
        services: Injected, signed: Signed, user_id: UUID, asked: UserChangeAsked
    ) -> UserFacts:
        changed = await services.accounts.people.change(
            signed, str(user_id), asked.role, asked.disabled, home_asked(asked)
        )
        return user_facts(changed)

    @routes.post(
        "/{user_id}/reset", summary="Take password and codes away; a one-time link for a new password"
    )
    async def reset_user(services: Injected, signed: Signed, user_id: UUID) -> UserLink:
        user, link = await services.accounts.people.reset(signed, str(user_id))
        return UserLink(user=user_facts(user), link=link)

    return routes


def home_asked(asked: UserAsked | UserChangeAsked | TokenAsked) -> Home | None:
    """Where a user or token is asked to belong; None where the request does not say it."""
    return Home(tenant_id=asked.tenant_id) if "tenant_id" in asked.model_fields_set else None


def user_facts(user: User) -> UserFacts:
    """What administrators see of a user."""
    return UserFacts(
        user_id=user.user_id,
        name=user.name,
        role=user.role,
        disabled=user.disabled,
        has_password=user.password_hash is not None,
        codes=user.totp_secret is not None,
        by_provider=user.oidc_sha256 is not None,
        tenant_id=user.tenant_id,
        created_time=user.created_time,
    )
