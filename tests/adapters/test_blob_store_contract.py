"""Contract of the blob store seam, run on every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloud.errors import BlobCorrupt, BlobMissing
from cloud.store import BlobStore
from cloud.store.disk import DiskBlobStore
from cloud.store.tenants import TenantStores
from sonorelay.contract.digest import sha256

Open = Callable[[], BlobStore]


@pytest.fixture(params=["disk", "tenant"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store, also again as after a restart."""
    opened: list[DiskBlobStore | TenantStores] = []

    def open_disk() -> BlobStore:
        disk = DiskBlobStore(tmp_path / "blobs", free_min_bytes=0)
        opened.append(disk)
        return disk

    def open_tenants() -> BlobStore:
        stores = TenantStores(tmp_path / "blobs", free_min_bytes=0)
        opened.append(stores)
        return stores.of("west")

    yield {"disk": open_disk, "tenant": open_tenants}[request.param]
    for store in opened:
        store.close()


async def test_put_then_get(open_store: Open) -> None:
    """What was put comes back byte for byte, also an empty blob and one over many pages."""
    store = open_store()
    for data in (b"", b"x", bytes(range(256)) * 4096):
        await store.put(sha256(data), data)
        assert data == await store.get(sha256(data))


async def test_blobs_survive_a_restart(open_store: Open) -> None:
    """A blob whose put returned is there for the next process."""
    await open_store().put(sha256(b"kept"), b"kept")
    assert await open_store().get(sha256(b"kept")) == b"kept"


async def test_wrong_digest_is_refused_and_leaves_nothing(open_store: Open) -> None:
    """put checks the hash itself."""
    store = open_store()
    for digest in (sha256(b"other"), b"short"):
        with pytest.raises(BlobCorrupt):
            await store.put(digest, b"data")
    assert await store.missing([sha256(b"other")]) == [sha256(b"other")]


async def test_a_repeat_is_a_no_op(open_store: Open) -> None:
    """The same blob put again, before, during and after, is one blob."""
    store = open_store()
    data = b"again" * 50_000
    await asyncio.gather(*(store.put(sha256(data), data) for _ in range(40)))
    await store.put(sha256(data), data)
    assert data == await store.get(sha256(data))


async def test_missing_keeps_order_and_names_each_once(open_store: Open) -> None:
    """missing gives those that are not held, in the order asked, each once."""
    store = open_store()
    a, b, c = (sha256(name) for name in (b"a", b"b", b"c"))
    await store.put(b, b"b")
    assert await store.missing([c, b, a, c, b]) == [c, a]
    assert await store.missing([]) == []


async def test_an_unknown_blob_is_missing(open_store: Open) -> None:
    """get of what was never put raises BlobMissing."""
    with pytest.raises(BlobMissing):
        await open_store().get(sha256(b"never"))


async def test_many_at_once(open_store: Open) -> None:
    """Hundreds of puts in flight are all kept."""
    store = open_store()
    blobs = {sha256(str(n).encode()): str(n).encode() for n in range(300)}
    await asyncio.gather(*(store.put(digest, data) for digest, data in blobs.items()))
    assert await store.missing(list(blobs)) == []
    assert list(blobs.values()) == await asyncio.gather(*(store.get(digest) for digest in blobs))
