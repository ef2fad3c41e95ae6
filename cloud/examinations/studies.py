"""Examinations: what persons do with one beside the reading: read again, note, tag, delete, restore."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.accounts.audit import Act
from cloud.accounts.values import Principal
from cloud.db import Tx, prepared
from cloud.db.insert import insert_once
from cloud.db.jobs import Jobs
from cloud.db.prepared import Prepared
from cloud.db.tables import capture, examination, examination_capture, image, study_note, study_tag
from cloud.examinations.announce import announce
from cloud.examinations.content import content_digest
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.services import ExaminationServices, person
from cloud.examinations.study_entry import deleted_entry, restored_entry
from cloud.examinations.study_items import Note
from cloud.examinations.study_row import write_row
from cloud.items import CaptureState
from cloud.line import READ_JOB
from cloud.publish.topic import JOBS_TOPIC, OUTBOX_TOPIC

PRIORITY: Final = 100
"""Of reading again: whoever stands at the machine goes first."""
_OF: Final[sa.BindParameter[str]] = sa.bindparam("of_examination")
_ONE: Final = Prepared(
    sa.select(
        examination.c.examination_key,
        examination.c.age_days,
        examination.c.deleted_time,
        examination.c.deleted_key,
    ).where(examination.c.examination_id == _OF)
)
_WITH_KEY: Final = Prepared(
    sa.select(examination.c.examination_id).where(examination.c.examination_key == sa.bindparam("of_key"))
)
_IMAGES: Final = Prepared(
    sa.select(image.c.image_id)
    .join(examination_capture, examination_capture.c.capture_id == image.c.capture_id)
    .where(examination_capture.c.examination_id == _OF)
)
_ARRIVING: Final = Prepared(
    sa.select(capture.c.capture_id)
    .join(examination_capture, examination_capture.c.capture_id == capture.c.capture_id)
    .where(examination_capture.c.examination_id == _OF, capture.c.state == CaptureState.INCOMING.value)
    .limit(1)
)
_NOTES: Final = Prepared(
    sa.select(*study_note.c).where(study_note.c.examination_id == _OF).order_by(study_note.c.number.desc())
)
_BY_ID: Final = Prepared(sa.select(*study_note.c).where(study_note.c.note_id == sa.bindparam("of_note")))


class Studies:
    """Each act is durable, announced, in the audit and, where it changes what is shown or read, in the ledger."""

    def __init__(self, services: ExaminationServices, jobs: Jobs) -> None:
        self._services = services
        self._jobs = jobs

    async def read_again(self, by: Principal, examination_id: str, image_ids: Sequence[str]) -> list[str]:
        """Queues images, all where none is named, to be read by the models that are live; those that are waiting.

        One that waits already is not queued twice. Errors: ExaminationRefused UNKNOWN.
        """

        def work(tx: Tx) -> list[str]:
            self._shown(tx, examination_id)
            known = [row.image_id for row in _IMAGES.all(tx, {"of_examination": examination_id})]
            if not set(image_ids) <= set(known):
                raise ExaminationRefused(ExaminationProblem.UNKNOWN)
            wanted = list(dict.fromkeys(image_ids)) or known
            queued = [each for each in wanted if self._jobs.enqueue_again(tx, READ_JOB, each, PRIORITY)]
            if queued:
                self._services.note(tx, Act.REANALYSE, by, examination_id)
                announce(tx, examination_id, self._services.clock())
            return wanted

        wanted = await self._services.database.write(work)
        await self._services.bus.publish(JOBS_TOPIC)
        await self._services.bus.publish(OUTBOX_TOPIC)
        return wanted

    async def delete(self, by: Principal, examination_id: str, reason: str) -> None:
        """Hides an examination everywhere until it is restored; nothing of it is removed. A repeat changes nothing.

        A print of the same study that comes later begins another examination: it is not hidden unseen. Errors:
        ExaminationRefused UNKNOWN, STILL_ARRIVING, SEX_WITHHELD, REASON_MISSING; LedgerBusy.
        """
        told = self._services.checked_text(reason)
        if told is None:
            raise ExaminationRefused(ExaminationProblem.REASON_MISSING)
        await self._changed(lambda tx, now: self._delete(tx, by, examination_id, told, now))

    def _delete(self, tx: Tx, by: Principal, examination_id: str, reason: str, now: datetime) -> None:
        row = self._known(tx, examination_id)
        if row.deleted_time is not None:
            return
        if _ARRIVING.first(tx, {"of_examination": examination_id}) is not None:
            raise ExaminationRefused(ExaminationProblem.STILL_ARRIVING)
        content = content_digest(tx, examination_id, row.age_days)
        entry = deleted_entry(examination_id, content, person(by).user_id, now, self._services.signer)
        self._services.ledger.append(tx, [entry])
        values = {
            "deleted_time": now,
            "deleted_by": by.actor,
            "deleted_reason": reason,
            "deleted_key": row.examination_key,
            "examination_key": None,
        }
        prepared.change(tx, examination.c.examination_id, examination_id, values)
        self._services.note(tx, Act.STUDY_DELETE, by, examination_id)
        announce(tx, examination_id, now, gone=True)

    async def restore(self, by: Principal, examination_id: str) -> None:
        """Shows a deleted examination again. Where its study has begun another one meanwhile, that keeps the key.

        A repeat changes nothing. Errors: ExaminationRefused UNKNOWN; LedgerBusy.
        """
        await self._changed(lambda tx, now: self._restore(tx, by, examination_id, now))

    def _restore(self, tx: Tx, by: Principal, examination_id: str, now: datetime) -> None:
        row = self._known(tx, examination_id)
        if row.deleted_time is None:
            return
        taken = row.deleted_key and _WITH_KEY.first(tx, {"of_key": row.deleted_key}) is not None
        content = content_digest(tx, examination_id, row.age_days)
        entry = restored_entry(examination_id, content, person(by).user_id, now, self._services.signer)
        self._services.ledger.append(tx, [entry])
        values: dict[str, Any] = dict.fromkeys(
            ("deleted_time", "deleted_by", "deleted_reason", "deleted_key")
        )
        values["examination_key"] = None if taken else row.deleted_key
        prepared.change(tx, examination.c.examination_id, examination_id, values)
        self._services.note(tx, Act.STUDY_RESTORE, by, examination_id)
        announce(tx, examination_id, now, every_capture=True)

    async def add_note(self, by: Principal, examination_id: str, note_id: str, text: str) -> Note:
        """Appends a note. The same again is the same one.

        Errors: ExaminationRefused UNKNOWN, NOTE_EMPTY, REVIEW_ID_USED, SEX_WITHHELD.
        """
        told = self._services.checked_text(text)
        if told is None:
            raise ExaminationRefused(ExaminationProblem.NOTE_EMPTY)

        def work(tx: Tx) -> Note:
            self._shown(tx, examination_id)
            row = {
                "note_id": note_id,
                "examination_id": examination_id,
                "note": told,
                "written_by": by.actor,
                "written_time": self._services.clock(),
            }
            if insert_once(tx, study_note, (study_note.c.note_id,), row):
                write_row(tx, examination_id)
                self._services.note(tx, Act.STUDY_NOTE, by, examination_id)
            stored = _BY_ID.one(tx, {"of_note": note_id})
            if (stored.examination_id, stored.note, stored.written_by) != (examination_id, told, by.actor):
                raise ExaminationRefused(ExaminationProblem.REVIEW_ID_USED)
            return _note(stored)

        return await self._services.database.write(work)

    async def tag(self, by: Principal, examination_id: str, tag: str, on: bool) -> None:
        """Puts a tag on, or takes it off. A repeat changes nothing.

        Errors: ExaminationRefused UNKNOWN, NOTE_EMPTY, SEX_WITHHELD.
        """
        told = self._services.checked_text(" ".join(tag.split()))
        if told is None:
            raise ExaminationRefused(ExaminationProblem.NOTE_EMPTY)

        def work(tx: Tx) -> None:
            self._shown(tx, examination_id)
            key = (study_tag.c.examination_id, study_tag.c.tag)
            if on:
                who = {"tagged_by": by.actor, "tagged_time": self._services.clock()}
                row = {"examination_id": examination_id, "tag": told, **who}
                changed = insert_once(tx, study_tag, key, row)
            else:
                this = (study_tag.c.examination_id == examination_id) & (study_tag.c.tag == told)
                changed = tx.execute(sa.delete(study_tag).where(this)).rowcount > 0
            if changed:
                write_row(tx, examination_id)
                self._services.note(tx, Act.STUDY_TAG, by, examination_id)

        await self._services.database.write(work)

    async def _changed(self, work: Any) -> None:
        now = self._services.clock()
        await self._services.database.write(lambda tx: work(tx, now))
        await self._services.bus.publish(OUTBOX_TOPIC)

    def _known(self, tx: Tx, examination_id: str) -> Any:
        row = _ONE.first(tx, {"of_examination": examination_id})
        if row is None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        return row

    def _shown(self, tx: Tx, examination_id: str) -> Any:
        row = self._known(tx, examination_id)
        if row.deleted_time is not None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        return row


def read_notes(tx: Tx, examination_id: str) -> list[Note]:
    """Every note of an examination, newest first."""
    return [_note(row) for row in _NOTES.all(tx, {"of_examination": examination_id})]


def _note(row: Any) -> Note:
    return Note(note_id=row.note_id, note=row.note, by=row.written_by, time=row.written_time)
