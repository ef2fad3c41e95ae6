"""Examinations: the list as the console reads it: filtered, searched, counted, page by page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import device, examination
from cloud.examinations.completeness import read_coverage
from cloud.examinations.items import AgeSource, BoundBy, Examination, GivenAge, Signed
from cloud.examinations.protocol import Protocol
from cloud.examinations.words import findings_named
from cloud.items import Status
from cloud.tenants import within

EARLIER_MAX: Final = 20
"""Earlier examinations of one patient that are shown, the newest."""

_AFTER_ALL: Final = "\x7f"
"""Behind every letter of a pseudonym."""
_SELF: Final = examination.alias("self")
_COLUMNS: Final = sa.select(*examination.c)
_SHOWN: Final = examination.c.deleted_time.is_(None)
_ONE: Final = Prepared(_COLUMNS.where(examination.c.examination_id == sa.bindparam("of_examination"), _SHOWN))
_EARLIER: Final = Prepared(
    _COLUMNS.where(
        _SHOWN,
        # Two tenants may have one pseudonym, or one patient: neither learns of it.
        examination.c.tenant_id
        == sa.select(_SELF.c.tenant_id)
        .where(_SELF.c.examination_id == sa.bindparam("but"))
        .scalar_subquery(),
        examination.c.patient_key == sa.bindparam("of_patient"),
        examination.c.examination_id != sa.bindparam("but"),
        examination.c.newest_slot < sa.bindparam("before"),
    )
    .order_by(examination.c.newest_slot.desc())
    .limit(EARLIER_MAX)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which examinations are asked for; a field that is not set narrows nothing."""

    tenant_id: str | None
    """Only this tenant's; None: the whole site's."""
    states: Collection[Status] = ()
    """Only these states."""
    device_id: str | None = None
    """Only those that began on this device."""
    text: str | None = None
    """Only those whose number is this, or whose patient's pseudonym, device or finding begins so or holds it."""


def read_examination(tx: Tx, protocol: Protocol, examination_id: str) -> Examination | None:
    """One examination as it is now; None where there is none of this id, or a deleted one."""
    row = _ONE.first(tx, {"of_examination": examination_id})
    return None if row is None else examinations_of(tx, protocol, [row])[0]


def read_earlier(tx: Tx, protocol: Protocol, of: Examination) -> list[Examination]:
    """Earlier examinations of the same patient, newest first; none where the patient is not known."""
    if of.patient_key is None:
        return []
    asked = {"of_patient": of.patient_key, "but": of.examination_id, "before": of.newest_slot}
    return examinations_of(tx, protocol, _EARLIER.all(tx, asked))


def read_list(
    tx: Tx, protocol: Protocol, wanted: Wanted, limit: int, before: int | None = None
) -> list[Examination]:
    """Up to `limit` examinations, the one with the newest print first; those before the slot `before` where given."""
    rows = _narrowed(_COLUMNS, wanted).order_by(examination.c.newest_slot.desc()).limit(limit)
    if wanted.states:
        rows = rows.where(examination.c.state.in_([state.value for state in wanted.states]))
    if before is not None:
        rows = rows.where(examination.c.newest_slot < before)
    return examinations_of(tx, protocol, tx.execute(rows).all())


def count_by_state(tx: Tx, wanted: Wanted) -> dict[Status, int]:
    """How many examinations stand in each state, whatever `wanted.states` says; every state is named."""
    query = sa.select(examination.c.state, sa.func.count()).group_by(examination.c.state)
    counted = {row[0]: int(row[1]) for row in tx.execute(_narrowed(query, wanted))}
    return {state: counted.get(state.value, 0) for state in Status}


def _narrowed(query: sa.Select[Any], wanted: Wanted) -> sa.Select[Any]:
    c = examination.c
    query = query.where(_SHOWN, within(c.tenant_id, wanted.tenant_id))
    if wanted.device_id is not None:
        query = query.where(c.device_id == wanted.device_id)
    text = (wanted.text or "").strip()
    if text:
        named = device.c.device_id.contains(text.lower(), autoescape=True)
        matches = [
            c.patient_key.between(text.upper(), text.upper() + _AFTER_ALL),
            c.device_id.in_(sa.select(device.c.device_id).where(named)),
            *(c.findings.contains(f" {finding} ", autoescape=True) for finding in findings_named(text)),
        ]
        number = text.removeprefix("#")
        if number.isascii() and number.isdecimal() and len(number) <= 18:
            matches.append(c.number == int(number))
        query = query.where(sa.or_(*matches))
    return query


def examinations_of(tx: Tx, protocol: Protocol, rows: Sequence[Any]) -> list[Examination]:
    """The examinations of rows that have the columns of their table."""
    coverage = read_coverage(tx, protocol, [row.examination_id for row in rows])
    return [
        _examination(row, sum(one.is_seen for one in coverage[row.examination_id]), protocol) for row in rows
    ]


def _examination(row: Any, seen_count: int, protocol: Protocol) -> Examination:
    return Examination(
        examination_id=row.examination_id,
        number=row.number,
        device_id=row.device_id,
        bound_by=BoundBy(row.bound_by),
        patient_key=row.patient_key,
        age=None if row.age_days is None else _age(row),
        began_time=row.began_time,
        updated_time=row.updated_time,
        newest_slot=row.newest_slot,
        capture_count=row.capture_count,
        image_count=row.image_count,
        read_count=row.read_count,
        reviewed_count=row.reviewed_count,
        state=Status(row.state),
        findings=tuple(row.findings.split()),
        signed=None if row.signed_time is None else _signed(row),
        seen_count=seen_count,
        item_count=len(protocol.items),
    )


def _age(row: Any) -> GivenAge:
    return GivenAge(days=row.age_days, time=row.age_time, source=AgeSource(row.age_source), by=row.age_by)


def _signed(row: Any) -> Signed:
    return Signed(time=row.signed_time, by=row.signed_by, changed_after=row.changed_after_signing)
