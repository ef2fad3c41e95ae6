"""Beside the thirteen steps: series: volumes kept in memory, the least recently used leaving first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from cloud.series.volume import Volume


class VolumeCache:
    """Holds at most `cap_bytes` of volumes. Each is loaded once, however many threads ask for it at the same time.

    A volume above the cap is handed out and not kept. A load that fails fails for everyone who waited for it, and is
    tried again when next asked for. Loads of different volumes run side by side, each in the thread that asked first.
    """

    def __init__(self, cap_bytes: int) -> None:
        self._cap_bytes = cap_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Volume] = OrderedDict()
        self._loading: dict[Hashable, Future[Volume]] = {}
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """What the kept volumes take."""
        with self._lock:
            return self._size_bytes

    def get(self, key: Hashable, load: Callable[[], Volume]) -> Volume:
        """The volume named `key`; `load` makes it where it is not kept. Errors: those of `load`."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
            other = self._loading.get(key)
            if other is None:
                mine: Future[Volume] = Future()
                self._loading[key] = mine
        if other is not None:
            return other.result()
        try:
            volume = load()
        except BaseException as error:  # not handled here: it also belongs to whoever waits for this load
            with self._lock:
                self._loading.pop(key)
            mine.set_exception(error)
            raise
        with self._lock:
            # One moment for both: whoever asks sees the volume kept or still loading, and never loads it again.
            self._keep(key, volume)
            self._loading.pop(key)
        mine.set_result(volume)
        return volume

    def forget(self, key: Hashable) -> None:
        """Drops a volume, because its series has changed; a load under way is not stopped."""
        with self._lock:
            dropped = self._kept.pop(key, None)
            self._size_bytes -= dropped.size_bytes if dropped else 0

    def _keep(self, key: Hashable, volume: Volume) -> None:
        if volume.size_bytes > self._cap_bytes:
            return
        self._kept[key] = volume
        self._size_bytes += volume.size_bytes
        while self._size_bytes > self._cap_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._size_bytes -= oldest.size_bytes
