"""Step 13 of 13: console. Pictures of one image: the still, the mask, and what is drawn on demand."""

from __future__ import annotations

import asyncio
import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, HTTPException
from fastapi.responses import Response

from cloud.console.api.models import Problem
from cloud.console.api.services import ConsoleServices, Injected
from cloud.errors import BlobMissing
from cloud.infer.decode import decode
from cloud.infer.errors import ImageUnreadable, PictureUnavailable
from cloud.infer.pictures import small_png
from cloud.infer.render import crop_png, fused_png, overlay_png, shown_frame
from cloud.infer.source import Image
from cloud.publish.worklist import ImageSource, read_image
from cloud.store.parts import read_range
from cloud.store.range_file import range_opener

PNG: Final = "image/png"
HELD_MAX_BYTES: Final = 32 * 1024 * 1024
"""Of a larger object only the frame that is shown is fetched."""
# Pictures are of a person's examination: kept only by the asking browser, and asked for again each time.
CACHE_CONTROL: Final = "private, no-cache"


class Picture(StrEnum):
    """Which picture of an image."""

    STILL = "still"
    MASK = "mask"
    HEATMAP = "heatmap"
    OVERLAY = "overlay"
    CROP = "crop"
    FUSED = "fused"


_STORED: Final = frozenset({Picture.MASK, Picture.HEATMAP})
"""Made and stored by step 11."""


def router() -> APIRouter:
    """Routes under /api/images."""
    routes = APIRouter(prefix="/api/images", tags=["pictures"])
    absent: dict[int | str, dict[str, Any]] = {
        200: {"content": {PNG: {}}, "description": "The picture."},
        304: {"description": "The browser's copy is the same."},
        404: {"model": Problem, "description": "No such image, or it has no such picture (yet)."},
        422: {"model": Problem, "description": "The stored image cannot be decoded."},
    }

    @routes.get(
        "/{image_id}/{picture}.png",
        summary="A picture of an image as PNG",
        response_class=Response,
        responses=absent,
    )
    async def get_picture(
        services: Injected,
        image_id: UUID,
        picture: Picture,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        source = await services.database.read(lambda tx: read_image(tx, str(image_id)))
        if source is None:
            raise HTTPException(404, "There is no such image.")
        headers = {"ETag": entity_tag(source, picture), "Cache-Control": CACHE_CONTROL}
        if _matches(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        try:
            content = await picture_of(services, source, picture)
        except (BlobMissing, PictureUnavailable) as exc:
            raise HTTPException(404, "The image has no such picture.") from exc
        except ImageUnreadable as exc:
            raise HTTPException(422, "The stored image cannot be decoded.") from exc
        return Response(content, media_type=PNG, headers=headers)

    return routes


def entity_tag(source: ImageSource, picture: Picture) -> str:
    """Changes when the picture may: it covers the image's digest, the frame that stands for a loop and, for
    results, the whole reading."""
    if picture is Picture.STILL:
        frame = shown_frame(source.reading)
        return f'"{source.sha256.hex()}-still{frame or ""}"'
    result = json.dumps([source.reading, source.pictures], sort_keys=True).encode()
    return f'"{hashlib.sha256(source.sha256 + result).hexdigest()}-{picture}"'


def _matches(if_none_match: str | None, tag: str) -> bool:
    """Weak comparison of RFC 9110, 13.1.2."""
    known = (if_none_match or "").split(",")
    return any(candidate.strip().removeprefix("W/") in (tag, "*") for candidate in known)


async def picture_of(services: ConsoleServices, source: ImageSource, picture: Picture) -> bytes:
    """The picture as PNG. Raises BlobMissing, PictureUnavailable, ImageUnreadable."""
    if picture in _STORED:
        return await _stored(services, source, picture)
    place = (source.shard_digests, source.shard_size_bytes, source.start_bytes, source.size_bytes)
    if picture is Picture.STILL and source.media_type == PNG:
        return await read_range(services.store, *place)
    held = source.media_type == PNG or source.size_bytes <= HELD_MAX_BYTES
    image = await read_range(services.store, *place) if held else range_opener(services.store, *place)
    if picture is Picture.STILL:
        return await asyncio.to_thread(_still_png, image, source)
    heat = await _stored(services, source, Picture.HEATMAP) if picture is Picture.FUSED else b""
    return await asyncio.to_thread(_drawn, image, source, picture, heat)


async def _stored(services: ConsoleServices, source: ImageSource, picture: Picture) -> bytes:
    digest = source.pictures.get(f"{picture}.png")
    if digest is None:
        raise PictureUnavailable(f"the image has no {picture}")
    return await services.store.get(bytes.fromhex(digest))


def _still_png(image: Image, source: ImageSource) -> bytes:
    return small_png(decode(image, source.media_type, shown_frame(source.reading)).pixels)


def _drawn(image: Image, source: ImageSource, picture: Picture, heat: bytes) -> bytes:
    if source.reading is None:
        raise PictureUnavailable("the image has no reading")
    if picture is Picture.OVERLAY:
        return overlay_png(image, source.media_type, source.reading)
    if picture is Picture.CROP:
        return crop_png(image, source.media_type, source.reading)
    return fused_png(image, source.media_type, source.reading, heat)
