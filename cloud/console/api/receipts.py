"""Step 13 of 13: console. Receipts: a proof that an entry is in the ledger, as a file to be kept."""

from __future__ import annotations

from fastapi import HTTPException
from fastapi.responses import PlainTextResponse

from cloud.console.api.services import ConsoleServices


async def receipt(services: ConsoleServices, ledger_index: int | None) -> PlainTextResponse:
    """The tlog-proof of an entry as a download; 404 where there is no entry (yet)."""
    if ledger_index is None:
        raise HTTPException(404, "The ledger has no such entry (yet).")
    (proof,) = await services.ledger.prove([ledger_index])
    disposition = f'attachment; filename="receipt-{ledger_index}.txt"'
    return PlainTextResponse(proof.encode(), headers={"Content-Disposition": disposition})
