"""Part of step 11: model life: push, promotion, rollback and shadow of a running server's models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.errors import CallRefused, RetryLater
from cloud.infer import Describes, DescribingEngine, KeepsVersions, LoadedVersion, RunsHere
from cloud.infer.engines.repository import ModelFolder, read_model_folder
from cloud.infer.errors import EngineBusy, EngineUnreachable, ModelInvalid
from cloud.ledger import Ledger
from cloud.log import Log
from cloud.models import rows
from cloud.models.accept import Rule, check_files, check_runs, refuse
from cloud.models.entry import entry
from cloud.models.rows import Comparison, VersionRow
from cloud.models.rules import Action, ModelEvent, ModelState, promote, roll_back, set_shadow
from cloud.models.site import CARD, WEIGHTS, SiteModels
from sonorelay.contract.digest import sha256
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import WireReason


class VersionedEngine(KeepsVersions, Describes, Protocol):
    """An engine that exchanges versions and knows the facts about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeServices:
    """Everything outside that model life touches."""

    site: SiteModels
    """Files of the site's models."""
    database: Database
    """State, versions, history."""
    engine: VersionedEngine
    """Answers with the live versions."""
    checker: KeepsVersions
    """Runs what is pushed, in this process; it serves nothing."""
    ledger: Ledger
    """Takes an entry for everything that a person does."""
    signer: Signer
    """Signs the entries with the log's key."""
    clock: Clock
    """Now, aware UTC."""
    on_exchange: Callable[[], None]
    """Called when another version answers: what was read ahead with the one before is not to be used."""
    log: Log
    """Where events are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """A model and its versions in use."""

    state: ModelState
    """Its versions in use."""
    live_sha256: bytes
    """SHA-256 of the live weights."""
    updated_time: datetime
    """When the state last changed."""
    version_count: int
    """How many versions the site has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """All about one model."""

    summary: ModelSummary
    """The model."""
    versions: list[VersionRow]
    """Its versions, the highest first."""
    events: list[ModelEvent]
    """Its history, the newest first."""
    comparisons: list[Comparison]
    """How its shadows compared."""


class ModelLife:
    """The only way in which versions of a running server's models change.

    A change is: load the version beside the one that answers, write state, history and ledger entry in one
    transaction, exchange one reference. Killed before the transaction, nothing has changed; after it, the next
    start has the new state. One change is made at a time. Nothing waits for it and no reading is lost: a reading
    ends with the versions that it began with.
    """

    def __init__(self, services: LifeServices) -> None:
        self._services = services
        self._changing = asyncio.Lock()
        self._shadows: dict[str, LoadedVersion] = {}

    async def start(self) -> None:
        """Loads the shadows; one that does not load any more is logged, and reads nothing."""
        states = await self._services.database.read(rows.read_states)
        for state in states.values():
            if state.shadow is None:
                continue
            try:
                self._shadows[state.model] = await self._load(state.model, state.shadow)
            except (CallRefused, RetryLater):
                self._services.log.error("shadow_unusable", models=state.model, version=state.shadow)

    def shadows(self) -> Mapping[str, tuple[str, DescribingEngine]]:
        """By model: the version that reads along, and an engine that answers with it in the live one's place."""
        engine = self._services.engine
        return {
            model: (loaded.info.version, engine.beside(loaded)) for model, loaded in self._shadows.items()
        }

    async def push(
        self, model: str, version: str, files: Mapping[str, bytes], actor: str
    ) -> tuple[bytes, int]:
        """Accepts a version: SHA-256 of its weights and index of its ledger entry. It does not answer yet.

        Refuses MODEL_UNKNOWN, MODEL_VERSION_EXISTS, and MODEL_REFUSED with the rule that it breaks.
        """
        async with self._changing:
            state, _ = await self._services.database.read(lambda tx: _known(tx, model))
            repeated = await self._services.database.read(lambda tx: _repeated(tx, model, version, files))
            if repeated is not None:
                return repeated
            site = self._services.site
            folder = await asyncio.to_thread(site.receive, model, version, files)
            try:
                live = await asyncio.to_thread(read_model_folder, site.folder(model), state.live)
                pushed = await asyncio.to_thread(check_files, folder, version, live)
                await self._check_runs(pushed, folder)
                await asyncio.to_thread(site.place, folder / version, model)
            finally:
                await asyncio.to_thread(site.drop, folder.parent)
            return await self._enter(pushed, files, actor)

    async def promote(self, model: str, version: str, actor: str) -> ModelSummary:
        """The version answers; see the rule of the same name."""
        return await self._exchange(model, actor, Action.PROMOTED, lambda _, state: promote(state, version))

    async def roll_back(self, model: str, from_version: str, actor: str) -> ModelSummary:
        """The previous version answers again; see the rule of the same name."""

        def decide(tx: Tx, state: ModelState) -> ModelState:
            last = rows.read_events(tx, model, 1)
            return roll_back(state, from_version, last[0] if last else None)

        return await self._exchange(model, actor, Action.ROLLED_BACK, decide)

    async def set_shadow(self, model: str, version: str | None, actor: str) -> ModelSummary:
        """The version reads along, or none does; see the rule of the same name."""
        async with self._changing:
            old, _ = await self._services.database.read(lambda tx: _known(tx, model, version))
            new = set_shadow(old, version)
            loaded = None if version is None else await self._load(model, version)
            if new != old:
                await self._write(new, Action.SHADOWED, version, old.shadow, actor)
            self._note_shadow(model, loaded)
        return await self.summary(model)

    async def summaries(self) -> list[ModelSummary]:
        """Every model, by name."""
        return await self._services.database.read(
            lambda tx: [_summary(tx, model) for model in rows.read_states(tx)]
        )

    async def summary(self, model: str) -> ModelSummary:
        """One model. Refuses MODEL_UNKNOWN."""
        return await self._services.database.read(lambda tx: _summary(tx, model))

    async def report(self, model: str) -> ModelReport:
        """All about one model. Refuses MODEL_UNKNOWN."""

        def work(tx: Tx) -> ModelReport:
            return ModelReport(
                summary=_summary(tx, model),
                versions=rows.read_versions(tx, model),
                events=rows.read_events(tx, model),
                comparisons=rows.read_comparisons(tx, model),
            )

        return await self._services.database.read(work)

    def card(self, model: str, version: str) -> str:
        """The card of an accepted version, TOML; reads a file."""
        return self._services.site.card(model, version)

    async def _exchange(
        self, model: str, actor: str, action: Action, decide: Callable[[Tx, ModelState], ModelState]
    ) -> ModelSummary:
        """Makes another version the live one, as `decide` says."""
        async with self._changing:

            def work(tx: Tx) -> tuple[ModelState, ModelState]:
                old, _ = _known(tx, model)
                new = decide(tx, old)
                _known(tx, model, new.live)
                return old, new

            old, new = await self._services.database.read(work)
            if new != old:
                loaded = await self._load(model, new.live)
                await self._write(new, action, new.live, old.live, actor)
                # From here on nothing may fail or wait: the state is written.
                self._services.engine.serve(loaded)
                if new.shadow is None:
                    self._note_shadow(model, None)
                self._services.on_exchange()
                self._services.log.info("model_exchanged", models=model, version=new.live)
        return await self.summary(model)

    async def _load(self, model: str, version: str) -> LoadedVersion:
        services = self._services
        row = await services.database.read(lambda tx: rows.read_version(tx, model, version))
        try:
            loaded = await services.engine.load(services.site.folder(model), version)
        except ModelInvalid as exc:
            refuse(Rule.WEIGHTS, exc.reason)
        except (EngineBusy, EngineUnreachable) as exc:
            raise RetryLater("the engine is busy or away", exc.after_s) from exc
        if row is None or loaded.info.sha256 != row.sha256.hex():
            refuse(Rule.DIGEST, f"the files of version {version} are not those that were accepted")
        return loaded

    async def _check_runs(self, pushed: ModelFolder, folder: Path) -> None:
        """Loads a version that is not the site's yet and runs its sample."""
        checker = self._services.checker
        try:
            loaded = await checker.load(folder, pushed.info.version)
        except ModelInvalid as exc:
            refuse(Rule.WEIGHTS, exc.reason)
        runner = checker.beside(loaded)
        assert isinstance(runner, RunsHere)
        await asyncio.to_thread(check_runs, loaded, runner, pushed)

    async def _enter(self, pushed: ModelFolder, files: Mapping[str, bytes], actor: str) -> tuple[bytes, int]:
        """The transaction that makes a placed version count."""
        now, info = self._services.clock(), pushed.info
        row = VersionRow(
            model=info.name,
            version=info.version,
            sha256=sha256(files[WEIGHTS]),
            card_sha256=sha256(files[CARD]),
            size_bytes=len(files[WEIGHTS]),
            accepted_time=now,
            actor=actor,
        )
        event = ModelEvent(
            model=info.name, action=Action.PUSHED, version=info.version, before=None, actor=actor, time=now
        )

        def work(tx: Tx) -> int:
            rows.add_version(tx, row)
            return self._add(tx, event, row.sha256)

        index = await self._services.database.write(work)
        self._services.log.info("model_pushed", models=info.name, version=info.version)
        return row.sha256, index

    async def _write(
        self, state: ModelState, action: Action, version: str | None, before: str | None, actor: str
    ) -> None:
        now = self._services.clock()
        event = ModelEvent(
            model=state.model, action=action, version=version, before=before, actor=actor, time=now
        )

        def work(tx: Tx) -> None:
            row = None if version is None else rows.read_version(tx, state.model, version)
            rows.write_state(tx, state, now)
            self._add(tx, event, None if row is None else row.sha256)

        await self._services.database.write(work)

    def _add(self, tx: Tx, event: ModelEvent, digest: bytes | None) -> int:
        """Ledger entry and history; the entry's index."""
        services = self._services
        (index,) = services.ledger.append(tx, [entry(event, digest, services.signer)])
        rows.add_event(tx, replace(event, ledger_index=index))
        return index

    def _note_shadow(self, model: str, loaded: LoadedVersion | None) -> None:
        if loaded is None:
            self._shadows.pop(model, None)
        else:
            self._shadows[model] = loaded


def _known(tx: Tx, model: str, version: str | None = None) -> tuple[ModelState, datetime]:
    """The model's state. Refuses a model, or a version, that the site has not got as MODEL_UNKNOWN."""
    found = rows.read_state(tx, model)
    if found is None:
        raise CallRefused(WireReason.MODEL_UNKNOWN, "the site has no model of this name")
    if version is not None and rows.read_version(tx, model, version) is None:
        raise CallRefused(WireReason.MODEL_UNKNOWN, f"the site has no such version of {model}")
    return found


def _repeated(tx: Tx, model: str, version: str, files: Mapping[str, bytes]) -> tuple[bytes, int] | None:
    """The answer to a push that was accepted before; None where there was none. Refuses other files."""
    row = rows.read_version(tx, model, version)
    if row is None:
        return None
    if (row.sha256, row.card_sha256) != (sha256(files[WEIGHTS]), sha256(files[CARD])):
        raise CallRefused(
            WireReason.MODEL_VERSION_EXISTS,
            f"version {version} of {model} is there with other files; a version is never overwritten",
        )
    index = rows.pushed_index(tx, model, version)
    return row.sha256, -1 if index is None else index


def _summary(tx: Tx, model: str) -> ModelSummary:
    state, updated_time = _known(tx, model)
    versions = rows.read_versions(tx, model)
    return ModelSummary(
        state=state,
        live_sha256=next(row.sha256 for row in versions if row.version == state.live),
        updated_time=updated_time,
        version_count=len(versions),
    )
