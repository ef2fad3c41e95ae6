"""Monitor: puts it together from the settings: picks the ways out for alarms."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cloud.config import Config, split_address
from cloud.db.times import Clock
from cloud.errors import ConfigInvalid
from cloud.infer import DescribingEngine
from cloud.infer.pipeline import MODELS
from cloud.ingest.services import IngestServices
from cloud.monitor.all import Monitor, make_monitor
from cloud.monitor.channels import Channel, Sender
from cloud.monitor.checks import Checks
from cloud.monitor.deliveries import Deliveries
from cloud.monitor.errors import RuleInvalid
from cloud.monitor.gpu import Gpus
from cloud.monitor.loop_lag import LoopLag
from cloud.monitor.machine import Machine
from cloud.monitor.mail import MailSecurity, MailSender, MailSettings
from cloud.monitor.rules import load_rules
from cloud.monitor.sampler import Watched
from cloud.monitor.webhook import WebhookSender, WebhookSettings
from cloud.publish.hub import Hub

WEBHOOK_SECRET: Final = "SONORELAY_ALARM_WEBHOOK_SECRET"
MAIL_PASSWORD: Final = "SONORELAY_ALARM_MAIL_PASSWORD"
_SECRET_MIN_CHARACTERS: Final = 16


def build_monitor(
    config: Config,
    services: IngestServices,
    hub: Hub,
    engine: DescribingEngine | None,
    *,
    busy: Callable[[], int],
    calls: Callable[[], Mapping[str, int]],
    environment: Mapping[str, str],
    version: str,
) -> Monitor:
    """The monitor of a server. Raises ConfigInvalid for a rule or a way out that cannot be used."""
    try:
        rules = load_rules(config.alarm_rules_file)
    except RuleInvalid as exc:
        raise ConfigInvalid(f"alarm_rules_file: {exc}") from exc
    clock, log, database = services.clock, services.log, services.database
    senders = open_senders(config, environment, clock)
    deliveries = Deliveries(database, senders, config.site, clock, _new_id, log)
    ledger_dir = config.data_dir / "ledger"
    watched = Watched(
        machine=Machine(config.data_dir, time.monotonic),
        gpus=Gpus(),
        lag=LoopLag(time.monotonic),
        checks=Checks(database, ledger_dir, services.ledger.verifier, clock, log),
        deliveries=deliveries,
        presence=services.presence,
        hub=hub,
        engine=engine,
        models=MODELS,
        busy=busy,
        ledger_dir=ledger_dir,
        database=database,
        clock=clock,
        log=log,
    )
    return make_monitor(
        watched,
        rules=rules,
        deliveries=deliveries,
        bus=services.bus,
        new_id=_new_id,
        calls=calls,
        version=version,
    )


def open_senders(config: Config, environment: Mapping[str, str], clock: Clock) -> dict[Channel, Sender]:
    """The ways out that the settings name. Raises ConfigInvalid where a secret is missing or cannot be read."""
    senders: dict[Channel, Sender] = {}
    if config.alarm_webhook_url:
        secret = _secret(
            "alarm_webhook_secret_file", config.alarm_webhook_secret_file, environment, WEBHOOK_SECRET
        )
        if secret is None or len(secret) < _SECRET_MIN_CHARACTERS:
            raise ConfigInvalid(
                f"alarm_webhook_secret_file: a secret of at least {_SECRET_MIN_CHARACTERS} characters is needed"
            )
        webhook = WebhookSettings(
            url=config.alarm_webhook_url, secret=secret.encode(), ca_file=config.alarm_webhook_ca_file
        )
        senders[Channel.WEBHOOK] = _opened("alarm_webhook_ca_file", lambda: WebhookSender(webhook, clock))
    if config.alarm_mail_server:
        password = _secret(
            "alarm_mail_password_file", config.alarm_mail_password_file, environment, MAIL_PASSWORD
        )
        if config.alarm_mail_user and password is None:
            raise ConfigInvalid(f"alarm_mail_user needs alarm_mail_password_file or {MAIL_PASSWORD}")
        host, port = split_address("alarm_mail_server", config.alarm_mail_server)
        mail = MailSettings(
            host=host,
            port=port,
            security=MailSecurity(config.alarm_mail_security),
            user=config.alarm_mail_user or None,
            password=password if config.alarm_mail_user else None,
            sender=config.alarm_mail_from,
            recipients=config.alarm_mail_to,
            ca_file=config.alarm_mail_ca_file,
        )
        senders[Channel.MAIL] = _opened("alarm_mail_ca_file", lambda: MailSender(mail, clock))
    return senders


def _opened(setting: str, make: Callable[[], Sender]) -> Sender:
    try:
        return make()
    except OSError as exc:  # ssl.SSLError is one
        raise ConfigInvalid(f"{setting}: cannot be used as certificates") from exc


def _secret(setting: str, file: Path | None, environment: Mapping[str, str], variable: str) -> str | None:
    """The one line of a file, else the variable; None where there is neither."""
    if file is None:
        return environment.get(variable) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{setting}: {file} cannot be read") from exc


def _new_id() -> str:
    return str(uuid.uuid4())
