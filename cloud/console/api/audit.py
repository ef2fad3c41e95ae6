"""Step 13 of 13: console. The audit, searched page by page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.accounts.audit import Act, AuditEntry, Search
from cloud.console.api.account_models import AuditPage, AuditRow
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed

PAGE_MAX = 200
_NUMBER_MAX = 2**63 - 1


def router() -> APIRouter:
    """The route /api/audit."""
    routes = APIRouter(prefix="/api/audit", tags=["audit"], responses=REFUSED)

    @routes.get("", summary="Who did what, newest first")
    async def search_audit(
        services: Injected,
        signed: Signed,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        before: Annotated[
            int | None, Query(ge=1, le=_NUMBER_MAX, description="Older than this number.")
        ] = None,
        actor: Annotated[str | None, Query(max_length=80, description="Beginning of a name.")] = None,
        act: Annotated[Act | None, Query(description="Only this.")] = None,
        object_id: Annotated[str | None, Query(max_length=64, description="Only this object.")] = None,
        refused: Annotated[bool | None, Query(description="Only refused, or only done.")] = None,
    ) -> AuditPage:
        wanted = Search(before=before, actor=actor, act=act, object_id=object_id, refused=refused)
        found = await services.accounts.looks.search(signed, wanted, limit)
        more = found[-1].number if len(found) == limit and found[-1].number > 1 else None
        return AuditPage(rows=[_row(entry) for entry in found], next_before=more)

    return routes


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        number=entry.number,
        time=entry.time,
        actor=entry.actor,
        act=Act(entry.act),
        object_id=entry.object_id,
        origin=entry.origin,
        outcome=entry.outcome,
        digest=entry.digest.hex(),
    )
