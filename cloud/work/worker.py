"""Part of step 11: the inference worker: one image after the other from the queue to its stored result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.jobs import Jobs, Lease
from cloud.db.tables import capture
from cloud.db.times import Clock
from cloud.errors import RetryLater
from cloud.infer.errors import EngineBusy, ImageUnreadable
from cloud.infer.pipeline import Reader
from cloud.line import NAMES, READ_JOB
from cloud.log import Log, where
from cloud.publish import Bus
from cloud.publish.timings import LateTimings
from cloud.publish.topic import JOBS_TOPIC, OUTBOX_TOPIC, RESULTS_TOPIC
from cloud.publish.worklist import ImageSource, read_image
from cloud.store import BlobStore
from cloud.store.parts import read_range
from cloud.work.result_entry import ReadImage
from cloud.work.results import ResultLedger, finish_held, store_result, store_timing
from sonorelay.contract.digest import sha256, trace_id
from sonorelay.contract.reasons import EdgeReason

T = TypeVar("T")

READ_MAX_BYTES: Final = 512 * 1024 * 1024
"""A larger image is not read: it would have to lie in memory as a whole."""
_RETRY_MAX_S: Final = 60.0
# Built once: making a statement costs more than running it.
_COMMITTED: Final = sa.select(capture.c.committed_time).where(capture.c.capture_id == sa.bindparam("of"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkServices:
    """Everything outside that the worker touches."""

    database: Database
    """State of the server."""
    jobs: Jobs
    """Queue."""
    store: BlobStore
    """Holds stills, takes pictures."""
    log_of_results: ResultLedger
    """Takes the entries of results."""
    reader: Reader
    """Reads one still."""
    bus: Bus
    """Wakes this worker, and the hub."""
    late_timings: LateTimings
    """Durations of earlier steps that wait to be stored."""
    clock: Clock
    """Now, aware UTC."""
    stopwatch: Callable[[], float]
    """Seconds of a clock that never goes back."""
    before_step: Callable[[int, str], None]
    """Called before steps 11 and 12."""
    log: Log
    """Where events are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A leased job and what it is about."""

    lease: Lease
    source: ImageSource
    queue_ms: float


class InferenceWorker:
    """Reads what is queued, at most `overlap` images at a time. A result is stored once: whoever lost the
    lease stores nothing. An image that cannot be read gets a result that says so.

    `poll_s`: how often it looks without being woken; `heartbeat_s`: how often it renews its leases.
    """

    def __init__(
        self, services: WorkServices, *, overlap: int, poll_s: float = 2.0, heartbeat_s: float = 15.0
    ) -> None:
        self._services = services
        self._overlap = overlap
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._woken = asyncio.Event()
        self._publish_ms: dict[str, float] = {}

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._tick())
            await self._dispatch(tasks)

    async def _listen(self) -> None:
        async for _ in self._services.bus.subscribe(JOBS_TOPIC):
            self._woken.set()

    async def _tick(self) -> None:
        """What nobody announces: delayed and abandoned jobs become due, held ones need a result that says so."""
        while True:
            with self._outermost():
                await self._finish_held()
                await self._store_late_timings()
            self._woken.set()
            await asyncio.sleep(self._poll_s)

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> None:
        """Fills free places from the queue: one transaction each time there may be jobs, none otherwise."""
        running: set[asyncio.Task[None]] = set()
        may_be_more = True
        while True:
            free = self._overlap - len(running)
            if self._woken.is_set():
                self._woken.clear()
                may_be_more = True
            if free and may_be_more:
                may_be_more = False
                with self._outermost():
                    claimed, may_be_more = await self._claim(free)
                    running |= {tasks.create_task(self._guarded(task)) for task in claimed}
                continue
            woken = asyncio.create_task(self._woken.wait())
            try:
                await asyncio.wait({woken, *running}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                woken.cancel()
            running = {task for task in running if not task.done()}

    async def _guarded(self, task: _Task) -> None:
        with self._outermost():
            await self._work_on(task)

    @contextlib.contextmanager
    def _outermost(self) -> Iterator[None]:
        """The end of every way: what failed is logged, and the next tick tries again."""
        try:
            yield
        except Exception as error:
            self._services.log.error("worker_failed", error=type(error).__name__, where=where(error))

    async def _claim(self, limit: int) -> tuple[list[_Task], bool]:
        """Up to `limit` jobs with their images, in one transaction; and whether there may be more."""
        services = self._services

        def work(tx: Tx) -> tuple[int, list[tuple[Lease, ImageSource, datetime]]]:
            leases = services.jobs.claim(tx, READ_JOB, limit)
            found: list[tuple[Lease, ImageSource, datetime]] = []
            for lease in leases:
                source = read_image(tx, lease.subject_id)
                if source is None:
                    services.jobs.hold(tx, lease, "NO_IMAGE")
                    continue
                found.append((lease, source, tx.execute(_COMMITTED, {"of": source.capture_id}).scalar_one()))
            return len(leases), found

        count, found = await services.database.write(work)
        now = services.clock()
        claimed = [
            _Task(lease=lease, source=source, queue_ms=max(0.0, (now - committed).total_seconds() * 1000))
            for lease, source, committed in found
        ]
        return claimed, count == limit

    async def _work_on(self, task: _Task) -> None:
        """Reads an image under its lease and stores the result; a failure gives the job back."""
        reading = asyncio.create_task(self._read_and_store(task))
        heartbeat = asyncio.create_task(self._keep(task.lease))
        try:
            await asyncio.wait({reading, heartbeat}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                reading.result()
            else:
                self._services.log.warning("lease_lost", **_named(task))
        except Exception as error:  # the outermost loop of a job: it is tried again, then held
            await self._give_back(task, error)
        finally:
            for running in (reading, heartbeat):
                running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(reading, heartbeat, return_exceptions=True)

    async def _read_and_store(self, task: _Task) -> None:
        services = self._services
        services.before_step(11, NAMES[11])
        read = await self._patiently(lambda: self._read(task.source))
        began_s = services.stopwatch()
        capture_id = task.source.capture_id
        late_ms = services.late_timings.take(capture_id)

        def work(tx: Tx) -> bool:
            if not services.jobs.done(tx, task.lease):
                return False
            store_result(tx, services.log_of_results, read, services.clock(), task.queue_ms, late_ms)
            return True

        if not await self._patiently(lambda: services.database.write(work)):
            services.log.warning("lease_lost", **_named(task))
            return
        services.before_step(12, NAMES[12])
        await services.bus.publish(OUTBOX_TOPIC)
        await services.bus.publish(RESULTS_TOPIC)
        publish_ms = round((services.stopwatch() - began_s) * 1000, 3)
        reason = read.reason.value if read.reason else None
        services.log.info("image_read", reason=reason, duration_ms=round(read.infer_ms, 1), **_named(task))
        # Known only now, and not worth a transaction of its own: the next tick stores it.
        self._publish_ms[capture_id] = publish_ms

    async def _read(self, source: ImageSource) -> ReadImage:
        """Runs step 11 on one image; its pictures are durable when it returns."""
        services = self._services
        if source.size_bytes > READ_MAX_BYTES:
            return _unread(source, EdgeReason.TOO_LARGE)
        image = await read_range(
            services.store,
            source.shard_digests,
            source.shard_size_bytes,
            source.start_bytes,
            source.size_bytes,
        )
        began_s = services.stopwatch()
        try:
            found = await services.reader.read(
                image, source.media_type, source.mm_per_pixel, source.scale_source
            )
        except ImageUnreadable:
            return _unread(source, EdgeReason.IMAGE_UNREADABLE)
        infer_ms = (services.stopwatch() - began_s) * 1000
        pictures = {name: (sha256(data), data) for name, data in found.pictures.items()}
        await asyncio.gather(*(services.store.put(digest, data) for digest, data in pictures.values()))
        return ReadImage(
            image_id=source.image_id,
            sha256=source.sha256,
            reason=None,
            reading=found.reading.to_json(),
            pictures={name: digest for name, (digest, _) in pictures.items()},
            infer_ms=infer_ms,
        )

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        """Repeats what can only wait (busy engine, full disk) while the lease is kept: no attempt is lost."""
        while True:
            try:
                return await act()
            except (EngineBusy, RetryLater) as busy:
                self._services.log.warning(
                    "worker_waits", error=type(busy).__name__, after_s=round(busy.after_s, 3)
                )
                await asyncio.sleep(busy.after_s)

    async def _keep(self, lease: Lease) -> None:
        """Renews a lease until it is lost."""

        def renew(tx: Tx) -> bool:
            return self._services.jobs.heartbeat(tx, lease)

        while True:
            await asyncio.sleep(self._heartbeat_s)
            if not await self._patiently(lambda: self._services.database.write(renew)):
                return

    async def _give_back(self, task: _Task, error: Exception) -> None:
        services = self._services
        after_s = min(_RETRY_MAX_S, 2.0**task.lease.attempt)
        services.log.error(
            "reading_failed",
            error=type(error).__name__,
            where=where(error),
            after_s=after_s,
            attempt=task.lease.attempt,
            **_named(task),
        )
        await services.database.write(
            lambda tx: services.jobs.retry(tx, task.lease, type(error).__name__, after_s)
        )

    async def _store_late_timings(self) -> None:
        late, self._publish_ms = self._publish_ms, {}

        def work(tx: Tx) -> None:
            for capture_id, publish_ms in late.items():
                store_timing(tx, capture_id, {NAMES[12]: publish_ms})

        if late:
            await self._services.database.write(work)

    async def _finish_held(self) -> None:
        services = self._services
        finished = await services.database.write(
            lambda tx: finish_held(tx, services.log_of_results, READ_JOB, services.clock())
        )
        if finished:
            services.log.error("images_held", count=len(finished))
            await services.bus.publish(OUTBOX_TOPIC)
            await services.bus.publish(RESULTS_TOPIC)


def _unread(source: ImageSource, reason: EdgeReason) -> ReadImage:
    return ReadImage(
        image_id=source.image_id, sha256=source.sha256, reason=reason, reading=None, pictures={}, infer_ms=0.0
    )


def _named(task: _Task) -> dict[str, str | int]:
    """How log lines name a job."""
    return {"trace_id": trace_id(task.source.capture_id), "job_id": task.lease.job_id}
