"""Beside the thirteen steps: series: files that agents sent through the line become series.

Their commit registers them in its own transaction (`register`); what their headers say is read afterwards, several
files at a time, by `AgentFiling`. A server that stops in between goes on with them when it starts again.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cloud.db import Database, Tx
from cloud.log import Log, where
from cloud.publish import Bus
from cloud.series import rows
from cloud.series.arrival import Arrivals, ImageFacts
from cloud.series.catalogue import Places
from cloud.series.filing import Filing
from cloud.series.reasons import LeftOutReason
from cloud.series.rows import FileRow, UploadRow
from cloud.series.stored import Source
from cloud.series.upload_reasons import Reason

SERIES_TOPIC: Final = "series"
"""Agents have sent files of series."""
_ORDERS: Final = uuid.UUID("c1a4a0a3-6a30-5a55-8d2e-0f7f5a6e3c11")
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class SentImage:
    """A file of a series, as its part holds it."""

    image_id: str
    """UUID."""
    sha256: bytes
    """SHA-256 of its bytes."""
    size_bytes: int
    """Their length."""


def register(
    tx: Tx, *, tenant_id: str, device_id: str, label: str, images: Iterable[SentImage], now: datetime
) -> None:
    """Files of a device's order, known from now on; all that came under one label of a tenant count as one upload."""
    upload_id = str(uuid.uuid5(_ORDERS, f"{tenant_id}\0{device_id}\0{label}"))
    if rows.upload_of(tx, upload_id) is None:
        upload = UploadRow(
            upload_id=upload_id,
            source=Source.AGENT,
            actor=f"device {device_id}",
            begun_time=now,
            finished_time=now,
            ledger_index=None,
            tenant_id=tenant_id,
        )
        rows.add_upload(tx, upload)
    for each in images:
        file = FileRow(
            file_id=0,
            upload_id=upload_id,
            path_sha256=hashlib.sha256(each.image_id.encode()).digest(),
            folder="",
            source_sha256=each.sha256,
            reason=None,
            series_id=None,
            sha256=each.sha256,
            size_bytes=each.size_bytes,
            facts=None,
            received_time=now,
            image_id=each.image_id,
        )
        rows.add_file(tx, rows.values_of(file))


class AgentFiling:
    """Puts what agents sent into series."""

    def __init__(
        self,
        database: Database,
        arrivals: Arrivals,
        places: Places,
        filing: Filing,
        log: Log,
        *,
        rest_s: float = 1.0,
    ) -> None:
        """`rest_s`: seconds after each look, so that files which come one after the other are looked at together."""
        self._database = database
        self._arrivals = arrivals
        self._places = places
        self._filing = filing
        self._log = log
        self._rest_s = rest_s

    async def run(self, bus: Bus) -> None:
        """Files what comes until it is cancelled; what waited from before at once."""
        async for _ in bus.subscribe(SERIES_TOPIC):
            try:
                while await self.file_waiting():
                    await asyncio.sleep(self._rest_s)
            except Exception as error:  # the outermost loop of the filing: the next wake tries again
                self._log.error("series_filing_failed", error=type(error).__name__, where=where(error))

    async def file_waiting(self) -> int:
        """Files what waits now, of one tenant, at most _AT_ONCE; how many files that was. Errors: RetryLater."""
        tenant_id, waiting = await self._database.read(lambda tx: rows.waiting_files(tx, _AT_ONCE))
        if not waiting:
            return 0
        outcomes = await asyncio.to_thread(self._read, waiting)
        known = {each.instance for each in outcomes.values() if isinstance(each, ImageFacts)}
        there = await self._database.read(lambda tx: rows.filed_instances(tx, known, tenant_id))
        used: list[FileRow] = []
        refused: dict[int, str] = {}
        for file in waiting:
            outcome = outcomes[file.file_id]
            if not isinstance(outcome, ImageFacts):
                refused[file.file_id] = outcome.value
            elif outcome.instance in there:
                refused[file.file_id] = LeftOutReason.DUPLICATE_INSTANCE.value
            else:
                there.add(outcome.instance)
                used.append(replace(file, facts=outcome))
        await self._filing.file_sent(used, refused, tenant_id)
        return len(waiting)

    def _read(self, waiting: Sequence[FileRow]) -> dict[int, ImageFacts | Reason]:
        return {file.file_id: self._arrivals.facts_of(self._places.bytes_of(file)) for file in waiting}
