"""Beside the thirteen steps: series: the list of series, uploaded ones and loops of agents alike, and where each
lies."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Database, Tx
from cloud.db.tables import capture, image, series
from cloud.db.times import UtcTime
from cloud.publish.worklist import read_image
from cloud.series import rows
from cloud.series.messages import StoredBytes, StoredSeries
from cloud.series.reasons import Refusal, RefusalReason
from cloud.series.rows import FileRow
from cloud.series.stored import Kind, SeriesRow, Source, refusal_to_json
from cloud.store import FileBlobStore
from cloud.tenants import within
from sonorelay.contract.blocks import SERIES_TYPE

PAGE_MAX: Final = 200
_DICOM: Final = "application/dicom"
_LOOPS: Final = (
    (image.c.media_type == _DICOM) & (image.c.frame_count > 1) & (image.c.image_type != SERIES_TYPE)
)


class CursorInvalid(ValueError):
    """The cursor is none that this list gave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of the list."""

    rows: tuple[SeriesRow, ...]
    """Newest first."""
    next_cursor: str | None
    """Asks for what follows; None: nothing does."""


def _loops(tenant_id: str | None = None) -> Any:
    """Moving images that agents captured, in the form of series; the tenant's, or None: the whole site's."""
    return (
        sa.select(
            image.c.image_id.label("series_id"),
            sa.literal(Source.AGENT.value).label("source"),
            sa.literal(Kind.LOOP.value).label("kind"),
            sa.literal("US").label("modality"),
            sa.literal("").label("body_part"),
            sa.null().label("number"),
            image.c.capture_id.label("study_id"),
            sa.null().label("patient"),
            sa.type_coerce(capture.c.notified_time, UtcTime).label("received_time"),
            sa.literal(1).label("version"),
            sa.literal(1).label("image_count"),
            image.c.frame_count,
            sa.null().label("refusal"),
        )
        .join(capture, capture.c.capture_id == image.c.capture_id)
        .where(_LOOPS, within(capture.c.tenant_id, tenant_id))
    )


def _stored(tenant_id: str | None) -> Any:
    columns = (series.c[name] for name in SeriesRow.__dataclass_fields__)
    return sa.select(*columns).where(within(series.c.tenant_id, tenant_id))


def page(
    tx: Tx,
    *,
    tenant_id: str | None,
    limit: int,
    cursor: str | None,
    modality: str | None,
    q: str | None,
) -> Page:
    """Up to `limit` series of the tenant (None: of the site), newest first, after `cursor`; of this modality; with `q`
    in what lists show of them.

    Raises CursorInvalid.
    """
    every = sa.union_all(_stored(tenant_id), _loops(tenant_id)).subquery()
    c = every.c
    wanted = sa.select(every).order_by(c.received_time.desc(), c.series_id.desc()).limit(limit + 1)
    if cursor is not None:
        time, series_id = _from_cursor(cursor)
        earlier = sa.and_(c.received_time == time, c.series_id < series_id)
        wanted = wanted.where(sa.or_(c.received_time < time, earlier))
    if modality:
        wanted = wanted.where(c.modality == modality.upper())
    if q:
        texts = (c.patient, c.body_part, c.modality, c.series_id, c.study_id)
        wanted = wanted.where(sa.or_(*(text.icontains(q, autoescape=True) for text in texts)))
    found = [_row(row) for row in tx.execute(wanted).mappings()]
    more = _to_cursor(found[limit - 1]) if len(found) > limit else None
    return Page(rows=tuple(found[:limit]), next_cursor=more)


def _row(row: Any) -> SeriesRow:
    if row["patient"] is not None:
        return rows.series_row(row)
    # A loop has a time axis; no volume is cut out of it.
    refusal = Refusal(reason=RefusalReason.CINE, values={"frames": row["frame_count"], "rate": ""})
    return rows.series_row({**row, "refusal": refusal_to_json(refusal)})


def series_of(tx: Tx, series_id: str) -> SeriesRow | None:
    """The series of this id, or the loop that an agent captured; None where there is none."""
    found = rows.series_of(tx, series_id)
    if found is not None:
        return found[0]
    loop = tx.execute(_loops().where(image.c.image_id == series_id)).mappings().first()
    return None if loop is None else _row(loop)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Says where series lie."""

    database: Database
    """State of the server."""
    store: FileBlobStore
    """Holds their bytes."""
    threshold: int
    """Images that a reconstruction needs."""
    cap_bytes: int
    """Memory that building a volume may take."""

    async def of(self, row: SeriesRow) -> StoredSeries:
        """Where the images of a series lie."""
        if row.is_captured_loop:
            return self.stored((await self.database.read(lambda tx: self._loop(tx, row.series_id)),))
        found = await self.database.read(lambda tx: self._files(tx, row.series_id))
        return self.stored(*found)

    def stored(
        self, images: tuple[StoredBytes, ...], strangers: tuple[StoredBytes, ...] = ()
    ) -> StoredSeries:
        """Images as a series."""
        return StoredSeries(
            images=images, strangers=strangers, threshold=self.threshold, cap_bytes=self.cap_bytes
        )

    def bytes_of(self, file: FileRow) -> StoredBytes:
        """Where a used file lies."""
        assert file.sha256 is not None
        return StoredBytes(
            shards=tuple(str(self.store.file(digest)) for digest in file.shards or (file.sha256,)),
            shard_size_bytes=file.shard_size_bytes or max(1, file.size_bytes),
            start_bytes=file.start_bytes,
            size_bytes=file.size_bytes,
            folder=file.folder,
            upload_id=file.upload_id,
            received_s=file.received_time.timestamp(),
        )

    def _files(self, tx: Tx, series_id: str) -> tuple[tuple[StoredBytes, ...], tuple[StoredBytes, ...]]:
        known = rows.series_of(tx, series_id)
        strangers = [] if known is None else rows.strangers_of(tx, series_id, known[1])
        own = rows.files_of_series(tx, series_id)
        return tuple(map(self.bytes_of, own)), tuple(map(self.bytes_of, strangers))

    def _loop(self, tx: Tx, image_id: str) -> StoredBytes:
        source = read_image(tx, image_id)
        assert source is not None
        return StoredBytes(
            shards=tuple(str(self.store.file(digest)) for digest in source.shard_digests),
            shard_size_bytes=source.shard_size_bytes,
            start_bytes=source.start_bytes,
            size_bytes=source.size_bytes,
        )


def _to_cursor(row: SeriesRow) -> str:
    text = json.dumps([row.received_time.isoformat(), row.series_id])
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _from_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        time, series_id = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        parsed = datetime.fromisoformat(time)
        if parsed.tzinfo is None or not isinstance(series_id, str):
            raise CursorInvalid
    except (binascii.Error, UnicodeError, ValueError, TypeError) as error:
        raise CursorInvalid("the cursor is none of this list") from error
    return parsed, series_id
