"""What the viewer asks of a server: oblique planes of 512 x 512 pixels through an uploaded series of 192 slices, in a
worker process against SimpleITK called bare, and over HTTP with four panes at once."""

from __future__ import annotations

import asyncio
import http.client
import json
import statistics
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import SimpleITK as sitk

from cloud.series.messages import Cut, SlabMode, StoredBytes, StoredSeries
from cloud.series.planes import oblique, plane
from cloud.series.workers import Workers
from deploy.local.machine import Machine
from tests.bench.outcome import Row, row
from tests.bench.reslice import bare
from tests.cloud.series.phantom import AXIAL, header, place, write

SLICES, SIDE, SPACING_MM, STEP_MM = 192, 512, 0.5, 1.0
CAP_BYTES = 4 * 1024**3
ROUNDS, WARM_UP, PANES = 40, 3, 4
RATIO_MAX = 1.5
P95_MAX_MS = 100.0
ANGLES = [(30 + n / 3, 20.0, 10 - n / 5) for n in range(ROUNDS)]
"""A plane that is turned by the mouse: each cut is another one."""


def planes_of_a_series(folder: Path) -> list[Row]:
    """Both rows, on one series."""
    files = list(_written(folder / "files"))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    return [asyncio.run(_in_a_worker(files)), _over_http(folder / "server", files)]


def _written(folder: Path) -> Iterator[Path]:
    corner = -(SIDE - 1) / 2 * SPACING_MM
    for number, pixels in enumerate(_values(), 1):
        ds = header(number)
        place(ds, np.array([corner, corner, (number - (SLICES + 1) / 2) * STEP_MM]), AXIAL, SPACING_MM)
        yield write(folder / f"{number:03}.dcm", ds, pixels)


def _values() -> np.ndarray:
    """Slices x rows x columns, the same each time."""
    return np.random.default_rng(0).integers(-1000, 2000, (SLICES, SIDE, SIDE)).astype(np.int16)


async def _in_a_worker(files: list[Path]) -> Row:
    """Median milliseconds from question to answer, and of the bare filter in the same run, in turn."""
    stored = StoredSeries(
        images=tuple(
            StoredBytes(
                shards=(str(file),), shard_size_bytes=1, start_bytes=0, size_bytes=file.stat().st_size
            )
            for file in files
        ),
        threshold=10,
        cap_bytes=CAP_BYTES,
    )

    async def load() -> StoredSeries:
        return stored

    workers, key = Workers(1, CAP_BYTES), (str(uuid.uuid4()), 1)
    begin = time.perf_counter()
    facts = await workers.ask(key, load, "facts")
    opening_s = time.perf_counter() - begin
    image = sitk.GetImageFromArray(_values())
    image.SetSpacing(facts.geometry.spacing_mm)
    image.SetOrigin(facts.geometry.origin_mm)
    spent: dict[str, list[float]] = {"ours": [], "bare": []}
    for number, angles in enumerate([*ANGLES[:WARM_UP], *ANGLES]):
        u, v = oblique(angles)
        filtered = bare(image, plane((0, 0, 0), u, v, (SIDE, SIDE), SPACING_MM))
        asked = Cut(
            centre_mm=(0, 0, 0), u=u, v=v, size_px=SIDE, pixel_mm=SPACING_MM, slab_mm=0, mode=SlabMode.MEAN
        )
        begin = time.perf_counter()
        await workers.ask(key, load, "cut", asked)
        middle = time.perf_counter()
        filtered()
        if number >= WARM_UP:
            spent["ours"].append(1000 * (middle - begin))
            spent["bare"].append(1000 * (time.perf_counter() - middle))
    await workers.close()
    ours_ms, bare_ms = statistics.median(spent["ours"]), statistics.median(spent["bare"])
    return row(
        "plane from a worker / SimpleITK", ours_ms, bare_ms, "ms", ours_ms / bare_ms, "<=", RATIO_MAX,
        notes=f"question to answer between processes; opening and building 192 slices took {opening_s:.1f} s",
    )  # fmt: skip


def _over_http(folder: Path, files: list[Path]) -> Row:
    """The 95th percentile over a real server, four panes each asking for the next plane once it has the last."""
    folder.mkdir()
    with Machine(folder) as machine:
        address = machine.start_cloud().console_url.removeprefix("http://").rstrip("/")
        client = _Client(address, machine.token())
        upload_id = client.json("POST", "/api/uploads")["upload_id"]
        for file in files:
            client.send("PUT", f"/api/uploads/{upload_id}/files?path={file.name}", file.read_bytes())
        made = client.json("POST", f"/api/uploads/{upload_id}/finish")
        series_id = made["series"][0]["series"]["series_id"]
        client.json("GET", f"/api/series/{series_id}")
        with ThreadPoolExecutor(PANES) as panes:
            spent = [
                ms
                for each in panes.map(
                    lambda pane: _pane(_Client(address, client.token), series_id, pane), range(PANES)
                )
                for ms in each
            ]
    p95_ms = statistics.quantiles(spent, n=20)[-1]
    return row(
        "planes over HTTP, four panes, p95", p95_ms, P95_MAX_MS, "ms", p95_ms / P95_MAX_MS, "<=", 1.0,
        notes=f"peer: the limit; median {statistics.median(spent):.1f} ms, {len(spent)} planes of 512 x 512",
    )  # fmt: skip


def _pane(client: _Client, series_id: str, pane: int) -> list[float]:
    """Milliseconds of each plane of one pane."""
    spent = []
    for angles in ANGLES:
        u, v = (",".join(map(repr, each)) for each in oblique(angles))
        query = urlencode({"c": "0,0,0", "u": u, "v": v, "size": SIDE, "px": SPACING_MM, "pane": pane})
        begin = time.perf_counter()
        data = client.send("GET", f"/api/series/{series_id}/slice?{query}")
        spent.append(1000 * (time.perf_counter() - begin))
        assert 2 * SIDE * SIDE == len(data)
    return spent


class _Client:
    """One connection that stays open, as a browser's does."""

    def __init__(self, address: str, token: str) -> None:
        self.token = token
        self._connection = http.client.HTTPConnection(address, timeout=120)

    def send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """The answer's bytes."""
        self._connection.request(method, path, body=body, headers={"Authorization": f"Bearer {self.token}"})
        response = self._connection.getresponse()
        data = response.read()
        assert 200 == response.status, data
        return data

    def json(self, method: str, path: str) -> dict[str, list[dict[str, dict[str, str]]]]:
        """The answer as JSON."""
        found: dict[str, list[dict[str, dict[str, str]]]] = json.loads(self.send(method, path))
        return found
