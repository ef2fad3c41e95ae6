"""Accounts: what they work on, and the small words that all of them share."""

from __future__ import annotations

import base64
import re
import unicodedata
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cloud.accounts import rows
from cloud.accounts.audit import Act, append
from cloud.accounts.backoff import Counted, after_try, wait_s
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.passwords import Passwords, is_weak
from cloud.accounts.seal import Seal
from cloud.db import Database, Tx
from cloud.db.times import Clock

SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[\w.-]{2,48}")


def nothing() -> None:
    """Does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountServices:
    """Everything outside that accounts touch."""

    database: Database
    """Users, sessions, tokens, tries, audit."""
    clock: Clock
    """Now, aware UTC."""
    random: Callable[[int], bytes]
    """That many unpredictable bytes."""
    passwords: Passwords
    """Hashes and compares passwords."""
    seal: Seal
    """Seals what must be read again."""
    on_first: Callable[[], None] = nothing
    """Called once the first administrator is there: the link that made it is good for nothing any more."""

    def secret(self) -> str:
        """A new secret of 256 bits, letters that fit into a cookie and an address."""
        return base64.urlsafe_b64encode(self.random(SECRET_BYTES)).decode("ascii").rstrip("=")

    def new_id(self) -> str:
        """A new UUID."""
        return str(uuid.UUID(bytes=self.random(16), version=4))

    def note(
        self,
        tx: Tx,
        act: Act,
        *,
        actor: str,
        origin: str,
        object_id: str | None = None,
        outcome: Refusal | None = None,
        tenant_id: str | None = None,
    ) -> None:
        """Adds a row of now to the audit, in the caller's transaction; `tenant_id` is the actor's."""
        append(
            tx,
            act,
            time=self.clock(),
            outcome=outcome,
            actor=actor,
            origin=origin,
            object_id=object_id,
            tenant_id=tenant_id,
        )

    async def count_try(self, address: str, name: str | None = None) -> None:
        """Counts a try before it is looked at, so that tries at the same moment cannot slip past each other.

        Errors: AccountRefused TOO_MANY_TRIES while one must wait; then nothing is counted.
        """
        keys = [(Counted.ADDRESS, address)]
        if name is not None:
            keys.append((Counted.ACCOUNT, rows.name_key(name)))

        def work(tx: Tx) -> None:
            now = self.clock()
            known = [(counted, key, rows.tries_of(tx, counted, key)) for counted, key in keys]
            wait = max(wait_s(tries, now) for _, _, tries in known)
            if wait > 0:
                raise AccountRefused(Refusal.TOO_MANY_TRIES, wait)
            for counted, key, tries in known:
                rows.set_tries(tx, counted, key, after_try(counted, tries, now))

        await self.database.write(work)

    def good_try(self, tx: Tx, address: str, name: str | None = None) -> None:
        """Takes a counted try back; what was counted for the account before it is forgotten too."""
        rows.give_back_try(tx, Counted.ADDRESS, address)
        if name is not None:
            rows.forget_tries(tx, Counted.ACCOUNT, rows.name_key(name))


def checked_name(name: str) -> str:
    """`name` in the form in which it is kept. Errors: AccountRefused NAME_INVALID."""
    plain = unicodedata.normalize("NFKC", name).strip()
    if not _NAME.fullmatch(plain):
        raise AccountRefused(Refusal.NAME_INVALID)
    return plain


def checked_password(password: str, name: str) -> str:
    """A new password that keeps the rules. Errors: AccountRefused PASSWORD_WEAK."""
    if is_weak(password, name):
        raise AccountRefused(Refusal.PASSWORD_WEAK)
    return password


def user_actor(name: str) -> str:
    """A person, as the audit names them."""
    return f"user:{name}"


def token_actor(name: str) -> str:
    """A machine, as the audit names it."""
    return f"token:{name}"
