"""Step 1 of 13: capture. Takes one finished file now, and hands own copies to the spool."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.capture import Intake
from edge_agent.capture.settle import Copy, GiveUp, SettleRules, copy_in, judge, open_source
from edge_agent.errors import ImageRefused, RetryLater
from edge_agent.items import Arrival, Rejection
from sonorelay.contract.reasons import EdgeReason


def take_file(
    path: Path,
    intake: Intake,
    *,
    input_name: str,
    label: str | None = None,
    mm_per_pixel: float | None = None,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> str:
    """Takes one finished file now and gives its capture id.

    Kept, or refused with its reason. The source stays.

    Errors: FileNotFoundError, SpoolFull, RetryLater, SourceChanged where somebody is writing to it, OSError.
    """
    try:
        with open_source(path) as source:
            size_bytes = source.identity.size_bytes
            rules = SettleRules(quiet_s=0.0, never_finished_s=0.0)
            verdict = judge(source.structure(), size_bytes, ended=True, changed_s=0.0, now_s=0.0, rules=rules)
            if isinstance(verdict, GiveUp) and verdict.reason is EdgeReason.TOO_LARGE:
                raise ImageRefused(verdict.reason)
            copy = copy_in(source, intake.incoming, input_name)
    except ImageRefused as refused:
        size_bytes = os.lstat(path).st_size
        return intake.refuse(rejection(input_name, path, refused.reason, None, size_bytes, label))
    if isinstance(verdict, GiveUp):
        refused_copy = rejection(input_name, path, verdict.reason, copy, size_bytes, label)
        return hand_over(lambda: intake.refuse(refused_copy), copy)
    arrival = Arrival(
        input_name=input_name,
        source_name=path.name,
        copy_path=copy.path,
        size_bytes=copy.size_bytes,
        sha256=copy.sha256,
        received_time=now(),
        monotonic_ns=clock_ns(),
        label=label,
        mm_per_pixel=mm_per_pixel,
    )
    return hand_over(lambda: intake.keep(arrival), copy)


def hand_over(give: Callable[[], str], copy: Copy) -> str:
    """Gives a copy to the spool.

    Where the spool does not take it, the copy goes and the source is still there.
    """
    try:
        return give()
    except RetryLater:
        copy.path.unlink(missing_ok=True)
        raise


def rejection(
    input_name: str,
    path: Path,
    reason: EdgeReason,
    copy: Copy | None,
    size_bytes: int,
    label: str | None = None,
) -> Rejection:
    """A rejection of the file at `path`, with our copy where there is one."""
    return Rejection(
        input_name=input_name,
        source_name=path.name,
        reason=reason,
        copy_path=None if copy is None else copy.path,
        sha256=None if copy is None else copy.sha256,
        size_bytes=size_bytes,
        label=label,
    )
