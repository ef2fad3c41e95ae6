"""A small but real gRPC cloud in memory: it checks digests, fences, signs a log and proves what it holds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from sonorelay.agent.v1 import agent_service_pb2 as agent
from sonorelay.agent.v1 import agent_service_pb2_grpc as agent_grpc
from sonorelay.contract import merkle
from sonorelay.contract.blocks import Block
from sonorelay.contract.digest import session_id, sha256
from sonorelay.contract.limits import KEEPALIVE_SERVER_OPTIONS
from sonorelay.contract.notes import Checkpoint, Proof, Signer, Verifier
from sonorelay.contract.reasons import DOMAIN, WIRE_RULES, WireReason
from sonorelay.ingest.v1 import ingest_service_pb2 as ingest
from sonorelay.ingest.v1 import ingest_service_pb2_grpc as ingest_grpc
from sonorelay.ledger.v1 import ledger_service_pb2 as ledger
from sonorelay.ledger.v1 import ledger_service_pb2_grpc as ledger_grpc

Shard = tuple[int, int]


class MemoryLog:
    """A transparency log in memory; the same block always has the same index."""

    def __init__(self, key: Ed25519PrivateKey | None = None) -> None:
        self.signer = Signer("log.example/fake", key or Ed25519PrivateKey.generate())
        self.entries: list[bytes] = []

    def append(self, entry: bytes) -> int:
        if entry not in self.entries:
            self.entries.append(entry)
        return self.entries.index(entry)

    def _hash(self, lo: int, hi: int) -> bytes:
        return merkle.root_of_hashes([merkle.leaf_hash(entry) for entry in self.entries[lo:hi]])

    def checkpoint(self) -> bytes:
        size = len(self.entries)
        return self.signer.sign(
            Checkpoint(origin="log.example/fake", size=size, root=self._hash(0, size)).text()
        )

    def prove(self, index: int) -> bytes:
        path = tuple(merkle.inclusion_path(index, len(self.entries), self._hash))
        return Proof(index=index, path=path, checkpoint=self.checkpoint()).encode()


@dataclass
class Upload:
    """What the fake holds of one capture."""

    manifest: ingest.OpenUploadRequest
    token: int = 0
    shards: dict[Shard, bytes] = field(default_factory=dict)
    partial: dict[Shard, bytearray] = field(default_factory=dict)
    committed: bool = False

    def missing(self) -> list[ingest.MissingShards]:
        out = []
        for part in self.manifest.parts:
            gaps = [i for i in range(len(part.shard_sha256)) if (part.part_index, i) not in self.shards]
            if gaps:
                ranges = [ingest.ShardRange(first=i, count=1) for i in gaps]
                out.append(ingest.MissingShards(part_index=part.part_index, ranges=ranges))
        return out


def refuse(context: grpc.ServicerContext, reason: WireReason, after_s: float | None = None) -> None:
    """Ends a call as the contract says: google.rpc.Status with ErrorInfo, RetryInfo where given."""
    status = status_pb2.Status(code=getattr(grpc.StatusCode, WIRE_RULES[reason].code).value[0], message="no")
    info = AnyMessage()
    info.Pack(error_details_pb2.ErrorInfo(reason=reason.value, domain=DOMAIN))
    status.details.append(info)
    if after_s is not None:
        retry = AnyMessage()
        delay = Duration()
        delay.FromMilliseconds(int(after_s * 1000))
        retry.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        status.details.append(retry)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(getattr(grpc.StatusCode, WIRE_RULES[reason].code), "no")


class FakeCloud(
    ingest_grpc.IngestServiceServicer, ledger_grpc.LedgerServiceServicer, agent_grpc.AgentServiceServicer
):
    """State survives `stop` and `start` of its server. `before` and `after` break calls, by method name."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.log = MemoryLog()
        self.announced: dict[str, ingest.PreNotifyRequest] = {}
        self.withdrawn: dict[str, ingest.WithdrawRequest] = {}
        self.uploads: dict[str, Upload] = {}
        self.calls: list[str] = []
        self.results: list[agent.Result] = []
        self.before: dict[str, Callable[[grpc.ServicerContext], None]] = {}
        self.after: dict[str, Callable[[grpc.ServicerContext], None]] = {}
        self.spoil: Callable[[ingest.CommitResponse], None] = lambda _: None
        self.nack_next: list[WireReason] = []
        self.fragment_sizes: list[int] = []
        self.shards_stored = 0
        self.order: list[str] = []
        self.port = 0
        self._server: grpc.Server | None = None
        self._streams: list[grpc.ServicerContext] = []

    # Server

    def start(self) -> str:
        self._server = grpc.server(ThreadPoolExecutor(24), options=[*KEEPALIVE_SERVER_OPTIONS])
        ingest_grpc.add_IngestServiceServicer_to_server(self, self._server)
        ledger_grpc.add_LedgerServiceServicer_to_server(self, self._server)
        agent_grpc.add_AgentServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        self._server.start()
        return self.address

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        if self._server is not None:
            self.cut_streams()
            self._server.stop(grace=None).wait()
            self._server = None

    def cut_streams(self) -> None:
        for context in self._streams:
            context.cancel()
        self._streams.clear()

    def _enter(self, name: str, context: grpc.ServicerContext) -> None:
        with self.lock:
            self.calls.append(name)
            hook = self.before.get(name)
        if hook is not None:
            hook(context)

    def _leave(self, name: str, context: grpc.ServicerContext) -> None:
        hook = self.after.get(name)
        if hook is not None:
            hook(context)

    # Ingest

    def PreNotify(self, request: Any, context: Any) -> Any:
        self._enter("PreNotify", context)
        with self.lock:
            self.announced.setdefault(request.capture_id, request)
            self.order.append(f"announced {request.capture_id}")
        self._leave("PreNotify", context)
        answer = ingest.PreNotifyResponse(slot=1)
        answer.server_time.GetCurrentTime()
        return answer

    def Withdraw(self, request: Any, context: Any) -> Any:
        self._enter("Withdraw", context)
        with self.lock:
            self.withdrawn[request.capture_id] = request
        self._leave("Withdraw", context)
        return ingest.WithdrawResponse()

    def OpenUpload(self, request: Any, context: Any) -> Any:
        self._enter("OpenUpload", context)
        device = Verifier.parse(request.device_verifier_key)
        for part in request.parts:
            block = Block.open(part.block, device)
            assert block.root == part.root == merkle.part_root(list(part.shard_sha256))
        name = session_id(request.device_id, request.capture_id)
        with self.lock:
            upload = self.uploads.setdefault(name, Upload(request))
            if [p.block for p in upload.manifest.parts] != [p.block for p in request.parts]:
                refuse(context, WireReason.REQUEST_ID_REUSED)
            upload.token += 1
            answer = ingest.OpenUploadResponse(
                session_id=name,
                fencing_token=upload.token,
                missing=upload.missing(),
                committed=upload.committed,
                window_bytes=8 * 1024 * 1024,
            )
        self._leave("OpenUpload", context)
        return answer

    def PutShards(self, requests: Any, context: Any) -> Iterator[Any]:
        self._enter("PutShards", context)
        self._streams.append(context)
        received = 0
        for request in requests:
            if request.WhichOneof("message") == "ping":
                yield ingest.PutShardsResponse(received_bytes=received, pong_nonce=request.ping.nonce)
                continue
            fragment = request.fragment
            received += len(fragment.data)
            answer = ingest.PutShardsResponse(received_bytes=received)
            hook = self.before.get("Fragment")
            if hook is not None:
                hook(context)
            with self.lock:
                self.fragment_sizes.append(len(fragment.data))
                self._take(fragment, answer)
            yield answer

    def _take(self, fragment: Any, answer: Any) -> None:
        upload = self.uploads.get(fragment.session_id)
        shard = (fragment.part_index, fragment.shard_index)

        def nack(reason: WireReason) -> None:
            answer.nacks.append(
                ingest.Nack(
                    session_id=fragment.session_id,
                    part_index=shard[0],
                    shard_index=shard[1],
                    reason=reason.value,
                )
            )

        if upload is None:
            return nack(WireReason.UPLOAD_UNKNOWN)
        if fragment.fencing_token != upload.token:
            return nack(WireReason.FENCED)
        part = upload.manifest.parts[shard[0]]
        whole = min(part.shard_size_bytes, part.size_bytes - shard[1] * part.shard_size_bytes)
        buffer = upload.partial.setdefault(shard, bytearray())
        if fragment.offset_bytes == 0:
            buffer.clear()
        assert fragment.offset_bytes == len(buffer)
        buffer += fragment.data
        if len(buffer) < whole:
            return None
        data = bytes(upload.partial.pop(shard))
        if self.nack_next:
            return nack(self.nack_next.pop(0))
        if sha256(data) != part.shard_sha256[shard[1]]:
            return nack(WireReason.SHARD_DIGEST_MISMATCH)
        upload.shards[shard] = data
        self.shards_stored += 1
        self.order.append(f"shard {upload.manifest.capture_id}")
        answer.durable.append(
            ingest.DurableShards(
                session_id=fragment.session_id, part_index=shard[0], shard_indices=[shard[1]]
            )
        )
        return None

    def FindMissing(self, request: Any, context: Any) -> Any:
        self._enter("FindMissing", context)
        with self.lock:
            upload = self.uploads.get(request.session_id)
            if upload is None:
                refuse(context, WireReason.UPLOAD_UNKNOWN)
            assert upload is not None
            answer = ingest.FindMissingResponse(missing=upload.missing(), committed=upload.committed)
        self._leave("FindMissing", context)
        return answer

    def Commit(self, request: Any, context: Any) -> Any:
        self._enter("Commit", context)
        with self.lock:
            upload = self.uploads.get(request.session_id)
            if upload is None:
                refuse(context, WireReason.UPLOAD_UNKNOWN)
            assert upload is not None
            if upload.missing():
                refuse(context, WireReason.SHARDS_MISSING)
            upload.committed = True
            answer = ingest.CommitResponse()
            indices = [self.log.append(part.block) for part in upload.manifest.parts]
            for part, index in zip(upload.manifest.parts, indices, strict=True):
                answer.receipts.append(
                    ingest.PartReceipt(
                        part_index=part.part_index,
                        ledger_index=index,
                        tlog_proof=self.log.prove(index),
                        block=part.block,
                    )
                )
            self.order.append(f"committed {upload.manifest.capture_id}")
            self.spoil(answer)
        self._leave("Commit", context)
        return answer

    # Ledger and results

    def GetCheckpoint(self, _request: Any, context: Any) -> Any:
        self._enter("GetCheckpoint", context)
        return ledger.GetCheckpointResponse(
            checkpoint=self.log.checkpoint(), log_verifier_key=str(self.log.signer.verifier)
        )

    def WatchResults(self, request: Any, context: Any) -> Iterator[Any]:
        self._enter("WatchResults", context)
        if request.cursor > len(self.results):
            refuse(context, WireReason.CURSOR_INVALID)
        self._streams.append(context)
        ended = threading.Event()
        if not context.add_callback(ended.set):
            return
        cursor = request.cursor
        yield agent.WatchResultsResponse(cursor=cursor, heartbeat=agent.Heartbeat())
        while not ended.wait(0.02):
            while cursor < len(self.results):
                result = self.results[cursor]
                cursor += 1
                yield agent.WatchResultsResponse(cursor=cursor, result=result)

    # What tests ask

    def committed_captures(self) -> list[str]:
        with self.lock:
            return [u.manifest.capture_id for u in self.uploads.values() if u.committed]

    def part_bytes(self, capture_id: str, part_index: int = 0) -> bytes:
        with self.lock:
            upload = next(u for u in self.uploads.values() if u.manifest.capture_id == capture_id)
            count = len(upload.manifest.parts[part_index].shard_sha256)
            return b"".join(upload.shards[part_index, i] for i in range(count))
