"""Step 13 of 13: console. The ledger: what stands in it, receipts of any entry, proofs that it only grew."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as InPath
from fastapi.responses import PlainTextResponse

from cloud.console.api.ledger_models import (
    ConsistencyProof,
    LedgerEntry,
    LedgerFacts,
    LedgerPage,
    LedgerPlaces,
)
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.errors import LedgerIndexUnknown
from cloud.ingest.devices import device_keys
from cloud.ledger.entries import EntryText, entry_text
from cloud.publish.in_ledger import entries_about
from sonorelay.contract.notes import Checkpoint, open_note

LIMIT_MAX: Final = 100
SIZE_MAX: Final = 2**53 - 1
"""Numbers above this are not whole any more in a browser."""
_BYTES: Final = "application/octet-stream"
_MISSING: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "The log has no such entry or size."}
}
_ENTRY_BYTES: Final[dict[int | str, dict[str, Any]]] = {
    **_MISSING,
    200: {"content": {_BYTES: {"schema": {"type": "string", "format": "binary"}}}},
}

Index = Annotated[int, InPath(ge=0, le=SIZE_MAX)]
Size = Annotated[int, Query(ge=0, le=SIZE_MAX)]


def router() -> APIRouter:
    """Routes under /api/ledger."""
    routes = APIRouter(prefix="/api/ledger", tags=["ledger"])

    @routes.get("", summary="The log as it is now")
    async def get_ledger(services: Injected) -> LedgerFacts:
        note, checkpoint = await _newest(services)
        return LedgerFacts(
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            verifier_key=str(services.ledger.verifier),
            checkpoint=note.decode(),
        )

    @routes.get("/entries", summary="Entries, newest first")
    async def list_entries(
        services: Injected,
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = 50,
        before: Annotated[int | None, Query(ge=0, le=SIZE_MAX)] = None,
    ) -> LedgerPage:
        _, newest = await _newest(services)
        end = newest.size if before is None else min(before, newest.size)
        first = max(0, end - limit)
        found = await services.ledger.entries(first, end)
        texts = [entry_text(first + place, entry) for place, entry in enumerate(found)]
        shown = await _shown(services, texts)
        return LedgerPage(entries=shown[::-1], next_before=first if first > 0 else None)

    @routes.get("/entries/{index}", summary="One entry", responses=_MISSING)
    async def get_entry(services: Injected, index: Index) -> LedgerEntry:
        with _known():
            entry = await services.ledger.entry(index)
        (shown,) = await _shown(services, [entry_text(index, entry)])
        return shown

    @routes.get(
        "/entries/{index}/bytes",
        summary="The bytes of an entry, as its receipt proves them",
        response_class=Response,
        responses=_ENTRY_BYTES,
    )
    async def get_entry_bytes(services: Injected, index: Index) -> Response:
        with _known():
            entry = await services.ledger.entry(index)
        return Response(entry, media_type=_BYTES, headers=_attached(f"entry-{index}.txt"))

    @routes.get(
        "/entries/{index}/receipt",
        summary="Receipt of an entry (tlog-proof)",
        response_class=PlainTextResponse,
        responses=_MISSING,
    )
    async def get_entry_receipt(services: Injected, index: Index) -> PlainTextResponse:
        with _known():
            (proof,) = await services.ledger.prove([index])
        return PlainTextResponse(proof.encode(), headers=_attached(f"receipt-{index}.txt"))

    @routes.get("/consistency", summary="Proof that the log only grew", responses=_MISSING)
    async def get_consistency(services: Injected, old_size: Size, new_size: Size) -> ConsistencyProof:
        with _known():
            hashes = await services.ledger.consistency(old_size, new_size)
        return ConsistencyProof(hashes=[base64.b64encode(each).decode("ascii") for each in hashes])

    @routes.get("/places", summary="Where a print (by its trace id) or an image stands in the log")
    async def find_places(services: Injected, signed: Signed, object_id: UUID) -> LedgerPlaces:
        found = await services.database.read(lambda tx: entries_about(tx, str(object_id), signed.tenant_id))
        return LedgerPlaces(indices=found)

    return routes


async def _newest(services: ConsoleServices) -> tuple[bytes, Checkpoint]:
    note = await services.ledger.checkpoint()
    text, _ = open_note(note, [services.ledger.verifier])
    return note, Checkpoint.parse(text)


@contextmanager
def _known() -> Iterator[None]:
    try:
        yield
    except LedgerIndexUnknown as exc:
        raise HTTPException(404, "The log has no such entry or size.") from exc


def _attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def _shown(services: ConsoleServices, entries: Sequence[EntryText]) -> list[LedgerEntry]:
    log = services.ledger.verifier
    names = {entry.signer for entry in entries if entry.signer is not None} - {log.name}
    keys = await services.database.read(lambda tx: device_keys(tx, names)) if names else {}
    keys[log.name] = str(log)
    return [
        LedgerEntry(
            index=entry.index,
            kind=entry.kind,
            time=entry.time,
            by=entry.by,
            signer=entry.signer,
            signer_key=keys.get(entry.signer or ""),
            fields=dict(entry.fields),
            text=entry.text,
            leaf_hash=entry.leaf_hash.hex(),
            size_bytes=entry.size_bytes,
        )
        for entry in entries
    ]
