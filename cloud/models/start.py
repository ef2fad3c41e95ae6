"""Part of step 11: model life: a server's start: the site takes what came with the program and opens its
engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.infer import Describes
from cloud.infer.engines.repository import ModelFolder
from cloud.infer.errors import ModelInvalid
from cloud.log import Log
from cloud.models import rows
from cloud.models.rows import VersionRow
from cloud.models.rules import PROGRAM, Action, ModelEvent, ModelState, promote
from cloud.models.site import SiteModels, card_sha256, shipped_models
from cloud.store import durable

E = TypeVar("E", bound=Describes)

_TAKEN: Final = "the site has other weights under this number and keeps them"

OpenEngine = Callable[[Path, Mapping[str, str]], Awaitable[E]]
"""Opens an engine on a repository, with the version that each model is to answer with; raises ModelInvalid."""


async def open_site(
    site: SiteModels,
    database: Database,
    shipped: Path,
    open_engine: OpenEngine[E],
    close_engine: Callable[[E], Awaitable[None]],
    clock: Clock,
    log: Log,
) -> E:
    """An engine that answers with the site's live versions.

    The site first takes what the program brings: a new version is copied in, and becomes the live one where
    the live one came with the program too. What a killed push left is swept. A live version that the program
    cannot serve any more (other inputs or outputs, damaged files) is replaced by the program's own, which
    the log and the history say. Raises ModelInvalid where a model of the program cannot serve either, or its
    number is taken.
    """
    models, others = await asyncio.to_thread(shipped_models, shipped)
    await asyncio.to_thread(durable.make_folder, site.root)
    for folder in others:
        await asyncio.to_thread(site.take_whole, folder)
    ours: dict[str, ModelFolder] = {}
    for model in models:
        name, version = model.info.name, model.info.version
        if await _take(site, database, shipped / name, model, clock()):
            ours[name] = model
        else:
            log.error("shipped_version_not_taken", models=name, version=version, hint=_TAKEN)
    accepted: dict[str, set[str]] = {}
    for row in await database.read(rows.read_versions):
        accepted.setdefault(row.model, set()).add(row.version)
    await asyncio.to_thread(site.sweep, accepted)
    while True:
        states = await database.read(rows.read_states)
        try:
            return await _open(site, database, states, open_engine, close_engine)
        except ModelInvalid as exc:
            state, own = states.get(exc.model), ours.get(exc.model)
            if state is None or own is None or state.live == own.info.version:
                raise
            log.error("model_replaced", models=exc.model, version=own.info.version, hint=exc.reason)
            await database.write(_replacing(state, own, clock()))


async def _open(
    site: SiteModels,
    database: Database,
    states: Mapping[str, ModelState],
    open_engine: OpenEngine[E],
    close_engine: Callable[[E], Awaitable[None]],
) -> E:
    """The engine, whose weights are those that were accepted."""
    engine = await open_engine(site.root, {model: state.live for model, state in states.items()})
    versions = await database.read(rows.read_versions)
    digests = {(row.model, row.version): row.sha256.hex() for row in versions}
    for model, state in states.items():
        info = engine.describe(model)
        # An engine elsewhere may run a variant of the weights, whose digest the accepted card names.
        variants = [v["sha256"] for v in info.card.get("variants", {}).values() if isinstance(v, dict)]
        if info.sha256 not in (digests[model, state.live], *variants):
            await close_engine(engine)
            raise ModelInvalid(model, f"the weights of version {state.live} are not those that were accepted")
    return engine


async def _take(
    site: SiteModels, database: Database, folder: Path, model: ModelFolder, now: datetime
) -> bool:
    """Takes one model of the program: settings always, the version where the site has not got it. False where
    the site has other weights under its number: a version is never overwritten."""
    info = model.info
    await asyncio.to_thread(site.take_settings, folder)
    row = await database.read(lambda tx: rows.read_version(tx, info.name, info.version))
    if row is not None:
        return row.sha256.hex() == info.sha256
    await asyncio.to_thread(site.take_version, folder, info.version)
    new = VersionRow(
        model=info.name,
        version=info.version,
        sha256=bytes.fromhex(info.sha256),
        card_sha256=card_sha256(folder, info.version),
        size_bytes=len(model.weights),
        accepted_time=now,
        actor=PROGRAM,
    )

    def work(tx: Tx) -> None:
        found = rows.read_state(tx, info.name)
        rows.add_version(tx, new)
        if found is None:
            rows.write_state(tx, ModelState(model=info.name, live=info.version), now)
            rows.add_event(tx, _shipped(info.name, info.version, None, now))
            return
        state, _ = found
        live = rows.read_version(tx, info.name, state.live)
        if live is not None and live.actor == PROGRAM:
            rows.write_state(tx, promote(state, info.version), now)
            rows.add_event(tx, _shipped(info.name, info.version, state.live, now))

    await database.write(work)
    return True


def _replacing(state: ModelState, own: ModelFolder, now: datetime) -> Callable[[Tx], None]:
    """The transaction that makes the program's own version the live one, with nothing to go back to."""

    def work(tx: Tx) -> None:
        rows.write_state(tx, ModelState(model=state.model, live=own.info.version), now)
        rows.add_event(tx, _shipped(state.model, own.info.version, state.live, now))

    return work


def _shipped(model: str, version: str, before: str | None, now: datetime) -> ModelEvent:
    return ModelEvent(
        model=model, action=Action.SHIPPED, version=version, before=before, actor=PROGRAM, time=now
    )
