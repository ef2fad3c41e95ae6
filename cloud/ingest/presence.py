"""Part of step 12: which agents are there: each holds a stream for its results, whether or not it prints."""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from cloud.db.times import Clock

_REMEMBERED: Final = 1000


class Presence:
    """Knows since its creation who holds a stream, and when a stream that ended did so."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: Counter[str] = Counter()
        self._ended: OrderedDict[str, datetime] = OrderedDict()

    @contextlib.contextmanager
    def stream(self, device_id: str) -> Iterator[None]:
        """The device is there until this ends."""
        self._streams[device_id] += 1
        try:
            yield
        finally:
            self._streams[device_id] -= 1
            if not self._streams[device_id]:
                del self._streams[device_id]
            self._ended[device_id] = self._clock()
            self._ended.move_to_end(device_id)
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)

    @property
    def connected(self) -> frozenset[str]:
        """Devices that hold a stream now."""
        return frozenset(self._streams)

    def heard(self, now: datetime) -> Mapping[str, datetime]:
        """When each device was last there, as far as this knows: `now` for those that are."""
        return {**self._ended, **dict.fromkeys(self._streams, now)}
