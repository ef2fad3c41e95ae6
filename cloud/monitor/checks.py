"""Monitor: the ledger's files and the audit's chain, checked whole while the server runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from cloud.accounts.anchor import check_audit
from cloud.accounts.audit import ChainBroken
from cloud.db import Database
from cloud.db.times import Clock
from cloud.errors import CloudError
from cloud.ledger.verify import CheckFailed, check_log
from cloud.log import Log, where
from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings
from sonorelay.contract.notes import Verifier

FIRST_AFTER_S: Final = 20.0
INTERVAL_S: Final = 6 * 3600.0
TRIES: Final = 3
"""A check that meets a file which is just being replaced fails once; one that fails always means it."""
_AGAIN_AFTER_S: Final = 3.0


class Checks:
    """Checks soon after the start and then every six hours, on a thread; says what failed."""

    def __init__(
        self, database: Database, ledger_dir: Path, verifier: Verifier, clock: Clock, log: Log
    ) -> None:
        self._database = database
        self._ledger_dir = ledger_dir
        self._verifier = verifier
        self._clock = clock
        self._log = log
        self._failed: dict[Metric, bool] = {}
        self.checked_time: datetime | None = None
        """When both were last checked (aware UTC); None before the first time."""

    async def run(self) -> None:
        """Checks until it is cancelled."""
        wait_s = FIRST_AFTER_S
        while True:
            await asyncio.sleep(wait_s)
            wait_s = INTERVAL_S
            try:
                await self.check()
            except (CloudError, OSError) as error:
                # Nothing was found out: a busy database or disk says nothing about the chain.
                self._log.warning("check_not_done", error=type(error).__name__, where=where(error))
                wait_s = FIRST_AFTER_S

    async def check(self, again_after_s: float = _AGAIN_AFTER_S) -> None:
        """Checks both now. Errors: CloudError and OSError where a check could not be done."""
        size = await self._tried(Metric.LEDGER_CHECK_FAILED, self._ledger, again_after_s)
        if size is not None:
            await self._tried(Metric.AUDIT_CHECK_FAILED, lambda: self._audit(size), again_after_s)
        self.checked_time = self._clock()

    def read(self) -> Readings:
        """What the last checks found; nothing before the first."""
        return Readings(single={metric: float(failed) for metric, failed in self._failed.items()})

    async def _tried(
        self, metric: Metric, work: Callable[[], Awaitable[int]], again_after_s: float
    ) -> int | None:
        for tried in range(TRIES):
            if tried:
                await asyncio.sleep(again_after_s)
            try:
                found = await work()
            except (CheckFailed, ChainBroken) as error:
                last = where(error)
            else:
                self._failed[metric] = False
                return found
        self._failed[metric] = True
        self._log.error(metric.value, where=last)
        return None

    async def _ledger(self) -> int:
        checked = await asyncio.to_thread(check_log, self._ledger_dir, self._verifier)
        return checked.checkpoint.size

    async def _audit(self, size: int) -> int:
        checked = await self._database.read(
            lambda tx: check_audit(tx, self._ledger_dir, size, self._verifier)
        )
        return checked.rows
