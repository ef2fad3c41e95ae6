"""A process that reads a loop of about 2 GB out of a store on disk and says what it took; run by a test.

Arguments: folder for the store. The loop's frames repeat one of two pictures, so that the store holds few shards.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from pathlib import Path

import psutil

from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.pipeline import Reader
from cloud.store.disk import DiskBlobStore
from cloud.store.range_file import range_opener
from tests.cloud.infer.loops import drawn, loop_header

SHARD_BYTES = 262_144
SIZE_HW = (512, 1024)
FRAME_COUNT = 4_000
"""Frames of exactly two shards each."""


class CountingStore(DiskBlobStore):
    """A store that counts what is fetched."""

    fetched = 0

    async def get(self, digest: bytes) -> bytes:
        self.fetched += 1
        return await super().get(digest)


async def main() -> None:
    root = Path(__file__).parents[3]
    store = CountingStore(Path(sys.argv[1]), free_min_bytes=0)
    engine = OnnxEngine(root / "model_repository", threads=1)
    await engine.start()
    # The object begins inside the part's first shard and its pixels with the second.
    header = loop_header(SIZE_HW, FRAME_COUNT)
    start_bytes = SHARD_BYTES - len(header)
    digests = [await _put(store, bytes(start_bytes) + header)]
    pictures = drawn((500, 250), (540, 260), size_hw=SIZE_HW)
    halves = [
        [await _put(store, half.tobytes()) for half in (picture[:256], picture[256:])] for picture in pictures
    ]
    for index in range(FRAME_COUNT):
        digests += halves[(index // 267) % 2]
    size_bytes = SHARD_BYTES * len(digests) - start_bytes
    before = _memory_bytes()
    opener = range_opener(store, digests, SHARD_BYTES, start_bytes, size_bytes)
    result = await Reader(engine).read(opener, "application/dicom")
    loop = result.reading.to_json()["loop"]
    report = {
        "size_bytes": size_bytes,
        "frame_count": loop["frame_count"],
        "sampled": loop["sampled"],
        "fetched": store.fetched,
        "memory_bytes": _memory_bytes(),
        "memory_before_bytes": before,
    }
    print(json.dumps(report))
    await engine.close()


async def _put(store: DiskBlobStore, data: bytes) -> bytes:
    digest = hashlib.sha256(data).digest()
    await store.put(digest, data)
    return digest


def _memory_bytes() -> int:
    """The most that this process has held so far."""
    status = Path("/proc/self/status").read_text()
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else psutil.Process().memory_info().rss


if __name__ == "__main__":
    asyncio.run(main())
