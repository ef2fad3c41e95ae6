"""Part of step 11: read-ahead: a still is read beside the steps 8 to 10 when nothing else is to be read."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Final

from cloud.infer.pipeline import Reader, ReadResult
from cloud.work.still import StillKey, StillReading
from sonorelay.contract.digest import sha256
from sonorelay.contract.shards import SubFileInvalid, check_index, read_index
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage

STILLS_MAX: Final = 2
"""Stills that may wait to be claimed."""
HELD_MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of those stills."""
FORGET_AFTER_S: Final = 30.0
"""A reading that nobody has claimed by then is dropped."""


class AheadReading:
    """A reading that began before its image was claimed."""

    def __init__(self, reading: StillReading, image: bytes, key: StillKey) -> None:
        self.reading = reading
        """Its pictures and times."""
        self.size_bytes = len(image)
        """Length of the still, bytes."""
        self._task = asyncio.create_task(reading.read(image, key))
        # Its error is nobody's business: whoever claims the image reads it again and meets the error itself.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def result(self) -> ReadResult | None:
        """What was read; None where reading failed."""
        await asyncio.wait((self._task,))
        return None if self._task.cancelled() or self._task.exception() else self._task.result()

    def drop(self) -> None:
        """Stops it; what it has found is forgotten."""
        self._task.cancel()


class ReadAhead:
    """Reads stills whose images nobody has claimed yet, one at a time, and keeps the readings for a while.

    A reading is found only by the SHA-256 of the very bytes that were read and by all else that it depends
    on. Nothing of it is stored, announced or entered before it is taken; one that fails, or that nobody
    takes, is dropped. At most two wait, of at most 16 MiB, each at most `forget_after_s` seconds.
    """

    def __init__(
        self, reader: Reader, stopwatch: Callable[[], float], *, forget_after_s: float = FORGET_AFTER_S
    ) -> None:
        self._reader = reader
        self._stopwatch = stopwatch
        self._forget_after_s = forget_after_s
        self._held: dict[StillKey, AheadReading] = {}

    def begin(self, part: bytes) -> bool:
        """Begins to read the still of a part whose bytes have come, before they are checked; whether it did.

        It does not where another still is being read, where the limits are reached, and for bytes that are
        not a whole part with one still that has its digest: step 8 says what is wrong with those.
        """
        if self._reader.under_way or len(self._held) >= STILLS_MAX:
            return False
        found = _still(part)
        if found is None:
            return False
        key, image = found
        held_bytes = sum(held.size_bytes for held in self._held.values())
        if key in self._held or held_bytes + len(image) > HELD_MAX_BYTES:
            return False
        ahead = AheadReading(StillReading(self._reader, self._stopwatch), image, key)
        self._held[key] = ahead
        asyncio.get_running_loop().call_later(self._forget_after_s, self._forget, key, ahead)
        return True

    def take(self, key: StillKey) -> AheadReading | None:
        """The reading of a still, running or ended, for whoever has claimed its image; None: there is none.

        It is given once: two images of equal bytes each get a reading of their own.
        """
        return self._held.pop(key, None)

    def close(self) -> None:
        """Drops all. A repeat changes nothing."""
        for ahead in self._held.values():
            ahead.drop()
        self._held.clear()

    def _forget(self, key: StillKey, ahead: AheadReading) -> None:
        if self._held.get(key) is ahead:
            del self._held[key]
            ahead.drop()


def _still(part: bytes) -> tuple[StillKey, bytes] | None:
    """Key and bytes of the only still in a part; None for anything else."""
    try:
        index, start_bytes = read_index(io.BytesIO(part))
        check_index(index, len(part) - start_bytes)
    except SubFileInvalid:
        return None
    if len(index.images) != 1:
        return None
    image, data = index.images[0], part[start_bytes:]
    if image.sha256 != sha256(data):
        return None
    return _key(image), data


def _key(image: SubFileImage) -> StillKey:
    """As the image's row will say it: a scale of 0 and an empty source are none."""
    return StillKey(
        sha256=image.sha256,
        media_type=image.media_type,
        mm_per_pixel=image.mm_per_pixel or None,
        scale_source=image.scale_source or None,
    )
