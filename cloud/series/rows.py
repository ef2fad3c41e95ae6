"""Beside the thirteen steps: series: rows of uploads, their files and series."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.insert import insert_once
from cloud.db.tables import image, part, series, series_file, series_upload
from cloud.publish.worklist import split_digests
from cloud.series.arrival import ImageFacts
from cloud.series.stored import Kind, SeriesRow, Source, refusal_from_json, refusal_to_json

_IDS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadRow:
    """One upload."""

    upload_id: str
    """UUID."""
    source: Source
    """Who made its files."""
    actor: str
    """Who began it, as the audit names them."""
    begun_time: datetime
    """When (aware UTC)."""
    finished_time: datetime | None
    """When it was finished; None: it is open."""
    ledger_index: int | None
    """Of its entry; None: none, because it is open, kept nothing, or is an agent's, whose parts have their own."""
    tenant_id: str
    """Whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One file of an upload."""

    file_id: int
    """Order of arrival."""
    upload_id: str
    """Its upload."""
    path_sha256: bytes
    """Keyed hash of its path, 32 bytes; names its place in quarantine."""
    folder: str
    """Keyed hashes of its folders."""
    source_sha256: bytes
    """Keyed hash of its digest as it came."""
    reason: str | None
    """Code of why it is not used; None: it is."""
    series_id: str | None
    """Its series; None before the upload is finished, and of a file that is not used."""
    sha256: bytes | None
    """Of the stored bytes; None for a file that is not used."""
    size_bytes: int
    """Of the stored bytes, or of the file as it came."""
    facts: ImageFacts | None
    """What its series is told by; None for a file that is not used."""
    received_time: datetime
    """When it came (aware UTC)."""
    image_id: str | None = None
    """The line's image that it is; None: a file of its own in the store."""
    shards: tuple[bytes, ...] = ()
    """SHA-256 of each shard of that image's part, in order; empty for a file of its own."""
    shard_size_bytes: int = 0
    """Length of each shard but the last."""
    start_bytes: int = 0
    """First byte of the image in the part."""


_COLUMNS: Final = tuple(name for name in FileRow.__dataclass_fields__ if name in series_file.c)


def add_upload(tx: Tx, upload: UploadRow) -> None:
    """Begins an upload."""
    values = {field: getattr(upload, field) for field in UploadRow.__dataclass_fields__}
    tx.execute(sa.insert(series_upload).values({**values, "source": upload.source.value}))


def upload_of(tx: Tx, upload_id: str) -> UploadRow | None:
    """The upload of this id."""
    row = (
        tx.execute(sa.select(series_upload).where(series_upload.c.upload_id == upload_id)).mappings().first()
    )
    return None if row is None else UploadRow(**{**row, "source": Source(row["source"])})


def finish_upload(tx: Tx, upload_id: str, time: datetime, ledger_index: int | None) -> None:
    """Closes an upload."""
    finished = sa.update(series_upload).where(series_upload.c.upload_id == upload_id)
    tx.execute(finished.values(finished_time=time, ledger_index=ledger_index))


def add_file(tx: Tx, values: dict[str, Any]) -> bool:
    """Adds a file's row; False where its path has one."""
    return insert_once(tx, series_file, (series_file.c.upload_id, series_file.c.path_sha256), values)


def values_of(file: FileRow) -> dict[str, Any]:
    """A file's columns, for `add_file`: all but its id."""
    values = {field: getattr(file, field) for field in _COLUMNS if field != "file_id"}
    values["facts"] = None if file.facts is None else file.facts.to_json()
    return {**values, "instance_sha256": None}


def file_at(tx: Tx, upload_id: str, path_sha256: bytes) -> FileRow | None:
    """The file of this path."""
    c = series_file.c
    wanted = sa.select(series_file).where(c.upload_id == upload_id, c.path_sha256 == path_sha256)
    return next(_files(tx, wanted), None)


def waiting_files(tx: Tx, limit: int) -> tuple[str, list[FileRow]]:
    """Files that agents sent and that are in no series yet, in the order in which they came: those of the tenant that
    waits longest, and which that is ("" where nobody waits)."""
    c, of = series_file.c, series_upload.c
    waits = sa.and_(c.image_id.is_not(None), c.series_id.is_(None), c.reason.is_(None))
    owned = series_file.join(series_upload, of.upload_id == c.upload_id)
    first = sa.select(of.tenant_id).select_from(owned).where(waits).order_by(c.file_id).limit(1)
    tenant_id = tx.execute(first).scalar()
    if tenant_id is None:
        return "", []
    own = sa.select(series_file).select_from(owned).where(waits, of.tenant_id == tenant_id)
    return tenant_id, list(_files(tx, own.order_by(c.file_id).limit(limit)))


def filed_instances(tx: Tx, instances: Collection[str], tenant_id: str) -> set[str]:
    """Those of these instances, in hexadecimal, that a series of the tenant has."""
    c = series_file.c
    wanted = sa.select(c.instance_sha256).join(series, series.c.series_id == c.series_id)
    wanted = wanted.where(
        c.instance_sha256.in_([bytes.fromhex(each) for each in instances]), series.c.tenant_id == tenant_id
    )
    return {bytes(each).hex() for each in tx.execute(wanted).scalars()}


def put_sent_into_series(tx: Tx, files: Sequence[FileRow], series_id: str) -> None:
    """Says which series files belong to that agents sent, and what their headers say."""
    moved = sa.update(series_file).where(series_file.c.file_id == sa.bindparam("of_file"))
    for each in files:
        assert each.facts is not None
        known = {"facts": each.facts.to_json(), "instance_sha256": bytes.fromhex(each.facts.instance)}
        tx.execute(moved.values(series_id=series_id, **known), {"of_file": each.file_id})


def refuse_file(tx: Tx, file_id: int, reason: str) -> None:
    """Says why a file that an agent sent is not used."""
    tx.execute(sa.update(series_file).where(series_file.c.file_id == file_id).values(reason=reason))


def files_of_upload(tx: Tx, upload_id: str) -> list[FileRow]:
    """Its files, in the order in which they came."""
    c = series_file.c
    return list(_files(tx, sa.select(series_file).where(c.upload_id == upload_id).order_by(c.file_id)))


def files_of_series(tx: Tx, series_id: str) -> list[FileRow]:
    """Its images, in the order in which they came."""
    c = series_file.c
    return list(_files(tx, sa.select(series_file).where(c.series_id == series_id).order_by(c.file_id)))


def strangers_of(tx: Tx, series_id: str, series_uid: str) -> list[FileRow]:
    """Images of the same tenant that bear the same series UID and were grouped elsewhere."""
    c = series_file.c
    tenant_id = sa.select(series.c.tenant_id).where(series.c.series_id == series_id).scalar_subquery()
    other = series.alias("other")
    others = sa.select(other.c.series_id).where(
        other.c.series_uid == series_uid, other.c.series_id != series_id, other.c.tenant_id == tenant_id
    )
    return list(_files(tx, sa.select(series_file).where(c.series_id.in_(others)).order_by(c.file_id)))


def is_known(tx: Tx, upload_id: str, column: str, value: object) -> bool:
    """Whether this upload, or a series of its tenant, has a used file with this value."""
    c, this = series_file.c, series_upload.alias("this")
    tenant_id = sa.select(this.c.tenant_id).where(this.c.upload_id == upload_id).scalar_subquery()
    counts = sa.or_(
        c.upload_id == upload_id, c.series_id.is_not(None) & (series_upload.c.tenant_id == tenant_id)
    )
    of_upload = series_file.join(series_upload, series_upload.c.upload_id == c.upload_id)
    wanted = (
        sa.select(c.file_id)
        .select_from(of_upload)
        .where(c[column] == value, c.reason.is_(None), counts)
        .limit(1)
    )
    return tx.execute(wanted).first() is not None


def put_into_series(tx: Tx, file_ids: Sequence[int], series_id: str) -> None:
    """Says which series files belong to."""
    moved = sa.update(series_file).where(series_file.c.file_id == sa.bindparam("of_file"))
    if file_ids:
        tx.execute(moved.values(series_id=series_id), [{"of_file": each} for each in file_ids])


def series_of_group(tx: Tx, group: str, tenant_id: str) -> list[SeriesRow]:
    """The tenant's series of one name, study and series UID, the oldest first: several where auxiliary values tell them
    apart."""
    same = series.c.group_sha256 == bytes.fromhex(group)
    wanted = sa.select(series).where(same, series.c.tenant_id == tenant_id)
    return [series_row(row) for row in tx.execute(wanted.order_by(series.c.received_time)).mappings()]


def series_of(tx: Tx, series_id: str) -> tuple[SeriesRow, str] | None:
    """The series of this id, and its series UID."""
    row = tx.execute(sa.select(series).where(series.c.series_id == series_id)).mappings().first()
    return None if row is None else (series_row(row), str(row["series_uid"]))


def save_series(tx: Tx, row: SeriesRow, facts: ImageFacts, tenant_id: str) -> None:
    """Adds a series, or what changed of it."""
    values = {field: getattr(row, field) for field in SeriesRow.__dataclass_fields__}
    values |= {
        "source": row.source.value,
        "kind": row.kind.value,
        "refusal": refusal_to_json(row.refusal),
        "group_sha256": bytes.fromhex(facts.group),
        "series_uid": facts.series_uid,
        "tenant_id": tenant_id,
    }
    if not insert_once(tx, series, (series.c.series_id,), values):
        tx.execute(sa.update(series).where(series.c.series_id == row.series_id).values(values))


def keep_seen(tx: Tx, row: SeriesRow) -> None:
    """What opening this version of a series showed; another version is left as it is."""
    same = sa.and_(series.c.series_id == row.series_id, series.c.version == row.version)
    seen = {"kind": row.kind.value, "image_count": row.image_count, "refusal": refusal_to_json(row.refusal)}
    tx.execute(sa.update(series).where(same).values(seen))


def series_row(row: Any) -> SeriesRow:
    """A row of the table, or of the listing, as a value."""
    values = {field: row[field] for field in SeriesRow.__dataclass_fields__}
    values |= {
        "source": Source(row["source"]),
        "kind": Kind(row["kind"]),
        "refusal": refusal_from_json(row["refusal"]),
    }
    return SeriesRow(**values)


def _files(tx: Tx, wanted: Any) -> Iterator[FileRow]:
    found = tx.execute(wanted).mappings().all()
    lying = _lying(tx, [row["image_id"] for row in found if row["image_id"] is not None])
    for row in found:
        values = {field: row[field] for field in _COLUMNS}
        values["facts"] = None if row["facts"] is None else ImageFacts.from_json(row["facts"])
        yield FileRow(**values, **lying.get(row["image_id"], {}))


def _lying(tx: Tx, image_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Where images of the line lie, in the names of `FileRow`."""
    of_image = (part.c.capture_id == image.c.capture_id) & (part.c.part_index == image.c.part_index)
    wanted = sa.select(image.c.image_id, image.c.start_bytes, part.c.shard_sha256, part.c.shard_size_bytes)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(image_ids), _IDS_AT_ONCE):
        some = image_ids[start : start + _IDS_AT_ONCE]
        for row in tx.execute(wanted.join(part, of_image).where(image.c.image_id.in_(some))):
            found[row.image_id] = {
                "shards": split_digests(row.shard_sha256),
                "shard_size_bytes": row.shard_size_bytes,
                "start_bytes": row.start_bytes,
            }
    return found
