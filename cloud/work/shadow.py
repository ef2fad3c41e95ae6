"""Part of step 11: shadow versions read images again after their result is stored; only the difference is kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from cloud.db import Database, Tx
from cloud.db.insert import insert_once
from cloud.db.tables import shadow_reading
from cloud.db.times import Clock
from cloud.infer import DescribingEngine
from cloud.infer.pipeline import Reader, ReadResult
from cloud.log import Log, where
from cloud.publish.worklist import ImageSource
from cloud.store import BlobStore
from cloud.store.parts import read_range
from cloud.work.disagreement import Disagreement, disagreement
from cloud.work.result_entry import ReadImage
from sonorelay.contract.digest import trace_id

PENDING_MAX: Final = 32
"""Images that wait for their shadows; beyond, the oldest is left out."""
IMAGE_MAX_BYTES: Final = 16 * 1024 * 1024
"""A larger image is not read by shadows."""
_LOOK_S: Final = 0.2
_MASK: Final = "mask.png"
_KEY: Final = (
    shadow_reading.c.image_id,
    shadow_reading.c.model,
    shadow_reading.c.live_version,
    shadow_reading.c.shadow_version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowServices:
    """Everything outside that shadows touch."""

    database: Database
    """Takes the differences."""
    store: BlobStore
    """Holds images and the live version's masks."""
    shadows: Callable[[], Mapping[str, tuple[str, DescribingEngine]]]
    """By model: the version that reads along, and an engine in which it takes the live one's place."""
    is_idle: Callable[[], bool]
    """Whether no image waits for its result."""
    clock: Clock
    """Now, aware UTC."""
    log: Log
    """Where events are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """An image with its live answer."""

    source: ImageSource
    read: ReadImage
    reading: Mapping[str, Any]


class ShadowReader:
    """Reads images with shadow versions, one at a time, by one thread, only while nothing else is to be read.

    The live way never waits for it and never sees what it finds: no result, no picture, no event. A shadow that
    fails is counted, and that is all. At most `PENDING_MAX` images wait; others are left out.
    """

    def __init__(self, services: ShadowServices, *, look_s: float = _LOOK_S) -> None:
        self._services = services
        self._look_s = look_s
        self._pending: deque[_Image] = deque(maxlen=PENDING_MAX)
        self._offered = asyncio.Event()

    def offer(self, source: ImageSource, read: ReadImage) -> None:
        """Takes note of an image whose result is stored. Never raises, never waits."""
        if read.reading is None or source.size_bytes > IMAGE_MAX_BYTES or not self._services.shadows():
            return
        self._pending.append(_Image(source=source, read=read, reading=read.reading))
        self._offered.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self._offered.wait()
            if not self._services.is_idle():
                await asyncio.sleep(self._look_s)
                continue
            image = self._pending.popleft()
            if not self._pending:
                self._offered.clear()
            try:
                await self._read(image)
            except Exception as error:  # the outermost loop: a shadow hurts nobody
                self._log_failure(image, error)

    async def _read(self, image: _Image) -> None:
        """Every shadow's answer to one image."""
        data: bytes | None = None
        for model, (version, engine) in self._services.shadows().items():
            used = image.reading["models"].get(model)
            if used is None or used["version"] == version:
                continue
            data = data if data is not None else await self._bytes(image.source)
            try:
                found = await self._answer(engine, image.source, data)
            except Exception as error:  # the shadow's own failure is its result
                self._log_failure(image, error)
                await self._store(image, model, version, Disagreement(), type(error).__name__)
                continue
            if _others_agree(model, image.reading, found):
                live_mask = await self._mask(image.read)
                differs = await asyncio.to_thread(
                    disagreement,
                    model,
                    image.reading,
                    found.reading.to_json(),
                    live_mask,
                    found.pictures.get(_MASK),
                )
                await self._store(image, model, version, differs, None)

    async def _answer(self, engine: DescribingEngine, source: ImageSource, data: bytes) -> ReadResult:
        return await Reader(engine).read(
            data, source.media_type, source.mm_per_pixel, source.scale_source, has_cores=lambda: False
        )

    async def _bytes(self, source: ImageSource) -> bytes:
        return await read_range(
            self._services.store,
            source.shard_digests,
            source.shard_size_bytes,
            source.start_bytes,
            source.size_bytes,
        )

    async def _mask(self, read: ReadImage) -> bytes | None:
        digest = read.pictures.get(_MASK)
        return None if digest is None else await self._services.store.get(digest)

    async def _store(
        self, image: _Image, model: str, version: str, differs: Disagreement, error: str | None
    ) -> None:
        values = {
            "image_id": image.source.image_id,
            "model": model,
            "live_version": image.reading["models"][model]["version"],
            "shadow_version": version,
            "capture_id": image.source.capture_id,
            **asdict(differs),
            "error": error,
            "read_time": self._services.clock(),
        }

        def work(tx: Tx) -> None:
            insert_once(tx, shadow_reading, _KEY, values)

        await self._services.database.write(work)

    def _log_failure(self, image: _Image, error: Exception) -> None:
        self._services.log.warning(
            "shadow_failed",
            trace_id=trace_id(image.source.capture_id),
            error=type(error).__name__,
            where=where(error),
        )


def _others_agree(model: str, live: Mapping[str, Any], found: ReadResult) -> bool:
    """Whether all other models are of the same versions in both readings: else the difference is not the
    shadow's alone."""
    others = {name: used["version"] for name, used in live["models"].items() if name != model}
    return all(
        others.get(name, used.version) == used.version
        for name, used in found.reading.models.items()
        if name != model
    )
