"""Accounts: signing in and out, locking and unlocking, and whom a request comes from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from cloud.accounts import rows
from cloud.accounts.audit import NOBODY, Act
from cloud.accounts.codes import matching_step
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.services import AccountServices, token_actor, user_actor
from cloud.accounts.values import Principal, Session, SessionState, Token, User
from cloud.db import Tx

SEEN_EVERY: Final = timedelta(seconds=15)
"""That a person did something is written down this often at most."""
USED_EVERY: Final = timedelta(minutes=1)
"""That a token was used is written down this often at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A sign-in that went well."""

    cookie: str
    """Value of the session's cookie; kept nowhere else."""
    principal: Principal
    """Who signed in."""


class SignIn:
    """Every check of a password or a code passes here, is counted, and stands in the audit.

    Of a session only the SHA-256 of its cookie is kept. A wrong name, a wrong password, a closed account and
    one without a password give the same answer after the same time.
    """

    def __init__(self, services: AccountServices) -> None:
        self._services = services

    async def sign_in(self, name: str, password: str, code: str, address: str) -> SignedIn:
        """Begins a session. `code` is the one-time code, empty where there is none.

        Errors: AccountRefused SIGN_IN_WRONG, CODE_NEEDED, CODE_WRONG, TOO_MANY_TRIES; RetryLater.
        """
        services = self._services
        await services.count_try(address, name)
        user = await services.database.read(lambda tx: rows.user_named(tx, name))
        usable = user.password_hash if user is not None and not user.disabled else None
        verdict = await services.passwords.compare(usable, password)
        if user is None or not verdict.ok:
            raise await self._refused(Act.SIGN_IN, user, address, Refusal.SIGN_IN_WRONG)
        again = await services.passwords.hash(password) if verdict.outdated else None

        def work(tx: Tx) -> Refusal | SignedIn:
            now = rows.user_of(tx, user.user_id)
            if now is None or now.disabled or now.password_hash != user.password_hash:
                return Refusal.SIGN_IN_WRONG
            wrong = self._check_code(tx, now, code)
            if wrong is not None:
                return wrong
            if again is not None:
                rows.set_user(tx, now.user_id, password_hash=again)
            services.good_try(tx, address, name)
            return self.begin(tx, now, address)

        outcome = await services.database.write(work)
        if isinstance(outcome, Refusal):
            raise await self._refused(Act.SIGN_IN, user, address, outcome)
        return outcome

    def begin(self, tx: Tx, user: User, address: str) -> SignedIn:
        """A new session of a person who has just proved to be `user`."""
        now, cookie = self._services.clock(), self._services.secret()
        session = Session(
            session_id=self._services.new_id(),
            token_sha256=rows.digest_of(cookie),
            user_id=user.user_id,
            created_time=now,
            seen_time=now,
            locked=False,
        )
        rows.add_session(tx, session)
        principal = _person(user, session, address, locked=False)
        self._note(tx, Act.SIGN_IN, principal)
        return SignedIn(cookie=cookie, principal=principal)

    async def principal(self, cookie: str | None, bearer: str | None, address: str) -> Principal:
        """Whom a request comes from; a token goes before a cookie. Their session may be locked.

        Errors: AccountRefused SIGN_IN_NEEDED, SESSION_ENDED, TOKEN_INVALID.
        """
        if bearer is not None:
            return await self._machine(bearer, address)
        if not cookie:
            raise AccountRefused(Refusal.SIGN_IN_NEEDED)
        found = await self._services.database.read(lambda tx: _session_and_user(tx, cookie))
        now = self._services.clock()
        state = SessionState.ENDED if found is None else found[0].state(now)
        if found is None or state is SessionState.ENDED or found[1].disabled:
            raise AccountRefused(Refusal.SESSION_ENDED)
        session, user = found
        principal = _person(user, session, address, locked=state is SessionState.LOCKED)
        if principal.locked and not session.locked:
            # Nothing was done for so long: from here on the clock alone does not open it again.
            await self.lock(principal)
        return principal

    async def seen(self, principal: Principal) -> None:
        """Notes that the person did something, so that the session is not locked for idleness."""
        session, now = principal.session, self._services.clock()
        if session is None or now - session.seen_time < SEEN_EVERY:
            return

        def work(tx: Tx) -> None:
            current = rows.session_by_digest(tx, session.token_sha256)
            if current is not None and current.state(now) is SessionState.LIVE:
                rows.set_session(tx, session.token_sha256, seen_time=now)

        await self._services.database.write(work)

    async def sign_out(self, principal: Principal) -> None:
        """Ends the session."""
        session = _session(principal)

        def work(tx: Tx) -> None:
            rows.end_session(tx, session.token_sha256)
            self._note(tx, Act.SIGN_OUT, principal)

        await self._services.database.write(work)

    async def lock(self, principal: Principal) -> Principal:
        """Locks the session; a locked one stays as it is."""
        session = _session(principal)

        def work(tx: Tx) -> None:
            current = rows.session_by_digest(tx, session.token_sha256)
            if current is not None and not current.locked:
                rows.set_session(tx, session.token_sha256, locked=True)
                self._note(tx, Act.LOCK, principal)

        await self._services.database.write(work)
        return replace(principal, locked=True, session=replace(session, locked=True))

    async def unlock(self, principal: Principal, password: str) -> Principal:
        """Opens a locked session again. Errors: AccountRefused PASSWORD_WRONG, TOO_MANY_TRIES, SESSION_ENDED."""
        session, now = _session(principal), self._services.clock()
        await self.prove(principal, password, Act.UNLOCK)

        def work(tx: Tx) -> None:
            current = rows.session_by_digest(tx, session.token_sha256)
            if current is None or current.state(now) is SessionState.ENDED:
                raise AccountRefused(Refusal.SESSION_ENDED)
            rows.set_session(tx, session.token_sha256, locked=False, seen_time=now)
            self._note(tx, Act.UNLOCK, principal)

        await self._services.database.write(work)
        return replace(principal, locked=False, session=replace(session, locked=False, seen_time=now))

    async def prove(self, principal: Principal, password: str, act: Act) -> None:
        """Returns where `password` is the person's. Errors: AccountRefused PASSWORD_WRONG, TOO_MANY_TRIES."""
        user = _user(principal)
        await self._services.count_try(principal.address, user.name)
        verdict = await self._services.passwords.compare(user.password_hash, password)
        if not verdict.ok:
            raise await self._refused(act, user, principal.address, Refusal.PASSWORD_WRONG)
        await self._services.database.write(
            lambda tx: self._services.good_try(tx, principal.address, user.name)
        )

    def is_open(self, tx: Tx, principal: Principal) -> bool:
        """Whether a stream that `principal` opened may go on: not locked, ended, closed, revoked, or changed."""
        now = self._services.clock()
        if principal.session is None:
            token = None if principal.token_id is None else rows.token_by_id(tx, principal.token_id)
            return token is not None and token.is_valid(now)
        session = rows.session_by_digest(tx, principal.session.token_sha256)
        return session is not None and session.state(now) is SessionState.LIVE

    def _check_code(self, tx: Tx, user: User, code: str) -> Refusal | None:
        if user.totp_secret is None:
            return None
        if not code.strip():
            return Refusal.CODE_NEEDED
        secret = self._services.seal.open_code(user.totp_secret, user.user_id)
        step = matching_step(secret, code, self._services.clock(), user.totp_last_step)
        return None if step is not None and rows.use_step(tx, user.user_id, step) else Refusal.CODE_WRONG

    async def _machine(self, bearer: str, address: str) -> Principal:
        token = await self._services.database.read(lambda tx: rows.token_of(tx, bearer))
        now = self._services.clock()
        if token is None or not token.is_valid(now):
            raise AccountRefused(Refusal.TOKEN_INVALID)
        used = token.last_used_time
        if used is None or now - used >= USED_EVERY:
            minute = now.replace(second=0, microsecond=0)
            await self._services.database.write(
                lambda tx: rows.set_token(tx, token.token_id, last_used_time=minute)
            )
        return _machine(token, address)

    async def _refused(self, act: Act, user: User | None, address: str, reason: Refusal) -> AccountRefused:
        """Writes a failure down; the error to raise."""
        actor = NOBODY if user is None else user_actor(user.name)
        tenant_id = None if user is None else user.tenant_id
        await self._services.database.write(
            lambda tx: self._services.note(
                tx, act, actor=actor, origin=address, outcome=reason, tenant_id=tenant_id
            )
        )
        return AccountRefused(reason)

    def _note(self, tx: Tx, act: Act, principal: Principal) -> None:
        self._services.note(
            tx,
            act,
            actor=principal.actor,
            origin=principal.address,
            object_id=_session(principal).session_id,
            tenant_id=principal.tenant_id,
        )


def _session_and_user(tx: Tx, cookie: str) -> tuple[Session, User] | None:
    session = rows.session_of(tx, cookie)
    user = None if session is None else rows.user_of(tx, session.user_id)
    return None if session is None or user is None else (session, user)


def _person(user: User, session: Session, address: str, *, locked: bool) -> Principal:
    return Principal(
        actor=user_actor(user.name),
        name=user.name,
        role=user.role,
        address=address,
        user=user,
        session=session,
        token_id=None,
        locked=locked,
        tenant_id=user.tenant_id,
    )


def _machine(token: Token, address: str) -> Principal:
    return Principal(
        actor=token_actor(token.name),
        name=token.name,
        role=token.role,
        address=address,
        user=None,
        session=None,
        token_id=token.token_id,
        locked=False,
        tenant_id=token.tenant_id,
    )


def _session(principal: Principal) -> Session:
    if principal.session is None:
        raise AccountRefused(Refusal.SESSION_NEEDED)
    return principal.session


def _user(principal: Principal) -> User:
    if principal.user is None:
        raise AccountRefused(Refusal.SESSION_NEEDED)
    return principal.user
