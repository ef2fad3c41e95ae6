"""Accounts: what a person changes about their own account: the password, and one-time codes."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.accounts import rows
from cloud.accounts.audit import Act
from cloud.accounts.codes import SECRET_BYTES, enrolment_uri, make_secret, matching_step, qr_picture
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.services import AccountServices, checked_password
from cloud.accounts.sign_in import SignIn
from cloud.accounts.values import Principal, User
from cloud.db import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOffer:
    """What an authenticator app needs. Codes are asked for only after one was confirmed."""

    secret: str
    """Base32, to type."""
    uri: str
    """otpauth address, to open."""
    qr: str
    """The same as a QR code: an SVG in a data address."""


class OwnAccount:
    """Changes of one's own account; each is asked the password again."""

    def __init__(self, services: AccountServices, sign_in: SignIn) -> None:
        self._services = services
        self._sign_in = sign_in

    async def change_password(self, principal: Principal, password: str, new: str) -> None:
        """Sets a new password and ends the person's other sessions.

        Errors: AccountRefused PASSWORD_WRONG, PASSWORD_WEAK, TOO_MANY_TRIES.
        """
        user = _user(principal)
        checked_password(new, user.name)
        await self._sign_in.prove(principal, password, Act.PASSWORD_CHANGE)
        hashed = await self._services.passwords.hash(new)

        def work(tx: Tx) -> None:
            rows.set_user(tx, user.user_id, password_hash=hashed)
            kept = None if principal.session is None else principal.session.token_sha256
            rows.end_sessions_of(tx, user.user_id, but=kept)
            self._note(tx, principal, Act.PASSWORD_CHANGE)

        await self._services.database.write(work)

    async def offer_codes(self, principal: Principal, password: str) -> CodeOffer:
        """A new secret, not in use before `confirm_codes`. Errors: AccountRefused PASSWORD_WRONG."""
        user = _user(principal)
        await self._sign_in.prove(principal, password, Act.CODES_ON)
        secret = make_secret(self._services.random(SECRET_BYTES))
        sealed = self._services.seal.close_code(secret, user.user_id)
        await self._services.database.write(lambda tx: rows.set_user(tx, user.user_id, totp_pending=sealed))
        uri = enrolment_uri(secret, user.name)
        return CodeOffer(secret=secret, uri=uri, qr=qr_picture(uri))

    async def confirm_codes(self, principal: Principal, code: str) -> None:
        """Turns codes on with the offered secret. Errors: AccountRefused CODE_WRONG, TOO_MANY_TRIES."""
        user = _user(principal)
        await self._services.count_try(principal.address, user.name)

        def work(tx: Tx) -> bool:
            now = rows.user_of(tx, user.user_id)
            sealed = None if now is None else now.totp_pending
            if sealed is None:
                return False
            secret = self._services.seal.open_code(sealed, user.user_id)
            step = matching_step(secret, code, self._services.clock(), 0)
            if step is None:
                return False
            self._services.good_try(tx, principal.address, user.name)
            rows.set_user(tx, user.user_id, totp_secret=sealed, totp_pending=None, totp_last_step=step)
            self._note(tx, principal, Act.CODES_ON)
            return True

        if not await self._services.database.write(work):
            raise AccountRefused(Refusal.CODE_WRONG)

    async def remove_codes(self, principal: Principal, password: str) -> None:
        """Turns codes off. Errors: AccountRefused PASSWORD_WRONG, TOO_MANY_TRIES."""
        user = _user(principal)
        await self._sign_in.prove(principal, password, Act.CODES_OFF)

        def work(tx: Tx) -> None:
            rows.set_user(tx, user.user_id, totp_secret=None, totp_pending=None, totp_last_step=0)
            self._note(tx, principal, Act.CODES_OFF)

        await self._services.database.write(work)

    def _note(self, tx: Tx, principal: Principal, act: Act) -> None:
        self._services.note(
            tx,
            act,
            tenant_id=principal.tenant_id,
            actor=principal.actor,
            origin=principal.address,
            object_id=_user(principal).user_id,
        )


def _user(principal: Principal) -> User:
    if principal.user is None:
        raise AccountRefused(Refusal.SESSION_NEEDED)
    return principal.user
