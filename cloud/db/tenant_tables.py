"""Tables of the tenants: hospitals or departments that share a server and not their data."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, String, Table

from cloud.db.base import metadata
from cloud.db.times import UtcTime

DEFAULT_TENANT: Final = "default"
"""The tenant that every server has from the start."""
TENANT_ID: Final = String(32)

tenant: Final = Table(
    "tenant",
    metadata,
    Column("tenant_id", TENANT_ID, primary_key=True, comment="short name, never changed"),
    Column("name", String(64), nullable=False),
    Column("created_time", UtcTime, nullable=False),
)


def of_tenant() -> Column[Any]:
    """The column that says whose a row is."""
    return Column("tenant_id", TENANT_ID, nullable=False, server_default=DEFAULT_TENANT)


def of_tenant_or_site() -> Column[Any]:
    """As `of_tenant`; not set: the whole site's."""
    return Column("tenant_id", TENANT_ID, nullable=True, comment="not set: the whole site")
