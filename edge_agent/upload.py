"""Step 7 of 13: upload. Sends what the cloud misses, commits, and verifies the receipt that comes back."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.errors import ImageRefused, RetryLater
from edge_agent.link import receipts
from edge_agent.link.cloud import CloudLink
from edge_agent.link.faults import LinkDown, by_reason
from edge_agent.link.stream import Load, Shard, ShardStream
from edge_agent.shard import sub_file_path
from edge_agent.spool import queries
from edge_agent.spool.records import SeenCheckpoint
from edge_agent.spool.spool import Spool
from sonorelay.contract.digest import sha256
from sonorelay.contract.limits import SHARD_RESENDS_MAX
from sonorelay.contract.notes import NoteInvalid, Verifier
from sonorelay.contract.reasons import EdgeReason, WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import (
    CommitResponse,
    MissingShards,
    OpenUploadRequest,
    OpenUploadResponse,
)

_REOPENS_MAX: Final = 5
_LOSSES_MAX: Final = 5
_REOPEN: Final = frozenset({WireReason.UPLOAD_UNKNOWN, WireReason.FENCED, WireReason.SHARDS_MISSING})


class OwnCopyDamaged(Exception):
    """A sub-file is gone or does not have its digests any more: steps 3 to 6 have to make it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A capture that the cloud holds and whose receipt verifies."""

    response: CommitResponse
    """The receipts."""
    verified: receipts.Verified
    """What they prove."""


class Uploader:
    """`send` returns when the cloud has committed the capture and its receipt verifies. Thread-safe."""

    def __init__(self, spool: Spool, link: CloudLink, stream: ShardStream, log_verifier_key: str) -> None:
        """`log_verifier_key`: the log's key where the site gives it; empty: the first one seen is pinned."""
        self._spool = spool
        self._link = link
        self._stream = stream
        self._given_key = log_verifier_key
        self._pinned: Verifier | None = None
        # One agent owns the spool: what it has seen need not be read again.
        self._seen: SeenCheckpoint | None = None
        self._seeing = threading.Lock()

    def send(self, manifest: OpenUploadRequest, work: Path, sealed: Future[None]) -> Committed:
        """Sends one capture; a repeat sends only what is missing.

        `sealed`: done when the manifest survives a power cut; the commit waits for it. Errors: RetryLater,
        NeedsPerson, ImageRefused (SHARDS_REFUSED, CLOUD_REFUSED, RECEIPT_INVALID), OwnCopyDamaged.
        """
        for _ in range(_REOPENS_MAX):
            opened = self._link.open_upload(manifest)
            try:
                if not opened.committed:
                    self._send_missing(manifest, work, opened)
                sealed.result()
                return self._commit(manifest, opened)
            except RetryLater as error:
                if error.reason not in _REOPEN:
                    raise
        raise RetryLater("the upload was opened again and again")

    def _send_missing(self, manifest: OpenUploadRequest, work: Path, opened: OpenUploadResponse) -> None:
        missing = set(_shards(opened.missing))
        resends: Counter[Shard] = Counter()
        losses = 0
        with _opened(work, manifest) as read:
            while missing:
                load = Load(
                    session_id=opened.session_id,
                    fencing_token=opened.fencing_token,
                    priority=min(part.priority for part in manifest.parts),
                    sizes_bytes={shard: _size_bytes(manifest, shard) for shard in missing},
                    read=read,
                )
                try:
                    refused = self._stream.carry(load, opened.window_bytes)
                except RetryLater as error:
                    losses += 1
                    if error.reason in _REOPEN or losses > _LOSSES_MAX:
                        raise
                    self._link.gate.failed(error)
                    if not self._link.gate.wait():
                        raise
                    answer = self._link.find_missing(opened.session_id)
                    left = set() if answer.committed else set(_shards(answer.missing))
                    losses = 0 if left < missing else losses
                    missing = left
                else:
                    self._answer_nacks(manifest, refused, resends, read)
                    missing = set(refused)

    def _answer_nacks(
        self,
        manifest: OpenUploadRequest,
        refused: dict[Shard, WireReason],
        resends: Counter[Shard],
        read: Callable[[Shard, int, int], bytes],
    ) -> None:
        """Returns where the refused shards are to be sent once more."""
        for shard, reason in refused.items():
            if reason is not WireReason.SHARD_DIGEST_MISMATCH:
                raise by_reason(reason, None)
            part, index = shard
            if (
                sha256(read(shard, 0, _size_bytes(manifest, shard)))
                != manifest.parts[part].shard_sha256[index]
            ):
                raise OwnCopyDamaged
            resends[shard] += 1
            if resends[shard] > SHARD_RESENDS_MAX:
                raise ImageRefused(EdgeReason.SHARDS_REFUSED, f"part {part}, shard {index}")

    def _commit(self, manifest: OpenUploadRequest, opened: OpenUploadResponse) -> Committed:
        log = self._log_key()
        # Taken before the call: receipts of other captures may overtake this one's.
        seen = self._seen or self._spool.read(queries.seen_checkpoint)
        response = self._link.commit(opened.session_id, opened.fencing_token)
        verified = receipts.verify(response, manifest, log, seen)
        with self._seeing:
            if self._seen is None or verified.newest.size > self._seen.size:
                self._seen = verified.newest
        return Committed(response=response, verified=verified)

    def _log_key(self) -> Verifier:
        # Pinned once and for all: it is not looked up for each capture.
        if self._pinned is None:
            self._pinned = self._find_log_key()
        return self._pinned

    def _find_log_key(self) -> Verifier:
        key = self._given_key or self._spool.read(lambda tx: queries.read_setting(tx, queries.LOG_KEY))
        if not key:
            key = self._spool.remember(queries.LOG_KEY, self._link.checkpoint().log_verifier_key)
        try:
            return Verifier.parse(key)
        except NoteInvalid as error:
            raise receipts.ReceiptInvalid("the log's verifier key cannot be read") from error


def _shards(missing: Iterable[MissingShards]) -> Iterator[Shard]:
    for part in missing:
        for run in part.ranges:
            for index in range(run.first, run.first + run.count):
                yield part.part_index, index


def _size_bytes(manifest: OpenUploadRequest, shard: Shard) -> int:
    part = manifest.parts[shard[0]]
    if not 0 <= shard[1] < len(part.shard_sha256):
        raise LinkDown("the cloud misses a shard that does not exist")
    return min(part.shard_size_bytes, part.size_bytes - shard[1] * part.shard_size_bytes)


@contextmanager
def _opened(work: Path, manifest: OpenUploadRequest) -> Iterator[Callable[[Shard, int, int], bytes]]:
    """Opens the sub-files and gives a way to read their shards; raises OwnCopyDamaged, also from inside."""
    fds: list[int] = []

    def read(shard: Shard, offset_bytes: int, size_bytes: int) -> bytes:
        part = manifest.parts[shard[0]]
        data = os.pread(fds[shard[0]], size_bytes, shard[1] * part.shard_size_bytes + offset_bytes)
        if len(data) != size_bytes:
            raise OSError("the sub-file is too short")
        return data

    try:
        fds.extend(os.open(sub_file_path(work, part.part_index), os.O_RDONLY) for part in manifest.parts)
        yield read
    except OSError as error:
        raise OwnCopyDamaged from error
    finally:
        for fd in fds:
            os.close(fd)
