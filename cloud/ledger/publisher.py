"""Publishes the log's files while the server runs, and once more when it stops."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from cloud.errors import RetryLater
from cloud.ledger.file_log import FileLedger

_INTERVAL_S: Final = 1.0


async def publish_until(stop: asyncio.Event, ledger: FileLedger, interval_s: float = _INTERVAL_S) -> None:
    """Publishes what is new every `interval_s` seconds until `stop` is set, then a last time.

    A full disk or a busy database delays it; LedgerDamaged leaves, and the server must stop.
    """
    log = structlog.get_logger()
    wait_s = interval_s
    while not await _set_within(stop, wait_s):
        try:
            await ledger.publish()
            wait_s = interval_s
        except RetryLater as error:
            # Entries and receipts are safe in the database; only readers of the files wait.
            log.warning("ledger_publish_delayed", after_s=error.after_s)
            wait_s = error.after_s
    await ledger.publish()


async def _set_within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
