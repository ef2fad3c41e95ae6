"""Accounts: the audit: who did what, when, to which object, from where, and what came of it.

Each row's digest covers the row before, so that no row can be altered, left out or put in unseen. No row holds
patient data: objects are named by id, persons by the name that they sign in with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from cloud.accounts.errors import Refusal
from cloud.db import Tx, prepared
from cloud.db.prepared import Prepared
from cloud.db.tables import audit_entry
from sonorelay.contract.digest import sha256

GENESIS: Final = bytes(32)
"""Stands for the digest before the first row."""
DONE: Final = "done"
NOBODY: Final = "unknown"
"""Actor where nobody is known: the typed name may be a password."""
COMMAND: Final = "command"
"""Actor and origin of what is done on the data folder itself."""
LOCAL: Final = "local"
_ROWS_AT_ONCE: Final = 2000


class Act(StrEnum):
    """What can stand in the audit."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    LOCK = "lock"
    UNLOCK = "unlock"
    PASSWORD_CHANGE = "password_change"
    CODES_ON = "codes_on"
    CODES_OFF = "codes_off"
    FIRST_ADMINISTRATOR = "first_administrator"
    USER_CREATE = "user_create"
    USER_ROLE = "user_role"
    USER_DISABLE = "user_disable"
    USER_ENABLE = "user_enable"
    USER_RESET = "user_reset"
    PASSWORD_SET = "password_set"
    TOKEN_CREATE = "token_create"
    TOKEN_REVOKE = "token_revoke"
    MODEL_PROMOTE = "model_promote"
    MODEL_ROLLBACK = "model_rollback"
    MODEL_SHADOW = "model_shadow"
    DEVICE_REVOKE = "device_revoke"
    DEVICE_ALLOW = "device_allow"
    DEVICE_TENANT = "device_tenant"
    USER_TENANT = "user_tenant"
    TENANT_CREATE = "tenant_create"
    TENANT_RENAME = "tenant_rename"
    WORKLIST_LOOK = "worklist_look"
    CHANGES_LOOK = "changes_look"
    EXAMINATION_LOOK = "examination_look"
    REPORT_LOOK = "report_look"
    REPORT_EXPORT = "report_export"
    CAPTURE_LOOK = "capture_look"
    IMAGE_LOOK = "image_look"
    RECEIPT_LOOK = "receipt_look"
    REVIEW = "review"
    EXAMINATION_SIGN = "examination_sign"
    EXAMINATION_MOVE = "examination_move"
    EXAMINATION_AGE = "examination_age"
    PROTOCOL_TICK = "protocol_tick"
    STUDY_LIST_LOOK = "study_list_look"
    STUDY_LOOK = "study_look"
    STUDIES_EXPORT = "studies_export"
    """A table of studies left the server as a file."""
    STUDY_NOTE = "study_note"
    STUDY_TAG = "study_tag"
    STUDY_DELETE = "study_delete"
    STUDY_RESTORE = "study_restore"
    REANALYSE = "reanalyse"
    AUDIT_LOOK = "audit_look"
    SERIES_LIST_LOOK = "series_list_look"
    SERIES_LOOK = "series_look"
    SERIES_FETCH = "series_fetch"
    """The series' DICOM files left the server."""
    UPLOAD = "upload"
    RECONSTRUCT = "reconstruct"
    ALARM_ACKNOWLEDGE = "alarm_acknowledge"
    ALARM_RULE = "alarm_rule"
    ALARM_TEST = "alarm_test"
    REQUEST = "request"
    """Only with the outcome NOT_PERMITTED: someone asked for what the role does not allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One row."""

    number: int
    """Place in the chain, from 1."""
    time: datetime
    """When (aware UTC, microseconds)."""
    actor: str
    """Who: "user:" or "token:" and the name, "command", "unknown"."""
    act: str
    """What."""
    object_id: str | None
    """To what: id of a capture, an image, a user, a token; None where there is nothing."""
    origin: str
    """From where: IP address of the peer, or "local"."""
    outcome: str
    """"done", or the reason code of the refusal."""
    digest: bytes
    """Over this row and the digest of the row before, 32 bytes."""
    tenant_id: str | None = None
    """Whose user or machine it was; None: the site's, or nobody known."""

    def expected_digest(self, before: bytes) -> bytes:
        """SHA-256 of `before` and of the row as a JSON array, UTF-8, without spaces; the tenant stands last, if any."""
        time = self.time.astimezone(UTC).isoformat(timespec="microseconds")
        row = [self.number, time, self.actor, self.act, self.object_id, self.origin, self.outcome]
        if self.tenant_id is not None:
            row.append(self.tenant_id)
        return sha256(before + json.dumps(row, separators=(",", ":"), ensure_ascii=False).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of the chain: it stands for every row up to it."""

    number: int
    """The last row's number."""
    time: datetime
    """The last row's time (aware UTC)."""
    digest: bytes
    """The last row's digest, 32 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What rows are asked for; a field that is not set narrows nothing."""

    before: int | None = None
    """Only numbers below this."""
    actor: str | None = None
    """Only actors whose text begins so, or whose name does."""
    act: str | None = None
    """Only this act."""
    object_id: str | None = None
    """Only this object."""
    refused: bool | None = None
    """True: only what was refused; False: only what was done."""
    tenant_id: str | None = None
    """Only what users and machines of this tenant did."""


class ChainBroken(Exception):
    """The audit was altered; the message says where."""


_HEAD: Final = Prepared(
    sa.select(audit_entry.c.number, audit_entry.c.entry_time, audit_entry.c.digest)
    .order_by(audit_entry.c.number.desc())
    .limit(1)
)
_INSERT: Final = prepared.insert(
    audit_entry,
    "number",
    "entry_time",
    "actor",
    "act",
    "object_id",
    "origin",
    "outcome",
    "digest",
    "tenant_id",
)
_AFTER: Final = Prepared(
    sa.select(*audit_entry.c)
    .where(audit_entry.c.number > sa.bindparam("after"))
    .order_by(audit_entry.c.number)
    .limit(_ROWS_AT_ONCE)
)


def head(tx: Tx) -> Head | None:
    """The end of the chain; None where nothing is in it."""
    row = _HEAD.first(tx)
    return None if row is None else Head(number=row.number, time=row.entry_time, digest=row.digest)


def append(
    tx: Tx,
    act: Act,
    *,
    time: datetime,
    actor: str,
    origin: str,
    object_id: str | None = None,
    outcome: Refusal | None = None,
    tenant_id: str | None = None,
) -> None:
    """Adds a row to the chain, in the caller's transaction; `outcome` is the refusal, None for done; `tenant_id` the
    actor's, None for the site's own, or nobody known."""
    last = head(tx)
    number, before = (1, GENESIS) if last is None else (last.number + 1, last.digest)
    values: dict[str, Any] = {
        "number": number,
        "actor": actor,
        "act": act.value,
        "object_id": object_id,
        "origin": origin,
        "outcome": DONE if outcome is None else outcome.value,
        "tenant_id": tenant_id,
    }
    entry = AuditEntry(time=time, digest=b"", **values)
    _INSERT.run(tx, {**values, "entry_time": time, "digest": entry.expected_digest(before)})


def search(tx: Tx, wanted: Search, limit: int) -> list[AuditEntry]:
    """Up to `limit` rows, newest first."""
    c = audit_entry.c
    query = sa.select(*c).order_by(c.number.desc()).limit(limit)
    if wanted.before is not None:
        query = query.where(c.number < wanted.before)
    if wanted.actor:
        starts = [
            c.actor.startswith(f"{kind}{wanted.actor}", autoescape=True) for kind in ("", "user:", "token:")
        ]
        query = query.where(sa.or_(*starts))
    if wanted.act:
        query = query.where(c.act == wanted.act)
    if wanted.object_id:
        query = query.where(c.object_id == wanted.object_id)
    if wanted.tenant_id is not None:
        query = query.where(c.tenant_id == wanted.tenant_id)
    if wanted.refused is not None:
        query = query.where(c.outcome != DONE if wanted.refused else c.outcome == DONE)
    return [_entry(row) for row in tx.execute(query)]


def about(tx: Tx, object_ids: Sequence[str], before: int | None, limit: int) -> list[AuditEntry]:
    """Up to `limit` rows about any of these objects, newest first; those before a number where given."""
    c = audit_entry.c
    query = sa.select(*c).where(c.object_id.in_(object_ids)).order_by(c.number.desc()).limit(limit)
    return [_entry(row) for row in tx.execute(query if before is None else query.where(c.number < before))]


def check_chain(tx: Tx) -> Iterator[AuditEntry]:
    """Every row in order, each checked before it is given. Raises ChainBroken at the first that does not fit."""
    number, before = 0, GENESIS
    while rows := _AFTER.all(tx, {"after": number}):
        for row in rows:
            entry = _entry(row)
            if entry.number != number + 1:
                raise ChainBroken(f"row {number + 1} is missing")
            if entry.expected_digest(before) != entry.digest:
                raise ChainBroken(f"row {entry.number}, or the one before it, was altered")
            yield entry
            number, before = entry.number, entry.digest


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        number=row.number,
        time=row.entry_time,
        actor=row.actor,
        act=row.act,
        object_id=row.object_id,
        origin=row.origin,
        outcome=row.outcome,
        digest=row.digest,
        tenant_id=row.tenant_id,
    )
