"""Jobs in a database table: leases that end, fencing tokens that grow, attempts that are counted."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from cloud.db import Tx
from cloud.db.insert import insert_once
from cloud.db.jobs import Jobs, Lease
from cloud.db.prepared import Prepared
from cloud.db.tables import job
from cloud.db.times import Clock, to_stored

LEASE_LOST: Final = "LEASE_LOST"
"""Reason of a job that was held because its workers kept vanishing, one after the other."""

_REASON_MAX_CHARACTERS: Final = 64


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    HELD = "held"


_OF_KIND: Final = job.c.kind == sa.bindparam("of_kind")
_ABANDONED: Final = sa.and_(job.c.state == JobState.LEASED, job.c.lease_until_time <= sa.bindparam("now"))
_HOLD_ABANDONED: Final = Prepared(
    sa.update(job)
    .where(_OF_KIND, _ABANDONED, job.c.attempts >= sa.bindparam("most"))
    .values(state=JobState.HELD, lease_until_time=None, last_reason=LEASE_LOST)
)
_DUE: Final = Prepared(
    sa.select(job.c.job_id, job.c.subject_id, job.c.attempts, job.c.fencing_token)
    .where(
        _OF_KIND,
        sa.or_(
            sa.and_(job.c.state == JobState.QUEUED, job.c.not_before_time <= sa.bindparam("now")), _ABANDONED
        ),
    )
    .order_by(job.c.priority, job.c.job_id)
    .limit(sa.bindparam("most"))
    # Says nothing to SQLite, whose writers wait for each other anyway.
    .with_for_update(skip_locked=True)
)


@functools.cache
def _change(seen_states: tuple[JobState, ...], *names: str) -> Prepared:
    """Sets columns of a job while it is what was seen."""
    return Prepared(
        sa.update(job)
        .where(
            job.c.job_id == sa.bindparam("of_job"),
            job.c.fencing_token == sa.bindparam("seen_token"),
            sa.or_(*(job.c.state == state for state in seen_states)),
        )
        .values({name: sa.bindparam(name, type_=job.c[name].type) for name in names})
    )


class JobTable:
    """One worker has a job at a time; a job that fails too often is held with its reason, never dropped.

    `clock` gives aware times; a lease lasts `lease_s` seconds unless renewed; after `attempts_max` leases
    without success a job is held. Every call is part of the caller's transaction.
    """

    def __init__(self, clock: Clock, lease_s: float = 60.0, attempts_max: int = 5) -> None:
        self._clock = clock
        self._lease = timedelta(seconds=lease_s)
        self._attempts_max = attempts_max

    def enqueue(self, tx: Tx, kind: str, subject_id: str, priority: int) -> None:
        """Queues a job once: a repeat for the same kind and subject changes nothing, whatever its state."""
        values = {
            "kind": kind,
            "subject_id": subject_id,
            "priority": priority,
            "state": JobState.QUEUED,
            "attempts": 0,
            "not_before_time": self._now(),
            "fencing_token": 0,
        }
        insert_once(tx, job, (job.c.kind, job.c.subject_id), values)

    def enqueue_again(self, tx: Tx, kind: str, subject_id: str, priority: int) -> bool:
        """Queues a job anew where it is done or held, or was never queued; False where it waits already.

        Its fencing token goes on growing: whoever held it before stores nothing.
        """
        values = {
            "state": JobState.QUEUED,
            "priority": priority,
            "attempts": 0,
            "not_before_time": self._now(),
            "last_reason": None,
        }
        this = (job.c.kind == kind) & (job.c.subject_id == subject_id)
        ended = job.c.state.in_((JobState.DONE, JobState.HELD))
        if tx.execute(sa.update(job).where(this, ended).values(values)).rowcount:
            return True
        new = {**values, "kind": kind, "subject_id": subject_id, "fencing_token": 0}
        return insert_once(tx, job, (job.c.kind, job.c.subject_id), new)

    def claim(self, tx: Tx, kind: str, limit: int) -> list[Lease]:
        """Leases up to `limit` jobs, lowest priority number first, then oldest: those queued and due, or
        leased by a worker whose lease has ended. One whose last allowed lease ended is held instead.
        """
        now = self._now()
        # It took all its workers with it: only a person can tell why.
        _HOLD_ABANDONED.run(tx, {"of_kind": kind, "now": now, "most": self._attempts_max})
        found = _DUE.all(tx, {"of_kind": kind, "now": now, "most": limit})
        leases: list[Lease] = []
        for row in found:
            lease = Lease(
                job_id=row.job_id,
                kind=kind,
                subject_id=row.subject_id,
                attempt=row.attempts + 1,
                fencing_token=row.fencing_token + 1,
                lease_until_time=now + self._lease,
            )
            if self._set(
                tx,
                row.job_id,
                row.fencing_token,
                (JobState.QUEUED, JobState.LEASED),
                state=JobState.LEASED,
                attempts=lease.attempt,
                fencing_token=lease.fencing_token,
                lease_until_time=lease.lease_until_time,
            ):
                leases.append(lease)
        return leases

    def heartbeat(self, tx: Tx, lease: Lease) -> bool:
        """Renews a lease to `lease_s` from now; False where it was lost: then stop working on it."""
        return self._end_or_keep(tx, lease, state=JobState.LEASED, lease_until_time=self._now() + self._lease)

    def done(self, tx: Tx, lease: Lease) -> bool:
        """Marks the job done; False where the lease was lost: then the result must not be stored.

        A lease that ended but that nobody took over still counts: the work is good.
        """
        return self._end_or_keep(tx, lease, state=JobState.DONE, lease_until_time=None)

    def retry(self, tx: Tx, lease: Lease, reason: str, after_s: float) -> None:
        """Gives the job back, due in `after_s` seconds; after the last attempt holds it.

        Where the lease was lost, nothing changes.
        """
        state = JobState.HELD if lease.attempt >= self._attempts_max else JobState.QUEUED
        self._end_or_keep(
            tx,
            lease,
            state=state,
            lease_until_time=None,
            not_before_time=self._now() + timedelta(seconds=after_s),
            last_reason=reason[:_REASON_MAX_CHARACTERS],
        )

    def hold(self, tx: Tx, lease: Lease, reason: str) -> None:
        """Takes a poison job out of the queue, with its reason, for a person. Lost lease: no change."""
        self._end_or_keep(
            tx,
            lease,
            state=JobState.HELD,
            lease_until_time=None,
            last_reason=reason[:_REASON_MAX_CHARACTERS],
        )

    def _now(self) -> datetime:
        return to_stored(self._clock())

    def _end_or_keep(self, tx: Tx, lease: Lease, **values: Any) -> bool:
        """Changes a job only while `lease` is its newest and it is still leased; whether it did."""
        return self._set(tx, lease.job_id, lease.fencing_token, (JobState.LEASED,), **values)

    def _set(
        self, tx: Tx, job_id: int, seen_token: int, seen_states: tuple[JobState, ...], **values: Any
    ) -> bool:
        seen = {"of_job": job_id, "seen_token": seen_token}
        return _change(seen_states, *values).run(tx, seen | values) == 1


_table: type[Jobs] = JobTable
