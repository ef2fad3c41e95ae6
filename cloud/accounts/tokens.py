"""Accounts: tokens for machines: shown once, kept as SHA-256, valid until they expire or are revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from cloud.accounts import rows
from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Role
from cloud.accounts.services import AccountServices, checked_name
from cloud.accounts.values import Token
from cloud.db import Tx

PREFIX: Final = "srt_"
"""Begins every token, so that one that got lost is recognized."""
DAYS_MAX: Final = 3660


class Tokens:
    """Makes, lists and revokes tokens; each change stands in the audit."""

    def __init__(self, services: AccountServices) -> None:
        self._services = services

    async def tokens(self) -> list[Token]:
        """All tokens, newest first, revoked ones too."""
        return await self._services.database.read(rows.tokens)

    async def create(
        self, name: str, role: Role, days: int | None, *, actor: str, origin: str
    ) -> tuple[Token, str]:
        """A new token, valid for `days` (1 to 3660; None: until it is revoked), and its value.

        Errors: AccountRefused NAME_INVALID; ValueError for other days.
        """
        if days is not None and not 1 <= days <= DAYS_MAX:
            raise ValueError(f"a token is valid for 1 to {DAYS_MAX} days")
        now, value = self._services.clock(), PREFIX + self._services.secret()
        token = Token(
            token_id=self._services.new_id(),
            name=checked_name(name),
            role=role,
            created_time=now,
            created_by=actor,
            expires_time=None if days is None else now + timedelta(days=days),
            last_used_time=None,
            revoked_time=None,
        )

        def work(tx: Tx) -> None:
            rows.add_token(tx, token, value)
            self._services.note(tx, Act.TOKEN_CREATE, actor=actor, origin=origin, object_id=token.token_id)

        await self._services.database.write(work)
        return token, value

    async def revoke(self, token_id: str, *, actor: str, origin: str) -> None:
        """Makes a token useless from now on; a repeat changes nothing. Errors: AccountRefused UNKNOWN."""

        def work(tx: Tx) -> None:
            token = rows.token_by_id(tx, token_id)
            if token is None:
                raise AccountRefused(Refusal.UNKNOWN)
            if token.revoked_time is None:
                rows.set_token(tx, token_id, revoked_time=self._services.clock())
                self._services.note(tx, Act.TOKEN_REVOKE, actor=actor, origin=origin, object_id=token_id)

        await self._services.database.write(work)
