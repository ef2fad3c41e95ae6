"""Step 13 of 13: console. Uploads of folders with series: begun, filled file by file, finished."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.requests import ClientDisconnect

from cloud.accounts.values import Principal
from cloud.console.api.models import Problem
from cloud.console.api.series_models import FileAccount, UploadAccount
from cloud.console.api.series_present import account, file_account
from cloud.console.api.services import ConsoleServices, Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.series.rows import FileRow
from cloud.series.stored import SeriesRow
from cloud.series.uploads import PATH_MAX, PathInvalid, PathTaken, UploadClosed, UploadUnknown

_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **REFUSED,
    404: {"model": Problem, "description": "No such upload of this person or machine."},
    409: {"model": Problem, "description": "The upload was finished, or has another file under this path."},
    422: {"model": Problem, "description": "The path is none of a file below the uploaded folder."},
    503: {"model": Problem, "description": "The disk is full or the server is busy; Retry-After says when."},
}
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def router() -> APIRouter:
    """Routes under /api/uploads."""
    routes = APIRouter(prefix="/api/uploads", tags=["series"], responses=_ANSWERS)

    @routes.post("", summary="Begin an upload")
    async def begin_upload(services: Injected, signed: Signed) -> UploadAccount:
        upload = await services.series.uploads.begin(signed, str(uuid.uuid4()))
        return account(upload, [], {}, [], services.site.sex)

    @routes.put(
        "/{upload_id}/files",
        summary="One file of the folder, its bytes as the body",
        description="A repeat with the same path and bytes changes nothing. The answer says whether it is used.",
        openapi_extra=_FILE,
    )
    async def put_file(
        services: Injected,
        signed: Signed,
        request: Request,
        upload_id: UUID,
        path: Annotated[
            str, Query(min_length=1, max_length=PATH_MAX, description="Below the uploaded folder.")
        ],
    ) -> FileAccount:
        async with _answered():
            row = await services.series.uploads.put(signed, str(upload_id), path, request.stream())
            return file_account(row, path, services.site.sex)

    @routes.post("/{upload_id}/finish", summary="Make series of what came; the account of every file")
    async def finish_upload(services: Injected, signed: Signed, upload_id: UUID) -> UploadAccount:
        async with _answered():
            await services.series.uploads.finish(signed, str(upload_id))
            return await _account(services, signed, str(upload_id))

    @routes.get("/{upload_id}", summary="How far an upload is, and what came of it")
    async def get_upload(services: Injected, signed: Signed, upload_id: UUID) -> UploadAccount:
        async with _answered():
            return await _account(services, signed, str(upload_id))

    return routes


async def _account(services: ConsoleServices, signed: Principal, upload_id: str) -> UploadAccount:
    uploads = services.series.uploads
    upload = await uploads.of(signed, upload_id)
    files = await uploads.files(upload_id)

    def paths(of: Sequence[FileRow]) -> dict[bytes, str | None]:
        return {each.path_sha256: uploads.path_of(each) for each in of if each.reason is not None}

    series_ids = dict.fromkeys(each.series_id for each in files if each.series_id is not None)
    series: list[SeriesRow] = [await services.series.row(series_id) for series_id in series_ids]
    return account(upload, files, await asyncio.to_thread(paths, files), series, services.site.sex)


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Errors of uploads as answers of HTTP."""
    try:
        yield
    except UploadUnknown as error:
        raise HTTPException(404, "There is no such upload.") from error
    except (UploadClosed, PathTaken) as error:
        raise HTTPException(409, str(error)) from error
    except PathInvalid as error:
        raise HTTPException(422, str(error)) from error
    except ClientDisconnect as error:
        # Nobody reads it; without it the log would tell of a fault.
        raise HTTPException(400, "The file did not come whole.") from error
