"""Puts the cloud server together: the only file that picks implementations."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import cv2

from cloud.accounts.all import make_accounts
from cloud.accounts.anchor import Anchors
from cloud.accounts.oidc_settings import provider_of
from cloud.accounts.passwords import Passwords
from cloud.accounts.seal import open_seal
from cloud.accounts.services import AccountServices
from cloud.config import Config
from cloud.console.api.app import create_app
from cloud.console.build import build_console
from cloud.db import migrate
from cloud.db.job_table import JobTable
from cloud.db.sqlite import SqliteDatabase
from cloud.db.times import Clock, utc_now
from cloud.errors import ConfigInvalid
from cloud.examinations.adopt import adopt
from cloud.infer import DescribingEngine, ServingEngine
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import InferError, ModelUnknown
from cloud.infer.pipeline import MODELS, Reader
from cloud.ingest.admission import admission
from cloud.ingest.budget import Budget
from cloud.ingest.cache import CachedBlobStore
from cloud.ingest.guard import Guard
from cloud.ingest.presence import Presence
from cloud.ingest.servicer import AgentServicer, IngestServicer, LedgerServicer
from cloud.ingest.services import BeforeStep, IngestServices
from cloud.ingest.uploads import Uploads
from cloud.ledger.first_start import open_or_begin
from cloud.ledger.keys import load_key
from cloud.ledger.publisher import publish_until
from cloud.line import READ_JOB
from cloud.log import Log
from cloud.models.life import LifeServices, ModelLife
from cloud.models.servicer import ModelServicer
from cloud.models.site import SiteModels
from cloud.models.start import open_site
from cloud.monitor.all import Monitor
from cloud.monitor.build import build_monitor
from cloud.monitor.missing import MissingWatch
from cloud.publish.hub import Hub
from cloud.publish.timings import LateTimings
from cloud.publish.topic import TopicBus
from cloud.series.service import SeriesService, SeriesSettings, open_series
from cloud.server import FIRST_LINK_FILE, Parts, Server
from cloud.site_files import site_thresholds
from cloud.store import BlobStore
from cloud.store.tenants import TenantStores
from cloud.tenants import DEFAULT_TENANT
from cloud.work.results import ResultLedger, end_leases
from cloud.work.shadow import ShadowReader, ShadowServices
from cloud.work.worker import InferenceWorker, WorkServices
from sonorelay.contract.notes import Signer

_FRAGMENTS_MAX_BYTES: Final = 64 * 1024 * 1024


def no_step(_number: int, _name: str) -> None:
    """The hook before steps that does nothing."""


def no_part(_part: bytes) -> None:
    """Takes parts where no image is read."""


def build_server(
    config: Config,
    log: Log,
    *,
    before_step: BeforeStep = no_step,
    clock: Clock = utc_now,
) -> Server:
    """A server that is ready to start. Nothing is opened or created before it starts.

    `before_step` is called with number and name just before each of the steps 8 to 12.
    """

    async def open_parts(draining: asyncio.Event) -> Parts:
        return await _open(config, log, before_step, clock, draining)

    return Server(config, log, open_parts)


def installed_version() -> str:
    """Version of the program; "0" where it is run without being installed."""
    try:
        return version("sonorelay")
    except PackageNotFoundError:
        return "0"


def default_model_repository() -> Path:
    """The models that come with the program: beside the packages of a checkout, or inside the package."""
    inside = Path(__file__).parent / "model_repository"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "model_repository"


async def open_engine(config: Config) -> ServingEngine:
    """The engine with the models that come with the program. Raises ConfigInvalid where one that reading needs
    is not there."""
    return await _checked_engine(config, lambda shipped: _started(config, shipped, {}))


async def _open_site(
    config: Config, site: SiteModels, database: SqliteDatabase, clock: Clock, log: Log
) -> ServingEngine:
    """The engine with the site's live versions. Errors as `open_engine`; the database is closed then."""

    async def start(root: Path, versions: Mapping[str, str]) -> ServingEngine:
        return await _started(config, root, versions)

    async def close(engine: ServingEngine) -> None:
        await engine.close()

    try:
        return await _checked_engine(
            config, lambda shipped: open_site(site, database, shipped, start, close, clock, log)
        )
    except BaseException:
        await asyncio.to_thread(database.close)
        raise


async def _started(config: Config, repository: Path, versions: Mapping[str, str]) -> ServingEngine:
    engine = _new_engine(config, repository)
    await engine.start(versions)
    return engine


def _new_engine(config: Config, repository: Path) -> ServingEngine:
    """The engine of the settings. Those that not every site has are imported only where they are chosen."""
    if config.engine == "openvino":
        try:
            from cloud.infer.engines.openvino import OpenVinoEngine
        except ModuleNotFoundError as exc:
            raise ConfigInvalid(
                f"engine openvino: no module {exc.name}; pip install sonorelay[openvino]"
            ) from exc
        return OpenVinoEngine(repository, config.inference_threads)
    if config.engine == "triton":
        from cloud.infer.engines.triton import TlsFiles, TritonEngine

        tls = None
        if config.triton_ca_file and config.triton_certificate_file and config.triton_key_file:
            tls = TlsFiles(
                ca=config.triton_ca_file,
                certificate=config.triton_certificate_file,
                key=config.triton_key_file,
            )
        return TritonEngine(repository, config.triton_address, tls=tls, deadline_s=config.triton_deadline_s)
    return OnnxEngine(repository, config.inference_threads)


async def _checked_engine(
    config: Config, open_on: Callable[[Path], Awaitable[ServingEngine]]
) -> ServingEngine:
    """An engine that serves all that reading needs. Raises ConfigInvalid with what to do."""
    repository = config.model_repository or default_model_repository()
    hint = f"look at model_repository ({repository}), or set inference = false"
    if not repository.is_dir():
        raise ConfigInvalid(f"there is no model repository; {hint}")
    try:
        engine = await open_on(repository)
    except InferError as exc:
        raise ConfigInvalid(f"{exc}; {hint}") from exc
    absent = [model for model in MODELS if not _knows(engine, model)]
    if absent:
        await engine.close()
        raise ConfigInvalid(f"no model {', '.join(absent)}; {hint}")
    return engine


def _knows(engine: ServingEngine, model: str) -> bool:
    try:
        engine.describe(model)
    except ModelUnknown:
        return False
    return True


async def _open(
    config: Config, log: Log, before_step: BeforeStep, clock: Clock, draining: asyncio.Event
) -> Parts:
    """Opens everything, in the order in which one thing needs the other."""
    data = config.data_dir
    database_file = data / "state.db"
    await asyncio.to_thread(migrate.upgrade, database_file)
    database = SqliteDatabase(database_file)
    site = SiteModels(data / "models")
    engine = await _open_site(config, site, database, clock, log) if config.inference else None
    disk = TenantStores(data / "blobs", config.free_min_bytes)
    key_file = data / "keys" / "log.key"
    ledger_dir = data / "ledger"
    ledger = await open_or_begin(ledger_dir, database, config.site, key_file)
    store = CachedBlobStore(disk.first, config.cache_bytes)
    signer = Signer(config.site, load_key(key_file))
    passwords = Passwords()
    seal = await asyncio.to_thread(open_seal, data, database, secrets.token_bytes)
    accounts = make_accounts(
        AccountServices(
            database=database,
            clock=clock,
            random=secrets.token_bytes,
            passwords=passwords,
            seal=seal,
            on_first=lambda: (data / FIRST_LINK_FILE).unlink(missing_ok=True),
        ),
        *provider_of(config),
    )
    await adopt(database, config.examination_gap_s)

    def store_of(tenant_id: str) -> BlobStore:
        return store if tenant_id == DEFAULT_TENANT else store.beside(disk.of(tenant_id))

    bus = TopicBus()
    hub = Hub(database, bus)
    services = IngestServices(
        database=database,
        store=store,
        store_of=store_of,
        ledger=ledger,
        jobs=JobTable(clock),
        bus=bus,
        uploads=Uploads(database, store_of, config.open_uploads_max),
        budget=Budget(_FRAGMENTS_MAX_BYTES),
        offer_part=no_part,
        admit=admission(config, database),
        presence=Presence(clock),
        late_timings=LateTimings(),
        draining=draining,
        clock=clock,
        stopwatch=time.perf_counter,
        before_step=before_step,
        log=log,
        missing_after_s=config.missing_after_s,
        examination_gap_s=config.examination_gap_s,
    )
    series = open_series(
        SeriesSettings.of(config),
        data,
        database=database,
        store=disk.first,
        ledger=ledger,
        signer=signer,
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        log=log,
    )
    loops = [MissingWatch(database, bus, clock, log).run, Anchors(database, ledger, signer, log).run]
    loops.append(lambda: series.agents.run(bus))
    guard = Guard(log, draining, lambda: uuid.uuid4().hex)
    life: ModelLife | None = None
    worker: InferenceWorker | None = None
    if engine is not None:
        await database.write(lambda tx: end_leases(tx, READ_JOB, clock()))
        worker, life, shadow = _reading(config, services, engine, site, signer)
        await life.start()
        services = replace(services, offer_part=worker.offer)
        loops += [worker.run, shadow.run]
    monitor = build_monitor(
        config,
        services,
        hub,
        engine,
        busy=lambda: worker.busy_count if worker is not None else 0,
        calls=lambda: guard.calls,
        environment=os.environ,
        version=installed_version(),
    )
    await monitor.open()
    console = build_console(
        config=config,
        services=services,
        accounts=accounts,
        series=series,
        hub=hub,
        engine=engine,
        signer=signer,
        life=life,
        monitor=monitor,
        version=installed_version(),
    )
    return Parts(
        guard=guard,
        ingest=IngestServicer(services),
        ledger=LedgerServicer(ledger),
        agent=AgentServicer(services, hub),
        models=ModelServicer(life),
        app=create_app(console),
        loops=(*loops, *monitor.loops()),
        publish_until=lambda stop: publish_until(stop, ledger),
        hub=hub,
        log_verifier_key=str(ledger.verifier),
        begin_first=accounts.people.begin_first,
        close=_closing(engine, series, disk, database, passwords, monitor),
    )


def _reading(
    config: Config, services: IngestServices, engine: ServingEngine, site: SiteModels, signer: Signer
) -> tuple[InferenceWorker, ModelLife, ShadowReader]:
    """The inference worker on what ingest works on, the life of its models, and their shadows."""
    life = ModelLife(
        LifeServices(
            site=site,
            database=services.database,
            engine=engine,
            checker=OnnxEngine(site.root, 1),
            ledger=services.ledger,
            signer=signer,
            clock=services.clock,
            on_exchange=lambda: worker.forget_ahead(),
            log=services.log,
        )
    )
    shadow = ShadowReader(
        ShadowServices(
            database=services.database,
            store=services.store,
            shadows=life.shadows,
            is_idle=lambda: worker.is_idle,
            clock=services.clock,
            log=services.log,
        )
    )
    worker = _worker(config, services, engine, signer, shadow)
    return worker, life, shadow


def _worker(
    config: Config,
    services: IngestServices,
    engine: DescribingEngine,
    signer: Signer,
    shadow: ShadowReader,
) -> InferenceWorker:
    """The inference worker, on what ingest works on."""
    # Each image has a thread of its own; more for single resizings cost more than they save.
    cv2.setNumThreads(1)
    work = WorkServices(
        database=services.database,
        jobs=services.jobs,
        store=services.store,
        log_of_results=ResultLedger(ledger=services.ledger, signer=signer),
        reader=Reader(engine, thresholds=site_thresholds(config)),
        bus=services.bus,
        late_timings=services.late_timings,
        clock=services.clock,
        stopwatch=services.stopwatch,
        before_step=services.before_step,
        on_result=shadow.offer,
        log=services.log,
    )
    return InferenceWorker(work, overlap=config.inference_overlap)


def _closing(
    engine: ServingEngine | None,
    series: SeriesService,
    disk: TenantStores,
    database: SqliteDatabase,
    passwords: Passwords,
    monitor: Monitor,
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        monitor.watched.gpus.close()
        if engine is not None:
            await engine.close()
        await series.close()
        await asyncio.to_thread(passwords.close)
        await asyncio.to_thread(disk.close)
        await asyncio.to_thread(database.close)

    return close
