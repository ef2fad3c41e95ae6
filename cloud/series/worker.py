"""Beside the thirteen steps: series: a worker process: opens series, builds volumes, cuts planes, one by one.

`python -m cloud.series.worker DESCRIPTOR`: requests come and answers go over the connection of that descriptor, which
the pool made (`workers.py`). It ends when the connection does. Nothing is written to the terminal.
"""

from __future__ import annotations

import logging
import math
import signal
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import numpy as np
import SimpleITK as sitk

from cloud.errors import CloudError
from cloud.series.errors import SliceInvalid
from cloud.series.export import Derived, dicom_series
from cloud.series.facts import facts_of
from cloud.series.geometry import Plan
from cloud.series.messages import (
    Cut,
    CutMade,
    Frame,
    Key,
    NotOpen,
    Opened,
    OpenedFacts,
    StoredSeries,
    Sweep,
    Tag,
)
from cloud.series.opened import OpenSeries
from cloud.series.planes import Plane, plane
from cloud.series.png import png
from cloud.series.reasons import Refusal
from cloud.series.reslice import Slice, cut
from cloud.series.shown import shown_frame
from cloud.series.sweep import PLANES_MAX, sweep
from cloud.series.tags import tags
from cloud.series.volume import Volume
from cloud.series.window import proposed

EXPORT_MAX_BYTES: Final = 512 * 1024**2
"""Pixels of one stored reconstruction."""


class Worker:
    """The series that this process has open. A method's first parameter is the series' key."""

    def __init__(self) -> None:
        self._open: dict[Key, OpenSeries] = {}

    def look(self, stored: StoredSeries) -> Opened:
        """What opening it would come to; nothing is kept. Errors: HeaderRefused."""
        return _opened(OpenSeries(stored))

    def open(self, key: Key, stored: StoredSeries) -> Opened:
        """Reads headers, plans. Errors: HeaderRefused."""
        if key not in self._open:
            self._open[key] = OpenSeries(stored)
        return _opened(self._open[key])

    def build(self, key: Key) -> int:
        """Builds the volume; the memory it then takes, bytes. Errors: NotOpen, SeriesRefused."""
        return self._series(key).build().size_bytes

    def forget(self, key: Key) -> None:
        """Lets go of a series and its volume."""
        self._open.pop(key, None)

    def facts(self, key: Key) -> OpenedFacts:
        """All that is told of it. Errors: NotOpen."""
        return facts_of(self._series(key))

    def cut(self, key: Key, asked: Cut) -> CutMade:
        """A plane's numbers. Errors: NotOpen, SeriesRefused, SliceInvalid."""
        made = self._cut(key, asked)
        return CutMade(
            data=np.ascontiguousarray(made.pixels, dtype="<i2").tobytes(),
            scale=made.scale,
            offset=made.offset,
            background=made.background,
        )

    def png(self, key: Key, asked: Cut, window: tuple[float, float] | None) -> bytes:
        """A plane as PNG; None: with the window that is proposed. Errors: as `cut`."""
        series = self._series(key)
        made = self._cut(key, asked)
        return png(made, window or proposed(series.series.current, series.build()))

    def frame(self, key: Key, image: int, frame: int) -> Frame:
        """One frame of one image. Errors: NotOpen, IndexError, SliceInvalid, SliceUnreadable."""
        header, open_bytes = self._series(key).image(image)
        return shown_frame(header, open_bytes, frame)

    def tags(self, key: Key, image: int) -> list[Tag]:
        """The header of one image. Errors: NotOpen, IndexError, HeaderRefused."""
        _, open_bytes = self._series(key).image(image)
        return tags(open_bytes)

    def export(self, key: Key, asked: Sweep, folder: str) -> list[str]:
        """Cuts planes and writes each as a DICOM file of one new series into `folder`; their paths in order.

        Errors: NotOpen, SeriesRefused, SliceInvalid, HeaderRefused.
        """
        series = self._series(key)
        volume = series.build()
        plan, current = series.plan, series.series.current
        assert isinstance(plan, Plan)
        planes = _planes(volume, asked)
        size_bytes = 2 * len(planes) * planes[0].size_px[0] * planes[0].size_px[1]
        if size_bytes > EXPORT_MAX_BYTES:
            raise SliceInvalid(f"that makes {size_bytes} bytes; up to {EXPORT_MAX_BYTES} are stored at once")
        cuts = [cut(volume, each, slab_mm=asked.slab_mm, mode=asked.mode) for each in planes]
        cuts = [each for each in cuts if each.inside_share > 0]
        if not cuts:
            raise SliceInvalid("none of these planes meets the volume")
        derived = Derived(
            description=asked.description,
            spacing_mm=asked.step_mm,
            window=proposed(current, volume),
            time=asked.time,
        )
        paths = []
        for number, data in enumerate(dicom_series(cuts, plan, current, derived), 1):
            path = Path(folder) / f"{number:04}.dcm"
            path.write_bytes(data)
            paths.append(str(path))
        return paths

    def _series(self, key: Key) -> OpenSeries:
        found = self._open.get(key)
        if found is None:
            raise NotOpen("the series is not open here")
        return found

    def _cut(self, key: Key, asked: Cut) -> Slice:
        volume = self._series(key).build()
        at = plane(asked.centre_mm, asked.u, asked.v, (asked.size_px, asked.size_px), asked.pixel_mm)
        return cut(volume, at, slab_mm=asked.slab_mm, mode=asked.mode)


def _planes(volume: Volume, asked: Sweep) -> list[Plane]:
    """The planes that are asked for. Errors: SliceInvalid."""
    if asked.first_mm is None or asked.last_mm is None:
        return sweep(volume, asked.u, asked.v, step_mm=asked.step_mm)
    count = math.floor((asked.last_mm - asked.first_mm) / asked.step_mm + 1e-6) + 1
    if not 1 <= count <= PLANES_MAX:
        raise SliceInvalid(f"from first to last lie {count} planes; 1 to {PLANES_MAX} are cut at once")
    normal = np.cross(asked.u, asked.v)
    places = [(asked.first_mm + asked.step_mm * number) * normal for number in range(count)]
    return [
        plane
        for at in places
        for plane in sweep(volume, asked.u, asked.v, step_mm=asked.step_mm, centre_mm=at.tolist())
    ]


def _opened(series: OpenSeries) -> Opened:
    return Opened(
        kind=series.kind,
        image_count=len(series.members),
        frame_count=series.frame_count,
        refusal=series.plan if isinstance(series.plan, Refusal) else None,
        need_bytes=0 if series.volume else series.need_bytes,
    )


def serve(connection: Connection) -> None:
    """Answers requests `(method, arguments)` with `(answer, None)` or `(None, error)` until the connection ends."""
    worker = Worker()
    while True:
        try:
            name, arguments = connection.recv()
        except EOFError:
            return
        method: Callable[..., Any] = getattr(worker, name)
        answer: tuple[Any, Exception | None]
        try:
            answer = (method(*arguments), None)
        except (CloudError, IndexError, MemoryError) as error:
            answer = (None, error)
        connection.send(answer)


def main(arguments: list[str]) -> int:
    """The process."""
    # Ctrl-C reaches the whole group; the server decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What libraries say of a header may hold its values.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    # Several workers share the cores, and a cut takes milliseconds.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with Connection(int(arguments[0])) as connection:
        serve(connection)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
