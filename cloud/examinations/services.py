"""Examinations: what the acts of persons work on, and the small words that all of them share."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud.accounts.audit import Act, append
from cloud.accounts.values import Principal, User
from cloud.db import Database, Tx
from cloud.db.times import Clock
from cloud.examinations.errors import ExaminationProblem, ExaminationRefused
from cloud.examinations.protocol import Protocol, shipped_protocol
from cloud.ledger import Ledger
from cloud.policy.sex import SexPolicy
from cloud.publish import Bus
from sonorelay.contract.notes import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminationServices:
    """Everything outside that acts on examinations touch."""

    database: Database
    """Examinations, reviews, signatures, ticks, audit."""
    ledger: Ledger
    """Takes the entries of reviews and signatures."""
    signer: Signer
    """Signs them with the log's key."""
    bus: Bus
    """Wakes the hub."""
    clock: Clock
    """Now, aware UTC."""
    sex: SexPolicy
    """Whether the site tells the sex of a fetus."""
    protocol: Protocol = field(default_factory=shipped_protocol)
    """What an examination has to show."""

    def note(self, tx: Tx, act: Act, by: Principal, object_id: str) -> None:
        """Adds a row of now to the audit, in the caller's transaction."""
        append(
            tx,
            act,
            time=self.clock(),
            actor=by.actor,
            origin=by.address,
            object_id=object_id,
            tenant_id=by.tenant_id,
        )

    def checked_text(self, text: str | None) -> str | None:
        """Free text in the form in which it is kept, None where there is none.

        Errors: ExaminationRefused SEX_WITHHELD where it tells what the site does not tell.
        """
        plain = (text or "").strip()
        if self.sex.withholds(plain):
            raise ExaminationRefused(ExaminationProblem.SEX_WITHHELD)
        return plain or None


def person(by: Principal) -> User:
    """The person who acts; the door lets no machine come here."""
    assert by.user is not None
    return by.user
