"""Accounts: the first administrator, one-time links, and what administrators do with users."""

from __future__ import annotations

from cloud.accounts import rows
from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Role
from cloud.accounts.services import AccountServices, checked_name, checked_password, user_actor
from cloud.accounts.sign_in import SignedIn, SignIn
from cloud.accounts.tenants import Home, home, home_after
from cloud.accounts.values import LINK_LIFE, Principal, User
from cloud.db import Tx


class People:
    """Users are closed, never removed, so that a name in the audit stays one person's.

    A link is good for one use; of it only the SHA-256 is kept. A site never loses the last
    administrator of its own. Administrators of a tenant have to do with its users alone.
    """

    def __init__(self, services: AccountServices, sign_in: SignIn) -> None:
        self._services = services
        self._sign_in = sign_in

    async def begin_first(self) -> str | None:
        """A new link for the first administrator, in place of the one before; None where there is a user."""
        services, link = self._services, self._services.secret()

        def work(tx: Tx) -> bool:
            if rows.any_user(tx):
                return False
            rows.replace_link(tx, None, link, services.clock(), None)
            return True

        return link if await services.database.write(work) else None

    async def make_first(self, link: str, name: str, password: str, address: str) -> SignedIn:
        """Makes the first administrator and signs them in.

        Errors: AccountRefused LINK_INVALID, NAME_INVALID, PASSWORD_WEAK, TOO_MANY_TRIES.
        """
        services = self._services
        plain = checked_name(name)
        checked_password(password, plain)
        await services.count_try(address)
        hashed = await services.passwords.hash(password)
        user = self._new_user(plain, Role.ADMINISTRATOR, hashed, None)

        def work(tx: Tx) -> SignedIn:
            taken = rows.take_link(tx, link, services.clock())
            if taken is None or taken[0] is not None or rows.any_user(tx):
                # Raised inside: a link for something else is as it was.
                raise AccountRefused(Refusal.LINK_INVALID)
            services.good_try(tx, address)
            rows.add_user(tx, user)
            services.note(
                tx,
                Act.FIRST_ADMINISTRATOR,
                actor=user_actor(plain),
                origin=address,
                object_id=user.user_id,
            )
            return self._sign_in.begin(tx, user, address)

        signed_in = await services.database.write(work)
        services.on_first()
        return signed_in

    async def set_password(self, link: str, password: str, address: str) -> str:
        """Sets the password of the user whom the link is for: the name to sign in with.

        Errors: AccountRefused LINK_INVALID, PASSWORD_WEAK, TOO_MANY_TRIES. After PASSWORD_WEAK the link still holds.
        """
        services = self._services
        await services.count_try(address)
        hashed = await services.passwords.hash(password)

        def work(tx: Tx) -> User:
            taken = rows.take_link(tx, link, services.clock())
            user = None if taken is None or taken[0] is None else rows.user_of(tx, taken[0])
            # Raised inside: the transaction is undone, and the link is as it was.
            if user is None or user.disabled:
                raise AccountRefused(Refusal.LINK_INVALID)
            checked_password(password, user.name)
            services.good_try(tx, address, user.name)
            rows.set_user(tx, user.user_id, password_hash=hashed)
            rows.end_sessions_of(tx, user.user_id)
            actor = user_actor(user.name)
            services.note(
                tx,
                Act.PASSWORD_SET,
                tenant_id=user.tenant_id,
                actor=actor,
                origin=address,
                object_id=user.user_id,
            )
            return user

        return (await services.database.write(work)).name

    async def users(self, within: str | None = None) -> list[User]:
        """The users of the tenant `within` (None: the whole site's), by name."""
        return await self._services.database.read(lambda tx: rows.users(tx, within))

    async def create(
        self, by: Principal, name: str, role: Role, wanted: Home | None = None
    ) -> tuple[User, str]:
        """A new user, and the link with which they set their password. Errors: NAME_INVALID, NAME_TAKEN,
        TENANT_UNKNOWN.
        """
        plain, link = checked_name(name), self._services.secret()

        def work(tx: Tx) -> User:
            user = self._new_user(plain, role, None, home(tx, by.tenant_id, role, wanted))
            if not rows.add_user(tx, user):
                raise AccountRefused(Refusal.NAME_TAKEN)
            self._link(tx, user.user_id, link)
            self._note(tx, by, Act.USER_CREATE, user.user_id)
            return user

        return await self._services.database.write(work), link

    async def change(
        self,
        by: Principal,
        user_id: str,
        role: Role | None,
        disabled: bool | None,
        wanted: Home | None = None,
    ) -> User:
        """Changes role or tenant, or closes or opens an account; ends its sessions. Errors: UNKNOWN,
        LAST_ADMINISTRATOR, OIDC_MANAGED, TENANT_UNKNOWN.
        """

        def work(tx: Tx) -> User:
            user = _known(tx, by, user_id)
            if role is not None and role is not user.role:
                _keep_local(user)
                _keep_one_administrator(tx, user)
                rows.set_user(tx, user_id, role=role.value)
                self._note(tx, by, Act.USER_ROLE, user_id)
            self._move(tx, by, user, role or user.role, wanted)
            if disabled is not None and disabled != user.disabled:
                _keep_one_administrator(tx, user)
                rows.set_user(tx, user_id, disabled=disabled)
                rows.forget_links(tx, user_id)
                self._note(tx, by, Act.USER_DISABLE if disabled else Act.USER_ENABLE, user_id)
            after = _known(tx, by, user_id)
            if after != user:
                rows.end_sessions_of(tx, user_id)
            return after

        return await self._services.database.write(work)

    async def reset(self, by: Principal, user_id: str) -> tuple[User, str]:
        """Takes password and one-time codes away; a link to set a new password. Errors: as `change`."""
        link = self._services.secret()

        def work(tx: Tx) -> User:
            user = _known(tx, by, user_id)
            _keep_local(user)
            _keep_one_administrator(tx, user)
            rows.set_user(
                tx, user_id, password_hash=None, totp_secret=None, totp_pending=None, totp_last_step=0
            )
            rows.end_sessions_of(tx, user_id)
            self._link(tx, user_id, link)
            self._note(tx, by, Act.USER_RESET, user_id)
            return _known(tx, by, user_id)

        return await self._services.database.write(work), link

    def _move(self, tx: Tx, by: Principal, user: User, role: Role, wanted: Home | None) -> None:
        """Puts a user where they are to belong, or where the new role puts them."""
        target = user.tenant_id
        if wanted is not None:
            target = home(tx, by.tenant_id, role, wanted)
        elif role is not user.role and by.tenant_id is None:
            target = home_after(tx, role, user.tenant_id)
        if target == user.tenant_id:
            return
        _keep_one_administrator(tx, user)
        rows.set_user(tx, user.user_id, tenant_id=target)
        if wanted is not None:
            self._note(tx, by, Act.USER_TENANT, user.user_id)

    def _new_user(self, name: str, role: Role, password_hash: str | None, tenant_id: str | None) -> User:
        return User(
            user_id=self._services.new_id(),
            name=name,
            role=role,
            password_hash=password_hash,
            totp_secret=None,
            totp_pending=None,
            totp_last_step=0,
            disabled=False,
            created_time=self._services.clock(),
            tenant_id=tenant_id,
        )

    def _link(self, tx: Tx, user_id: str, link: str) -> None:
        now = self._services.clock()
        rows.replace_link(tx, user_id, link, now, now + LINK_LIFE)

    def _note(self, tx: Tx, by: Principal, act: Act, user_id: str) -> None:
        self._services.note(
            tx, act, tenant_id=by.tenant_id, actor=by.actor, origin=by.address, object_id=user_id
        )


def _known(tx: Tx, by: Principal, user_id: str) -> User:
    user = rows.user_of(tx, user_id)
    if user is None or by.tenant_id not in (None, user.tenant_id):
        raise AccountRefused(Refusal.UNKNOWN)
    return user


def _keep_local(user: User) -> None:
    """Refuses what the identity provider says, not this site: its role, and how the person proves who they are."""
    if user.oidc_sha256 is not None:
        raise AccountRefused(Refusal.OIDC_MANAGED)


def _keep_one_administrator(tx: Tx, user: User) -> None:
    """Refuses what would take the site's last open administrator away."""
    is_open = user.role is Role.ADMINISTRATOR and not user.disabled and user.password_hash is not None
    if is_open and user.tenant_id is None and not rows.other_administrators(tx, user.user_id):
        raise AccountRefused(Refusal.LAST_ADMINISTRATOR)
