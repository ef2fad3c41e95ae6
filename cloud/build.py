"""Puts the cloud server together: the only file that picks implementations."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import cv2
import sqlalchemy as sa

from cloud.accounts.all import Accounts, make_accounts
from cloud.accounts.anchor import Anchors
from cloud.accounts.oidc_settings import provider_of
from cloud.accounts.passwords import Passwords
from cloud.accounts.seal import open_seal
from cloud.accounts.services import AccountServices
from cloud.config import Config
from cloud.console.api.app import create_app
from cloud.console.api.limits import Kind, Limits, Rates
from cloud.console.api.services import ConsoleServices
from cloud.console.api.site import Site
from cloud.db import Database, Tx, migrate
from cloud.db.job_table import JobTable
from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import job
from cloud.db.times import Clock, utc_now
from cloud.errors import ConfigInvalid, StoreFull
from cloud.examinations.adopt import adopt
from cloud.examinations.all import make_examinations
from cloud.examinations.services import ExaminationServices
from cloud.infer import DescribingEngine, ServingEngine
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import InferError, ModelUnknown
from cloud.infer.pipeline import MODELS, Reader
from cloud.ingest.budget import Budget
from cloud.ingest.cache import CachedBlobStore
from cloud.ingest.guard import Guard
from cloud.ingest.servicer import AgentServicer, IngestServicer, LedgerServicer
from cloud.ingest.services import Admit, BeforeStep, IngestServices
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
from cloud.monitor.missing import MissingWatch
from cloud.publish.hub import Hub
from cloud.publish.timings import LateTimings
from cloud.publish.topic import TopicBus
from cloud.series.service import SeriesService, SeriesSettings, open_series
from cloud.server import FIRST_LINK_FILE, Parts, Server
from cloud.site_files import site_policy, site_protocol, site_thresholds
from cloud.store.disk import DiskBlobStore
from cloud.work.results import ResultLedger, end_leases
from cloud.work.shadow import ShadowReader, ShadowServices
from cloud.work.worker import InferenceWorker, WorkServices
from sonorelay.contract.notes import Signer

_FRAGMENTS_MAX_BYTES: Final = 64 * 1024 * 1024
_FULL_AFTER_S: Final = 30.0
_QUEUE_LOOK_S: Final = 1.0


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
    disk = DiskBlobStore(data / "blobs", config.free_min_bytes)
    key_file = data / "keys" / "log.key"
    ledger_dir = data / "ledger"
    ledger = await open_or_begin(ledger_dir, database, config.site, key_file)
    store = CachedBlobStore(disk, config.cache_bytes)
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
    bus = TopicBus()
    hub = Hub(database, bus)
    services = IngestServices(
        database=database,
        store=store,
        ledger=ledger,
        jobs=JobTable(clock),
        bus=bus,
        uploads=Uploads(database, store, config.open_uploads_max),
        budget=Budget(_FRAGMENTS_MAX_BYTES),
        offer_part=no_part,
        admit=admission(config, database),
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
        store=disk,
        ledger=ledger,
        signer=signer,
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        log=log,
    )
    loops = [MissingWatch(database, bus, clock, log).run, Anchors(database, ledger, signer, log).run]
    life: ModelLife | None = None
    if engine is not None:
        await database.write(lambda tx: end_leases(tx, READ_JOB, clock()))
        worker, life, shadow = _reading(config, services, engine, site, signer)
        await life.start()
        services = replace(services, offer_part=worker.offer)
        loops += [worker.run, shadow.run]
    return Parts(
        guard=Guard(log, draining, lambda: uuid.uuid4().hex),
        ingest=IngestServicer(services),
        ledger=LedgerServicer(ledger),
        agent=AgentServicer(services, hub),
        models=ModelServicer(life),
        app=create_app(_console(config, services, accounts, series, hub, engine, signer, life)),
        loops=tuple(loops),
        publish_until=lambda stop: publish_until(stop, ledger),
        hub=hub,
        log_verifier_key=str(ledger.verifier),
        begin_first=accounts.people.begin_first,
        close=_closing(engine, series, disk, database, passwords),
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


def _console(
    config: Config,
    services: IngestServices,
    accounts: Accounts,
    series: SeriesService,
    hub: Hub,
    engine: DescribingEngine | None,
    signer: Signer,
    life: ModelLife | None,
) -> ConsoleServices:
    sex = site_policy(config)
    return ConsoleServices(
        database=services.database,
        accounts=accounts,
        series=series,
        hub=hub,
        store=services.store,
        ledger=services.ledger,
        ledger_dir=config.data_dir / "ledger",
        engine=engine,
        examinations=make_examinations(
            ExaminationServices(
                database=services.database,
                ledger=services.ledger,
                signer=signer,
                bus=services.bus,
                clock=services.clock,
                sex=sex,
                protocol=site_protocol(config),
            )
        ),
        site=Site(thresholds=site_thresholds(config), sex=sex),
        clock=services.clock,
        version=installed_version(),
        site_name=config.site_name,
        time_zone=config.time_zone,
        life=life,
        limits=Limits(_rates(config), time.monotonic),
        public_url=config.public_url,
        allowed_hosts=frozenset(host.lower() for host in config.allowed_hosts),
    )


def _rates(config: Config) -> Rates:
    of_one = {
        Kind.READ: config.reads_per_minute,
        Kind.CHANGE: config.changes_per_minute,
        Kind.EXPORT: config.exports_per_minute,
    }
    return Rates(of_one=of_one, of_address={kind: 10 * rate for kind, rate in of_one.items()})


def _closing(
    engine: ServingEngine | None,
    series: SeriesService,
    disk: DiskBlobStore,
    database: SqliteDatabase,
    passwords: Passwords,
) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        if engine is not None:
            await engine.close()
        await series.close()
        await asyncio.to_thread(passwords.close)
        await asyncio.to_thread(disk.close)
        await asyncio.to_thread(database.close)

    return close


def admission(config: Config, database: Database, stopwatch: Callable[[], float] = time.monotonic) -> Admit:
    """Refuses uploads while the disk or the queue is full; looks at the queue at most once a second."""
    looked_s = -_QUEUE_LOOK_S
    queue_is_full = False

    def waits_too_many(tx: Tx) -> bool:
        waiting = sa.select(sa.func.count()).select_from(job).where(job.c.state == "queued")
        return bool(tx.execute(waiting).scalar_one() > config.queue_max)

    async def admit(size_bytes: int) -> None:
        nonlocal looked_s, queue_is_full
        free_bytes = shutil.disk_usage(config.data_dir).free
        if free_bytes - size_bytes < config.free_min_bytes:
            raise StoreFull("the disk is over its watermark", _FULL_AFTER_S)
        if stopwatch() - looked_s >= _QUEUE_LOOK_S:
            looked_s = stopwatch()
            queue_is_full = await database.read(waits_too_many)
        if queue_is_full:
            raise StoreFull("too many images wait to be read", _FULL_AFTER_S)

    return admit
