"""Step 13 of 13: console. Where on an image lengths are millimetres: what a person's own measuring needs."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import Field

from cloud.console.api.models import Problem
from cloud.console.api.reading_models import Shown
from cloud.console.api.services import ConsoleServices, Injected
from cloud.errors import BlobMissing
from cloud.infer.calibration import stated_regions, whole_still
from cloud.infer.decode import DICOM
from cloud.infer.errors import ImageUnreadable
from cloud.infer.measure import CalibratedRegion
from cloud.publish.worklist import ImageSource, read_image
from cloud.store.range_file import range_opener

_ABSENT: Final[dict[int | str, dict[str, Any]]] = {
    404: {"model": Problem, "description": "No such image."},
    422: {"model": Problem, "description": "The stored image cannot be decoded."},
}


class ScaleRegion(Shown):
    """An upright rectangle of the still in which lengths are millimetres."""

    x0: int = Field(description="Left edge, still pixels.")
    y0: int = Field(description="Upper edge, still pixels.")
    x1: int = Field(description="Right edge, still pixels; the last column is the one before.")
    y1: int = Field(description="Lower edge, still pixels; the last row is the one before.")
    mm_per_pixel_x: float = Field(description="A step to the right, mm.")
    mm_per_pixel_y: float = Field(description="A step down, mm.")
    source: str = Field(description="Who says so: dicom_region, pixel_spacing, given.")


class ImageScale(Shown):
    """Where on an image lengths are millimetres."""

    regions: list[ScaleRegion] = Field(description="Calibrated regions; empty where no scale is known.")


def router() -> APIRouter:
    """The route /api/images/{image_id}/scale."""
    routes = APIRouter(prefix="/api/images", tags=["pictures"])

    @routes.get(
        "/{image_id}/scale",
        summary="Where on an image lengths are millimetres",
        description=(
            "The calibrated regions of its DICOM header; without any, the whole image where its scale is known from "
            "elsewhere. A length is millimetres only where the whole of it lies in one region."
        ),
        responses=_ABSENT,
    )
    async def get_scale(services: Injected, image_id: UUID) -> ImageScale:
        source = await services.database.read(lambda tx: read_image(tx, str(image_id)))
        if source is None:
            raise HTTPException(404, "There is no such image.")
        try:
            found = await _stated(services, source) or _known_from_elsewhere(source)
        except BlobMissing as exc:
            raise HTTPException(404, "The image's bytes are not there.") from exc
        except ImageUnreadable as exc:
            raise HTTPException(422, "The stored image cannot be decoded.") from exc
        return ImageScale(regions=[ScaleRegion.model_validate(each, from_attributes=True) for each in found])

    return routes


async def _stated(services: ConsoleServices, source: ImageSource) -> tuple[CalibratedRegion, ...]:
    """Only the header of the object is fetched."""
    if source.media_type != DICOM:
        return ()
    image = range_opener(
        services.store, source.shard_digests, source.shard_size_bytes, source.start_bytes, source.size_bytes
    )
    return await asyncio.to_thread(stated_regions, image, source.media_type)


def _known_from_elsewhere(source: ImageSource) -> tuple[CalibratedRegion, ...]:
    if source.mm_per_pixel is None or source.scale_source is None:
        return ()
    return (whole_still(source.width_px, source.height_px, source.mm_per_pixel, source.scale_source),)
