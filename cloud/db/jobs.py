"""Jobs seam: the queue of the inference step, in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cloud.db import Tx

WAITING: Final = ("queued", "leased")
"""States of a job that is still to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One worker's right to one job."""

    job_id: int
    """The job."""
    kind: str
    """What is to be done: read."""
    subject_id: str
    """Image id."""
    attempt: int
    """1 for the first try."""
    fencing_token: int
    """Newer than every token of this job before; an older holder's result is refused."""
    lease_until_time: datetime
    """When the lease ends unless it is renewed (aware UTC)."""


class Jobs(Protocol):
    """One worker has a job at a time; a job that fails too often is held with its reason, never dropped."""

    def enqueue(self, tx: Tx, kind: str, subject_id: str, priority: int) -> None:
        """Queues a job once: a repeat for the same kind and subject changes nothing."""
        ...

    def enqueue_again(self, tx: Tx, kind: str, subject_id: str, priority: int) -> bool:
        """Queues a job anew where it is done or held, or was never queued; False where it waits already."""
        ...

    def claim(self, tx: Tx, kind: str, limit: int) -> list[Lease]:
        """Leases up to `limit` jobs: queued and due, or leased by a worker whose lease has ended."""
        ...

    def heartbeat(self, tx: Tx, lease: Lease) -> bool:
        """Renews a lease; False where it was lost."""
        ...

    def done(self, tx: Tx, lease: Lease) -> bool:
        """Marks the job done; False where the lease was lost: then the result must not be stored."""
        ...

    def retry(self, tx: Tx, lease: Lease, reason: str, after_s: float) -> None:
        """Gives the job back to be tried again after a delay; holds it after too many attempts."""
        ...

    def hold(self, tx: Tx, lease: Lease, reason: str) -> None:
        """Takes a poison job out of the queue, with its reason, for a person."""
        ...
