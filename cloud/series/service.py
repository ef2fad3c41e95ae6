"""Beside the thirteen steps: series: all of it together, for the console: list, one series, its planes, uploads."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cloud.accounts.values import Principal
from cloud.config import Config
from cloud.db import Database
from cloud.db.times import Clock
from cloud.errors import CloudError
from cloud.ledger import Ledger
from cloud.log import Log
from cloud.series import catalogue, rows
from cloud.series.arrival import Arrivals
from cloud.series.catalogue import Page, Places
from cloud.series.filing import Filing, FilingServices
from cloud.series.from_agents import AgentFiling
from cloud.series.keys import SeriesKey
from cloud.series.messages import OpenedFacts, StoredSeries, Sweep
from cloud.series.orders import Order, orders
from cloud.series.quarantine import Quarantine
from cloud.series.stored import SeriesRow
from cloud.series.uploads import SeriesFiles, SeriesUploads
from cloud.series.workers import Wanted, Workers
from cloud.store import FileBlobStore
from sonorelay.contract.notes import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSettings:
    """What a site decides about series."""

    worker_count: int
    """Worker processes."""
    memory_bytes: int
    """What volumes of all workers may take, and what building one may."""
    threshold: int
    """Images that a reconstruction needs."""
    trusts_pictures: bool
    """Whether the site declares that no text is burned into what its people upload."""
    free_min_bytes: int
    """No file is taken while the disk has less free than this, bytes."""

    @classmethod
    def of(cls, config: Config) -> Self:
        """What the settings say; a quarter of the machine's memory where they say none."""
        quarter = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4
        return cls(
            worker_count=config.series_workers,
            memory_bytes=config.series_memory_bytes or quarter,
            threshold=config.series_threshold,
            trusts_pictures=config.browser_ultrasound == "trusted",
            free_min_bytes=config.free_min_bytes,
        )


class SeriesUnknown(CloudError):
    """There is no such series."""


class SeriesChanged(CloudError):
    """Images came to the series after the version that was asked for."""


class SeriesService:
    """Series of a server."""

    def __init__(
        self,
        database: Database,
        places: Places,
        workers: Workers,
        uploads: SeriesUploads,
        filing: Filing,
        agents: AgentFiling,
        scratch: Path,
    ) -> None:
        self.uploads = uploads
        """Uploads of folders."""
        self.workers = workers
        """The processes that open series."""
        self.agents = agents
        """Files that agents sent."""
        self._database = database
        self._places = places
        self._filing = filing
        self._scratch = scratch

    async def page(
        self, *, tenant_id: str | None, limit: int, cursor: str | None, modality: str | None, q: str | None
    ) -> Page:
        """A part of the list, of the tenant's (None: the whole site's). Raises CursorInvalid."""
        asked = {"tenant_id": tenant_id, "cursor": cursor, "modality": modality, "q": q}
        return await self._database.read(lambda tx: catalogue.page(tx, limit=limit, **asked))

    async def orders(self, now: datetime, tenant_id: str | None) -> list[Order]:
        """How far the orders of the tenant's agents are (None: of the whole site's)."""
        return await self._database.read(lambda tx: orders(tx, now, tenant_id))

    async def row(self, series_id: str, version: int | None = None) -> SeriesRow:
        """The series. Errors: SeriesUnknown, and SeriesChanged where it is not of `version` any more."""
        row = await self._database.read(lambda tx: catalogue.series_of(tx, series_id))
        if row is None:
            raise SeriesUnknown("there is no such series")
        if version is not None and version != row.version:
            raise SeriesChanged(f"the series is of version {row.version}")
        return row

    async def ask(
        self,
        row: SeriesRow,
        method: str,
        *arguments: object,
        with_volume: bool = False,
        pane: str | None = None,
        wanted: Wanted | None = None,
    ) -> Any:
        """What a worker's `method` says of the series. Errors: those of `Workers.ask` and of the method."""
        return await self.workers.ask(
            (row.series_id, row.version),
            lambda: self._places.of(row),
            method,
            *arguments,
            with_volume=with_volume,
            pane=pane,
            wanted=wanted,
        )

    async def facts(self, row: SeriesRow) -> OpenedFacts:
        """All that is told of the series, its volume built. What building it showed is kept for the list."""
        found: OpenedFacts = await self.ask(row, "facts", with_volume=True)
        seen = replace(row, kind=found.kind, image_count=found.image_count, refusal=found.refusal)
        if seen != row and not row.is_captured_loop:
            await self._database.write(lambda tx: rows.keep_seen(tx, seen))
        return found

    async def places(self, row: SeriesRow) -> StoredSeries:
        """Where its images lie, in the order in which they came."""
        return await self._places.of(row)

    async def reconstruct(self, row: SeriesRow, asked: Sweep, by: Principal, scratch_name: str) -> SeriesRow:
        """Cuts planes and stores them as a new series. Errors: as `ask`; SeriesRefused, SliceInvalid, RetryLater."""
        folder = self._scratch / scratch_name
        folder.mkdir()
        try:
            paths = await self.ask(row, "export", asked, str(folder), with_volume=True)
            return await self._filing.store_reconstruction(row, [Path(path) for path in paths], by)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def close(self) -> None:
        """Ends the worker processes."""
        await self.workers.close()


def open_series(
    settings: SeriesSettings,
    data: Path,
    *,
    database: Database,
    store: FileBlobStore,
    ledger: Ledger,
    signer: Signer,
    clock: Clock,
    new_id: Callable[[], str],
    log: Log,
) -> SeriesService:
    """Series on the data folder `data`; worker processes begin with the first request. Raises ConfigInvalid."""
    arrivals = Arrivals(
        key=SeriesKey.open(data / "keys" / "series.key"), trusts_pictures=settings.trusts_pictures
    )
    places = Places(
        database=database, store=store, threshold=settings.threshold, cap_bytes=settings.memory_bytes
    )
    workers = Workers(settings.worker_count, settings.memory_bytes, lambda: log.warning("series_worker_died"))
    filing = Filing(
        FilingServices(
            database=database,
            store=store,
            ledger=ledger,
            signer=signer,
            places=places,
            workers=workers,
            clock=clock,
            new_id=new_id,
        )
    )
    files = SeriesFiles(
        database=database,
        store=store,
        arrivals=arrivals,
        quarantine=Quarantine(data / "quarantine"),
        incoming=data / "incoming",
        free_min_bytes=settings.free_min_bytes,
        clock=clock,
    )
    uploads = SeriesUploads(files, filing)
    uploads.sweep()
    agents = AgentFiling(database, arrivals, places, filing, log)
    return SeriesService(database, places, workers, uploads, filing, agents, files.incoming)
