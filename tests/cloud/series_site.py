"""Series of a test's server: small caps, two workers, the real store, ledger and database."""

from __future__ import annotations

import io
import uuid
from pathlib import Path

from cloud.db.sqlite import SqliteDatabase
from cloud.db.times import Clock
from cloud.ledger import Ledger
from cloud.ledger.keys import load_key
from cloud.log import make_log
from cloud.series.service import SeriesService, SeriesSettings, open_series
from cloud.store.disk import DiskBlobStore
from sonorelay.contract.notes import Signer

SETTINGS = SeriesSettings(
    worker_count=2, memory_bytes=1024**3, threshold=10, trusts_pictures=False, free_min_bytes=0
)


def open_test_series(
    folder: Path,
    origin: str,
    database: SqliteDatabase,
    store: DiskBlobStore,
    ledger: Ledger,
    clock: Clock,
    settings: SeriesSettings = SETTINGS,
) -> SeriesService:
    """On the data folder `folder`, whose log's key is in it."""
    return open_series(
        settings,
        folder,
        database=database,
        store=store,
        ledger=ledger,
        signer=Signer(origin, load_key(folder / "log.key")),
        clock=clock,
        new_id=lambda: str(uuid.uuid4()),
        log=make_log(io.StringIO()),
    )
