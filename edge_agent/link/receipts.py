"""Step 10's answer, checked: a receipt counts only if the log's key signed it and it holds our own block."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.errors import ImageRefused
from edge_agent.spool.records import SeenCheckpoint
from sonorelay.contract.notes import NoteInvalid, Proof, Verifier
from sonorelay.contract.reasons import EdgeReason
from sonorelay.ingest.v1.ingest_service_pb2 import CommitResponse, OpenUploadRequest


class ReceiptInvalid(ImageRefused):
    """The receipt does not verify. Nothing may be deleted; a person must look."""

    def __init__(self, detail: str) -> None:
        super().__init__(EdgeReason.RECEIPT_INVALID, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """Receipts of all parts, verified."""

    ledger_indices: tuple[int, ...]
    """Ledger index of each part's block, by part index."""
    newest: SeenCheckpoint
    """Largest checkpoint among them."""


def verify(
    response: CommitResponse, manifest: OpenUploadRequest, log: Verifier, seen: SeenCheckpoint | None
) -> Verified:
    """Checks one receipt per part: our block byte for byte, inclusion, the log's signature, no rollback.

    `seen`: newest checkpoint that was verified before the commit was sent. Raises ReceiptInvalid.
    """
    by_part = {receipt.part_index: receipt for receipt in response.receipts}
    if len(by_part) != len(response.receipts) or sorted(by_part) != [p.part_index for p in manifest.parts]:
        raise ReceiptInvalid("not one receipt per part")
    newest = seen
    indices: list[int] = []
    for part in manifest.parts:
        receipt = by_part[part.part_index]
        if receipt.block != part.block:
            raise ReceiptInvalid("the ledger holds another block")
        try:
            proof = Proof.parse(receipt.tlog_proof)
            checkpoint = proof.verify(part.block, log)
        except NoteInvalid as error:
            raise ReceiptInvalid(str(error)) from error
        if proof.index != receipt.ledger_index:
            raise ReceiptInvalid("the proof is of another index")
        if seen is not None and checkpoint.size < seen.size:
            raise ReceiptInvalid("the log is smaller than it was")
        if newest is not None and checkpoint.size == newest.size and checkpoint.root != newest.root:
            raise ReceiptInvalid("the log shows two roots of one size")
        if newest is None or checkpoint.size > newest.size:
            newest = SeenCheckpoint(size=checkpoint.size, root=checkpoint.root)
        indices.append(proof.index)
    if newest is None:
        raise ReceiptInvalid("no receipt")
    return Verified(ledger_indices=tuple(indices), newest=newest)
