"""Examinations: what persons put in order: which print belongs where, the gestational age, ticks of the protocol."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final, TypeAlias

import sqlalchemy as sa

from cloud.accounts.audit import Act
from cloud.accounts.values import Principal
from cloud.db import Tx, prepared
from cloud.db.insert import insert_once
from cloud.db.tables import examination, protocol_tick
from cloud.examinations.announce import announce
from cloud.examinations.binding import begin, link_of, place
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.items import AgeSource, BoundBy, Examination
from cloud.examinations.read import read_examination
from cloud.examinations.services import ExaminationServices
from cloud.publish import outbox
from cloud.publish.topic import OUTBOX_TOPIC
from cloud.tenants.owner import Kind, tenant_of
from sonorelay.contract.limits import GESTATIONAL_AGE_MAX_DAYS

_Work: TypeAlias = Callable[[Tx, datetime], str]
"""Does something at a moment; the id of the examination that it concerns."""
TERM_DAYS: Final = 280
"""From the first day of the last menstrual period to the expected day of delivery (Naegele)."""


class Arranging:
    """Each act is durable, announced and in the audit when it returns."""

    def __init__(self, services: ExaminationServices) -> None:
        self._services = services

    async def move(self, by: Principal, capture_id: str, examination_id: str | None) -> Examination:
        """Puts a print into another examination; None: into a new one of its own. Where it is now.

        Errors: ExaminationRefused UNKNOWN, SAME_EXAMINATION, WOULD_BE_EMPTY.
        """
        return await self._done(lambda tx, now: self._move(tx, by, capture_id, examination_id, now))

    async def set_age(
        self, by: Principal, examination_id: str, source: AgeSource | None, value: float | date | None
    ) -> Examination:
        """Gives the examination an age: days, or a date that is reckoned at once and not kept; None takes it away.

        A date counts against the day on which the examination began, by this server's time zone. Errors:
        ExaminationRefused UNKNOWN, AGE_IMPOSSIBLE.
        """
        return await self._done(lambda tx, now: self._set_age(tx, by, examination_id, source, value, now))

    async def tick(self, by: Principal, examination_id: str, item: str, seen: bool) -> Examination:
        """Says that an item of the protocol was seen, or takes that back. A repeat changes nothing.

        Errors: ExaminationRefused UNKNOWN, ITEM_UNKNOWN.
        """
        return await self._done(lambda tx, now: self._tick(tx, by, examination_id, item, seen, now))

    async def _done(self, work: _Work) -> Examination:
        now = self._services.clock()
        changed = await self._services.database.write(lambda tx: self._known(tx, work(tx, now)))
        await self._services.bus.publish(OUTBOX_TOPIC)
        return changed

    def _known(self, tx: Tx, examination_id: str) -> Examination:
        stored = read_examination(tx, self._services.protocol, examination_id)
        if stored is None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        return stored

    def _move(self, tx: Tx, by: Principal, capture_id: str, examination_id: str | None, now: datetime) -> str:
        link = link_of(tx, capture_id)
        if link is None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        if link.examination_id == examination_id:
            raise ExaminationRefused(ExaminationProblem.SAME_EXAMINATION)
        left = self._known(tx, link.examination_id)
        if left.capture_count == 1 and (examination_id is None or left.signed is not None):
            raise ExaminationRefused(ExaminationProblem.WOULD_BE_EMPTY)
        if examination_id is None:
            whose = {"device_id": link.device_id, "tenant_id": link.tenant_id}
            target = begin(tx, **whose, slot=link.slot, now=link.joined_time, bound_by=BoundBy.PERSON)
        elif tenant_of(tx, Kind.EXAMINATION, examination_id) != link.tenant_id:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        else:
            target = self._known(tx, examination_id).examination_id
        place(tx, [capture_id], target, BoundBy.PERSON)
        announced = {"capture_id": capture_id, "device_id": link.device_id, "time": now}
        outbox.append(tx, **announced, examination_id=left.examination_id)
        self._services.note(tx, Act.EXAMINATION_MOVE, by, capture_id)
        return target

    def _set_age(
        self,
        tx: Tx,
        by: Principal,
        examination_id: str,
        source: AgeSource | None,
        value: float | date | None,
        now: datetime,
    ) -> str:
        stored = self._known(tx, examination_id)
        days = None if source is None or value is None else age_days(source, value, stored.began_time)
        given = None if days is None or source is None else source.value
        values = {
            "age_days": days,
            "age_time": None if days is None else stored.began_time,
            "age_source": given,
            "age_by": None if days is None else by.actor,
        }
        prepared.change(tx, examination.c.examination_id, examination_id, values)
        announce(tx, examination_id, now, every_capture=True)
        self._services.note(tx, Act.EXAMINATION_AGE, by, examination_id)
        return examination_id

    def _tick(self, tx: Tx, by: Principal, examination_id: str, item: str, seen: bool, now: datetime) -> str:
        if all(item != each.key for each in self._services.protocol.items):
            raise ExaminationRefused(ExaminationProblem.ITEM_UNKNOWN)
        self._known(tx, examination_id)
        key = (protocol_tick.c.examination_id, protocol_tick.c.item)
        if seen:
            row = {"examination_id": examination_id, "item": item, "ticked_by": by.actor, "ticked_time": now}
            changed = insert_once(tx, protocol_tick, key, row)
        else:
            this = (protocol_tick.c.examination_id == examination_id) & (protocol_tick.c.item == item)
            changed = tx.execute(sa.delete(protocol_tick).where(this)).rowcount > 0
        if changed:
            announce(tx, examination_id, now)
            self._services.note(tx, Act.PROTOCOL_TICK, by, examination_id)
        return examination_id


def age_days(source: AgeSource, value: float | date, began_time: datetime) -> float:
    """Gestational age in days on the day on which an examination began. Errors: ExaminationRefused AGE_IMPOSSIBLE."""
    if isinstance(value, date):
        since = (began_time.astimezone().date() - value).days
        days = float(TERM_DAYS + since if source is AgeSource.EDD else since)
    else:
        days = value
    # A comparison with NaN is false.
    if not 0 < days <= GESTATIONAL_AGE_MAX_DAYS:
        raise ExaminationRefused(ExaminationProblem.AGE_IMPOSSIBLE)
    return days
