"""Part of step 11: model life: its rows. State, versions and history change in one transaction or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import model_event, model_state, model_version, shadow_reading
from cloud.models.rules import Action, ModelEvent, ModelState

EVENTS_MAX: Final = 50
"""Events of a model that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """A version that the site has accepted."""

    model: str
    """Name of the model."""
    version: str
    """Its version folder's name."""
    sha256: bytes
    """SHA-256 of the weights, 32 bytes."""
    card_sha256: bytes
    """SHA-256 of the card, 32 bytes."""
    size_bytes: int
    """Length of the weights, bytes."""
    accepted_time: datetime
    """When it was accepted, aware UTC."""
    actor: str
    """Who handed it in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How a shadow compared with a live version; the fields are those of `ShadowComparison` on the wire."""

    live_version: str
    """The live version."""
    shadow_version: str
    """The shadow."""
    image_count: int
    """Images that both read."""
    failure_count: int
    """Images that the shadow failed to read."""
    label_count: int
    """Images with a label of both."""
    same_label_count: int
    """Those with the same label."""
    mean_probability_difference: float | None
    """Mean of the largest difference of a class's probability, 0..1."""
    mean_dice: float | None
    """Mean overlap of both masks, 0..1."""
    hc_count: int
    """Images with a head circumference of both, in millimetres."""
    mean_hc_difference_mm: float | None
    """Mean absolute difference of the circumferences, millimetres."""


def read_states(tx: Tx) -> dict[str, ModelState]:
    """The state of every model, by name."""
    rows = tx.execute(sa.select(model_state).order_by(model_state.c.model))
    return {row.model: _state(row) for row in rows}


def read_state(tx: Tx, model: str) -> tuple[ModelState, datetime] | None:
    """The state of a model and when it last changed; None: the site has no such model."""
    row = tx.execute(sa.select(model_state).where(model_state.c.model == model)).one_or_none()
    return None if row is None else (_state(row), row.updated_time)


def write_state(tx: Tx, state: ModelState, now: datetime) -> None:
    """Makes `state` the model's."""
    values = {
        "live_version": state.live,
        "previous_version": state.previous,
        "shadow_version": state.shadow,
        "updated_time": now,
    }
    changed = tx.execute(sa.update(model_state).where(model_state.c.model == state.model).values(values))
    if changed.rowcount == 0:
        tx.execute(sa.insert(model_state).values(model=state.model, **values))


def read_versions(tx: Tx, model: str | None = None) -> list[VersionRow]:
    """The accepted versions, of one model or of all, the highest first."""
    query = sa.select(model_version)
    if model is not None:
        query = query.where(model_version.c.model == model)
    rows = [VersionRow(**row._mapping) for row in tx.execute(query)]
    return sorted(rows, key=lambda row: (row.model, -int(row.version)))


def read_version(tx: Tx, model: str, version: str) -> VersionRow | None:
    """One accepted version; None where the site has not got it."""
    chosen = (model_version.c.model == model) & (model_version.c.version == version)
    row = tx.execute(sa.select(model_version).where(chosen)).one_or_none()
    return None if row is None else VersionRow(**row._mapping)


def add_version(tx: Tx, row: VersionRow) -> None:
    """Enters a version as accepted: from now on its folder counts."""
    values = {name: getattr(row, name) for name in VersionRow.__dataclass_fields__}
    tx.execute(sa.insert(model_version).values(values))


def add_event(tx: Tx, event: ModelEvent) -> None:
    """Adds to the history."""
    values = {
        "model": event.model,
        "action": event.action.value,
        "version": event.version,
        "before_version": event.before,
        "actor": event.actor,
        "event_time": event.time,
        "ledger_index": event.ledger_index,
    }
    tx.execute(sa.insert(model_event).values(values))


def read_events(tx: Tx, model: str, limit: int = EVENTS_MAX) -> list[ModelEvent]:
    """What was done with a model, the newest first."""
    query = (
        sa.select(model_event)
        .where(model_event.c.model == model)
        .order_by(model_event.c.event_id.desc())
        .limit(limit)
    )
    return [
        ModelEvent(
            model=row.model,
            action=Action(row.action),
            version=row.version,
            before=row.before_version,
            actor=row.actor,
            time=row.event_time,
            ledger_index=row.ledger_index,
        )
        for row in tx.execute(query)
    ]


def pushed_index(tx: Tx, model: str, version: str) -> int | None:
    """Index of the ledger's entry of a push; None for a version that came with the program."""
    table = model_event.c
    query = sa.select(table.ledger_index).where(
        (table.model == model) & (table.version == version) & (table.action == Action.PUSHED.value)
    )
    found: int | None = tx.execute(query).scalar()
    return found


def read_comparisons(tx: Tx, model: str) -> list[Comparison]:
    """How the model's shadows compared, one for each pair of versions, the newest pair first."""
    table = shadow_reading.c
    failed = table.error.is_not(None)

    def count(condition: Any) -> Any:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    query = (
        sa.select(
            table.live_version,
            table.shadow_version,
            count(~failed).label("image_count"),
            count(failed).label("failure_count"),
            sa.func.count(table.same_label).label("label_count"),
            count(table.same_label.is_(True)).label("same_label_count"),
            sa.func.avg(table.probability_difference).label("mean_probability_difference"),
            sa.func.avg(table.dice).label("mean_dice"),
            sa.func.count(table.hc_difference_mm).label("hc_count"),
            sa.func.avg(sa.func.abs(table.hc_difference_mm)).label("mean_hc_difference_mm"),
        )
        .where(table.model == model)
        .group_by(table.live_version, table.shadow_version)
        .order_by(sa.func.max(table.read_time).desc())
    )
    return [Comparison(**row._mapping) for row in tx.execute(query)]


def _state(row: Any) -> ModelState:
    return ModelState(
        model=row.model,
        live=row.live_version,
        previous=row.previous_version,
        shadow=row.shadow_version,
    )
