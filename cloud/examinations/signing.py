"""Examinations: signatures. A doctor signs what they saw; what changes afterwards is seen to have changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from cloud.accounts.audit import Act
from cloud.accounts.values import Principal
from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import examination, examination_signature
from cloud.examinations.announce import announce
from cloud.examinations.content import content_digest
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.read import read_examination
from cloud.examinations.review_entry import signed_entry
from cloud.examinations.services import ExaminationServices, person
from cloud.publish.topic import OUTBOX_TOPIC

_BY_ID: Final = Prepared(
    sa.select(*examination_signature.c).where(
        examination_signature.c.signature_id == sa.bindparam("of_signature")
    )
)
_OF_EXAMINATION: Final = Prepared(
    sa.select(*examination_signature.c)
    .where(examination_signature.c.examination_id == sa.bindparam("of_examination"))
    .order_by(examination_signature.c.number.desc())
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it is stored; it is never altered."""

    signature_id: str
    """UUID that the client made."""
    examination_id: str
    """UUID of the examination."""
    content: bytes
    """Digest of what was signed, 32 bytes."""
    image_count: int
    """Images that the examination had."""
    reviewed_count: int
    """How many of them a person had reviewed."""
    override: str | None
    """Why not every image with a result needed a review; None where each had one."""
    signer: str
    """Actor."""
    time: datetime
    """When (aware UTC, server clock)."""
    ledger_index: int
    """Index of its entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a doctor asks to sign."""

    signature_id: str
    """UUID that the client made: a signature that is asked for again is the same one."""
    examination_id: str
    """UUID of the examination."""
    content: bytes
    """Digest of what the doctor saw, 32 bytes."""
    override: str | None
    """Why not every image needed a review."""


class Signing:
    """Takes signatures and reads them."""

    def __init__(self, services: ExaminationServices) -> None:
        self._services = services

    async def sign(self, by: Principal, asked: Asked) -> Signature:
        """When it returns, signature, ledger entry and audit row are durable. A repeat gives the same signature.

        Errors: ExaminationRefused UNKNOWN, NOTHING_TO_SIGN, NOT_ALL_REVIEWED, CHANGED_MEANWHILE, SIGNED_ALREADY,
        SEX_WITHHELD; LedgerBusy. Then nothing was done.
        """
        override = self._services.checked_text(asked.override)
        signature = await self._services.database.write(lambda tx: self._sign(tx, by, asked, override))
        await self._services.bus.publish(OUTBOX_TOPIC)
        return signature

    def _sign(self, tx: Tx, by: Principal, asked: Asked, override: str | None) -> Signature:
        services, now = self._services, self._services.clock()
        known = _BY_ID.first(tx, {"of_signature": asked.signature_id})
        if known is not None:
            return _same(signature_of(known), by, asked, override)
        stored = read_examination(tx, services.protocol, asked.examination_id)
        if stored is None:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        if stored.read_count == 0:
            raise ExaminationRefused(ExaminationProblem.NOTHING_TO_SIGN)
        content = content_digest(tx, stored.examination_id, stored.age.days if stored.age else None)
        if content != asked.content:
            raise ExaminationRefused(ExaminationProblem.CHANGED_MEANWHILE)
        if stored.reviewed_count < stored.read_count and override is None:
            raise ExaminationRefused(ExaminationProblem.NOT_ALL_REVIEWED)
        counts = {"image_count": stored.image_count, "reviewed_count": stored.reviewed_count}
        signer_id = person(by).user_id
        entry = signed_entry(
            signature_id=asked.signature_id,
            examination_id=stored.examination_id,
            content=content,
            **counts,
            overrides=override is not None,
            signer_id=signer_id,
            time=now,
            signer=services.signer,
        )
        (index,) = services.ledger.append(tx, [entry])
        row: dict[str, Any] = {
            "signature_id": asked.signature_id,
            "examination_id": stored.examination_id,
            "digest": content,
            **counts,
            "override": override,
            "signer": by.actor,
            "signer_id": signer_id,
            "signed_time": now,
            "ledger_index": index,
        }
        prepared.insert(examination_signature, *row).run(tx, row)
        signed = {"signed_time": now, "signed_by": by.actor, "signed_digest": content}
        signed["changed_after_signing"] = False
        prepared.change(tx, examination.c.examination_id, stored.examination_id, signed)
        announce(tx, stored.examination_id, now)
        services.note(tx, Act.EXAMINATION_SIGN, by, stored.examination_id)
        return signature_of(_BY_ID.one(tx, {"of_signature": asked.signature_id}))

    async def ledger_index(self, examination_id: str, signature_id: str) -> int:
        """Index of a signature's entry. Errors: ExaminationRefused UNKNOWN."""
        row = await self._services.database.read(lambda tx: _BY_ID.first(tx, {"of_signature": signature_id}))
        if row is None or row.examination_id != examination_id:
            raise ExaminationRefused(ExaminationProblem.UNKNOWN)
        index: int = row.ledger_index
        return index


def read_signatures(tx: Tx, examination_id: str) -> list[Signature]:
    """Every signature under an examination, newest first."""
    return [signature_of(row) for row in _OF_EXAMINATION.all(tx, {"of_examination": examination_id})]


def signature_of(row: Any) -> Signature:
    """The signature of a row of its table."""
    return Signature(
        signature_id=row.signature_id,
        examination_id=row.examination_id,
        content=row.digest,
        image_count=row.image_count,
        reviewed_count=row.reviewed_count,
        override=row.override,
        signer=row.signer,
        time=row.signed_time,
        ledger_index=row.ledger_index,
    )


def _same(known: Signature, by: Principal, asked: Asked, override: str | None) -> Signature:
    """The signature that was asked for before. Errors: ExaminationRefused SIGNED_ALREADY where it is another."""
    earlier = (known.examination_id, known.content, known.override, known.signer)
    if earlier != (asked.examination_id, asked.content, override, by.actor):
        raise ExaminationRefused(ExaminationProblem.SIGNED_ALREADY)
    return known
