"""Beside the thirteen steps: series: uploads of folders, as they come: begun, filled file by file, finished.

When `put` returns, the file is durable: de-identified in the store, or as it came in quarantine. When `finish`
returns, the series are there, their ledger entry with them.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from cloud.accounts.tenants import own_tenant
from cloud.accounts.values import Principal
from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.errors import CloudError, StoreFull
from cloud.series import rows
from cloud.series.arrival import Arrivals, Taken
from cloud.series.filing import Filing
from cloud.series.quarantine import Quarantine
from cloud.series.reasons import LeftOutReason
from cloud.series.rows import FileRow, UploadRow
from cloud.series.stored import Source
from cloud.series.upload_reasons import Reason, UploadReason
from cloud.store import FileBlobStore

FILE_MAX_BYTES: Final = 2 * 1024**3
PATH_MAX: Final = 1024
_WRITE_BYTES: Final = 1024**2
_LOOK_AT_DISK_BYTES: Final = 64 * 1024**2
_FULL_AFTER_S: Final = 30.0
_DUPLICATE: Final = LeftOutReason.DUPLICATE_INSTANCE


class UploadUnknown(CloudError):
    """There is no such upload of this person or machine."""


class UploadClosed(CloudError):
    """The upload was finished; begin another one."""


class PathInvalid(CloudError):
    """The path is none of a file below the uploaded folder; the message says why."""


class PathTaken(CloudError):
    """The upload has another file under this path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFiles:
    """What uploads stand on."""

    database: Database
    """State of the server."""
    store: FileBlobStore
    """Keeps the files."""
    arrivals: Arrivals
    """De-identifies."""
    quarantine: Quarantine
    """Keeps what is not used."""
    incoming: Path
    """Folder of files under way, on the store's disk."""
    free_min_bytes: int
    """No file is taken while the disk has less free than this, bytes."""
    clock: Clock
    """Now, aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file's bytes, as they came."""

    path: Path
    """Where they lie."""
    sha256: bytes
    """SHA-256 of them."""
    size_bytes: int
    """Their length; above FILE_MAX_BYTES where the rest was not taken."""


class SeriesUploads:
    """Uploads. Only who began one goes on with it."""

    def __init__(self, files: SeriesFiles, filing: Filing) -> None:
        self._files = files
        self._filing = filing

    def sweep(self) -> None:
        """Removes what a killed server left half received; called once, before anything else."""
        shutil.rmtree(self._files.incoming, ignore_errors=True)
        self._files.incoming.mkdir(mode=0o700, parents=True)

    async def begin(self, by: Principal, upload_id: str) -> UploadRow:
        """A new upload."""
        upload = UploadRow(
            upload_id=upload_id,
            source=Source.BROWSER,
            actor=by.actor,
            begun_time=self._files.clock(),
            finished_time=None,
            ledger_index=None,
            tenant_id=own_tenant(by),
        )
        await self._files.database.write(lambda tx: rows.add_upload(tx, upload))
        return upload

    async def of(self, by: Principal, upload_id: str) -> UploadRow:
        """The upload. Errors: UploadUnknown."""
        found = await self._files.database.read(lambda tx: rows.upload_of(tx, upload_id))
        # Machines of two tenants may have one name.
        if found is None or (found.actor, found.tenant_id) != (by.actor, own_tenant(by)):
            raise UploadUnknown("there is no such upload")
        return found

    async def files(self, upload_id: str) -> list[FileRow]:
        """The upload's files."""
        return await self._files.database.read(lambda tx: rows.files_of_upload(tx, upload_id))

    def path_of(self, file: FileRow) -> str | None:
        """The path of a file that is not used; None where the site removed it. Blocks."""
        return self._files.quarantine.path_of(file.upload_id, file.path_sha256)

    async def put(self, by: Principal, upload_id: str, path: str, chunks: AsyncIterator[bytes]) -> FileRow:
        """Takes a file; a repeat with the same bytes changes nothing.

        Errors: UploadUnknown, UploadClosed, PathInvalid, PathTaken, StoreFull.
        """
        plain = checked_path(path)
        upload = await self.of(by, upload_id)
        if upload.finished_time is not None:
            raise UploadClosed("the upload was finished")
        received = await self._received(chunks)
        try:
            return await self._taken(upload_id, plain, received)
        finally:
            for left in (received.path, received.path.with_name(f"{received.path.name}.new")):
                left.unlink(missing_ok=True)

    async def finish(self, by: Principal, upload_id: str) -> UploadRow:
        """Makes series of what came; a repeat changes nothing. Errors: UploadUnknown, RetryLater."""
        await self.of(by, upload_id)
        await self._filing.file(upload_id, by)
        return await self.of(by, upload_id)

    async def _received(self, chunks: AsyncIterator[bytes]) -> Received:
        """The bytes on disk, never whole in memory. Errors: StoreFull."""
        path = self._files.incoming / secrets.token_hex(16)
        digest, size_bytes, looked_bytes = hashlib.sha256(), 0, -_LOOK_AT_DISK_BYTES
        waiting = bytearray()
        try:
            with path.open("xb") as file:

                def write(piece: bytes) -> None:
                    digest.update(piece)
                    file.write(piece)

                async for chunk in chunks:
                    size_bytes += len(chunk)
                    waiting += chunk
                    if size_bytes > FILE_MAX_BYTES:
                        break
                    if size_bytes - looked_bytes >= _LOOK_AT_DISK_BYTES:
                        looked_bytes = size_bytes
                        self._check_disk()
                    if len(waiting) >= _WRITE_BYTES:
                        await asyncio.to_thread(write, bytes(waiting))
                        waiting.clear()
                await asyncio.to_thread(write, bytes(waiting))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Received(path=path, sha256=digest.digest(), size_bytes=size_bytes)

    def _check_disk(self) -> None:
        # A file is on the disk twice while it is de-identified.
        free_bytes = shutil.disk_usage(self._files.incoming).free
        if free_bytes - 2 * _LOOK_AT_DISK_BYTES < self._files.free_min_bytes:
            raise StoreFull("the disk is over its watermark", _FULL_AFTER_S)

    async def _taken(self, upload_id: str, path: str, received: Received) -> FileRow:
        key = self._files.arrivals.key
        path_sha256 = key.digest("path", upload_id, path)
        source_sha256 = key.digest("source", received.sha256.hex())

        def look(tx: Tx) -> tuple[FileRow | None, bool]:
            there = rows.file_at(tx, upload_id, path_sha256)
            return there, rows.is_known(tx, upload_id, "source_sha256", source_sha256)

        there, is_same = await self._files.database.read(look)
        if there is not None:
            return _repeated(there, source_sha256)
        outcome: Taken | Reason = UploadReason.SAME_FILE
        if received.size_bytes > FILE_MAX_BYTES:
            outcome = UploadReason.FILE_TOO_LARGE
        elif not is_same:
            outcome = await asyncio.to_thread(self._files.arrivals.take, received.path, path)
        values: dict[str, Any] = {
            "upload_id": upload_id,
            "path_sha256": path_sha256,
            "folder": key.folder(path),
            "source_sha256": source_sha256,
            "received_time": self._files.clock(),
        }
        if isinstance(outcome, Taken):
            return await self._kept(values, path, received, outcome)
        return await self._refused(values, path, received, outcome)

    async def _kept(self, values: dict[str, Any], path: str, received: Received, taken: Taken) -> FileRow:
        instance = bytes.fromhex(taken.facts.instance)
        upload_id = values["upload_id"]
        await self._files.store.put_file(taken.sha256, taken.path)

        def add(tx: Tx) -> bool:
            _check_open(tx, upload_id)
            # In the row's own transaction: of two copies that come at the same time one is used.
            if rows.is_known(tx, upload_id, "instance_sha256", instance):
                return False
            kept = {"sha256": taken.sha256, "size_bytes": taken.size_bytes, "facts": taken.facts.to_json()}
            rows.add_file(tx, {**values, **kept, "reason": None, "instance_sha256": instance})
            return True

        if not await self._files.database.write(add):
            return await self._refused(values, path, received, _DUPLICATE)
        return await self._row(values)

    async def _refused(
        self, values: dict[str, Any], path: str, received: Received, reason: Reason
    ) -> FileRow:
        is_whole = reason not in (UploadReason.SAME_FILE, UploadReason.FILE_TOO_LARGE)
        await asyncio.to_thread(
            self._files.quarantine.keep,
            values["upload_id"],
            values["path_sha256"],
            path,
            reason.value,
            received.path if is_whole else None,
        )
        none = dict.fromkeys(("sha256", "facts", "instance_sha256"))
        row = {**values, **none, "reason": reason.value, "size_bytes": received.size_bytes}

        def add(tx: Tx) -> None:
            _check_open(tx, values["upload_id"])
            rows.add_file(tx, row)

        await self._files.database.write(add)
        return await self._row(values)

    async def _row(self, values: dict[str, Any]) -> FileRow:
        def read(tx: Tx) -> FileRow | None:
            return rows.file_at(tx, values["upload_id"], values["path_sha256"])

        found = await self._files.database.read(read)
        assert found is not None
        return _repeated(found, values["source_sha256"])


def _check_open(tx: Tx, upload_id: str) -> None:
    """In the transaction that adds a file: one that was finished meanwhile takes none. Raises UploadClosed."""
    upload = rows.upload_of(tx, upload_id)
    if upload is None or upload.finished_time is not None:
        raise UploadClosed("the upload was finished")


def _repeated(there: FileRow, source_sha256: bytes) -> FileRow:
    if there.source_sha256 != source_sha256:
        raise PathTaken("the upload has another file under this path")
    return there


def checked_path(path: str) -> str:
    """The path with slashes, relative to the uploaded folder. Raises PathInvalid."""
    if not 0 < len(path) <= PATH_MAX or "\0" in path:
        raise PathInvalid(f"a path has 1 to {PATH_MAX} characters and no zero byte")
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or not pure.name:
        raise PathInvalid("a path is relative to the uploaded folder and stays below it")
    return str(pure)
