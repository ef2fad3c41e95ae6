"""Step 13 of 13: console. Studies: the search through all examinations, one with its history, its acts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import PlainTextResponse, StreamingResponse

from cloud.accounts.audit import Act
from cloud.accounts.errors import AccountRefused, Refusal
from cloud.accounts.roles import Action, may
from cloud.console.api import study_models as models
from cloud.console.api.examination_models import ExaminationRefusedFacts
from cloud.console.api.examinations import shown_examinations
from cloud.console.api.models import Problem
from cloud.console.api.present import work_item
from cloud.console.api.present_examinations import signature
from cloud.console.api.receipts import receipt
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import Signed
from cloud.console.api.site import Site
from cloud.console.api.study_present import (
    CSV_HEAD,
    csv_row,
    csv_text,
    history,
    note,
    place_from,
    place_text,
    study,
)
from cloud.db import Tx
from cloud.examinations.leads import leads_of
from cloud.examinations.read import read_earlier
from cloud.examinations.results_read import read_results, read_waiting
from cloud.examinations.signing import read_signatures
from cloud.examinations.studies import read_notes
from cloud.examinations.study_items import Agreement, Page, Place, Reviewing, Signing, SortBy, StudyFilter
from cloud.examinations.study_items import Study as StoredStudy
from cloud.examinations.study_list import count_studies, place_of, read_studies, read_study
from cloud.items import Status
from cloud.publish.worklist import read_examination_items
from cloud.tenants.owner import Kind

PAGE_MAX: Final = 200
_AT_ONCE: Final = 200
_NUMBER_MAX: Final = 2**63 - 1
_UNKNOWN: Final = "There is no such study."
_REFUSED: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ExaminationRefusedFacts, "description": what}
    for status, what in ((404, "Unknown."), (409, "Not as things are now; nothing was done."))
}
_UNKNOWN_STUDY: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Problem, "description": "Unknown, or deleted."},
    422: {"model": Problem, "description": "What was asked for cannot be."},
}


def wanted(
    text: Annotated[
        str,
        Query(
            max_length=100,
            description="Words of #number, pseudonym, device, findings, planes, notes, tags; Chinese or its pinyin.",
        ),
    ] = "",
    status: Annotated[list[Status] | None, Query(description="Only these.")] = None,
    finding: Annotated[str | None, Query(max_length=40, description="With an image of it.")] = None,
    plane: Annotated[str | None, Query(max_length=40, description="With an image of it.")] = None,
    device_id: Annotated[str | None, Query(max_length=63, description="Begun on this device.")] = None,
    tag: Annotated[str | None, Query(max_length=models.TAG_MAX, description="With this tag.")] = None,
    reviewing: Annotated[Reviewing | None, Query(description="How it stands with reviews.")] = None,
    signing: Annotated[Signing | None, Query(description="How it stands with signatures.")] = None,
    agreement: Annotated[Agreement | None, Query(description="What its reviews say.")] = None,
    begun_from: Annotated[datetime | None, Query(description="Begun then or later.")] = None,
    begun_before: Annotated[datetime | None, Query(description="Begun before then.")] = None,
    age_from_days: Annotated[float | None, Query(ge=0, le=315, description="At least this old.")] = None,
    age_to_days: Annotated[float | None, Query(ge=0, le=315, description="At most this old.")] = None,
    deleted: Annotated[bool, Query(description="Only deleted ones, for who may restore.")] = False,
) -> StudyFilter:
    """The filter that an address carries."""
    if any(time is not None and time.tzinfo is None for time in (begun_from, begun_before)):
        raise HTTPException(422, "A moment needs its time zone.")
    return StudyFilter(
        text=text,
        states=tuple(status or ()),
        finding=finding,
        plane=plane,
        device_id=device_id,
        tag=tag,
        reviewing=reviewing,
        signing=signing,
        agreement=agreement,
        begun_from=begun_from,
        begun_before=begun_before,
        age_from_days=age_from_days,
        age_to_days=age_to_days,
        deleted=deleted,
    )


Wanted = Annotated[StudyFilter, Depends(wanted)]


def router() -> APIRouter:
    """Routes under /api/studies that only read."""
    routes = APIRouter(prefix="/api", tags=["studies"], responses=_UNKNOWN_STUDY)

    @routes.get("/studies", summary="Studies, searched and sorted")
    async def list_studies(
        services: Injected,
        signed: Signed,
        asked: Wanted,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        sort: Annotated[SortBy, Query(description="Order.")] = SortBy.NUMBER,
        ascending: Annotated[bool, Query(description="The smallest first.")] = False,
        after: Annotated[str | None, Query(max_length=60, description="`after` of a page.")] = None,
        before: Annotated[str | None, Query(max_length=60, description="`before` of a page.")] = None,
    ) -> models.StudyList:
        own = _own(asked, signed)
        try:
            ends = {"after": place_from(after), "before": place_from(before)}
        except ValueError as exc:
            raise HTTPException(422, "after and before are those of a page.") from exc
        # One more than is shown tells whether there is more.
        page = Page(limit=limit + 1, sort=sort, ascending=ascending, **ends)
        return await services.database.read(lambda tx: _list(tx, services, own, page))

    @routes.get(
        "/studies.csv", summary="Every study that is asked for, as a table", response_class=StreamingResponse
    )
    async def export_studies(services: Injected, signed: Signed, asked: Wanted) -> StreamingResponse:
        own = _own(asked, signed)
        headers = {"Content-Disposition": 'attachment; filename="studies.csv"', "Cache-Control": "no-store"}
        return StreamingResponse(_csv(services, own), media_type="text/csv; charset=utf-8", headers=headers)

    @routes.get("/studies/{study_id}", summary="One study with its history")
    async def get_study(services: Injected, signed: Signed, study_id: UUID) -> models.StudyDetail:
        found = await services.database.read(lambda tx: _detail(tx, services, str(study_id)))
        if found is None or (found.study.deleted is not None and not may(signed.role, Action.DELETE)):
            raise HTTPException(404, _UNKNOWN)
        return found

    @routes.get("/studies/{study_id}/looks", summary="Who looked at a study, and what was done with it")
    async def list_looks(
        services: Injected,
        study_id: UUID,
        before: Annotated[int | None, Query(ge=1, le=_NUMBER_MAX, description="Older than this row.")] = None,
    ) -> models.StudyLooks:
        found = await services.database.read(lambda tx: _detail(tx, services, str(study_id)))
        if found is None:
            raise HTTPException(404, _UNKNOWN)
        objects = [str(study_id), *(each.image_id for each in found.images)]
        objects += [capture.capture_id for capture in found.captures]
        rows = await services.accounts.looks.about(objects, before, _AT_ONCE)
        return models.StudyLooks(
            rows=[
                models.StudyLook(
                    number=row.number,
                    time=row.time,
                    actor=row.actor,
                    act=Act(row.act),
                    outcome=row.outcome,
                )
                for row in rows
            ],
            next_before=rows[-1].number if len(rows) == _AT_ONCE else None,
        )

    @routes.get(
        "/studies/{study_id}/results/{ledger_index}.txt",
        summary="Receipt of a result, also of an earlier one (tlog-proof)",
        response_class=PlainTextResponse,
    )
    async def get_earlier_receipt(services: Injected, study_id: UUID, ledger_index: int) -> PlainTextResponse:
        found = await services.database.read(lambda tx: _detail(tx, services, str(study_id)))
        known = found is not None and found.study.deleted is None
        indices = {each.ledger_index for image in found.images for each in image.results} if found else set()
        return await receipt(services, ledger_index if known and ledger_index in indices else None)

    return routes


def acts_router() -> APIRouter:
    """Routes under /api/studies that change something."""
    routes = APIRouter(prefix="/api/studies", tags=["studies"], responses=_REFUSED)

    @routes.post("/{study_id}/reanalyse", summary="Have images read again by the models that are live")
    async def reanalyse(
        services: Injected, signed: Signed, study_id: UUID, asked: models.ReanalysisAsked
    ) -> models.Reanalysis:
        wanted_ids = [str(each) for each in asked.image_ids]
        acts = services.examinations.studies
        return models.Reanalysis(image_ids=await acts.read_again(signed, str(study_id), wanted_ids))

    @routes.post("/deletions", summary="Delete studies so that they can be restored")
    async def delete_studies(
        services: Injected, signed: Signed, asked: models.DeletionAsked
    ) -> models.StudiesDone:
        ids = [str(each) for each in asked.study_ids]
        await _must_see(services, signed, ids)
        for each in ids:
            await services.examinations.studies.delete(signed, each, asked.reason)
        return models.StudiesDone(done=ids)

    @routes.post("/{study_id}/restore", summary="Restore a deleted study")
    async def restore_study(services: Injected, signed: Signed, study_id: UUID) -> models.StudyDetail:
        await services.examinations.studies.restore(signed, str(study_id))
        return await _known(services, str(study_id))

    @routes.post("/tags", summary="Put a tag on studies, or take it off")
    async def tag_studies(
        services: Injected, signed: Signed, asked: models.TaggingAsked
    ) -> models.StudiesDone:
        ids = [str(each) for each in asked.study_ids]
        await _must_see(services, signed, ids)
        for each in ids:
            await services.examinations.studies.tag(signed, each, asked.tag, asked.on)
        return models.StudiesDone(done=ids)

    @routes.post("/{study_id}/notes", summary="Note something about a study")
    async def add_note(
        services: Injected, signed: Signed, study_id: UUID, asked: models.NoteAsked
    ) -> models.StudyNote:
        acts = services.examinations.studies
        stored = await acts.add_note(signed, str(study_id), str(asked.note_id), asked.note)
        return note(stored, services.site)

    return routes


def _own(asked: StudyFilter, signed: Signed) -> StudyFilter:
    """What is asked for, of what the reader may see."""
    if asked.deleted and not may(signed.role, Action.DELETE):
        raise HTTPException(404, "There is nothing deleted that this role may see.")
    return replace(asked, tenant_id=signed.tenant_id)


async def _must_see(services: ConsoleServices, signed: Signed, ids: Sequence[str]) -> None:
    """Before anything is done to any of them: another tenant's is as one that does not exist."""
    for each in ids:
        if not await services.accounts.tenants.may_see(signed, {Kind.EXAMINATION: each}):
            raise AccountRefused(Refusal.UNKNOWN)


def _list(tx: Tx, services: ConsoleServices, asked: StudyFilter, page: Page) -> models.StudyList:
    found = read_studies(tx, services.examinations.protocol, asked, page)
    is_more = len(found) == page.limit
    backwards = page.before is not None
    shown = found
    if is_more:
        shown = found[1:] if backwards else found[:-1]
    ends = [place_text(place_of(each, page.sort)) for each in shown]
    has_after = bool(ends) and (is_more or backwards)
    has_before = bool(ends) and (page.after is not None or (backwards and is_more))
    return models.StudyList(
        items=_shown(tx, shown, services.site),
        total=count_studies(tx, asked),
        after=ends[-1] if has_after else None,
        before=ends[0] if has_before else None,
    )


async def _known(services: ConsoleServices, study_id: str) -> models.StudyDetail:
    found = await services.database.read(lambda tx: _detail(tx, services, study_id))
    if found is None:
        raise HTTPException(404, _UNKNOWN)
    return found


def _detail(tx: Tx, services: ConsoleServices, study_id: str) -> models.StudyDetail | None:
    protocol, site = services.examinations.protocol, services.site
    stored = read_study(tx, protocol, study_id)
    if stored is None:
        return None
    items = read_examination_items(tx, study_id)
    image_ids = [image.image_id for item in items for image in item.images]
    return models.StudyDetail(
        study=_shown(tx, [stored], site)[0],
        captures=[work_item(item, site) for item in items],
        images=history(image_ids, read_results(tx, study_id), read_waiting(tx, study_id), site),
        notes=[note(each, site) for each in read_notes(tx, study_id)],
        signatures=[signature(each, site) for each in read_signatures(tx, study_id)],
        earlier=shown_examinations(tx, site, read_earlier(tx, protocol, stored.examination)),
    )


async def _csv(services: ConsoleServices, asked: StudyFilter) -> AsyncIterator[str]:
    """The table, a page at a time: however long it is, it never lies in memory as a whole."""
    # The mark tells spreadsheets that the text is UTF-8.
    yield "\ufeff" + csv_text([CSV_HEAD])
    page = Page(limit=_AT_ONCE)
    while True:
        shown, last = await services.database.read(partial(_part, services=services, asked=asked, page=page))
        yield csv_text(map(csv_row, shown))
        if len(shown) < _AT_ONCE:
            return
        page = replace(page, after=last)


def _part(
    tx: Tx, services: ConsoleServices, asked: StudyFilter, page: Page
) -> tuple[list[models.Study], Place | None]:
    """A page of the table, and where it ends."""
    found = read_studies(tx, services.examinations.protocol, asked, page)
    return _shown(tx, found, services.site), place_of(found[-1], page.sort) if found else None


def _shown(tx: Tx, found: Sequence[StoredStudy], site: Site) -> list[models.Study]:
    leads = leads_of(tx, [each.examination for each in found])
    return [study(each, site, leads.get(each.examination.examination_id)) for each in found]
