"""The calls to the cloud, each with its deadline; failures are translated, and the gate hears of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypeVar

import grpc

from edge_agent.link.faults import translate
from edge_agent.link.retry import Gate
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest, WatchResultsResponse
from sonorelay.agent.v1.agent_service_pb2_grpc import AgentServiceStub
from sonorelay.contract.limits import (
    COMMIT_DEADLINE_S,
    FIND_MISSING_DEADLINE_S,
    OPEN_DEADLINE_S,
    PRE_NOTIFY_DEADLINE_S,
)
from sonorelay.ingest.v1.ingest_service_pb2 import (
    CommitRequest,
    CommitResponse,
    FindMissingRequest,
    FindMissingResponse,
    OpenUploadRequest,
    OpenUploadResponse,
    PreNotifyRequest,
    PreNotifyResponse,
    PutShardsRequest,
    PutShardsResponse,
    WithdrawRequest,
    WithdrawResponse,
)
from sonorelay.ingest.v1.ingest_service_pb2_grpc import IngestServiceStub
from sonorelay.ledger.v1.ledger_service_pb2 import GetCheckpointRequest, GetCheckpointResponse
from sonorelay.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub

_CHECKPOINT_DEADLINE_S: Final = 5.0
Response = TypeVar("Response")
Item_co = TypeVar("Item_co", covariant=True)


class Streaming(Protocol[Item_co]):
    """A stream of responses that can be cancelled from another thread."""

    def __iter__(self) -> Iterator[Item_co]:
        """Responses; raises grpc.RpcError when the stream breaks."""
        ...

    def cancel(self) -> Any:
        """Breaks the stream."""
        ...


class CloudLink:
    """Every method raises RetryLater, NeedsPerson or ImageRefused (edge_agent.errors). Thread-safe."""

    def __init__(self, channel: grpc.Channel, gate: Gate) -> None:
        self.gate = gate
        self._channel = channel
        # The generated stubs carry no types; each method below states its own.
        self._ingest: Any = IngestServiceStub(channel)
        self._ledger: Any = LedgerServiceStub(channel)
        self._agent: Any = AgentServiceStub(channel)

    def pre_notify(self, request: PreNotifyRequest) -> PreNotifyResponse:
        """Announces a capture; the answer says that the slot is durable."""
        return self._call(
            PreNotifyResponse, "pre-notify", self._ingest.PreNotify, request, PRE_NOTIFY_DEADLINE_S
        )

    def withdraw(self, request: WithdrawRequest) -> WithdrawResponse:
        """Takes an announced capture back."""
        return self._call(WithdrawResponse, "withdraw", self._ingest.Withdraw, request, PRE_NOTIFY_DEADLINE_S)

    def open_upload(self, request: OpenUploadRequest) -> OpenUploadResponse:
        """Hands the manifest in; the answer says what is missing."""
        return self._call(
            OpenUploadResponse, "open upload", self._ingest.OpenUpload, request, OPEN_DEADLINE_S
        )

    def find_missing(self, session_id: str) -> FindMissingResponse:
        """Asks what is not yet durable: the truth after a lost stream."""
        request = FindMissingRequest(session_id=session_id)
        return self._call(
            FindMissingResponse, "find missing", self._ingest.FindMissing, request, FIND_MISSING_DEADLINE_S
        )

    def commit(self, session_id: str, fencing_token: int) -> CommitResponse:
        """Commits the upload; a repeat gives the same ledger indices."""
        request = CommitRequest(session_id=session_id, fencing_token=fencing_token)
        return self._call(CommitResponse, "commit", self._ingest.Commit, request, COMMIT_DEADLINE_S)

    def checkpoint(self) -> GetCheckpointResponse:
        """The log's newest checkpoint and its verifier key."""
        return self._call(
            GetCheckpointResponse,
            "get checkpoint",
            self._ledger.GetCheckpoint,
            GetCheckpointRequest(),
            _CHECKPOINT_DEADLINE_S,
        )

    def put_shards(self, requests: Iterator[PutShardsRequest]) -> Streaming[PutShardsResponse]:
        """Opens the upload stream. No deadline: the heartbeat on the stream watches it."""
        stream: Streaming[PutShardsResponse] = self._ingest.PutShards(requests)
        return stream

    def watch_results(self, device_id: str, cursor: int) -> Streaming[WatchResultsResponse]:
        """Opens the result stream. No deadline: the heartbeat on the stream watches it."""
        request = WatchResultsRequest(device_id=device_id, cursor=cursor)
        stream: Streaming[WatchResultsResponse] = self._agent.WatchResults(request)
        return stream

    def close(self) -> None:
        """Ends every call."""
        self._channel.close()

    def _call(
        self,
        kind: type[Response],
        action: str,
        method: Callable[..., Response],
        request: object,
        deadline_s: float,
    ) -> Response:
        try:
            response = method(request, timeout=deadline_s)
        except grpc.RpcError as error:
            failure = translate(error, action)
            self.gate.failed(failure)
            raise failure from error
        self.gate.succeeded()
        assert isinstance(response, kind)
        return response
