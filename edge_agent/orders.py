"""`sonorelay-agent send`: a batch order, through the running agent or, where none runs, by this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edge_agent import build, health
from edge_agent.capture import batch
from edge_agent.capture.take import take_file
from edge_agent.config import Config
from edge_agent.errors import RetryLater
from edge_agent.items import CaptureState
from edge_agent.spool import queries
from edge_agent.spool.owner import OwnerLock, ring
from edge_agent.spool.records import Capture
from edge_agent.spool.spool import Spool

EXIT_OK: Final = 0
EXIT_NOT_SENT: Final = 1
EXIT_SET_ASIDE: Final = 3
_LOOK_S: Final = 0.1
_FINAL: Final = frozenset({CaptureState.DONE, CaptureState.REFUSED, CaptureState.HELD})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOrder:
    """What the command line asked for."""

    path: Path | None
    """File or folder; None: the label's preset."""
    label: str | None
    """Label of the batch."""
    scale: Path | None
    """Csv of file name and mm per pixel."""
    is_series: bool
    """Whether the files are images of series; none of them is a print."""
    wait: bool
    """Wait until the running agent has sent everything."""
    timeout_s: float | None
    """Longest wait, seconds; None: as long as it takes."""


class _Progress:
    """One line that counts, on a terminal; on anything else every tenth part."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._tty = out.isatty()
        self._last = ""

    def show(self, doing: str, count: int, total: int) -> None:
        line = f"{doing} {count} of {total}"
        step = max(total // 10, 1)
        if line == self._last or not (self._tty or count == total or count % step == 0):
            return
        self._last = line
        self._out.write(f"\r{line}   " if self._tty and count < total else f"{line}\n")
        self._out.flush()


def send(config: Config, order: SendOrder, out: TextIO) -> int:
    """Carries an order out and returns the exit code. Raises OrderInvalid, ConfigInvalid, OSError."""
    batch_order = batch.resolve(
        path=order.path,
        label=order.label,
        labels=config.labels,
        scale=order.scale,
        is_series=order.is_series or order.label in config.series_labels,
    )
    if batch_order.note:
        out.write(f"{batch_order.note}\n")
    progress = _Progress(out)
    folders = build.folders_of(config)
    lock = OwnerLock(folders.lock)
    if lock.acquire():
        agent = build.build_agent(config)
        try:
            agent.start()
            taken = _take(batch_order, agent.spool, progress)
            captures = _wait(agent.spool, taken, progress, order.timeout_s, lambda: agent.link_problem, out)
            _until(lambda: agent.idle, 10.0)
            return _report(taken, captures, out, waited=True)
        finally:
            agent.stop()
            lock.release()
    spool = build.build_spool(config)
    try:
        spool.listen(on_change=lambda: _ring(folders.bell), on_expect=lambda: None)
        taken = _take(batch_order, spool, progress)
        if order.wait:
            captures = _wait(spool, taken, progress, order.timeout_s, lambda: "", out)
        else:
            captures = _look(spool, taken)
        return _report(taken, captures, out, waited=order.wait)
    finally:
        spool.close()


def _ring(bell: Path) -> None:
    ring(bell)


def _take(order: batch.BatchOrder, spool: Spool, progress: _Progress) -> batch.BatchOutcome:
    return batch.take_all(
        order,
        batch.take_with(take_file, spool, order.input_name),
        lambda count, total: progress.show("taken in", count, total),
        time.sleep,
    )


def _look(spool: Spool, taken: batch.BatchOutcome) -> Mapping[str, Capture]:
    """The batch's captures as they stand, by path."""
    ids = set(taken.capture_ids.values())
    known = {c.capture_id: c for c in spool.read(lambda tx: queries.by_ids(tx, ids))}
    return {path: known[i] for path, i in taken.capture_ids.items() if i in known}


def _wait(
    spool: Spool,
    taken: batch.BatchOutcome,
    progress: _Progress,
    timeout_s: float | None,
    problem: Callable[[], str],
    out: TextIO,
) -> Mapping[str, Capture]:
    """The batch's captures once all are done, refused or held, or the time is over."""
    ends_s = None if timeout_s is None else time.monotonic() + timeout_s
    told = ""
    while True:
        try:
            captures = _look(spool, taken)
        except RetryLater:
            time.sleep(_LOOK_S)
            continue
        finished = sum(c.state in _FINAL for c in captures.values())
        progress.show("finished", finished, len(captures))
        if finished == len(captures) or (ends_s is not None and time.monotonic() > ends_s):
            return captures
        if problem() and problem() != told:
            told = problem()
            out.write(f"the cloud does not take anything yet ({told}); it is tried again\n")
        time.sleep(_LOOK_S)


def _until(condition: Callable[[], bool], timeout_s: float) -> None:
    ends_s = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < ends_s:
        time.sleep(_LOOK_S / 2)


def _report(taken: batch.BatchOutcome, captures: Mapping[str, Capture], out: TextIO, *, waited: bool) -> int:
    done = [c for c in captures.values() if c.state is CaptureState.DONE or _is_duplicate(c)]
    aside = {p: c for p, c in captures.items() if c.state in _FINAL and c not in done}
    opened = [c for c in captures.values() if c.state not in _FINAL]
    for path, why in taken.not_taken.items():
        out.write(f"not taken: {path}: {why}\n")
    if waited and taken.is_series:
        for path, capture in captures.items():
            if capture in done:
                out.write(f"sent: {path}\n")
    for path, capture in aside.items():
        out.write(f"{capture.state}: {path}: {capture.reason}: {health.what_to_do(capture)}\n")
    out.write(f"{len(captures)} files in the spool: {len(done)} sent, {len(aside)} refused or held, ")
    out.write(f"{len(opened)} on their way\n")
    if opened and waited:
        out.write(
            "what is on its way stays in the spool: it goes on when an agent runs on this data folder\n"
        )
    if taken.not_taken or (opened and waited):
        return EXIT_NOT_SENT
    return EXIT_SET_ASIDE if aside else EXIT_OK


def _is_duplicate(capture: Capture) -> bool:
    return capture.duplicate_of is not None
