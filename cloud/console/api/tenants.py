"""Step 13 of 13: console. Tenants, as the site's administrators manage them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Path as InPath

from cloud.console.api.account_models import Refused
from cloud.console.api.manage_models import TenantAsked, TenantChangeAsked, TenantList, TenantShown
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.tenants import Tenant

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Refused, "description": "There is no such tenant."},
    409: {"model": Refused, "description": "There is a tenant of this short name already."},
}
ShortName = Annotated[str, InPath(min_length=1, max_length=32)]


def router() -> APIRouter:
    """Routes under /api/tenants."""
    routes = APIRouter(prefix="/api/tenants", tags=["tenants"], responses={**REFUSED, **_ANSWERS})

    @routes.get("", summary="The tenants that you may see: all, or your own")
    async def list_tenants(services: Injected, signed: Signed) -> TenantList:
        return _listed(await services.accounts.tenants.tenants(signed))

    @routes.post("", summary="Make a tenant")
    async def create_tenant(services: Injected, signed: Signed, asked: TenantAsked) -> TenantList:
        return _listed(await services.accounts.tenants.create(signed, asked.tenant_id, asked.name))

    @routes.patch("/{tenant_id}", summary="Give a tenant another name")
    async def rename_tenant(
        services: Injected, signed: Signed, tenant_id: ShortName, asked: TenantChangeAsked
    ) -> TenantList:
        return _listed(await services.accounts.tenants.rename(signed, tenant_id, asked.name))

    return routes


def _listed(found: Iterable[Tenant]) -> TenantList:
    return TenantList(tenants=[TenantShown(**asdict(each)) for each in found])
