"""Step 9 of 13: store. Blob store seam: bytes under the name of their own SHA-256."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class BlobStore(Protocol):
    """When `put` returns, the bytes survive a power cut. It checks the hash itself. A repeat is a no-op.

    Errors: `BlobCorrupt` (bytes do not have the digest), `BlobMissing`, `StoreFull(after_s)` of cloud.errors.
    """

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keeps `data` under its SHA-256 `digest` (32 bytes)."""
        ...

    async def get(self, digest: bytes) -> bytes:
        """The bytes, checked again against the digest."""
        ...

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those of `digests` that the store does not hold, in the order given, each once."""
        ...


class FileBlobStore(BlobStore, Protocol):
    """A blob store whose blobs are files of this machine: for what is too large to hold, and for other processes."""

    async def put_file(self, digest: bytes, path: Path) -> None:
        """Keeps the file at `path`, which is then gone, under its SHA-256; as `put` otherwise. The file lies on the
        store's own disk."""
        ...

    def file(self, digest: bytes) -> Path:
        """Where the blob's bytes lie, or would; not checked against the digest. Nobody writes there."""
        ...
