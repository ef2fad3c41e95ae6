"""Read-ahead: what is read before its job is used once, or dropped, and never stored before it is claimed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import capture, result
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.errors import ModelInvalid
from cloud.infer.pipeline import Reader, ReadResult
from cloud.store.disk import DiskBlobStore
from cloud.work.ahead import STILLS_MAX, ReadAhead
from cloud.work.still import StillKey
from sonorelay.contract.digest import sha256


class CountingReader(Reader):
    """Reads as a reader does, and says how often; may be told to fail."""

    calls = 0
    error: Exception | None = None

    async def read(self, *arguments: Any) -> ReadResult:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return await super().read(*arguments)


@pytest.fixture
async def reader(tiny_models: Path) -> Any:
    """A reader on the tiny models."""
    engine = OnnxEngine(tiny_models, threads=2)
    await engine.start()
    yield CountingReader(engine)
    await engine.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DiskBlobStore]:
    """An empty store."""
    opened = DiskBlobStore(tmp_path / "blobs", 0)
    yield opened
    opened.close()


def key_of(image: bytes) -> StillKey:
    """The key of a still without a scale."""
    return StillKey(sha256=sha256(image), media_type="image/png", mm_per_pixel=None, scale_source=None)


def part_of(make_sub_file: Callable[..., tuple[list[str], bytes]], *images: bytes) -> bytes:
    """A sub-file of these images."""
    return make_sub_file("brain", list(images))[1]


def stored_blobs(folder: Path) -> set[str]:
    """Names of the blobs on the disk."""
    return {path.name for path in (folder / "blobs" / "sha256").rglob("*") if path.is_file()}


async def test_reading_is_given_once_and_stored_only_then(
    reader: CountingReader, store: DiskBlobStore, make_sub_file: Any, head_png: bytes, tmp_path: Path
) -> None:
    """What was read ahead is what a reading gives; its pictures reach the disk after it is taken, not before;
    a second image of the same bytes gets none."""
    ahead = ReadAhead(reader, time.perf_counter)
    assert ahead.begin(part_of(make_sub_file, head_png))
    taken = ahead.take(key_of(head_png))
    assert taken is not None
    assert ahead.take(key_of(head_png)) is None
    found = await taken.result()
    assert found is not None
    assert stored_blobs(tmp_path) == set()
    taken.reading.store_in(store)
    expected = await reader.read(head_png, "image/png")
    digests = await taken.reading.stored()
    assert {name: sha256(png) for name, png in expected.pictures.items()} == digests
    assert {digest.hex() for digest in digests.values()} == stored_blobs(tmp_path)
    assert expected.reading.finding == found.reading.finding


async def test_pictures_of_a_running_reading_are_stored_as_they_come(
    reader: CountingReader, store: DiskBlobStore, make_sub_file: Any, head_png: bytes, tmp_path: Path
) -> None:
    """A reading that is taken while it runs stores its pictures too."""
    ahead = ReadAhead(reader, time.perf_counter)
    ahead.begin(part_of(make_sub_file, head_png))
    taken = ahead.take(key_of(head_png))
    assert taken is not None
    taken.reading.store_in(store)
    assert await taken.result() is not None
    assert set(await taken.reading.stored()) == {"mask.png", "heatmap.png"}
    assert len(stored_blobs(tmp_path)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"media_type": "application/dicom"},
        {"mm_per_pixel": 0.2},
        {"scale_source": "x"},
        {"sha256": bytes(32)},
    ],
)
async def test_other_arguments_find_no_reading(
    reader: CountingReader, make_sub_file: Any, head_png: bytes, change: dict[str, Any]
) -> None:
    """A reading is found by all that it depends on, not by the bytes alone."""
    ahead = ReadAhead(reader, time.perf_counter)
    assert ahead.begin(part_of(make_sub_file, head_png))
    assert ahead.take(replace(key_of(head_png), **change)) is None
    ahead.close()


async def test_what_is_no_part_of_one_still_is_ignored(
    reader: CountingReader, make_sub_file: Any, head_png: bytes
) -> None:
    """Foreign bytes, a cut part, two stills, and a still without its digest are not read."""
    ahead = ReadAhead(reader, time.perf_counter)
    whole = part_of(make_sub_file, head_png)
    altered = whole[:-1] + bytes([whole[-1] ^ 1])
    for part in (b"", b"no part", whole[:-1], altered, part_of(make_sub_file, head_png, b"second")):
        assert not ahead.begin(part)
    assert reader.calls == 0


async def test_one_at_a_time_and_two_at_most(
    reader: CountingReader, make_sub_file: Any, head_png: bytes
) -> None:
    """A second still is read once the first one is; a third not before one of them is taken."""
    ahead = ReadAhead(reader, time.perf_counter)
    images = [head_png, *(head_png + bytes([n]) for n in range(STILLS_MAX))]
    for image in images[:STILLS_MAX]:
        assert ahead.begin(part_of(make_sub_file, image))
        await asyncio.sleep(0)
        assert not ahead.begin(part_of(make_sub_file, images[-1]))
        while reader.under_way:
            await asyncio.sleep(0.001)
    assert not ahead.begin(part_of(make_sub_file, images[-1]))
    assert ahead.take(key_of(head_png)) is not None
    assert ahead.begin(part_of(make_sub_file, images[-1]))
    ahead.close()


async def test_failed_reading_is_nobodys_error(
    reader: CountingReader, make_sub_file: Any, head_png: bytes
) -> None:
    """A reading that fails gives nothing, and says nothing."""
    reader.error = ModelInvalid("m", "broken")
    ahead = ReadAhead(reader, time.perf_counter)
    assert ahead.begin(part_of(make_sub_file, head_png))
    taken = ahead.take(key_of(head_png))
    assert taken is not None
    assert await taken.result() is None


async def test_reading_that_nobody_takes_is_forgotten(
    reader: CountingReader, make_sub_file: Any, head_png: bytes
) -> None:
    """After its time a reading is gone, and its place is free."""
    ahead = ReadAhead(reader, time.perf_counter, forget_after_s=0.0)
    assert ahead.begin(part_of(make_sub_file, head_png))
    await asyncio.sleep(0.01)
    assert ahead.take(key_of(head_png)) is None
    while reader.under_way:
        await asyncio.sleep(0.001)
    assert ahead.begin(part_of(make_sub_file, head_png))
    ahead.close()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Digests of the stills that the server reads, each time it does."""
    seen: list[bytes] = []
    read = Reader.read

    async def counted(self: Reader, image: bytes, *arguments: Any) -> ReadResult:
        seen.append(sha256(image))
        return await read(self, image, *arguments)

    monkeypatch.setattr(Reader, "read", counted)
    return seen


async def sent_and_read(agent: Any, head_png: bytes, reads: list[bytes]) -> tuple[Any, int]:
    """An upload whose still was read before its commit, and how many it took: none is read ahead in the
    instants in which the worker looks for jobs."""
    for attempt in range(1, 50):
        image = head_png + bytes([attempt])
        made = agent.capture(image)
        opened = await agent.open(made)
        await agent.put(agent.fragments(made, opened))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                while sha256(image) not in reads:
                    await asyncio.sleep(0.005)
            return opened, attempt
    raise AssertionError("nothing is read ahead")


async def test_still_is_read_before_its_commit_and_only_once(
    serve: Any, reading_config: Any, head_png: bytes, reads: list[bytes]
) -> None:
    """A still that has come is read before it is committed: its result needs no second reading, it has not
    waited, and of its reading only what came after the commit counts among the capture's steps."""
    async with serve(reading_config) as running:
        agent = running.agent()
        opened, _ = await sent_and_read(agent, head_png, reads)
        await agent.commit(opened)
        assert (await agent.first_result()).ok
        assert len(reads) == 1
    database = SqliteDatabase(reading_config.data_dir / "state.db")
    with database.begin() as tx:
        own_ms = tx.execute(sa.select(result.c.timings_ms)).scalar_one()
        shown_ms = tx.execute(
            sa.select(capture.c.cloud_timings_ms).where(capture.c.committed_time.is_not(None))
        ).scalar_one()
    database.close()
    assert own_ms["queue"] == 0.0
    assert shown_ms["infer"] < own_ms["infer"]


async def test_capture_that_is_not_committed_leaves_nothing(
    serve: Any, reading_config: Any, head_png: bytes, reads: list[bytes]
) -> None:
    """A still that was read ahead and whose capture never came leaves its shard in the store, and no
    picture."""
    async with serve(reading_config) as running:
        _, sent = await sent_and_read(running.agent(), head_png, reads)
    assert len(stored_blobs(reading_config.data_dir)) == sent


async def test_without_inference_nothing_is_read(
    serve: Any, cloud_config: Any, head_png: bytes, reads: list[bytes]
) -> None:
    """A server that takes and keeps images only reads none ahead."""
    async with serve(cloud_config) as running:
        agent = running.agent()
        await agent.deliver(agent.capture(head_png))
    assert [] == reads
