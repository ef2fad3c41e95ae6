"""Examinations: which one a print belongs to: at its first word a guess, at its upload its own identity.

A keyed print (the machine named a study) is only ever in the examination of its key. A print without a key stays
where device and time put it, which may be the examination of a key that runs on that device. What a person has moved
stays where the person put it. An examination has prints of one tenant only, whatever keys and devices say.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import examination, examination_capture, upload
from cloud.examinations.items import AgeSource, BoundBy
from cloud.items import Status
from cloud.tenants import DEFAULT_TENANT
from sonorelay.contract.digest import sha256

GUESSED_MAX: Final = 100
"""Device and time put no more captures into one examination: a folder of thousands is no examination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the edge sends of an examination's identity: pseudonyms keyed by the site, and no date."""

    examination_key: str
    """Pseudonym of the study, 64 hexadecimal digits, as the edge says it."""
    patient_key: str | None
    """Pseudonym of the patient; None where the header names none."""
    age_days: float | None
    """Gestational age by the header, days; None where it gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What a binding changed: to be refreshed and announced."""

    captures: tuple[str, ...]
    """Captures whose examination is another one now, or says more; empty where nothing changed."""
    left: str | None
    """The examination that they left; None where they left none."""


UNBOUND: Final = Bound(captures=(), left=None)
"""Nothing changed."""

_OF_CAPTURE: Final = Prepared(
    sa.select(
        examination_capture.c.examination_id,
        examination_capture.c.device_id,
        examination_capture.c.slot,
        examination_capture.c.bound_by,
        examination_capture.c.joined_time,
        examination.c.bound_by.label("examination_bound_by"),
        examination.c.tenant_id,
    )
    .join(examination, examination.c.examination_id == examination_capture.c.examination_id)
    .where(examination_capture.c.capture_id == sa.bindparam("of_capture"))
)
_NEWEST_OF_DEVICE: Final = Prepared(
    sa.select(
        examination_capture.c.examination_id,
        examination_capture.c.joined_time,
        examination.c.capture_count,
        examination.c.tenant_id,
    )
    .join(examination, examination.c.examination_id == examination_capture.c.examination_id)
    .where(
        examination_capture.c.device_id == sa.bindparam("of_device"),
        # A print that comes now is not hidden with what was deleted.
        examination.c.deleted_time.is_(None),
    )
    .order_by(examination_capture.c.slot.desc())
    .limit(1)
)
_OF_KEY: Final = Prepared(
    sa.select(examination.c.examination_id).where(examination.c.examination_key == sa.bindparam("of_key"))
)
_KNOWN: Final = Prepared(
    sa.select(examination.c.patient_key, examination.c.age_days, examination.c.began_time).where(
        examination.c.examination_id == sa.bindparam("of_examination")
    )
)
_OPENED_BESIDE: Final = Prepared(
    sa.select(examination_capture.c.capture_id)
    .join(upload, upload.c.capture_id == examination_capture.c.capture_id)
    .where(
        examination_capture.c.examination_id == sa.bindparam("of_examination"),
        examination_capture.c.capture_id != sa.bindparam("but"),
    )
    .limit(1)
)
_LATER: Final = Prepared(
    sa.select(
        examination_capture.c.capture_id,
        examination_capture.c.examination_id,
        examination_capture.c.bound_by,
    )
    .where(
        examination_capture.c.device_id == sa.bindparam("of_device"),
        examination_capture.c.slot > sa.bindparam("after"),
    )
    .order_by(examination_capture.c.slot)
    .limit(GUESSED_MAX)
)


def begin(
    tx: Tx,
    *,
    device_id: str,
    tenant_id: str,
    slot: int,
    now: datetime,
    bound_by: BoundBy,
    key: str | None = None,
) -> str:
    """A new examination without captures yet; its id. Whoever begins one puts a capture into it at once."""
    row: dict[str, Any] = {
        "examination_id": str(uuid.uuid4()),
        "device_id": device_id,
        "tenant_id": tenant_id,
        "bound_by": bound_by.value,
        "examination_key": key,
        "began_time": now,
        "updated_time": now,
        "newest_slot": slot,
        "capture_count": 0,
        "image_count": 0,
        "read_count": 0,
        "reviewed_count": 0,
        "state": Status.INCOMING.value,
        "findings": "",
        "changed_after_signing": False,
    }
    prepared.insert(examination, *row).run(tx, row)
    return str(row["examination_id"])


def join(
    tx: Tx, *, capture_id: str, slot: int, device_id: str, tenant_id: str, now: datetime, gap_s: float
) -> str:
    """Puts a new capture, by device and time, into the device's newest examination if that is its tenant's and had a
    print within `gap_s` seconds, else into a new one; the examination's id."""
    newest = _NEWEST_OF_DEVICE.first(tx, {"of_device": device_id})
    if newest is not None and newest.tenant_id == tenant_id and _runs(newest, now, gap_s):
        examination_id: str = newest.examination_id
    else:
        whose = {"device_id": device_id, "tenant_id": tenant_id}
        examination_id = begin(tx, **whose, slot=slot, now=now, bound_by=BoundBy.DEVICE_AND_TIME)
    row = {
        "capture_id": capture_id,
        "examination_id": examination_id,
        "device_id": device_id,
        "slot": slot,
        "bound_by": BoundBy.DEVICE_AND_TIME.value,
        "joined_time": now,
    }
    prepared.insert(examination_capture, *row).run(tx, row)
    return examination_id


def _runs(newest: Any, now: datetime, gap_s: float) -> bool:
    quiet = now - newest.joined_time > timedelta(seconds=gap_s)
    return not quiet and newest.capture_count < GUESSED_MAX


def bind(tx: Tx, capture_id: str, identity: Identity, now: datetime) -> Bound:
    """Puts a capture where its key belongs. A repeat changes nothing.

    Prints that came after it on the same device and that only device and time put beside
    it go with it: they were guessed to belong to whatever ran there.
    """
    link = _OF_CAPTURE.one(tx, {"of_capture": capture_id})
    if link.bound_by != BoundBy.DEVICE_AND_TIME.value:
        return UNBOUND
    target = _target(tx, capture_id, link, key_within(identity.examination_key, link.tenant_id), now)
    moves = target != link.examination_id
    followers = _followers(tx, link) if moves else []
    place(tx, followers, target, BoundBy.DEVICE_AND_TIME)
    place(tx, [capture_id], target, BoundBy.STUDY)
    _note_identity(tx, target, identity)
    return Bound(captures=(capture_id, *followers), left=link.examination_id if moves else None)


def place(tx: Tx, capture_ids: Iterable[str], examination_id: str, bound_by: BoundBy) -> None:
    """Puts captures into an examination. Whoever calls refreshes both."""
    for capture_id in capture_ids:
        values = {"examination_id": examination_id, "bound_by": bound_by.value}
        prepared.change(tx, examination_capture.c.capture_id, capture_id, values)


def link_of(tx: Tx, capture_id: str) -> Any | None:
    """Where a capture stands (examination_id, device_id, slot, bound_by, joined_time, tenant_id); None where it
    stands nowhere."""
    return _OF_CAPTURE.first(tx, {"of_capture": capture_id})


def key_within(key: str, tenant_id: str) -> str:
    """The pseudonym of a study as it is kept: two tenants that name a study alike do not meet in it."""
    if tenant_id == DEFAULT_TENANT:
        return key
    return sha256(f"{tenant_id}\n{key}".encode()).hex()


def _target(tx: Tx, capture_id: str, link: Any, key: str, now: datetime) -> str:
    """The examination of a key: the one that has it, the guessed one where no other print has come whole, a new one."""
    known = _OF_KEY.first(tx, {"of_key": key})
    if known is not None:
        return str(known.examination_id)
    guessed = link.examination_bound_by == BoundBy.DEVICE_AND_TIME.value
    beside = _OPENED_BESIDE.first(tx, {"of_examination": link.examination_id, "but": capture_id})
    if guessed and beside is None:
        values = {"examination_key": key, "bound_by": BoundBy.STUDY.value}
        prepared.change(tx, examination.c.examination_id, link.examination_id, values)
        return str(link.examination_id)
    whose = {"device_id": link.device_id, "tenant_id": link.tenant_id}
    return begin(tx, **whose, slot=link.slot, now=now, bound_by=BoundBy.STUDY, key=key)


def _followers(tx: Tx, link: Any) -> list[str]:
    """Later captures of the device that were guessed into the same examination, up to the next that is not."""
    found: list[str] = []
    for row in _LATER.all(tx, {"of_device": link.device_id, "after": link.slot}):
        if row.examination_id != link.examination_id or row.bound_by != BoundBy.DEVICE_AND_TIME.value:
            break
        found.append(row.capture_id)
    return found


def _note_identity(tx: Tx, examination_id: str, identity: Identity) -> None:
    """Fills in patient and age where the examination has none yet; what a person gave stays."""
    row = _KNOWN.one(tx, {"of_examination": examination_id})
    values: dict[str, Any] = {}
    if row.patient_key is None and identity.patient_key is not None:
        values["patient_key"] = identity.patient_key
    if row.age_days is None and identity.age_days is not None:
        values |= {"age_days": identity.age_days, "age_time": row.began_time}
        values |= {"age_source": AgeSource.HEADER.value, "age_by": None}
    if values:
        prepared.change(tx, examination.c.examination_id, examination_id, values)
