"""Files of the disk blob store: crashes, full disks, damage."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.errors import BlobCorrupt, StoreFull
from cloud.store.disk import DiskBlobStore
from sonorelay.contract.digest import sha256

_DATA = b"an image" * 1000


def _path(root: Path, data: bytes) -> Path:
    name = sha256(data).hex()
    return root / "sha256" / name[:2] / name


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., DiskBlobStore]]:
    opened: list[DiskBlobStore] = []

    def open_it(free_min_bytes: int = 0) -> DiskBlobStore:
        opened.append(DiskBlobStore(tmp_path, free_min_bytes))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


async def test_a_blob_lies_under_its_name(open_store: Callable[..., DiskBlobStore], tmp_path: Path) -> None:
    """sha256/ab/<hex>, and nothing stays in incoming."""
    await open_store().put(sha256(_DATA), _DATA)
    assert _path(tmp_path, _DATA).read_bytes() == _DATA
    assert list((tmp_path / "incoming").iterdir()) == []


async def test_what_a_killed_writer_left_is_removed(
    open_store: Callable[..., DiskBlobStore], tmp_path: Path
) -> None:
    """A half-written temporary file is gone after the next start, and is never taken for a blob."""
    await open_store().put(sha256(_DATA), _DATA)
    (tmp_path / "incoming" / "half").write_bytes(_DATA[:10])
    store = open_store()
    assert list((tmp_path / "incoming").iterdir()) == []
    assert await store.get(sha256(_DATA)) == _DATA


async def test_below_the_watermark_nothing_is_taken(open_store: Callable[..., DiskBlobStore]) -> None:
    """With less free disk than asked for, put says when to come back; what is held stays readable, and a
    repeat of it is still a no-op.
    """
    await open_store().put(sha256(_DATA), _DATA)
    store = open_store(free_min_bytes=1 << 62)
    with pytest.raises(StoreFull) as caught:
        await store.put(sha256(b"new"), b"new")
    assert caught.value.after_s > 0
    assert await store.missing([sha256(b"new"), sha256(_DATA)]) == [sha256(b"new")]
    await store.put(sha256(_DATA), _DATA)
    assert await store.get(sha256(_DATA)) == _DATA


async def test_an_altered_blob_is_not_handed_out(
    open_store: Callable[..., DiskBlobStore], tmp_path: Path
) -> None:
    """get checks the bytes against their name."""
    store = open_store()
    await store.put(sha256(_DATA), _DATA)
    _path(tmp_path, _DATA).write_bytes(_DATA[:-1] + b"!")
    with pytest.raises(BlobCorrupt):
        await store.get(sha256(_DATA))


async def test_a_sync_that_fails_is_a_failed_put(
    open_store: Callable[..., DiskBlobStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the name could not be synced, put fails for all who wait for the blob, and it stays missing."""
    store = open_store()

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    outcomes = await asyncio.gather(
        *(store.put(sha256(_DATA), _DATA) for _ in range(4)), return_exceptions=True
    )
    assert [OSError] * 4 == [type(outcome) for outcome in outcomes]
    assert await store.missing([sha256(_DATA)]) == [sha256(_DATA)]
    monkeypatch.undo()
    await store.put(sha256(_DATA), _DATA)
    assert await store.missing([sha256(_DATA)]) == []


async def test_a_blob_is_missing_until_its_name_is_synced(
    open_store: Callable[..., DiskBlobStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between rename and sync the file is visible but not yet durable: missing must still name it."""
    store = open_store()
    renamed, go = threading.Event(), threading.Event()
    sync = os.fsync

    def slowly(descriptor: int) -> None:
        renamed.set()
        go.wait(10)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slowly)
    putting = asyncio.create_task(store.put(sha256(_DATA), _DATA))
    await asyncio.to_thread(renamed.wait, 10)
    assert _path(tmp_path, _DATA).exists()
    assert await store.missing([sha256(_DATA)]) == [sha256(_DATA)]
    go.set()
    await putting
    assert await store.missing([sha256(_DATA)]) == []


async def test_a_file_becomes_a_blob(open_store: Callable[..., DiskBlobStore], tmp_path: Path) -> None:
    """It is gone from where it was, lies whole under its digest and is got like any blob; a repeat only removes the
    file."""
    store = open_store()
    for name in ("first", "second"):
        file = tmp_path / name
        file.write_bytes(_DATA)
        await store.put_file(sha256(_DATA), file)
        assert not file.exists()
    assert _DATA == await store.get(sha256(_DATA)) == store.file(sha256(_DATA)).read_bytes()


async def test_a_file_of_other_bytes_is_refused(
    open_store: Callable[..., DiskBlobStore], tmp_path: Path
) -> None:
    """A file that is not what its digest says is left where it is, and nothing is kept."""
    store, file = open_store(), tmp_path / "file"
    file.write_bytes(b"other")
    with pytest.raises(BlobCorrupt):
        await store.put_file(sha256(_DATA), file)
    assert b"other" == file.read_bytes()
    assert [sha256(_DATA)] == await store.missing([sha256(_DATA)])
