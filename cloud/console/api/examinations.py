"""Step 13 of 13: console. Examinations: the worklist of them, and one with all that is in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import PlainTextResponse

from cloud.console.api.examination_models import Examination, ExaminationDetail, ExaminationList
from cloud.console.api.models import Problem
from cloud.console.api.present import work_item
from cloud.console.api.present_examinations import examination, protocol_state, signature
from cloud.console.api.receipts import receipt
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.console.api.site import Site
from cloud.db import Tx
from cloud.examinations.completeness import read_coverage
from cloud.examinations.content import content_digest
from cloud.examinations.items import Examination as StoredExamination
from cloud.examinations.leads import leads_of
from cloud.examinations.read import Wanted, count_by_state, read_earlier, read_examination, read_list
from cloud.examinations.signing import read_signatures
from cloud.items import Status
from cloud.publish.worklist import read_examination_items

PAGE_MAX: Final = 200
_SLOT_MAX: Final = 2**63 - 1
_UNKNOWN: Final[dict[int | str, dict[str, Any]]] = {404: {"model": Problem, "description": "Unknown."}}


def router() -> APIRouter:
    """Routes under /api/examinations that only read."""
    routes = APIRouter(prefix="/api/examinations", tags=["examinations"])

    @routes.get("", summary="Examinations, the one with the newest print first")
    async def list_examinations(
        services: Injected,
        signed: Signed,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        before: Annotated[
            int | None, Query(ge=1, le=_SLOT_MAX, description="Whose newest print is older than this slot.")
        ] = None,
        status: Annotated[list[Status] | None, Query(description="Only these.")] = None,
        device_id: Annotated[str | None, Query(max_length=63, description="Only of this device.")] = None,
        text: Annotated[
            str | None,
            Query(
                max_length=64,
                description="Number, beginning of the patient's pseudonym, part of the device's name, or a finding in "
                "English or Chinese.",
            ),
        ] = None,
    ) -> ExaminationList:
        # The cursor is read first: what changes in between comes again as an event, never gets lost.
        cursor = await services.hub.newest()
        protocol = services.examinations.protocol
        wanted = Wanted(tenant_id=signed.tenant_id, states=status or (), device_id=device_id, text=text)

        def read(tx: Tx) -> ExaminationList:
            items = shown_examinations(tx, services.site, read_list(tx, protocol, wanted, limit, before))
            return ExaminationList(
                items=items,
                next_before=items[-1].newest_slot if len(items) == limit else None,
                counts={state.value: count for state, count in count_by_state(tx, wanted).items()},
                cursor=cursor,
            )

        return await services.database.read(read)

    @routes.get("/{examination_id}", summary="One examination with its prints", responses=_UNKNOWN)
    async def get_examination(services: Injected, examination_id: UUID) -> ExaminationDetail:
        cursor = await services.hub.newest()
        found = await services.database.read(lambda tx: _detail(tx, services, str(examination_id), cursor))
        if found is None:
            raise HTTPException(404, "There is no such examination.")
        return found

    @routes.get(
        "/{examination_id}/signatures/{signature_id}.txt",
        summary="Receipt of a signature (tlog-proof)",
        response_class=PlainTextResponse,
        responses=_UNKNOWN,
    )
    async def get_signature_receipt(
        services: Injected, examination_id: UUID, signature_id: UUID
    ) -> PlainTextResponse:
        signing = services.examinations.signing
        return await receipt(services, await signing.ledger_index(str(examination_id), str(signature_id)))

    return routes


def shown_examinations(tx: Tx, site: Site, stored: Sequence[StoredExamination]) -> list[Examination]:
    """Examinations as the page shows them, each with what gives it its state."""
    leads = leads_of(tx, stored)
    return [examination(each, site, leads.get(each.examination_id)) for each in stored]


def _detail(tx: Tx, services: ConsoleServices, examination_id: str, cursor: int) -> ExaminationDetail | None:
    protocol = services.examinations.protocol
    stored = read_examination(tx, protocol, examination_id)
    if stored is None:
        return None
    coverage = read_coverage(tx, protocol, [examination_id])[examination_id]
    now, *earlier = shown_examinations(tx, services.site, [stored, *read_earlier(tx, protocol, stored)])
    return ExaminationDetail(
        examination=now,
        captures=[work_item(item, services.site) for item in read_examination_items(tx, examination_id)],
        earlier=earlier,
        protocol=protocol_state(protocol, coverage, services.site),
        signatures=[signature(each, services.site) for each in read_signatures(tx, examination_id)],
        content=content_digest(tx, examination_id, stored.age.days if stored.age else None).hex(),
        cursor=cursor,
    )
