"""Part of step 10: answers questions about the log over gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloud.errors import CallRefused, LedgerIndexUnknown
from cloud.ledger import Ledger
from sonorelay.contract.notes import Checkpoint, open_note
from sonorelay.contract.reasons import WireReason
from sonorelay.ledger.v1.ledger_service_pb2 import (
    GetCheckpointResponse,
    GetConsistencyProofRequest,
    GetConsistencyProofResponse,
    GetInclusionProofRequest,
    GetInclusionProofResponse,
)


async def get_checkpoint(ledger: Ledger) -> GetCheckpointResponse:
    """The newest checkpoint and the key that signs it."""
    return GetCheckpointResponse(checkpoint=await ledger.checkpoint(), log_verifier_key=str(ledger.verifier))


async def get_inclusion_proof(ledger: Ledger, request: GetInclusionProofRequest) -> GetInclusionProofResponse:
    """An entry with its proof. Refuses LEDGER_INDEX_UNKNOWN."""
    with _known():
        (proof,) = await ledger.prove([request.ledger_index])
        entry = await ledger.entry(request.ledger_index)
    return GetInclusionProofResponse(tlog_proof=proof.encode(), entry=entry)


async def get_consistency_proof(
    ledger: Ledger, request: GetConsistencyProofRequest
) -> GetConsistencyProofResponse:
    """Proof that the log only grew; new_size 0 means the newest. Refuses LEDGER_INDEX_UNKNOWN."""
    newest = await ledger.checkpoint()
    text, _ = open_note(newest, [ledger.verifier])
    newest_size = Checkpoint.parse(text).size
    new_size = request.new_size or newest_size
    if not 1 <= request.old_size <= new_size:
        raise CallRefused(WireReason.LEDGER_INDEX_UNKNOWN, "old_size is not within 1 to new_size")
    with _known():
        hashes = await ledger.consistency(request.old_size, new_size)
    return GetConsistencyProofResponse(hashes=hashes, checkpoint=newest if new_size == newest_size else b"")


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except LedgerIndexUnknown as exc:
        raise CallRefused(WireReason.LEDGER_INDEX_UNKNOWN, "the log has no such entry or size") from exc
