"""Step 9 of 13: store. Blobs as files on this machine's disk, named by their SHA-256."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from cloud.errors import BlobCorrupt, BlobMissing, StoreFull
from cloud.store import BlobStore, FileBlobStore
from cloud.store.durable import disk_errors, make_folder, sync_file, sync_folder, write_temporary
from sonorelay.contract.digest import DIGEST_SIZE_BYTES, sha256

T = TypeVar("T")

# Many syncs at once share one commit of the file system's journal: measured best near this count.
_THREADS: Final = 16
_FULL_AFTER_S: Final = 30.0
# A look at a name takes microseconds; a change of thread takes more than several of them.
_LOOKED_UP_AT_ONCE: Final = 16
_OTHER_BYTES: Final = "the bytes do not have the digest they were put under"


class DiskBlobStore:
    """When `put` returns, the bytes survive a power cut. It checks the hash itself. A repeat is a no-op.

    Blobs lie in `root`/sha256/ab/<hex>; all 256 folders are made at the start, so that keeping a blob syncs
    one folder and not the new ones above it too. A name there means a whole file: bytes are written and synced
    under `root`/incoming first and then renamed. Below `free_min_bytes` of free disk, `put` raises StoreFull.
    One process at a time owns `root`.
    """

    def __init__(self, root: Path, free_min_bytes: int) -> None:
        self._blobs = root / "sha256"
        self._incoming = root / "incoming"
        self._free_min_bytes = free_min_bytes
        with disk_errors():
            restarted = self._blobs.is_dir()
            make_folder(self._incoming)
            make_folder(self._blobs)
            for first in range(256):
                (self._blobs / f"{first:02x}").mkdir(exist_ok=True)
            sync_folder(self._blobs)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            if restarted:
                # A process that was killed may have renamed a blob whose name is not on the disk yet;
                # from here on every name that is there is durable.
                os.sync()
        self._lock = threading.Lock()
        self._running: dict[bytes, Future[None]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blob")

    async def put(self, digest: bytes, data: bytes) -> None:
        """Keeps `data` under its SHA-256 `digest` (32 bytes). Errors: BlobCorrupt, StoreFull."""
        await self._in_thread(lambda: self._put(digest, data))

    async def get(self, digest: bytes) -> bytes:
        """The bytes, checked again against the digest. Errors: BlobMissing, BlobCorrupt."""
        return await self._in_thread(lambda: self._get(digest))

    async def missing(self, digests: Sequence[bytes]) -> list[bytes]:
        """Those of `digests` that the store does not hold durably, in the order given, each once."""
        if len(digests) <= _LOOKED_UP_AT_ONCE:
            return self._missing(digests)
        return await self._in_thread(lambda: self._missing(digests))

    async def put_file(self, digest: bytes, path: Path) -> None:
        """Keeps the file at `path`, which is then gone, under its SHA-256. Errors: BlobCorrupt, StoreFull."""
        await self._in_thread(lambda: self._put_file(digest, path))

    def file(self, digest: bytes) -> Path:
        """Where the blob's bytes lie, or would; not checked against the digest."""
        return self._path(digest)

    def close(self) -> None:
        """Finishes what is running. A repeat does nothing."""
        self._threads.shutdown()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _path(self, digest: bytes) -> Path:
        if len(digest) != DIGEST_SIZE_BYTES:
            raise BlobCorrupt(f"a digest has {DIGEST_SIZE_BYTES} bytes, not {len(digest)}")
        name = digest.hex()
        return self._blobs / name[:2] / name

    def _holds(self, digest: bytes) -> bool:
        # In this order: a put that began after the first look is not mistaken for a finished one.
        return self._path(digest).exists() and digest not in self._running

    def _put(self, digest: bytes, data: bytes) -> None:
        if sha256(data) != digest:
            raise BlobCorrupt(_OTHER_BYTES)
        self._once(digest, lambda: self._write(self._path(digest), data))

    def _put_file(self, digest: bytes, path: Path) -> None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").digest()
        if found != digest:
            raise BlobCorrupt(_OTHER_BYTES)
        self._once(digest, lambda: self._move(path, self._path(digest)))
        path.unlink(missing_ok=True)

    def _once(self, digest: bytes, write: Callable[[], None]) -> None:
        """Has the blob written, unless it is there or another thread writes it: then waits for that."""
        if self._holds(digest):
            return
        with self._lock:
            other = self._running.get(digest)
            if other is None:
                mine: Future[None] = Future()
                self._running[digest] = mine
        if other is not None:
            other.result()
            return
        try:
            with disk_errors():
                write()
        except BaseException as error:  # not handled here: it also belongs to whoever waits for this put
            mine.set_exception(error)
            raise
        else:
            mine.set_result(None)
        finally:
            with self._lock:
                del self._running[digest]

    def _write(self, path: Path, data: bytes) -> None:
        volume = os.statvfs(self._blobs)
        if volume.f_bavail * volume.f_frsize - len(data) < self._free_min_bytes:
            raise StoreFull("the disk has less free space than its watermark", _FULL_AFTER_S)
        temporary = self._incoming / secrets.token_hex(16)
        try:
            write_temporary(temporary, data)
            self._rename(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _move(self, source: Path, path: Path) -> None:
        sync_file(source)
        self._rename(source, path)

    def _rename(self, source: Path, path: Path) -> None:
        os.rename(source, path)
        try:
            sync_folder(path.parent)
        except BaseException:
            # A name that may not survive must not look like a kept blob.
            path.unlink(missing_ok=True)
            raise

    def _get(self, digest: bytes) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise BlobMissing(f"no blob {digest.hex()}") from error
        if sha256(data) != digest:
            raise BlobCorrupt(f"blob {digest.hex()} was altered on the disk")
        return data

    def _missing(self, digests: Sequence[bytes]) -> list[bytes]:
        return [digest for digest in dict.fromkeys(digests) if not self._holds(digest)]


_disk: type[BlobStore] = DiskBlobStore
_disk_of_files: type[FileBlobStore] = DiskBlobStore
