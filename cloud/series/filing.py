"""Beside the thirteen steps: series: files of an upload become series, with their ledger entry in one transaction.

A file goes to the series of its patient's name, examination and series UID, told apart by series number, body part and
modality where both say them: the cascade of `group.py`, over keyed hashes. Reconstructions are filed in the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cloud.accounts.audit import Act
from cloud.accounts.audit import append as note
from cloud.accounts.values import Principal
from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.ledger import Ledger
from cloud.series import rows, upload_entry
from cloud.series.arrival import ImageFacts
from cloud.series.catalogue import Places
from cloud.series.errors import HeaderRefused
from cloud.series.messages import Opened
from cloud.series.reasons import Refusal, RefusalReason
from cloud.series.rows import FileRow, UploadRow
from cloud.series.stored import Kind as SeriesKind
from cloud.series.stored import SeriesRow, Source
from cloud.series.workers import WorkerDied, Workers
from cloud.store import FileBlobStore
from cloud.tenants.owner import Kind, tenant_of
from sonorelay.contract.digest import sha256
from sonorelay.contract.notes import Signer

_UNREADABLE: Final = Opened(
    kind=SeriesKind.STACK,
    image_count=0,
    frame_count=1,
    refusal=Refusal(reason=RefusalReason.READING_FAILED),
    need_bytes=0,
)
_TOLD_APART: Final = ("number", "body_part", "modality")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilingServices:
    """What filing works on."""

    database: Database
    """State of the server."""
    store: FileBlobStore
    """Keeps the files."""
    ledger: Ledger
    """Takes the entry."""
    signer: Signer
    """Signs it with the log's own key."""
    places: Places
    """Says where series lie."""
    workers: Workers
    """Look at headers."""
    clock: Clock
    """Now, aware."""
    new_id: Callable[[], str]
    """A new UUID."""


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A series as it will be."""

    row: SeriesRow
    """Its row."""
    facts: ImageFacts
    """Of its first image."""
    added: list[FileRow] = field(default_factory=list)
    """What the upload adds."""


class Filing:
    """Files uploads, one after the other: two that complete one series must see each other."""

    def __init__(self, services: FilingServices) -> None:
        self._services = services
        self._turn = asyncio.Lock()

    async def file(self, upload_id: str, by: Principal) -> None:
        """Makes series of the upload's files, once. Errors: RetryLater."""
        async with self._turn:
            while not await self._try_to_file(upload_id, by):
                # A file came while the others were looked at.
                continue

    async def _try_to_file(self, upload_id: str, by: Principal) -> bool:
        """False: files came meanwhile, nothing was done."""
        database = self._services.database
        upload = await database.read(lambda tx: rows.upload_of(tx, upload_id))
        assert upload is not None
        if upload.finished_time is not None:
            return True
        files = await database.read(lambda tx: rows.files_of_upload(tx, upload_id))
        used = [each for each in files if each.reason is None]
        drafts = await database.read(lambda tx: self._drafts(tx, used, upload.source, upload.tenant_id))
        for draft in drafts:
            draft.row = await self._looked_at(draft)

        def work(tx: Tx) -> bool:
            if len(rows.files_of_upload(tx, upload_id)) != len(files):
                return False
            self._write(tx, upload, drafts, len(files) - len(used))
            self._note(tx, Act.UPLOAD, by, upload_id)
            return True

        return await database.write(work)

    async def file_sent(self, files: Sequence[FileRow], refused: Mapping[int, str], tenant_id: str) -> None:
        """Puts files that agents of one tenant sent into series; `refused`: code by file id of those that are not used.

        Their entries are in the ledger already. Errors: RetryLater.
        """
        async with self._turn:
            database = self._services.database
            drafts = await database.read(lambda tx: self._drafts(tx, files, Source.AGENT, tenant_id))
            for draft in drafts:
                draft.row = await self._looked_at(draft)

            def work(tx: Tx) -> None:
                for draft in drafts:
                    rows.save_series(tx, draft.row, draft.facts, tenant_id)
                    rows.put_sent_into_series(tx, draft.added, draft.row.series_id)
                for file_id, reason in refused.items():
                    rows.refuse_file(tx, file_id, reason)

            await database.write(work)

    async def store_reconstruction(self, of: SeriesRow, paths: Sequence[Path], by: Principal) -> SeriesRow:
        """Files DICOM files that were cut out of the series `of` as a new series of its tenant. Errors: RetryLater."""
        services, series_id = self._services, self._services.new_id()
        tenant_id = await services.database.read(lambda tx: tenant_of(tx, Kind.SERIES, of.series_id))
        assert tenant_id is not None
        upload = UploadRow(
            upload_id=services.new_id(),
            source=Source.RECONSTRUCTION,
            actor=by.actor,
            begun_time=services.clock(),
            finished_time=None,
            ledger_index=None,
            tenant_id=tenant_id,
        )
        facts = ImageFacts(
            group=sha256(series_id.encode()).hex(),
            series_uid=series_id,
            instance="",
            study_id=of.study_id,
            patient=of.patient or "",
            modality=of.modality,
            body_part=of.body_part,
            number=None if of.number is None else min(of.number * 100 + 1, 2**31 - 1),
        )
        files = [
            await self._made_here(path, number, upload, series_id, facts) for number, path in enumerate(paths)
        ]
        draft = _Draft(row=self._new(series_id, facts, Source.RECONSTRUCTION), facts=facts, added=files)
        draft.row = await self._looked_at(draft)

        def work(tx: Tx) -> None:
            rows.add_upload(tx, upload)
            for each in files:
                rows.add_file(tx, rows.values_of(each))
            self._write(tx, upload, [draft], 0)
            self._note(tx, Act.RECONSTRUCT, by, series_id)

        await services.database.write(work)
        return draft.row

    async def _made_here(
        self, path: Path, number: int, upload: UploadRow, series_id: str, facts: ImageFacts
    ) -> FileRow:
        """Keeps a file that was made here; its row."""
        data = await asyncio.to_thread(path.read_bytes)
        digest = sha256(data)
        await self._services.store.put(digest, data)
        return FileRow(
            file_id=number,
            upload_id=upload.upload_id,
            path_sha256=sha256(f"{upload.upload_id}/{number}".encode()),
            folder="",
            source_sha256=digest,
            reason=None,
            series_id=series_id,
            sha256=digest,
            size_bytes=len(data),
            facts=facts,
            received_time=upload.begun_time,
        )

    def _drafts(self, tx: Tx, used: Sequence[FileRow], source: Source, tenant_id: str) -> list[_Draft]:
        """Each file in a series that is there, or in a new one."""
        by_group: dict[str, list[_Draft]] = {}
        for each in used:
            facts = each.facts
            assert facts is not None
            if facts.group not in by_group:
                there = rows.series_of_group(tx, facts.group, tenant_id)
                by_group[facts.group] = [_Draft(row=row, facts=facts) for row in there]
            drafts = by_group[facts.group]
            home = next((draft for draft in drafts if _agrees(draft.row, facts)), None)
            if home is None:
                new = self._new(self._services.new_id(), facts, source)
                home = _Draft(row=new, facts=facts)
                drafts.append(home)
            home.row = _filled(home.row, facts)
            home.added.append(each)
        return [draft for drafts in by_group.values() for draft in drafts if draft.added]

    def _new(self, series_id: str, facts: ImageFacts, source: Source) -> SeriesRow:
        return SeriesRow(
            series_id=series_id,
            source=source,
            kind=SeriesKind.STACK,
            modality=facts.modality,
            body_part=facts.body_part,
            number=facts.number,
            study_id=facts.study_id,
            patient=facts.patient,
            received_time=self._services.clock(),
            version=0,
            image_count=0,
            frame_count=1,
            refusal=None,
        )

    async def _looked_at(self, draft: _Draft) -> SeriesRow:
        """The row with what the headers of all its images say."""
        services, row = self._services, draft.row
        there = await services.database.read(lambda tx: rows.files_of_series(tx, row.series_id))
        stored = services.places.stored(tuple(map(services.places.bytes_of, [*there, *draft.added])))

        try:
            opened = await services.workers.look(row.series_id, stored)
        except (HeaderRefused, WorkerDied):
            opened = replace(_UNREADABLE, image_count=len(stored.images))
        return replace(
            row,
            version=row.version + 1,
            received_time=services.clock(),
            kind=opened.kind,
            image_count=opened.image_count,
            frame_count=opened.frame_count,
            refusal=opened.refusal,
        )

    def _write(self, tx: Tx, upload: UploadRow, drafts: Sequence[_Draft], refused_count: int) -> None:
        services, now = self._services, self._services.clock()
        digests = [each.sha256 for draft in drafts for each in draft.added if each.sha256 is not None]
        index = None
        if digests:
            made = upload_entry.entry(
                upload.upload_id, upload.source, digests, refused_count, len(drafts), now, services.signer
            )
            (index,) = services.ledger.append(tx, [made])
        for draft in drafts:
            rows.save_series(tx, draft.row, draft.facts, upload.tenant_id)
            if upload.source is Source.BROWSER:
                rows.put_into_series(tx, [each.file_id for each in draft.added], draft.row.series_id)
        rows.finish_upload(tx, upload.upload_id, now, index)

    def _note(self, tx: Tx, act: Act, by: Principal, object_id: str) -> None:
        note(
            tx,
            act,
            time=self._services.clock(),
            actor=by.actor,
            origin=by.address,
            object_id=object_id,
            tenant_id=by.tenant_id,
        )


def _agrees(row: SeriesRow, facts: ImageFacts) -> bool:
    """Whether nothing tells the image apart from the series; what one of them does not say contradicts nothing."""
    for name in _TOLD_APART:
        here, there = getattr(row, name), getattr(facts, name)
        if here not in (None, "") and there not in (None, "") and here != there:
            return False
    return True


def _filled(row: SeriesRow, facts: ImageFacts) -> SeriesRow:
    """The row with what the image says and no image before it did."""
    return replace(
        row,
        number=row.number if row.number is not None else facts.number,
        body_part=row.body_part or facts.body_part,
        modality=row.modality or facts.modality,
    )
