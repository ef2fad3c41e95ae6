"""Steps 3 to 5 for one capture, as they run inside the sandbox: filter, de-identify, split by type."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from edge_agent.deidentify.keys import SiteKey
from edge_agent.deidentify.rasters import clean_raster, write_png
from edge_agent.errors import ImageRefused
from edge_agent.filter import ULTRASOUND_CLASSES, Filter
from edge_agent.formats.raster import Pixels, open_raster
from edge_agent.formats.sniff import HEAD_BYTES, Kind, sniff
from edge_agent.items import CleanImage, Identity, PrepareReply, PrepareRequest
from edge_agent.split import TypeClassifier, sort_image
from sonorelay.contract.blocks import SERIES_TYPE
from sonorelay.contract.limits import STILL_MAX_BYTES
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason

STEP_NAMES: Final = ("filter", "de-identify", "split by type")
_IMAGE_IDS: Final = uuid.UUID("6f1d7f2e-7f0a-5d0c-9a43-0d4c1d0b7a51")
SourceFormat = Literal["png", "jpeg", "bmp", "tiff", "pdf", "dicom", "avi", "mp4"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the three steps work with."""

    rules: Filter
    """The filter's tables with the site's settings."""
    classifier: TypeClassifier
    """The random ferns."""
    clock_ns: Callable[[], int] = time.perf_counter_ns
    """For the durations, nanoseconds."""


@dataclass(slots=True)
class _Watch:
    """Adds up the durations of the steps."""

    clock_ns: Callable[[], int]
    spent_ms: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STEP_NAMES, 0.0))
    since_ns: int = 0

    def start(self) -> None:
        self.since_ns = self.clock_ns()

    def lap(self, step: str) -> None:
        now_ns = self.clock_ns()
        self.spent_ms[step] += (now_ns - self.since_ns) / 1e6
        self.since_ns = now_ns


def prepare(request: PrepareRequest, tools: Tools) -> PrepareReply:
    """Makes the capture's clean images in `request.out_dir`; the same capture gives the same ids and bytes.

    Held: a person may release it; refused: not for the line; either with its reason and without images.
    Errors: OSError (this machine's disk), NeedsPerson (the site's secret), MemoryError.
    """
    watch = _Watch(tools.clock_ns)
    watch.start()
    try:
        found, identity = _images(request, tools, watch)
        images = tuple(found)
    except ImageRefused as refused:
        for path in request.out_dir.iterdir():
            path.unlink()
        outcome: Literal["refused", "held"] = (
            "held" if EDGE_RULES[refused.reason].status == "held" else "refused"
        )
        return PrepareReply(
            outcome=outcome,
            reason=refused.reason,
            detail=refused.detail,
            images=(),
            timings_ms=watch.spent_ms,
        )
    return PrepareReply(
        outcome="kept",
        reason=None,
        detail="",
        images=images,
        timings_ms=watch.spent_ms,
        identity=identity,
    )


def _images(
    request: PrepareRequest, tools: Tools, watch: _Watch
) -> tuple[Iterable[CleanImage], Identity | None]:
    with request.raw_path.open("rb") as file:
        kind = sniff(file.read(HEAD_BYTES))
    if request.raw_path.stat().st_size == 0:
        raise ImageRefused(EdgeReason.EMPTY_FILE)
    if kind is Kind.UNKNOWN:
        raise ImageRefused(EdgeReason.NOT_AN_IMAGE)
    if request.is_series and kind is not Kind.DICOM:
        raise ImageRefused(EdgeReason.NOT_OF_A_SERIES, kind.value)
    if kind is Kind.OTHER_PICTURE:
        raise ImageRefused(EdgeReason.UNSUPPORTED_FORMAT)
    if request.is_series:
        return [_series_image(request, tools, watch)], None
    if kind in (Kind.DICOM, Kind.AVI, Kind.MP4):
        image, identity = _object(request, kind, tools, watch)
        return [image], identity
    return _rasters(request, kind, tools, watch), None


def _open(request: PrepareRequest, kind: Kind, rules: Filter) -> Iterator[Pixels]:
    size_bytes = request.raw_path.stat().st_size
    if size_bytes > STILL_MAX_BYTES:
        raise ImageRefused(EdgeReason.TOO_LARGE, f"{size_bytes} bytes")
    data = request.raw_path.read_bytes()
    # Libraries that few files need are imported when the first such file comes.
    if kind is Kind.PDF:
        from edge_agent.formats.pdf import open_pdf

        yield from open_pdf(data, rules)
    elif kind is Kind.TIFF:
        from edge_agent.formats.tiff import open_tiff

        yield from open_tiff(data, rules)
    else:
        yield open_raster(data, kind, rules)


def _rasters(request: PrepareRequest, kind: Kind, tools: Tools, watch: _Watch) -> Iterator[CleanImage]:
    for index, pixels in enumerate(_open(request, kind, tools.rules)):
        watch.lap("filter")
        clean = clean_raster(pixels, request.pixels)
        path = request.out_dir / f"{index}.png"
        data = write_png(path, clean)
        watch.lap("de-identify")
        image_type, probabilities = sort_image(clean, tools.classifier)
        watch.lap("split by type")
        yield CleanImage(
            image_id=_image_id(request.capture_id, index),
            path=path,
            media_type="image/png",
            size_bytes=len(data),
            sha256=hashlib.sha256(data).digest(),
            width_px=clean.shape[1],
            height_px=clean.shape[0],
            frame_count=1,
            mm_per_pixel=request.mm_per_pixel,
            scale_source=None if request.mm_per_pixel is None else "given",
            source_format=_FORMATS[kind],
            index_in_capture=index,
            image_type=image_type,
            type_probabilities=probabilities,
        )


def _object(
    request: PrepareRequest, kind: Kind, tools: Tools, watch: _Watch
) -> tuple[CleanImage, Identity | None]:
    from edge_agent.deidentify.objects import clean_object
    from edge_agent.formats.dicom import open_dicom

    if kind is Kind.DICOM:
        source = open_dicom(request.raw_path, tools.rules)
    else:
        from edge_agent.formats.video import open_video

        source = open_video(request.raw_path, kind, tools.rules)
    watch.lap("filter")
    path = request.out_dir / "0.dcm"
    clean = clean_object(
        source,
        path,
        rules=tools.rules,
        rule=request.pixels,
        key=SiteKey.read(request.key_path),
        capture_id=request.capture_id,
        given_mm=request.mm_per_pixel,
    )
    watch.lap("de-identify")
    image_type, probabilities = sort_image(clean.middle, tools.classifier)
    watch.lap("split by type")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
    image = CleanImage(
        image_id=_image_id(request.capture_id, 0),
        path=path,
        media_type="application/dicom",
        size_bytes=path.stat().st_size,
        sha256=sha256,
        width_px=clean.shape.width_px,
        height_px=clean.shape.height_px,
        frame_count=clean.shape.frame_count,
        mm_per_pixel=clean.mm_per_pixel,
        scale_source=clean.scale_source,
        source_format=_FORMATS[kind],
        index_in_capture=0,
        image_type=image_type,
        type_probabilities=probabilities,
    )
    return image, clean.identity


def _series_image(request: PrepareRequest, tools: Tools, watch: _Watch) -> CleanImage:
    """A file of a series: no identity of an examination goes with it, for it is none of the prints'."""
    from edge_agent.deidentify.series import clean_series_image
    from edge_agent.formats.dicom import open_dicom

    source = open_dicom(request.raw_path, tools.rules, is_series=True)
    watch.lap("filter")
    path = request.out_dir / "0.dcm"
    key = SiteKey.read(request.key_path)
    if source.facts.sop_class in ULTRASOUND_CLASSES:
        from edge_agent.deidentify.objects import clean_object

        clean_object(
            source,
            path,
            rules=tools.rules,
            rule=request.pixels,
            key=key,
            capture_id=request.capture_id,
            given_mm=None,
        )
    else:
        clean_series_image(source, path, rule=request.pixels, key=key)
    watch.lap("de-identify")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").digest()
    return CleanImage(
        image_id=_image_id(request.capture_id, 0),
        path=path,
        media_type="application/dicom",
        size_bytes=path.stat().st_size,
        sha256=sha256,
        width_px=source.facts.width_px,
        height_px=source.facts.height_px,
        frame_count=source.facts.frame_count,
        mm_per_pixel=None,
        scale_source=None,
        source_format="dicom",
        index_in_capture=0,
        image_type=SERIES_TYPE,
        type_probabilities={},
    )


def _image_id(capture_id: str, index: int) -> str:
    return str(uuid.uuid5(_IMAGE_IDS, f"{capture_id}/{index}"))


_FORMATS: Final[dict[Kind, SourceFormat]] = {
    Kind.PNG: "png",
    Kind.JPEG: "jpeg",
    Kind.BMP: "bmp",
    Kind.TIFF: "tiff",
    Kind.PDF: "pdf",
    Kind.DICOM: "dicom",
    Kind.AVI: "avi",
    Kind.MP4: "mp4",
}
