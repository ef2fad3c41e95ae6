"""Tenants: hospitals or departments that share a server and not their data.

Whoever belongs to a tenant sees what is its own and nothing else; who belongs to the whole site, without a tenant, sees
everything. Devices belong to a tenant; what comes from a device belongs to the tenant that the device had then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from cloud.db.tenant_tables import DEFAULT_TENANT as DEFAULT_TENANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A hospital or department."""

    tenant_id: str
    """Short name; it never changes."""
    name: str
    """What people call it."""
    created_time: datetime
    """When it was made (aware UTC)."""


def within(column: Any, tenant_id: str | None) -> sa.ColumnElement[bool]:
    """Only rows of this tenant; None: of the whole site."""
    return sa.true() if tenant_id is None else column == tenant_id
