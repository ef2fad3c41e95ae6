"""The blobs of each tenant apart: nobody learns by a digest what another has stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.store.tenants import TenantStores
from cloud.tenants import DEFAULT_TENANT
from sonorelay.contract.digest import sha256

DATA = b"a print of one hospital"


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[TenantStores]:
    """An empty store."""
    opened = TenantStores(tmp_path / "blobs", free_min_bytes=0)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("one", "other"), [(DEFAULT_TENANT, "west"), ("west", DEFAULT_TENANT), ("east", "west")]
)
async def test_what_one_has_stored_is_missing_for_the_other(
    stores: TenantStores, one: str, other: str
) -> None:
    """Until it has stored the same bytes itself; then neither misses them."""
    digest = sha256(DATA)
    await stores.of(one).put(digest, DATA)
    assert ([], [digest]) == (
        await stores.of(one).missing([digest]),
        await stores.of(other).missing([digest]),
    )
    await stores.of(other).put(digest, DATA)
    assert [] == await stores.of(other).missing([digest])


async def test_what_the_database_names_is_found_wherever_it_lies(
    stores: TenantStores, tmp_path: Path
) -> None:
    """Pictures and readings are made from every tenant's bytes, also after a restart."""
    digest = sha256(DATA)
    await stores.of("west").put(digest, DATA)
    again = TenantStores(tmp_path / "blobs", free_min_bytes=0)
    assert DATA == await again.first.get(digest)
    assert DATA == again.first.file(digest).read_bytes()
    again.close()


async def test_a_server_with_one_tenant_is_as_before(stores: TenantStores, tmp_path: Path) -> None:
    """Its blobs lie where they always lay."""
    await stores.first.put(sha256(DATA), DATA)
    name = sha256(DATA).hex()
    assert (tmp_path / "blobs" / "sha256" / name[:2] / name).is_file()
    assert not (tmp_path / "blobs" / "tenants").exists()
