"""Steps 2 and 7 to 10 as the agent calls them: thin servicers that hand every call to its function."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc

from cloud.ingest.commit import commit
from cloud.ingest.ledger_reads import get_checkpoint, get_consistency_proof, get_inclusion_proof
from cloud.ingest.missing import find_missing
from cloud.ingest.open import open_upload
from cloud.ingest.prenotify import pre_notify
from cloud.ingest.receive import ShardStream
from cloud.ingest.results import watch_results
from cloud.ingest.services import IngestServices
from cloud.ingest.withdraw import withdraw
from cloud.ledger import Ledger
from cloud.publish.hub import Hub
from sonorelay.agent.v1 import agent_service_pb2 as agent
from sonorelay.agent.v1.agent_service_pb2_grpc import AgentServiceServicer
from sonorelay.ingest.v1 import ingest_service_pb2 as ingest
from sonorelay.ingest.v1.ingest_service_pb2_grpc import IngestServiceServicer
from sonorelay.ledger.v1 import ledger_service_pb2 as ledger_pb
from sonorelay.ledger.v1.ledger_service_pb2_grpc import LedgerServiceServicer

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class IngestServicer(IngestServiceServicer):
    """Takes captures; promises and refusals stand in the functions."""

    def __init__(self, services: IngestServices) -> None:
        self._services = services

    async def PreNotify(self, request: ingest.PreNotifyRequest, context: Context) -> ingest.PreNotifyResponse:
        """See `pre_notify`."""
        return await pre_notify(self._services, request)

    async def Withdraw(self, request: ingest.WithdrawRequest, context: Context) -> ingest.WithdrawResponse:
        """See `withdraw`."""
        return await withdraw(self._services, request)

    async def OpenUpload(
        self, request: ingest.OpenUploadRequest, context: Context
    ) -> ingest.OpenUploadResponse:
        """See `open_upload`."""
        return await open_upload(self._services, request)

    async def PutShards(
        self, request_iterator: AsyncIterator[ingest.PutShardsRequest], context: Context
    ) -> AsyncIterator[ingest.PutShardsResponse]:
        """See `ShardStream`."""
        async for response in ShardStream(self._services).responses(request_iterator):
            yield response

    async def FindMissing(
        self, request: ingest.FindMissingRequest, context: Context
    ) -> ingest.FindMissingResponse:
        """See `find_missing`."""
        return await find_missing(self._services, request)

    async def Commit(self, request: ingest.CommitRequest, context: Context) -> ingest.CommitResponse:
        """See `commit`."""
        return await commit(self._services, request)


class LedgerServicer(LedgerServiceServicer):
    """Answers questions about the log."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def GetCheckpoint(
        self, request: ledger_pb.GetCheckpointRequest, context: Context
    ) -> ledger_pb.GetCheckpointResponse:
        """See `get_checkpoint`."""
        return await get_checkpoint(self._ledger)

    async def GetInclusionProof(
        self, request: ledger_pb.GetInclusionProofRequest, context: Context
    ) -> ledger_pb.GetInclusionProofResponse:
        """See `get_inclusion_proof`."""
        return await get_inclusion_proof(self._ledger, request)

    async def GetConsistencyProof(
        self, request: ledger_pb.GetConsistencyProofRequest, context: Context
    ) -> ledger_pb.GetConsistencyProofResponse:
        """See `get_consistency_proof`."""
        return await get_consistency_proof(self._ledger, request)


class AgentServicer(AgentServiceServicer):
    """Sends results back."""

    def __init__(self, services: IngestServices, hub: Hub) -> None:
        self._services = services
        self._hub = hub

    async def WatchResults(
        self, request: agent.WatchResultsRequest, context: Context
    ) -> AsyncIterator[agent.WatchResultsResponse]:
        """See `watch_results`."""
        async for response in watch_results(self._services, self._hub, request):
            yield response
