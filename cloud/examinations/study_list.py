"""Examinations: the search through all of them: filters, words, order, pages both ways, how many there are.

Pages go by place, not by count: what comes or goes meanwhile shifts nothing. The total is counted, not guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.tables import examination, study, study_tag
from cloud.examinations.protocol import Protocol
from cloud.examinations.read import examinations_of
from cloud.examinations.study_items import (
    Agreement,
    Deleted,
    Page,
    Place,
    Reviewing,
    Signing,
    SortBy,
    Study,
    StudyFilter,
)
from cloud.examinations.study_text import asked_words

_NONE: Final = -1.0
"""Stands for an age or a probability that is not known: below all others."""
_E: Final = examination.c
_WHOLE: Final = sa.select(*_E, study.c.planes, study.c.probability, study.c.disagreed_count).join(
    study, study.c.number == _E.number
)
_KEYS: Final[Mapping[SortBy, sa.ColumnElement[float] | None]] = {
    SortBy.NUMBER: None,
    SortBy.AGE: sa.func.coalesce(_E.age_days, _NONE),
    SortBy.PROBABILITY: sa.func.coalesce(study.c.probability, _NONE),
}
_SIGNING: Final[Mapping[Signing, sa.ColumnElement[bool]]] = {
    Signing.UNSIGNED: _E.signed_time.is_(None),
    Signing.SIGNED: _E.signed_time.is_not(None) & _E.changed_after_signing.is_(False),
    Signing.CHANGED: _E.signed_time.is_not(None) & _E.changed_after_signing.is_(True),
}
_REVIEWING: Final[Mapping[Reviewing, sa.ColumnElement[bool]]] = {
    Reviewing.NONE: _E.reviewed_count == 0,
    Reviewing.SOME: (_E.reviewed_count > 0) & (_E.reviewed_count < _E.read_count),
    Reviewing.ALL: (_E.reviewed_count > 0) & (_E.reviewed_count >= _E.read_count),
}
_AGREEMENT: Final[Mapping[Agreement, sa.ColumnElement[bool]]] = {
    Agreement.AGREES: (_E.reviewed_count > 0) & (study.c.disagreed_count == 0),
    Agreement.DISAGREES: study.c.disagreed_count > 0,
}
_PLAIN: Final[Mapping[str, Callable[[Any], sa.ColumnElement[bool]]]] = {
    "tenant_id": lambda tenant_id: _E.tenant_id == tenant_id,
    "finding": lambda name: _E.findings.contains(f" {name} ", autoescape=True),
    "plane": lambda name: study.c.planes.contains(f" {name} ", autoescape=True),
    "device_id": lambda name: _E.device_id == name,
    "tag": lambda tag: _E.examination_id.in_(
        sa.select(study_tag.c.examination_id).where(study_tag.c.tag == tag)
    ),
    "reviewing": lambda how: _REVIEWING[how],
    "signing": lambda how: _SIGNING[how],
    "agreement": lambda how: _AGREEMENT[how],
    "begun_from": lambda time: _E.began_time >= time,
    "begun_before": lambda time: _E.began_time < time,
    "age_from_days": lambda days: _E.age_days >= days,
    "age_to_days": lambda days: _E.age_days <= days,
}
"""Field of the filter to what it asks of a row; a test compares the keys with the filter's fields."""


def read_studies(tx: Tx, protocol: Protocol, wanted: StudyFilter, page: Page) -> list[Study]:
    """Up to `page.limit` studies in the page's order."""
    key = _KEYS[page.sort]
    columns: tuple[sa.ColumnElement[Any], ...] = (_E.number,) if key is None else (key, _E.number)
    # A page that ends at a place is read from there backwards.
    backwards = page.before is not None
    ascending = page.ascending is not backwards
    query = _narrowed(sa.select(_E.number), wanted)
    place = page.before or page.after
    if place is not None:
        query = query.where(_beyond(columns, place, ascending))
    order = [column.asc() if ascending else column.desc() for column in columns]
    # Numbers alone are sorted: whole rows would be carried through the sort.
    numbers = [row.number for row in tx.execute(query.order_by(*order).limit(page.limit))]
    rows = {row.number: row for row in tx.execute(_WHOLE.where(_E.number.in_(numbers)))}
    return _studies(tx, protocol, [rows[number] for number in (numbers[::-1] if backwards else numbers)])


def count_studies(tx: Tx, wanted: StudyFilter) -> int:
    """How many studies are asked for, counted."""
    query = sa.select(sa.func.count()).select_from(examination)
    return int(tx.execute(_narrowed(query, wanted)).scalar_one())


def read_study(tx: Tx, protocol: Protocol, examination_id: str) -> Study | None:
    """One study, deleted or not; None where there is none of this id."""
    rows = tx.execute(_WHOLE.where(_E.examination_id == examination_id)).all()
    return next(iter(_studies(tx, protocol, rows)), None)


def place_of(found: Study, sort: SortBy) -> Place:
    """Where a study stands in this order."""
    age = found.examination.age
    values = {
        SortBy.NUMBER: 0.0,
        SortBy.AGE: _NONE if age is None else age.days,
        SortBy.PROBABILITY: _NONE if found.probability is None else found.probability,
    }
    return Place(value=values[sort], number=found.examination.number)


def _beyond(
    columns: Sequence[sa.ColumnElement[Any]], place: Place, ascending: bool
) -> sa.ColumnElement[bool]:
    ends = (place.number,) if len(columns) == 1 else (place.value, place.number)
    here, there = sa.tuple_(*columns), sa.tuple_(*(sa.literal(end) for end in ends))
    return here > there if ascending else here < there


def _narrowed(query: sa.Select[Any], wanted: StudyFilter) -> sa.Select[Any]:
    query = query.where(_E.deleted_time.is_not(None) if wanted.deleted else _E.deleted_time.is_(None))
    # Where nothing asks for its columns a database leaves an outer join out.
    query = query.outerjoin(study, study.c.number == _E.number)
    if wanted.states:
        query = query.where(_E.state.in_([state.value for state in wanted.states]))
    for name, asks in _PLAIN.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(asks(value))
    number = wanted.text.strip().removeprefix("#")
    if wanted.text.strip().startswith("#") and number.isascii() and number.isdecimal() and len(number) <= 18:
        return query.where(_E.number == int(number))
    return query.where(*(study.c.text.contains(word, autoescape=True) for word in asked_words(wanted.text)))


def _studies(tx: Tx, protocol: Protocol, rows: Sequence[Any]) -> list[Study]:
    tags: dict[str, list[str]] = {row.examination_id: [] for row in rows}
    query = sa.select(study_tag.c.examination_id, study_tag.c.tag).order_by(study_tag.c.tag)
    for tag in tx.execute(query.where(study_tag.c.examination_id.in_(list(tags)))):
        tags[tag.examination_id].append(tag.tag)
    return [
        Study(
            examination=found,
            planes=tuple(row.planes.split()),
            probability=row.probability,
            disagreed_count=row.disagreed_count,
            tags=tuple(tags[row.examination_id]),
            deleted=None if row.deleted_time is None else _deleted(row),
        )
        for row, found in zip(rows, examinations_of(tx, protocol, rows), strict=True)
    ]


def _deleted(row: Any) -> Deleted:
    return Deleted(time=row.deleted_time, by=row.deleted_by, reason=row.deleted_reason)
