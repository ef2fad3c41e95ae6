"""Step 7 of 13: upload. The cloud's side: puts shards together, has them stored, acknowledges."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import Final

from cloud.errors import BlobCorrupt, CallRefused, RetryLater
from cloud.ingest.services import IngestServices
from cloud.ingest.uploads import Upload
from sonorelay.contract.blocks import SERIES_TYPE
from sonorelay.contract.limits import FRAGMENT_MAX_BYTES
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import (
    DurableShards,
    Fragment,
    Nack,
    PutShardsRequest,
    PutShardsResponse,
)

PARTIAL_SHARDS_MAX: Final = 64
"""Shards that one stream may have begun and not finished; agents need one per priority."""

ShardKey = tuple[str, int, int]
"""Session id, part, shard."""


class ShardStream:
    """Answers one PutShards stream. A shard is acknowledged as durable only after the store has returned."""

    def __init__(self, services: IngestServices) -> None:
        self._services = services
        self._changed = asyncio.Event()
        self._received_bytes = 0
        self._acknowledged_bytes = 0
        self._durable: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._nacks: list[Nack] = []
        self._pongs: deque[int] = deque()
        self._drain_due = False
        self._partial: dict[ShardKey, bytearray] = {}
        self._puts: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def responses(self, requests: AsyncIterator[PutShardsRequest]) -> AsyncIterator[PutShardsResponse]:
        """Yields an answer whenever there is something to say; ends after the client has, with all stored."""
        reader = asyncio.create_task(self._read(requests))
        reader.add_done_callback(lambda _: self._changed.set())
        drain = asyncio.create_task(self._wait_for_drain())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                while (response := self._answer()) is not None:
                    yield response
                if self._failure is not None:
                    raise self._failure
                if reader.done():
                    reader.result()
                    if not self._puts and not self._changed.is_set():
                        return
        finally:
            drain.cancel()
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, CallRefused):
                await reader
            # What has begun is finished: its bytes are there, and the next stream need not send them again.
            await asyncio.gather(*self._puts, return_exceptions=True)

    async def _read(self, requests: AsyncIterator[PutShardsRequest]) -> None:
        async for request in requests:
            if request.HasField("fragment"):
                await self._take(request.fragment)
            elif request.HasField("ping"):
                self._pongs.append(request.ping.nonce)
            else:
                raise CallRefused(WireReason.MANIFEST_INVALID, "a message holds a fragment or a ping")
            self._changed.set()

    async def _take(self, fragment: Fragment) -> None:
        """Adds a fragment to its shard and sends the shard on when it is whole."""
        self._received_bytes += len(fragment.data)
        key = (fragment.session_id, fragment.part_index, fragment.shard_index)
        try:
            upload = await self._services.uploads.get(fragment.session_id)
        except CallRefused as refusal:
            # The stream carries other uploads too: only this one is turned away.
            self._refuse(key, refusal.reason)
            return
        if fragment.fencing_token != upload.fencing_token:
            self._refuse(key, WireReason.FENCED)
            return
        length = _checked_length(upload, fragment)
        if upload.committed or upload.durable[fragment.part_index][fragment.shard_index]:
            self._partial.pop(key, None)
            if fragment.offset_bytes + len(fragment.data) == length:
                self._durable[key[:2]].append(fragment.shard_index)
            return
        whole = self._assembled(key, fragment, length)
        if whole is not None:
            await self._services.budget.claim(length)
            put = asyncio.create_task(self._put(upload, key, whole))
            self._puts.add(put)
            put.add_done_callback(self._puts.discard)
            part = upload.parts[fragment.part_index]
            if len(part.shard_digests) == 1 and part.image_type != SERIES_TYPE:
                # Soon, not now: the shard's way into the store goes first.
                asyncio.get_running_loop().call_soon(self._services.offer_part, whole)

    def _assembled(self, key: ShardKey, fragment: Fragment, length: int) -> bytes | None:
        """The whole shard, once its last fragment is here."""
        if fragment.offset_bytes == 0:
            self._partial.pop(key, None)
            if len(fragment.data) == length:
                return fragment.data
            if len(self._partial) >= PARTIAL_SHARDS_MAX:
                raise CallRefused(WireReason.MANIFEST_INVALID, "too many shards were begun on this stream")
            self._partial[key] = bytearray(fragment.data)
            return None
        partial = self._partial.get(key)
        if partial is None:
            # Its first fragment was refused: it has its nack already.
            return None
        if len(partial) != fragment.offset_bytes:
            self._refuse(key, WireReason.SHARD_DIGEST_MISMATCH)
            return None
        partial += fragment.data
        if len(partial) < length:
            return None
        del self._partial[key]
        return bytes(partial)

    async def _put(self, upload: Upload, key: ShardKey, data: bytes) -> None:
        _, part_index, shard_index = key
        digest = upload.parts[part_index].shard_digests[shard_index]
        upload.put_began(self._services.stopwatch())
        try:
            await self._services.store_of(upload.tenant_id).put(digest, data)
        except BlobCorrupt:
            self._refuse(key, WireReason.SHARD_DIGEST_MISMATCH)
        except RetryLater:
            self._refuse(key, WireReason.STORE_FULL)
        except BaseException as error:  # not handled here: it ends the stream, and the guard answers it
            self._failure = error
        else:
            upload.durable[part_index][shard_index] = 1
            self._durable[key[:2]].append(shard_index)
        finally:
            upload.put_ended(self._services.stopwatch())
            await self._services.budget.give_back(len(data))
            self._changed.set()

    def _refuse(self, key: ShardKey, reason: WireReason) -> None:
        """Nacks a shard; what had come of it is thrown away."""
        self._partial.pop(key, None)
        session_id, part_index, shard_index = key
        self._nacks.append(
            Nack(session_id=session_id, part_index=part_index, shard_index=shard_index, reason=reason.value)
        )
        self._changed.set()

    async def _wait_for_drain(self) -> None:
        await self._services.draining.wait()
        self._drain_due = True
        self._changed.set()

    def _answer(self) -> PutShardsResponse | None:
        """What there is to say now, in one message; None where there is nothing."""
        news = self._durable or self._nacks or self._pongs or self._drain_due
        if not news and self._acknowledged_bytes == self._received_bytes:
            return None
        response = PutShardsResponse(
            received_bytes=self._received_bytes,
            durable=[
                DurableShards(session_id=session_id, part_index=part_index, shard_indices=indices)
                for (session_id, part_index), indices in self._durable.items()
            ],
            nacks=self._nacks,
            drain=self._drain_due,
            pong_nonce=self._pongs.popleft() if self._pongs else 0,
        )
        self._acknowledged_bytes = self._received_bytes
        self._durable.clear()
        self._nacks = []
        self._drain_due = False
        return response


def _checked_length(upload: Upload, fragment: Fragment) -> int:
    """Length of the fragment's shard, bytes; refuses a fragment that no shard of the upload has."""
    if not 0 <= fragment.part_index < len(upload.parts):
        raise CallRefused(WireReason.MANIFEST_INVALID, "a fragment names a part that the manifest lacks")
    part = upload.parts[fragment.part_index]
    if not 0 <= fragment.shard_index < len(part.shard_digests):
        raise CallRefused(WireReason.MANIFEST_INVALID, "a fragment names a shard that its part lacks")
    length = part.shard_length_bytes(fragment.shard_index)
    size = len(fragment.data)
    if not 1 <= size <= FRAGMENT_MAX_BYTES or not 0 <= fragment.offset_bytes <= length - size:
        raise CallRefused(WireReason.MANIFEST_INVALID, "a fragment does not lie within its shard")
    return length
