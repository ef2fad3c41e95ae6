"""Part of step 7: admission. No upload is opened that the server could not store or would not get to read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from cloud.config import Config
from cloud.db import Database, Tx
from cloud.db.tables import job
from cloud.errors import StoreFull
from cloud.ingest.services import Admit

_FULL_AFTER_S: Final = 30.0
_QUEUE_LOOK_S: Final = 1.0


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
