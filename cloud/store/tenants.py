"""Step 9 of 13: store. The blobs of each tenant apart: what one has stored is missing for another.

The first tenant's lie in the root itself, so that a server with one tenant is as if there were none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from cloud.db.tenant_tables import DEFAULT_TENANT
from cloud.store import FileBlobStore
from cloud.store.disk import DiskBlobStore

_FOLDER: Final = "tenants"


class TenantBlobStore:
    """The blobs of one tenant: what it puts is put for it, and what only others have is missing. `get` and `file` find
    what any tenant has, for those who have it from the database, where objects belong to somebody."""

    def __init__(self, own: DiskBlobStore, all_stores: Callable[[], Iterable[DiskBlobStore]]) -> None:
        self._own = own
        self._all_stores = all_stores

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keeps `data` under its SHA-256 `digest` (32 bytes). Errors: BlobCorrupt, StoreFull."""
        await self._own.put(digest, data)

    async def get(self, digest: bytes) -> bytes:
        """The bytes, checked again against the digest. Errors: BlobMissing, BlobCorrupt."""
        return await self._holder(digest).get(digest)

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those of `digests` that the tenant has not stored durably, in the order given, each once."""
        return await self._own.missing(digests)

    async def put_file(self, digest: bytes, path: Path) -> None:
        """Keeps the file at `path`, which is then gone, under its SHA-256. Errors: BlobCorrupt, StoreFull."""
        await self._own.put_file(digest, path)

    def file(self, digest: bytes) -> Path:
        """Where the blob's bytes lie, or would; not checked against the digest."""
        return self._holder(digest).file(digest)

    def _holder(self, digest: bytes) -> DiskBlobStore:
        return next((each for each in self._all_stores() if each.file(digest).exists()), self._own)


class TenantStores:
    """Opens the blobs of each tenant under `root`, those of the others in tenants/<short name> there.

    Below `free_min_bytes` of free disk nothing is put. One process at a time owns `root`.
    """

    def __init__(self, root: Path, free_min_bytes: int) -> None:
        self._root = root
        self._free_min_bytes = free_min_bytes
        self._stores = {DEFAULT_TENANT: DiskBlobStore(root, free_min_bytes)}
        for folder in sorted((root / _FOLDER).glob("*")):
            self._stores[folder.name] = DiskBlobStore(folder, free_min_bytes)
        self.first = self.of(DEFAULT_TENANT)
        """The first tenant's, and of what is made here."""

    def of(self, tenant_id: str) -> TenantBlobStore:
        """The tenant's blobs; its folder is made where there is none."""
        if tenant_id not in self._stores:
            folder = self._root / _FOLDER / tenant_id
            self._stores[tenant_id] = DiskBlobStore(folder, self._free_min_bytes)
        return TenantBlobStore(self._stores[tenant_id], self._stores.values)

    def close(self) -> None:
        """Finishes what is running. A repeat does nothing."""
        for each in self._stores.values():
            each.close()


_of_tenant: type[FileBlobStore] = TenantBlobStore
