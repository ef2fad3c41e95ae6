"""Examinations: what of the protocol has been seen, worked out of the readings and of what persons ticked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import examination_capture, image_brief, protocol_tick
from cloud.examinations.protocol import Item, Protocol

_BRIEFS: Final = (
    sa.select(
        examination_capture.c.examination_id,
        image_brief.c.image_id,
        image_brief.c.plane,
        image_brief.c.subplane,
        image_brief.c.measured,
    )
    .join(image_brief, image_brief.c.capture_id == examination_capture.c.capture_id)
    .order_by(examination_capture.c.slot)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A person says that an item was seen."""

    by: str
    """Actor."""
    time: datetime
    """When (aware UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How one item of the protocol stands in one examination."""

    item: Item
    """The item."""
    image_ids: tuple[str, ...]
    """Images that show it, in the order of their prints."""
    tick: Tick | None
    """A person said so; None where nobody did."""

    @property
    def is_seen(self) -> bool:
        """Whether an image shows it or a person said so."""
        return bool(self.image_ids) or self.tick is not None


def read_coverage(tx: Tx, protocol: Protocol, examination_ids: Sequence[str]) -> dict[str, list[Coverage]]:
    """Every item of the protocol for each of these examinations."""
    shown: dict[str, list[Any]] = {each: [] for each in examination_ids}
    for row in tx.execute(_BRIEFS.where(examination_capture.c.examination_id.in_(examination_ids))):
        shown[row.examination_id].append(row)
    ticks: dict[str, dict[str, Tick]] = {each: {} for each in examination_ids}
    ticked = sa.select(*protocol_tick.c).where(protocol_tick.c.examination_id.in_(examination_ids))
    for row in tx.execute(ticked):
        ticks[row.examination_id][row.item] = Tick(by=row.ticked_by, time=row.ticked_time)
    return {
        each: [_coverage(item, shown[each], ticks[each].get(item.key)) for item in protocol.items]
        for each in examination_ids
    }


def _coverage(item: Item, briefs: Sequence[Any], tick: Tick | None) -> Coverage:
    images = tuple(row.image_id for row in briefs if _shows(row, item))
    return Coverage(item=item, image_ids=images, tick=tick)


def _shows(row: Any, item: Item) -> bool:
    values = {"plane": {row.plane}, "subplane": {row.subplane}, "measured": set(row.measured)}
    return any(sign.value in values[sign.kind] for sign in item.seen_by)
