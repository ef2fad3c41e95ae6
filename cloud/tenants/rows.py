"""Tenants: their rows, and whose the devices are."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.insert import insert_once
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, device, tenant
from cloud.tenants import DEFAULT_TENANT, Tenant, within

_OF_DEVICE: Final = Prepared(
    sa.select(device.c.tenant_id).where(device.c.device_id == sa.bindparam("device"))
)


def tenants(tx: Tx) -> list[Tenant]:
    """All tenants, in the order in which they were made."""
    query = sa.select(tenant).order_by(tenant.c.created_time, tenant.c.tenant_id)
    return [Tenant(**row._mapping) for row in tx.execute(query)]


def is_tenant(tx: Tx, tenant_id: str) -> bool:
    """Whether there is a tenant of this short name."""
    return tx.execute(sa.select(tenant.c.name).where(tenant.c.tenant_id == tenant_id)).first() is not None


def add_tenant(tx: Tx, tenant_id: str, name: str, now: datetime) -> bool:
    """Adds a tenant; False where the short name is taken."""
    values = {"tenant_id": tenant_id, "name": name, "created_time": now}
    return insert_once(tx, tenant, (tenant.c.tenant_id,), values)


def rename_tenant(tx: Tx, tenant_id: str, name: str) -> bool:
    """Gives a tenant another name; False where there is none of this short name."""
    return prepared.change(tx, tenant.c.tenant_id, tenant_id, {"name": name}) == 1


def tenant_of_device(tx: Tx, device_id: str) -> str:
    """Whose a device is."""
    row = _OF_DEVICE.first(tx, {"device": device_id})
    return DEFAULT_TENANT if row is None else row.tenant_id


def give_device(tx: Tx, device_id: str, tenant_id: str) -> None:
    """Gives a device to a tenant: what it sends from now on is this one's; what it sent before stays where it is."""
    prepared.change(tx, device.c.device_id, device_id, {"tenant_id": tenant_id})


def devices_elsewhere(tx: Tx, tenant_id: str | None) -> frozenset[str]:
    """Devices of other tenants than this one; none where it is the whole site."""
    if tenant_id is None:
        return frozenset()
    query = sa.select(device.c.device_id).where(device.c.tenant_id != tenant_id)
    return frozenset(tx.execute(query).scalars())


def captures_within(tx: Tx, capture_ids: Collection[str], tenant_id: str | None) -> frozenset[str]:
    """Those of these captures that belong to the tenant."""
    if tenant_id is None:
        return frozenset(capture_ids)
    query = sa.select(capture.c.capture_id).where(
        capture.c.capture_id.in_(capture_ids), within(capture.c.tenant_id, tenant_id)
    )
    return frozenset(tx.execute(query).scalars())
