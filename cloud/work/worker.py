"""Part of step 11: the inference worker: one image after the other from the queue to its stored result."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.jobs import Jobs, Lease
from cloud.db.prepared import Prepared
from cloud.db.tables import capture
from cloud.db.times import Clock
from cloud.errors import RetryLater
from cloud.infer.errors import EngineBusy, EngineUnreachable, ImageUnreadable
from cloud.infer.pipeline import Reader, ReadResult
from cloud.infer.source import Image
from cloud.line import NAMES, READ_JOB
from cloud.log import Log, where
from cloud.publish import Bus
from cloud.publish.timings import LateTimings
from cloud.publish.topic import JOBS_TOPIC, OUTBOX_TOPIC, RESULTS_TOPIC
from cloud.publish.worklist import ImageSource, read_image
from cloud.store import BlobStore
from cloud.store.parts import read_range
from cloud.store.range_file import range_opener
from cloud.work.ahead import ReadAhead
from cloud.work.result_entry import ReadImage
from cloud.work.results import ResultLedger, finish_held, store_result, store_timing
from cloud.work.still import StillKey, StillReading
from sonorelay.contract.digest import trace_id
from sonorelay.contract.reasons import EdgeReason

T = TypeVar("T")

READ_MAX_BYTES: Final = 512 * 1024 * 1024
"""A larger still is not read: it would have to lie in memory as a whole."""
HELD_MAX_BYTES: Final = 32 * 1024 * 1024
"""A larger DICOM object, which is a loop, is left in the store: only the frames that are looked at are read."""
_DICOM: Final = "application/dicom"
_RETRY_MAX_S: Final = 60.0
_STORING_MAX: Final = 3
"""Images that are read and whose results may wait to be stored before no other is begun."""
_COMMITTED: Final = Prepared(
    sa.select(capture.c.committed_time).where(capture.c.capture_id == sa.bindparam("of_capture"))
)


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
    on_result: Callable[[ImageSource, ReadImage], None]
    """Hears of each image whose result is stored; never waits, never raises."""
    log: Log
    """Where events are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A leased job and what it is about."""

    lease: Lease
    source: ImageSource
    committed_s: float
    """When its capture was committed, by the stopwatch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """What came of an image, and when it was read, by the stopwatch."""

    read: ReadImage
    began_s: float


class InferenceWorker:
    """Reads what is queued, at most `overlap` images at a time, while results of a few others are on their way
    into the store. It claims only what it can begin to read: a process that dies costs no waiting image an
    attempt. A result is stored once: whoever lost the lease stores nothing. An image that cannot be read gets
    a result that says so.

    While nothing is queued, a still may be read before its image is (`offer`). `infer` is how long an image's
    reading took, `queue` how long it waited from the end of its commit until its reading began.

    `poll_s`: how often it looks without being woken; `heartbeat_s`: how often it renews its leases.
    """

    def __init__(
        self, services: WorkServices, *, overlap: int, poll_s: float = 2.0, heartbeat_s: float = 15.0
    ) -> None:
        self._services = services
        self._overlap = overlap
        self._storing: set[asyncio.Task[None]] = set()
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._ahead = ReadAhead(services.reader, services.stopwatch)
        self._running: dict[asyncio.Task[None], _Task] = {}
        self._woken = asyncio.Event()
        self._may_be_more = True
        self._publish_ms: dict[str, float] = {}

    def offer(self, part: bytes) -> None:
        """Takes a part as it came, unchecked: its still may be read now where no other waits to be.

        Nothing depends on it: what is read ahead of its job is used once the job is claimed, or dropped.
        """
        if not self._running and not self._may_be_more:
            self._ahead.begin(part)

    @property
    def is_idle(self) -> bool:
        """Whether no image is being read, stored or waited for, as far as is known."""
        return not self._running and not self._may_be_more and not self._services.reader.under_way

    @property
    def busy_count(self) -> int:
        """Images that are being read now."""
        return self._services.reader.under_way

    def forget_ahead(self) -> None:
        """Drops what was read ahead: it was read by models that do not answer any more."""
        self._ahead.close()

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen())
                tasks.create_task(self._tick())
                tasks.create_task(self._keep_leases())
                await self._dispatch(tasks)
        finally:
            self._ahead.close()

    async def _listen(self) -> None:
        async for _ in self._services.bus.subscribe(JOBS_TOPIC):
            self._look()

    def _look(self) -> None:
        """There may be jobs."""
        self._may_be_more = True
        self._woken.set()

    async def _tick(self) -> None:
        """What nobody announces: delayed and abandoned jobs become due, held ones need a result that says so."""
        while True:
            with self._outermost():
                await self._finish_held()
                await self._store_late_timings()
            self._look()
            await asyncio.sleep(self._poll_s)

    async def _dispatch(self, tasks: asyncio.TaskGroup) -> None:
        """Fills free places from the queue: one transaction each time there may be jobs, none otherwise."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            free = self._overlap + min(len(self._storing), _STORING_MAX) - len(self._running)
            if not self._may_be_more or free < 1:
                continue
            # Before the claim: what is announced during it is looked for again.
            self._may_be_more = False
            with self._outermost():
                claimed, is_full = await self._claim(free)
                for task in claimed:
                    running = tasks.create_task(self._work_on(task))
                    self._running[running] = task
                    running.add_done_callback(self._ended)
                if is_full:
                    self._look()

    def _make_room(self) -> None:
        """The image of the task that runs is read: while its result is stored another may be."""
        running = asyncio.current_task()
        if running is not None and running in self._running:
            self._storing.add(running)
            self._woken.set()

    def _ended(self, running: asyncio.Task[None]) -> None:
        del self._running[running]
        self._storing.discard(running)
        self._woken.set()

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
                committed = _COMMITTED.one(tx, {"of_capture": source.capture_id}).committed_time
                found.append((lease, source, committed))
            return len(leases), found

        count, found = await services.database.write(work)
        now, now_s = services.clock(), services.stopwatch()
        claimed = [
            _Task(lease=lease, source=source, committed_s=now_s - (now - committed).total_seconds())
            for lease, source, committed in found
        ]
        return claimed, count == limit

    async def _work_on(self, task: _Task) -> None:
        """Reads an image under its lease and stores the result; a failure gives the job back."""
        with self._outermost():
            try:
                await self._read_and_store(task)
            except Exception as error:  # the outermost loop of a job: it is tried again, then held
                await self._give_back(task, error)

    async def _read_and_store(self, task: _Task) -> None:
        services = self._services
        services.before_step(11, NAMES[11])
        timed = await self._patiently(lambda: self._read(task.source))
        self._make_room()
        began_s = services.stopwatch()
        capture_id = task.source.capture_id
        late_ms = services.late_timings.take(capture_id)
        # The commit's time is the begin of its transaction, which step 10 counts.
        waited_ms = (timed.began_s - task.committed_s) * 1000 - late_ms.get(NAMES[10], 0.0)
        read = replace(timed.read, ahead_ms=min(max(0.0, -waited_ms), timed.read.infer_ms))

        def work(tx: Tx) -> bool:
            if not services.jobs.done(tx, task.lease):
                return False
            queue_ms = max(0.0, waited_ms)
            store_result(tx, services.log_of_results, read, services.clock(), queue_ms, late_ms)
            return True

        if not await self._patiently(lambda: services.database.write(work)):
            services.log.warning("lease_lost", **_named(task))
            return
        services.before_step(12, NAMES[12])
        await services.bus.publish(OUTBOX_TOPIC)
        await services.bus.publish(RESULTS_TOPIC)
        services.on_result(task.source, read)
        publish_ms = round((services.stopwatch() - began_s) * 1000, 3)
        reason = read.reason.value if read.reason else None
        services.log.info("image_read", reason=reason, duration_ms=round(read.infer_ms, 1), **_named(task))
        # Known only now, and not worth a transaction of its own: the next tick stores it.
        self._publish_ms[capture_id] = publish_ms

    async def _read(self, source: ImageSource) -> _Timed:
        """Runs step 11 on one image, or takes what was read ahead; its pictures are durable when it returns."""
        services = self._services
        if source.size_bytes > READ_MAX_BYTES and source.media_type != _DICOM:
            return self._unread(source, EdgeReason.TOO_LARGE)
        key = StillKey(
            sha256=source.sha256,
            media_type=source.media_type,
            mm_per_pixel=source.mm_per_pixel,
            scale_source=source.scale_source,
        )
        ahead = self._ahead.take(key)
        if ahead is not None:
            ahead.reading.store_in(services.store)
            found = await ahead.result()
            if found is not None:
                return await self._stored(source, ahead.reading, found)
        image = await self._image(source)
        reading = StillReading(services.reader, services.stopwatch)
        reading.store_in(services.store)
        try:
            found = await reading.read(image, key)
        except ImageUnreadable:
            return self._unread(source, EdgeReason.IMAGE_UNREADABLE)
        return await self._stored(source, reading, found)

    async def _image(self, source: ImageSource) -> Image:
        place = (source.shard_digests, source.shard_size_bytes, source.start_bytes, source.size_bytes)
        if source.media_type == _DICOM and source.size_bytes > HELD_MAX_BYTES:
            return range_opener(self._services.store, *place)
        return await read_range(self._services.store, *place)

    async def _stored(self, source: ImageSource, reading: StillReading, found: ReadResult) -> _Timed:
        read = ReadImage(
            image_id=source.image_id,
            sha256=source.sha256,
            reason=None,
            reading=found.reading.to_json(),
            pictures=await reading.stored(),
            infer_ms=(reading.ended_s - reading.began_s) * 1000,
        )
        return _Timed(read=read, began_s=reading.began_s)

    def _unread(self, source: ImageSource, reason: EdgeReason) -> _Timed:
        read = ReadImage(
            image_id=source.image_id,
            sha256=source.sha256,
            reason=reason,
            reading=None,
            pictures={},
            infer_ms=0.0,
        )
        return _Timed(read=read, began_s=self._services.stopwatch())

    async def _patiently(self, act: Callable[[], Awaitable[T]]) -> T:
        """Repeats what can only wait (busy or absent engine, full disk) while the lease is kept: no attempt is lost."""
        while True:
            try:
                return await act()
            except (EngineBusy, EngineUnreachable, RetryLater) as busy:
                self._services.log.warning(
                    "worker_waits", error=type(busy).__name__, after_s=round(busy.after_s, 3)
                )
                await asyncio.sleep(busy.after_s)

    async def _keep_leases(self) -> None:
        """Renews the leases of all that is being read; the reading of one that was lost is stopped."""
        while True:
            await asyncio.sleep(self._heartbeat_s)
            if held := dict(self._running):
                with self._outermost():
                    await self._renew(held)

    async def _renew(self, held: dict[asyncio.Task[None], _Task]) -> None:
        services = self._services

        def renew(tx: Tx) -> list[bool]:
            return [services.jobs.heartbeat(tx, task.lease) for task in held.values()]

        kept = await self._patiently(lambda: services.database.write(renew))
        for (running, task), is_kept in zip(held.items(), kept, strict=True):
            # One that has ended meanwhile has given its lease up itself.
            if not is_kept and not running.done():
                services.log.warning("lease_lost", **_named(task))
                running.cancel()

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


def _named(task: _Task) -> dict[str, str | int]:
    """How log lines name a job."""
    return {"trace_id": trace_id(task.source.capture_id), "job_id": task.lease.job_id}
