"""Step 13 of 13: console. Devices at the edge: which there are, and which are refused."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import APIRouter
from fastapi import Path as InPath

from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.console.api.account_models import Refused
from cloud.console.api.manage_models import (
    DeviceChangeAsked,
    DeviceList,
    DeviceShown,
    DeviceTenantAsked,
)
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.db import Tx
from cloud.ingest.devices import device_keys, known_devices, set_revoked

_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Refused, "description": "There is no such device."}
}
Number = Annotated[str, InPath(min_length=1, max_length=63)]


def router() -> APIRouter:
    """Routes under /api/devices."""
    routes = APIRouter(prefix="/api/devices", tags=["devices"], responses={**REFUSED, **_UNKNOWN})

    @routes.get("", summary="All devices")
    async def list_devices(services: Injected, signed: Signed) -> DeviceList:
        found = await services.database.read(lambda tx: known_devices(tx, signed.tenant_id))
        return DeviceList(devices=[DeviceShown(**asdict(each)) for each in found])

    @routes.patch("/{device_id}", summary="Revoke a device, or allow it again", status_code=204)
    async def change_device(
        services: Injected, signed: Signed, device_id: Number, asked: DeviceChangeAsked
    ) -> None:
        act = Act.DEVICE_REVOKE if asked.revoked else Act.DEVICE_ALLOW

        def work(tx: Tx) -> None:
            changed = set_revoked(tx, device_id, asked.revoked)
            if changed is None:
                raise AccountRefused(Refusal.UNKNOWN)
            if changed:
                services.accounts.looks.enter(tx, signed, act, device_id)

        await services.database.write(work)

    @routes.put(
        "/{device_id}/tenant",
        summary="Say whose a device is: what it sends from now on; what it sent before stays where it is",
        status_code=204,
    )
    async def give_device(
        services: Injected, signed: Signed, device_id: Number, asked: DeviceTenantAsked
    ) -> None:
        tenants = services.accounts.tenants

        def work(tx: Tx) -> None:
            if not device_keys(tx, [device_id]):
                raise AccountRefused(Refusal.UNKNOWN)
            tenants.give_device(tx, signed, device_id, asked.tenant_id)

        await services.database.write(work)

    return routes
