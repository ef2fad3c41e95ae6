"""Beside the thirteen steps: series: how far the orders are by which agents send series: counts of their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import capture
from cloud.items import CaptureState
from cloud.tenants import within

SHOWN_FOR: Final = timedelta(hours=1)
"""So long after its last change an order is shown."""
_ASIDE: Final = frozenset({CaptureState.REFUSED.value, CaptureState.HELD.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What came under one label from one device."""

    device_id: str
    """Device number."""
    label: str
    """As the sender gave it; empty: none."""
    file_count: int
    """Files announced so far."""
    stored_count: int
    """Files that are in the ledger."""
    set_aside: Mapping[str, int]
    """How many files the agent refused or holds, by reason."""
    changed_time: datetime
    """When one of them changed last (aware UTC)."""


def orders(tx: Tx, now: datetime, tenant_id: str | None) -> list[Order]:
    """Orders of the tenant (None: of the site) that changed within SHOWN_FOR, the newest first."""
    c = capture.c
    key = (c.device_id, c.series_label)
    changed = sa.type_coerce(sa.func.max(c.updated_time), c.updated_time.type).label("changed")
    counted = (
        sa.select(*key, c.state, c.reason, sa.func.count().label("files"), changed)
        .where(c.series_label.is_not(None), within(c.tenant_id, tenant_id))
        .group_by(*key, c.state, c.reason)
    )
    by_order: dict[tuple[str, str], list[Any]] = {}
    for row in tx.execute(counted):
        by_order.setdefault((row.device_id, row.series_label), []).append(row)
    found = [_order(*of, rows) for of, rows in by_order.items()]
    newest = sorted(found, key=lambda order: order.changed_time, reverse=True)
    return [order for order in newest if now - order.changed_time < SHOWN_FOR]


def _order(device_id: str, label: str, rows: list[Any]) -> Order:
    set_aside: dict[str, int] = {}
    for row in rows:
        if row.state in _ASIDE:
            set_aside[row.reason] = set_aside.get(row.reason, 0) + row.files
    return Order(
        device_id=device_id,
        label=label,
        file_count=sum(row.files for row in rows),
        stored_count=sum(row.files for row in rows if row.state == CaptureState.RESULT.value),
        set_aside=set_aside,
        changed_time=max(row.changed for row in rows),
    )
