"""Step 13 of 13: console. Series: the list, one series, planes cut through it, its images and their headers."""

from __future__ import annotations

import math
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from cloud.accounts.values import Principal
from cloud.console.api.models import Problem
from cloud.console.api.series_models import (
    ReconstructionAsked,
    Said,
    SeriesFacts,
    SeriesItem,
    SeriesList,
    SeriesOrders,
    TagRow,
)
from cloud.console.api.series_present import facts, item, order, said
from cloud.console.api.services import Injected
from cloud.console.api.sessions import REFUSED, Signed
from cloud.series.catalogue import PAGE_MAX, CursorInvalid
from cloud.series.errors import HeaderRefused, SeriesRefused, SliceInvalid, SliceUnreadable
from cloud.series.header import Place, Vector
from cloud.series.messages import Cut, CutMade, Frame, OpenedFacts, SlabMode, Sweep
from cloud.series.service import SeriesChanged, SeriesUnknown
from cloud.series.workers import Superseded
from cloud.series.zipped import zipped

SIZE_MAX_PX: Final = 2048
CACHE_CONTROL: Final = "private, no-cache"
OCTETS: Final = "application/octet-stream"
_PANE_MAX: Final = 64
_CHANGED: Final = Said(
    code="changed",
    en="Images came to the series; load it again.",
    zh="该序列有新图像，请重新载入。",
)
_SUPERSEDED: Final = Said(
    code="superseded", en="A newer request took its place.", zh="该请求已被更新的请求取代。"
)
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    **REFUSED,
    404: {"model": Problem, "description": "No such series, or no such image."},
    409: {"model": Said, "description": "No planes can be cut, the series changed, or a newer request came."},
    422: {"model": Problem, "description": "What was asked for cannot be; the detail names the parameter."},
}
_BINARY: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {OCTETS: {}}, "description": "Numbers, row by row from the upper left."}
}
_PNG: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"image/png": {}}, "description": "The picture."}
}
_ZIP: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/zip": {}}, "description": "0001.dcm and on."}
}

Triple = Annotated[str, Query(max_length=120, description="Three numbers with commas between them; LPS, mm.")]
Version = Annotated[
    int | None, Query(ge=1, description="Of the facts; an older one is answered 409 changed.")
]


def cut_asked(
    c: Triple,
    u: Triple,
    v: Triple,
    size: Annotated[int, Query(ge=1, le=SIZE_MAX_PX, description="Side, pixels.")] = 512,
    px: Annotated[float, Query(description="Side of a pixel, mm.")] = 1.0,
    slab: Annotated[float, Query(description="Thickness, mm.")] = 0.0,
    mode: Annotated[SlabMode, Query(description="What of a slab is shown.")] = SlabMode.MEAN,
) -> Cut:
    """The plane that the query asks for. Answers 422 where it is none."""
    try:
        return Cut(
            centre_mm=_vector("c", c),
            u=_unit("u", _vector("u", u)),
            v=_unit("v", _vector("v", v)),
            size_px=size,
            pixel_mm=px,
            slab_mm=slab,
            mode=mode,
        )
    except SliceInvalid as error:
        raise HTTPException(422, str(error)) from error


Asked = Annotated[Cut, Depends(cut_asked)]
"""Type of a route's parameter that holds the plane of the query."""


class Conflict(Exception):
    """Answered 409 with a code and its sentence."""

    def __init__(self, why: Said) -> None:
        super().__init__(why.en)
        self.why = why


async def conflict(request: Request, exc: Exception) -> Response:
    """409 with code and sentence."""
    assert isinstance(exc, Conflict)
    return JSONResponse(exc.why.model_dump(), 409)


def router() -> APIRouter:
    """Routes under /api/series."""
    routes = APIRouter(prefix="/api/series", tags=["series"], responses=_ANSWERS)
    _add_lists(routes)
    _add_cuts(routes)
    _add_images(routes)
    _add_files(routes)
    return routes


def _add_lists(routes: APIRouter) -> None:
    @routes.get("", summary="All series, newest first")
    async def list_series(
        services: Injected,
        signed: Signed,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
        cursor: Annotated[str | None, Query(max_length=200, description="From the answer before.")] = None,
        modality: Annotated[str | None, Query(max_length=16, description="Only this one.")] = None,
        q: Annotated[
            str | None, Query(max_length=64, description="In pseudonym, body part, modality, ids.")
        ] = None,
    ) -> SeriesList:
        try:
            page = await services.series.page(
                tenant_id=signed.tenant_id, limit=limit, cursor=cursor, modality=modality, q=q
            )
        except CursorInvalid as error:
            raise HTTPException(422, str(error)) from error
        return SeriesList(
            items=[item(row, services.site.sex) for row in page.rows], next_cursor=page.next_cursor
        )

    @routes.get("/orders", summary="How far the agents' orders are: those that changed within the last hour")
    async def list_orders(services: Injected, signed: Signed) -> SeriesOrders:
        found = await services.series.orders(services.clock(), signed.tenant_id)
        return SeriesOrders(items=[order(each, services.site.sex) for each in found])

    @routes.get("/{series_id}", summary="One series: where it lies, what is left out, what is missing")
    async def get_series(services: Injected, series_id: UUID) -> SeriesFacts:
        async with _answered():
            row = await services.series.row(str(series_id))
            opened: OpenedFacts = await services.series.facts(row)
            return facts(row, opened, services.site.sex)

    @routes.post("/{series_id}/reconstructions", summary="Cut parallel planes and store them as a new series")
    async def post_reconstruction(
        services: Injected, signed: Signed, series_id: UUID, asked: ReconstructionAsked
    ) -> SeriesItem:
        async with _answered():
            row = await services.series.row(str(series_id))
            wanted = _sweep(asked, services.clock())
            made = await services.series.reconstruct(row, wanted, signed, secrets.token_hex(16))
            return item(made, services.site.sex)


def _add_cuts(routes: APIRouter) -> None:
    @routes.get(
        "/{series_id}/slice",
        summary="A plane through the volume: int16, little endian, size x size",
        description="Headers: X-Scale, X-Offset (value = stored x scale + offset), X-Background (the stored number "
        "where no voxel lies). Of requests with one pane the newest counts; older ones are answered 409 superseded.",
        response_class=Response,
        responses=_BINARY,
    )
    async def get_slice(
        services: Injected,
        signed: Signed,
        request: Request,
        series_id: UUID,
        asked: Asked,
        version: Version = None,
        pane: Annotated[str | None, Query(max_length=_PANE_MAX, description="Any name of the pane.")] = None,
    ) -> Response:
        async with _answered():
            row = await services.series.row(str(series_id), version)

            async def wanted() -> bool:
                return not await request.is_disconnected()

            made: CutMade = await services.series.ask(
                row, "cut", asked, with_volume=True, pane=_pane(signed, pane), wanted=wanted
            )
            numbers = {"X-Scale": made.scale, "X-Offset": made.offset, "X-Background": made.background}
            return _octets(
                made.data,
                {"X-Width": asked.size_px, "X-Height": asked.size_px, "X-Format": "int16", **numbers},
            )

    @routes.get(
        "/{series_id}/slice.png",
        summary="A plane through the volume as PNG",
        response_class=Response,
        responses=_PNG,
    )
    async def get_slice_png(
        services: Injected,
        series_id: UUID,
        asked: Asked,
        window: Annotated[
            str | None, Query(max_length=80, description="Centre and width with a comma.")
        ] = None,
        version: Version = None,
    ) -> Response:
        async with _answered():
            shown = None if window is None else _window(window)
            row = await services.series.row(str(series_id), version)
            made: bytes = await services.series.ask(row, "png", asked, shown, with_volume=True)
            return Response(made, media_type="image/png", headers={"Cache-Control": CACHE_CONTROL})


def _add_images(routes: APIRouter) -> None:
    @routes.get(
        "/{series_id}/images/{index}",
        summary="One image, or one of its frames, as numbers",
        description="Headers: X-Width, X-Height, X-Format (int16: little endian, value = stored x X-Scale + X-Offset; "
        "rgb8: red, green, blue), X-Frames (of this image). Where the image says so: X-Spacing (from column to "
        "column and from row to row), X-Directions (unit vectors along a row and along a column), X-Position (of "
        "the first pixel); LPS, mm.",
        response_class=Response,
        responses=_BINARY,
    )
    async def get_series_image(
        services: Injected,
        signed: Signed,
        request: Request,
        series_id: UUID,
        index: int,
        frame: Annotated[int, Query(ge=0, description="From 0.")] = 0,
        version: Version = None,
        pane: Annotated[str | None, Query(max_length=_PANE_MAX, description="Any name of the pane.")] = None,
    ) -> Response:
        async with _answered():
            row = await services.series.row(str(series_id), version)

            async def wanted() -> bool:
                return not await request.is_disconnected()

            made: Frame = await services.series.ask(
                row, "frame", index, frame, pane=_pane(signed, pane), wanted=wanted
            )
            size = {"X-Width": made.width_px, "X-Height": made.height_px, "X-Format": made.format.value}
            numbers = {"X-Scale": made.scale, "X-Offset": made.offset, "X-Frames": made.frame_count}
            return _octets(made.data, {**size, **numbers, **_place(made.place)})


def _add_files(routes: APIRouter) -> None:
    @routes.get(
        "/{series_id}/dicom.zip",
        summary="The series' DICOM files, as they are stored: de-identified",
        response_class=StreamingResponse,
        responses=_ZIP,
    )
    async def get_series_files(services: Injected, series_id: UUID) -> StreamingResponse:
        async with _answered():
            row = await services.series.row(str(series_id))
            stored = await services.series.places(row)
        headers = {
            "Content-Disposition": f'attachment; filename="series-{series_id}.zip"',
            "Cache-Control": CACHE_CONTROL,
        }
        return StreamingResponse(zipped(stored.images), media_type="application/zip", headers=headers)

    @routes.get("/{series_id}/images/{index}/tags", summary="The header of one image")
    async def get_series_tags(
        services: Injected, series_id: UUID, index: int, version: Version = None
    ) -> list[TagRow]:
        async with _answered():
            row = await services.series.row(str(series_id), version)
            found = await services.series.ask(row, "tags", index)
            said = services.site.sex.text
            return [
                TagRow(tag=each.tag, vr=each.vr, keyword=each.keyword, value=said(each.value))
                for each in found
            ]


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """Errors of series as answers of HTTP, once for all routes."""
    try:
        yield
    except SeriesUnknown as error:
        raise HTTPException(404, "There is no such series.") from error
    except IndexError as error:
        raise HTTPException(404, "The series has no such image.") from error
    except SliceInvalid as error:
        raise HTTPException(422, str(error)) from error
    except (HeaderRefused, SliceUnreadable) as error:
        raise HTTPException(422, str(error)) from error
    except SeriesRefused as error:
        raise Conflict(said(error.refusal)) from error
    except SeriesChanged as error:
        raise Conflict(_CHANGED) from error
    except Superseded as error:
        raise Conflict(_SUPERSEDED) from error


def _octets(data: bytes, headers: dict[str, object]) -> Response:
    named = {name: str(value) for name, value in headers.items()}
    return Response(data, media_type=OCTETS, headers={"Cache-Control": CACHE_CONTROL, **named})


def _place(place: Place) -> dict[str, object]:
    """What an image says of where it lies; nothing of what it does not say."""
    named: dict[str, tuple[float, ...]] = {}
    if place.pixel_spacing_mm is not None:
        rows_mm, columns_mm = place.pixel_spacing_mm
        named["X-Spacing"] = (columns_mm, rows_mm)
    if place.row_direction is not None and place.column_direction is not None:
        named["X-Directions"] = (*place.row_direction, *place.column_direction)
    if place.position_mm is not None:
        named["X-Position"] = place.position_mm
    return {name: ",".join(f"{value:.6f}" for value in values) for name, values in named.items()}


def _pane(signed: Principal, pane: str | None) -> str | None:
    """A pane of one browser, so that nobody's request takes the place of another person's."""
    if pane is None:
        return None
    where = signed.session.session_id if signed.session else signed.token_id
    return f"{where} {pane}"


def _numbers(name: str, text: str, count: int) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise SliceInvalid(f"{name} must be {count} numbers with commas between them") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise SliceInvalid(f"{name} must be {count} finite numbers with commas between them")
    return values


def _vector(name: str, text: str) -> Vector:
    x, y, z = _numbers(name, text, 3)
    return x, y, z


def _window(text: str) -> tuple[float, float]:
    center, width = _numbers("window", text, 2)
    if width < 1:
        raise SliceInvalid("the width of a window is at least 1")
    return center, width


def _unit(name: str, vector: Vector) -> Vector:
    """The vector, of length one but for what decimals round away. Raises SliceInvalid."""
    length = math.hypot(*vector)
    if abs(length - 1) > 1e-3:
        raise SliceInvalid(f"{name} must have the length 1, not {length:.4g}")
    x, y, z = vector
    return x / length, y / length, z / length


def _sweep(asked: ReconstructionAsked, time: Any) -> Sweep:
    u, v = (_unit(name, _triple(given)) for name, given in (("u", asked.u), ("v", asked.v)))
    slab = f", slab {asked.slab_mm:g} mm {asked.mode.value}" if asked.slab_mm else ""
    return Sweep(
        u=u,
        v=v,
        step_mm=asked.spacing_mm,
        first_mm=asked.first_mm,
        last_mm=asked.last_mm,
        slab_mm=asked.slab_mm,
        mode=asked.mode,
        description=f"MPR every {asked.spacing_mm:g} mm{slab}",
        time=time,
    )


def _triple(given: list[float]) -> Vector:
    x, y, z = given
    if not all(map(math.isfinite, given)):
        raise SliceInvalid("u and v must be finite numbers")
    return x, y, z
