"""Accounts: tenants: who belongs to which, whose an object is, and what the site's administrators do with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Role
from cloud.accounts.services import AccountServices
from cloud.accounts.values import Principal
from cloud.db import Tx
from cloud.tenants import DEFAULT_TENANT, Tenant
from cloud.tenants import rows as tenant_rows
from cloud.tenants.owner import Kind, is_within

NAME_MAX: Final = 64
_SHORT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_OF_THE_SITE: Final = frozenset({Role.ADMINISTRATOR, Role.IT})
"""Who keeps a server running, where nobody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a user or a token is to belong."""

    tenant_id: str | None
    """The tenant; None: the whole site."""


def unsaid_home(role: Role) -> str | None:
    """Where a user or a token of this role belongs where nobody says it."""
    return None if role in _OF_THE_SITE else DEFAULT_TENANT


def home(tx: Tx, within: str | None, role: Role, wanted: Home | None) -> str | None:
    """Where a new user or token belongs: `within` is the tenant of who makes it. Errors: AccountRefused
    TENANT_UNKNOWN, also for another tenant than the maker's own."""
    if within is not None:
        if wanted is not None and wanted.tenant_id != within:
            raise AccountRefused(Refusal.TENANT_UNKNOWN)
        return within
    if wanted is None:
        return unsaid_home(role)
    if wanted.tenant_id is not None and not tenant_rows.is_tenant(tx, wanted.tenant_id):
        raise AccountRefused(Refusal.TENANT_UNKNOWN)
    return wanted.tenant_id


def home_after(tx: Tx, role: Role, before: str | None) -> str | None:
    """Where somebody belongs whose role has become `role` while nobody said where: with a single tenant the role says
    it, as for a new user."""
    return unsaid_home(role) if len(tenant_rows.tenants(tx)) == 1 else before


def own_tenant(by: Principal) -> str:
    """Whose it is what `by` brings here: of who belongs to the whole site, the first tenant's."""
    return by.tenant_id or DEFAULT_TENANT


class Tenants:
    """Tenants are made and renamed, never removed: what they have stays theirs."""

    def __init__(self, services: AccountServices) -> None:
        self._services = services

    async def may_see(self, by: Principal, named: Mapping[Kind, str]) -> bool:
        """Whether each of these objects is there and `by` may see it; who belongs to the whole site is not asked."""
        tenant_id = by.tenant_id
        if tenant_id is None or not named:
            return True
        return await self._services.database.read(
            lambda tx: all(is_within(tx, kind, object_id, tenant_id) for kind, object_id in named.items())
        )

    async def tenants(self, by: Principal) -> list[Tenant]:
        """The tenants that `by` sees: all, or their own."""
        found = await self._services.database.read(tenant_rows.tenants)
        return [each for each in found if by.tenant_id in (None, each.tenant_id)]

    async def create(self, by: Principal, tenant_id: str, name: str) -> list[Tenant]:
        """A new tenant; all there are then. Errors: AccountRefused TENANT_INVALID, TENANT_TAKEN."""
        plain = _checked_name(name)
        if not _SHORT.fullmatch(tenant_id):
            raise AccountRefused(Refusal.TENANT_INVALID)

        def work(tx: Tx) -> list[Tenant]:
            if not tenant_rows.add_tenant(tx, tenant_id, plain, self._services.clock()):
                raise AccountRefused(Refusal.TENANT_TAKEN)
            self._note(tx, by, Act.TENANT_CREATE, tenant_id)
            return tenant_rows.tenants(tx)

        return await self._services.database.write(work)

    async def rename(self, by: Principal, tenant_id: str, name: str) -> list[Tenant]:
        """Another name; all there are then. Errors: AccountRefused TENANT_INVALID, UNKNOWN."""
        plain = _checked_name(name)

        def work(tx: Tx) -> list[Tenant]:
            if not tenant_rows.rename_tenant(tx, tenant_id, plain):
                raise AccountRefused(Refusal.UNKNOWN)
            self._note(tx, by, Act.TENANT_RENAME, tenant_id)
            return tenant_rows.tenants(tx)

        return await self._services.database.write(work)

    def give_device(self, tx: Tx, by: Principal, device_id: str, tenant_id: str) -> None:
        """Gives a known device to a tenant, in the caller's transaction. Errors: AccountRefused TENANT_UNKNOWN."""
        if not tenant_rows.is_tenant(tx, tenant_id):
            raise AccountRefused(Refusal.TENANT_UNKNOWN)
        if tenant_rows.tenant_of_device(tx, device_id) != tenant_id:
            tenant_rows.give_device(tx, device_id, tenant_id)
            self._note(tx, by, Act.DEVICE_TENANT, device_id)

    def _note(self, tx: Tx, by: Principal, act: Act, object_id: str) -> None:
        self._services.note(
            tx, act, tenant_id=by.tenant_id, actor=by.actor, origin=by.address, object_id=object_id
        )


def _checked_name(name: str) -> str:
    plain = " ".join(name.split())
    if not 0 < len(plain) <= NAME_MAX:
        raise AccountRefused(Refusal.TENANT_INVALID)
    return plain
