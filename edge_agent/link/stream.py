"""The one upload stream: fragments of all uploads, the most urgent first, within the window's credit."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import grpc

from edge_agent.errors import EdgeError, RetryLater
from edge_agent.link.cloud import Streaming
from edge_agent.link.faults import LinkDown, translate
from edge_agent.link.window import Window
from sonorelay.contract.limits import HEARTBEAT_INTERVAL_S
from sonorelay.contract.reasons import WireReason
from sonorelay.ingest.v1.ingest_service_pb2 import Fragment, Ping, PutShardsRequest, PutShardsResponse

SILENCE_MAX_S: Final = 3 * HEARTBEAT_INTERVAL_S
IDLE_CLOSE_S: Final = 60.0

Shard = tuple[int, int]
"""Part index, shard index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Shards of one opened upload."""

    session_id: str
    """Upload as OpenUpload named it."""
    fencing_token: int
    """Token as OpenUpload handed it out."""
    priority: int
    """Lower goes first: 0 stills, 1 cine loops, 2 batch orders."""
    sizes_bytes: dict[Shard, int]
    """The shards to send and the length of each."""
    read: Callable[[Shard, int, int], bytes]
    """Bytes of a shard: shard, offset, length. May raise OSError."""


@dataclass(slots=True)
class _Carriage:
    load: Load
    waiting_for: set[Shard]
    nacked: dict[Shard, WireReason] = field(default_factory=dict)
    error: EdgeError | OSError | None = None
    finished: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, order=True)
class _Cursor:
    """How far one shard has gone; the heap's order is priority, then first come."""

    priority: int
    number: int
    carriage: _Carriage = field(compare=False)
    shard: Shard = field(compare=False)
    offset_bytes: int = field(default=0, compare=False)


class _Wire:
    """One open stream."""

    def __init__(self, now_s: float) -> None:
        self.call: Streaming[PutShardsResponse] | None = None
        self.heard_s = now_s
        self.pinged_s = now_s
        self.draining = False
        self.reader: threading.Thread | None = None


class ShardStream:
    """`carry` returns when every shard of the load is durable or refused; many threads may carry at once.

    The stream is opened by the first load and closed after a minute without one.
    """

    def __init__(
        self,
        open_call: Callable[[Iterator[PutShardsRequest]], Streaming[PutShardsResponse]],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._open_call = open_call
        self._monotonic_s = monotonic_s
        self._changed = threading.Condition()
        self._window = Window(monotonic_s)
        self._numbers = itertools.count(1)
        self._queue: list[_Cursor] = []
        self._carriages: dict[str, _Carriage] = {}
        self._wire: _Wire | None = None
        self._used_s = 0.0
        self._closed = False

    def carry(self, load: Load, window_bytes: int) -> dict[Shard, WireReason]:
        """Sends the load; the shards that the cloud refused, each with its reason, are returned.

        `window_bytes`: the server's bound, 0 for none. A second carry of the same session ends the first.
        Errors: RetryLater (the stream was lost: ask what is missing), OSError (a shard cannot be read).
        """
        carriage = _Carriage(load, set(load.sizes_bytes))
        with self._changed:
            if self._closed:
                raise RetryLater("the agent stops")
            self._window.limit(window_bytes)
            older = self._carriages.pop(load.session_id, None)
            if older is not None:
                self._end(older, RetryLater("a newer upload of the same capture took over"))
            self._carriages[load.session_id] = carriage
            for shard in sorted(load.sizes_bytes):
                heapq.heappush(self._queue, _Cursor(load.priority, next(self._numbers), carriage, shard))
            self._used_s = self._monotonic_s()
            if self._wire is None:
                self._open()
            self._changed.notify_all()
        carriage.finished.wait()
        if carriage.error is not None:
            raise carriage.error
        return carriage.nacked

    def close(self) -> None:
        """Ends the stream; every carry under way raises RetryLater."""
        with self._changed:
            self._closed = True
            wire, self._wire = self._wire, None
            self._fail_all(RetryLater("the agent stops"))
            self._changed.notify_all()
        if wire is None:
            return
        if wire.call is not None:
            wire.call.cancel()
        if wire.reader is not None:
            wire.reader.join()

    # The stream. Everything below is called with the lock held, but the two loops.

    def _open(self) -> None:
        wire = _Wire(self._monotonic_s())
        self._wire = wire
        self._window.restart()
        wire.reader = threading.Thread(target=self._read, args=(wire,), name="shards-read", daemon=True)
        wire.reader.start()

    def _read(self, wire: _Wire) -> None:
        error: EdgeError = LinkDown("put shards: the cloud ended the stream")
        try:
            call = self._open_call(self._requests(wire))
            with self._changed:
                wire.call = call
                if self._wire is not wire:
                    call.cancel()
            for response in call:
                with self._changed:
                    wire.heard_s = self._monotonic_s()
                    if self._wire is wire:
                        self._take(wire, response)
        except grpc.RpcError as exc:
            error = translate(exc, "put shards")
        with self._changed:
            if self._wire is wire:
                self._wire = None
                if wire.draining:
                    error = RetryLater("the cloud is restarting", 0.5, WireReason.SHUTTING_DOWN)
                self._fail_all(error)
            self._changed.notify_all()

    def _requests(self, wire: _Wire) -> Iterator[PutShardsRequest]:
        while True:
            with self._changed:
                request = self._next(wire)
                while request is None:
                    if self._wire is not wire or wire.draining or self._idle(wire):
                        return
                    self._changed.wait(HEARTBEAT_INTERVAL_S)
                    request = self._next(wire)
            yield request

    def _idle(self, wire: _Wire) -> bool:
        """Half-closes an unused stream, and breaks one on which the cloud has fallen silent."""
        now_s = self._monotonic_s()
        if now_s - wire.heard_s > SILENCE_MAX_S and wire.call is not None:
            wire.call.cancel()
            return True
        if not self._carriages and now_s - self._used_s > IDLE_CLOSE_S:
            self._wire = None
            return True
        return False

    def _next(self, wire: _Wire) -> PutShardsRequest | None:
        """The next message, or None where there is nothing to say or no credit."""
        if self._wire is not wire or wire.draining:
            return None
        now_s = self._monotonic_s()
        if now_s - wire.pinged_s >= HEARTBEAT_INTERVAL_S:
            wire.pinged_s = now_s
            return PutShardsRequest(ping=Ping(nonce=next(self._numbers)))
        while self._queue:
            cursor = self._queue[0]
            carriage = cursor.carriage
            if cursor.shard not in carriage.waiting_for or carriage.finished.is_set():
                heapq.heappop(self._queue)
                continue
            whole = carriage.load.sizes_bytes[cursor.shard]
            size_bytes = min(self._window.fragment_bytes, whole - cursor.offset_bytes)
            if not self._window.may_send(size_bytes):
                return None
            try:
                data = carriage.load.read(cursor.shard, cursor.offset_bytes, size_bytes)
            except OSError as error:
                self._end(carriage, error)
                continue
            return PutShardsRequest(fragment=self._fragment(cursor, data, whole))
        return None

    def _fragment(self, cursor: _Cursor, data: bytes, whole_bytes: int) -> Fragment:
        fragment = Fragment(
            session_id=cursor.carriage.load.session_id,
            fencing_token=cursor.carriage.load.fencing_token,
            part_index=cursor.shard[0],
            shard_index=cursor.shard[1],
            offset_bytes=cursor.offset_bytes,
            data=data,
        )
        cursor.offset_bytes += len(data)
        if cursor.offset_bytes >= whole_bytes:
            heapq.heappop(self._queue)
        self._used_s = self._monotonic_s()
        self._window.sent(len(data), starved=not self._queue)
        return fragment

    def _take(self, wire: _Wire, response: PutShardsResponse) -> None:
        self._window.acknowledged(response.received_bytes)
        self._window.limit(response.window_bytes)
        ended: deque[_Carriage] = deque()
        for durable in response.durable:
            carriage = self._carriages.get(durable.session_id)
            if carriage is not None:
                carriage.waiting_for.difference_update((durable.part_index, i) for i in durable.shard_indices)
                ended.append(carriage)
        for nack in response.nacks:
            carriage = self._carriages.get(nack.session_id)
            if carriage is not None and nack.reason in WireReason.__members__:
                carriage.nacked[nack.part_index, nack.shard_index] = WireReason(nack.reason)
                carriage.waiting_for.discard((nack.part_index, nack.shard_index))
                ended.append(carriage)
        for carriage in ended:
            if not carriage.waiting_for:
                self._end(carriage, None)
        wire.draining = wire.draining or response.drain
        self._changed.notify_all()

    def _end(self, carriage: _Carriage, error: EdgeError | OSError | None) -> None:
        if self._carriages.get(carriage.load.session_id) is carriage:
            del self._carriages[carriage.load.session_id]
        carriage.error = error
        carriage.finished.set()

    def _fail_all(self, error: EdgeError) -> None:
        for carriage in list(self._carriages.values()):
            self._end(carriage, error)
        self._queue.clear()
