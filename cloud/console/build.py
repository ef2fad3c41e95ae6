"""Puts together what the console's API works on."""

from __future__ import annotations

import time

from cloud.accounts.all import Accounts
from cloud.config import Config
from cloud.console.api.limits import Kind, Limits, Rates
from cloud.console.api.services import ConsoleServices
from cloud.console.api.site import Site
from cloud.examinations.all import make_examinations
from cloud.examinations.services import ExaminationServices
from cloud.infer import DescribingEngine
from cloud.ingest.services import IngestServices
from cloud.models.life import ModelLife
from cloud.monitor.all import Monitor
from cloud.publish.hub import Hub
from cloud.series.service import SeriesService
from cloud.site_files import site_policy, site_protocol, site_thresholds
from sonorelay.contract.notes import Signer


def build_console(
    *,
    config: Config,
    services: IngestServices,
    accounts: Accounts,
    series: SeriesService,
    hub: Hub,
    engine: DescribingEngine | None,
    signer: Signer,
    life: ModelLife | None,
    monitor: Monitor,
    version: str,
) -> ConsoleServices:
    """Everything that the API works on, as the site has configured it."""
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
            ),
            services.jobs,
        ),
        site=Site(thresholds=site_thresholds(config), sex=sex),
        monitor=monitor,
        clock=services.clock,
        version=version,
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
