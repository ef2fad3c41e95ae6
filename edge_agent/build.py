"""Builds the agent: the only file of the edge that picks implementations."""

from __future__ import annotations

import random
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, TextIO

from edge_agent.agent import Agent, AgentParts
from edge_agent.capture import CaptureInput
from edge_agent.capture.folder import FolderInput
from edge_agent.config import Config
from edge_agent.line import Line, LineParts, Preparer
from edge_agent.link.channel import TlsFiles, open_channel
from edge_agent.link.cloud import CloudLink
from edge_agent.link.identity import load_signer, site_secret_path
from edge_agent.link.retry import Backoff, Gate
from edge_agent.link.stream import ShardStream
from edge_agent.log import open_log
from edge_agent.prenotify import Notifier, NotifierOptions
from edge_agent.results.watch import ResultWatcher
from edge_agent.sandbox import Sandbox
from edge_agent.spool import files
from edge_agent.spool.files import Folders
from edge_agent.spool.options import SpoolOptions
from edge_agent.spool.spool import Spool
from edge_agent.upload import Uploader

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ALARM_AFTER: Final = 8


def no_hook(_step: int, _capture_id: str) -> None:
    """The default of `before_step`: does nothing."""


def utc_now() -> datetime:
    """Wall clock, aware UTC."""
    return datetime.now(UTC)


def agent_version() -> str:
    """Version of the installed package; unknown where it is not installed."""
    with suppress(PackageNotFoundError):
        return version("sonorelay")
    return "unknown"


def boot_id() -> str:
    """UUID of this boot of the machine; where the system gives none, of this process."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip()
    return str(uuid.uuid4())


def folders_of(config: Config) -> Folders:
    """The data folder; made where it is missing. Raises OSError."""
    folders = Folders(data=config.data)
    folders.create()
    return folders


def build_spool(
    config: Config,
    *,
    before_step: Callable[[int, str], None] = no_hook,
    now: Callable[[], datetime] = utc_now,
    free_bytes: Callable[[Path], int] = files.free_bytes,
) -> Spool:
    """The spool alone, to hand files to a running agent or to look into it. Raises ConfigInvalid, OSError."""
    options = SpoolOptions(
        free_min_bytes=config.free_min_bytes,
        boot_id=boot_id(),
        now=now,
        monotonic_ns=time.monotonic_ns,
        new_id=lambda: str(uuid.uuid4()),
        free_bytes=free_bytes,
        before_step=before_step,
    )
    return Spool(folders_of(config), options)


def build_agent(
    config: Config,
    *,
    before_step: Callable[[int, str], None] = no_hook,
    preparer: Preparer | None = None,
    now: Callable[[], datetime] = utc_now,
    free_bytes: Callable[[Path], int] = files.free_bytes,
    log_stream: TextIO | None = None,
    log_strict: bool = False,
) -> Agent:
    """An agent that has not been started. The caller holds the data folder's lock.

    `before_step(number, capture_id)` is called before each step, `preparer` takes the sandbox's place;
    both are for tests. Raises ConfigInvalid, OSError.
    """
    log = open_log(log_stream or sys.stderr, now=now, strict=log_strict)
    signer = load_signer(folders_of(config), config.device_id)
    channel = open_channel(config.cloud, _tls(config))
    spool = build_spool(config, before_step=before_step, now=now, free_bytes=free_bytes)
    backoff = Backoff(
        uniform=random.SystemRandom().uniform, first_s=config.retry_first_s, longest_s=config.retry_max_s
    )
    gate = Gate(backoff, time.monotonic, _ALARM_AFTER)
    link = CloudLink(channel, gate)
    stream = ShardStream(link.put_shards, time.monotonic)
    sandbox = preparer or Sandbox(idle_exit_s=config.sandbox_idle_s)
    notifier = Notifier(
        spool, link, log, NotifierOptions(device=signer.verifier, now=now, before_step=before_step)
    )
    line = Line(
        LineParts(
            spool=spool,
            preparer=sandbox,
            uploader=Uploader(spool, link, stream, config.log_verifier_key),
            gate=gate,
            signer=signer,
            site_secret=site_secret_path(spool.folders),
            config=config,
            log=log,
            now=now,
            monotonic_s=time.monotonic,
            backoff=backoff,
            before_step=before_step,
            on_word_due=notifier.wake,
        )
    )
    device_id = signer.verifier.name
    return Agent(
        AgentParts(
            config=config,
            device_id=device_id,
            version=agent_version(),
            spool=spool,
            inputs=_inputs(config),
            preparer=sandbox,
            link=link,
            stream=stream,
            line=line,
            notifier=notifier,
            watcher=ResultWatcher(
                spool, link, Gate(backoff, time.monotonic, _ALARM_AFTER), log, device_id, time.monotonic
            ),
            log=log,
            now=now,
            monotonic_s=time.monotonic,
        )
    )


def _inputs(config: Config) -> Sequence[CaptureInput]:
    return [
        FolderInput(
            folder,
            after_keep=config.after_keep,
            recursive=config.recursive,
            rescan_s=config.rescan_s,
            quiet_s=config.quiet_s,
            never_finished_s=config.never_finished_s,
        )
        for folder in config.watch
    ]


def _tls(config: Config) -> TlsFiles | None:
    if config.tls_ca is None or config.tls_certificate is None or config.tls_key is None:
        return None
    return TlsFiles(ca=config.tls_ca, certificate=config.tls_certificate, key=config.tls_key)
