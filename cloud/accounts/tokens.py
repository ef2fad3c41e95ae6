"""Accounts: tokens for machines: shown once, kept as SHA-256, valid until they expire or are revoked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from cloud.accounts import rows
from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Role
from cloud.accounts.services import AccountServices, checked_name
from cloud.accounts.tenants import Home, home
from cloud.accounts.values import Token
from cloud.db import Tx

PREFIX: Final = "srt_"
"""Begins every token, so that one that got lost is recognized."""
DAYS_MAX: Final = 3660


class Tokens:
    """Makes, lists and revokes tokens; each change stands in the audit."""

    def __init__(self, services: AccountServices) -> None:
        self._services = services

    async def tokens(self, within: str | None = None) -> list[Token]:
        """The tokens of the tenant `within` (None: the whole site's), newest first, revoked ones too."""
        return await self._services.database.read(lambda tx: rows.tokens(tx, within))

    async def create(
        self,
        name: str,
        role: Role,
        days: int | None,
        *,
        actor: str,
        origin: str,
        within: str | None = None,
        wanted: Home | None = None,
    ) -> tuple[Token, str]:
        """A new token, valid for `days` (1 to 3660; None: until it is revoked), and its value. `within` is the
        tenant of who makes it, None where they belong to the whole site; `wanted` where the token is to belong.

        Errors: AccountRefused NAME_INVALID, TENANT_UNKNOWN; ValueError for other days.
        """
        if days is not None and not 1 <= days <= DAYS_MAX:
            raise ValueError(f"a token is valid for 1 to {DAYS_MAX} days")
        now, value = self._services.clock(), PREFIX + self._services.secret()
        made = Token(
            token_id=self._services.new_id(),
            name=checked_name(name),
            role=role,
            created_time=now,
            created_by=actor,
            expires_time=None if days is None else now + timedelta(days=days),
            last_used_time=None,
            revoked_time=None,
        )

        def work(tx: Tx) -> Token:
            token = replace(made, tenant_id=home(tx, within, role, wanted))
            rows.add_token(tx, token, value)
            self._services.note(
                tx, Act.TOKEN_CREATE, tenant_id=within, actor=actor, origin=origin, object_id=token.token_id
            )
            return token

        return await self._services.database.write(work), value

    async def revoke(self, token_id: str, *, actor: str, origin: str, within: str | None = None) -> None:
        """Makes a token useless from now on; a repeat changes nothing. `within` is the tenant of who asks for it.
        Errors: AccountRefused UNKNOWN."""

        def work(tx: Tx) -> None:
            token = rows.token_by_id(tx, token_id)
            if token is None or within not in (None, token.tenant_id):
                raise AccountRefused(Refusal.UNKNOWN)
            if token.revoked_time is None:
                rows.set_token(tx, token_id, revoked_time=self._services.clock())
                self._services.note(
                    tx, Act.TOKEN_REVOKE, tenant_id=within, actor=actor, origin=origin, object_id=token_id
                )

        await self._services.database.write(work)
