"""The agent: inputs, spool, line, words, results, held together from start to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from edge_agent import health
from edge_agent.capture import CaptureInput
from edge_agent.config import Config
from edge_agent.errors import EdgeError
from edge_agent.line import Line, Preparer
from edge_agent.link.cloud import CloudLink
from edge_agent.link.stream import ShardStream
from edge_agent.log import Log
from edge_agent.prenotify import Notifier
from edge_agent.results.watch import ResultWatcher
from edge_agent.spool import files, queries, recovery
from edge_agent.spool.owner import Bell
from edge_agent.spool.records import Capture
from edge_agent.spool.spool import Spool

_TICK_S: Final = 5.0
_SWEEP_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentParts:
    """What an agent consists of; chosen in build.py."""

    config: Config
    """Settings."""
    device_id: str
    """Device number."""
    version: str
    """Version of the agent."""
    spool: Spool
    """The spool."""
    inputs: Sequence[CaptureInput]
    """What brings images in."""
    preparer: Preparer
    """Steps 3 to 5."""
    link: CloudLink
    """Calls to the cloud."""
    stream: ShardStream
    """The upload stream."""
    line: Line
    """Steps 3 to 7."""
    notifier: Notifier
    """Step 2."""
    watcher: ResultWatcher
    """Results."""
    log: Log
    """The log."""
    now: Callable[[], datetime]
    """Wall clock, aware UTC."""
    monotonic_s: Callable[[], float]
    """Monotonic clock, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrivals:
    """What `keep` takes in goes to the line and is announced at once."""

    line: Line
    """Steps 3 to 7."""
    notifier: Notifier
    """Step 2."""

    def announce(self, capture_id: str) -> None:
        self.line.announce(capture_id)

    def settle(self, capture_id: str, kept: Capture | None) -> None:
        self.line.settle(capture_id, kept)
        if kept is not None:
            self.notifier.offer(kept)


class Agent:
    """From `start` to `stop` every file that an input accepts goes through the line.

    The caller holds the data folder's lock meanwhile. After `stop` it cannot be started again.
    """

    def __init__(self, parts: AgentParts) -> None:
        self._p = parts
        self._bell = Bell(parts.spool.folders.bell)
        self._pulse = threading.Thread(target=self._beat, name="pulse", daemon=True)

    @property
    def spool(self) -> Spool:
        """The spool, to hand files in."""
        return self._p.spool

    @property
    def link_problem(self) -> str:
        """Why the cloud takes nothing; empty while it does."""
        return self._p.link.gate.problem

    @property
    def idle(self) -> bool:
        """Everything was sent, set aside or waits for its next try, and the cloud was told of it."""
        return self._p.line.idle and self._p.notifier.idle

    @property
    def all_sent(self) -> bool:
        """Nothing waits for anything any more. Raises RetryLater (database busy)."""
        if not self.idle:
            return False
        counts = self._p.spool.read(queries.counts)
        return counts.open_count == 0 and counts.words_due == 0

    def start(self) -> None:
        """Takes up what was left over, then opens the inputs. Raises RetryLater, OSError."""
        p = self._p
        p.spool.listen(
            on_change=self._changed,
            on_expect=p.preparer.warm,
            arrivals=_Arrivals(line=p.line, notifier=p.notifier),
        )
        p.link.gate.listen(on_open=lambda: p.line.wake(now=True), on_alarm=self._alarm)
        swept = recovery.sweep(p.spool, p.config.keep_raw_s)
        p.log.info(
            "agent_started",
            version=p.version,
            device_id=p.device_id,
            cloud=p.config.cloud,
            count=swept.found + swept.shredded,
        )
        p.line.start()
        p.notifier.start()
        p.watcher.start()
        self._pulse.start()
        for one in p.inputs:
            one.start(p.spool)

    def stop(self) -> None:
        """Ends everything in order; what is not finished stays in the spool."""
        p = self._p
        for one in p.inputs:
            one.stop()
        p.link.gate.stop()
        p.watcher.stop()
        p.stream.close()
        p.line.halt()
        p.preparer.close()
        p.line.stop()
        p.notifier.stop()
        self._bell.stop()
        if self._pulse.is_alive():
            self._pulse.join()
        self._bell.close()
        p.link.close()
        self._write_status()
        p.spool.close()
        p.log.info("agent_stopped")

    def _changed(self) -> None:
        self._p.line.wake()
        self._p.notifier.wake()

    def _alarm(self, problem: str) -> None:
        self._p.log.error("alarm", problem=problem, hint="The cloud takes nothing; images wait in the spool.")

    def _look_at_inputs(self, told: dict[str, str]) -> None:
        """Raises an alarm for each input whose problem is new; `told` is what was said before."""
        for one in self._p.inputs:
            problem = one.problem or ""
            if problem and problem != told.get(one.name):
                hint = "Files stay where they are and are tried again; look at disk and rights."
                self._p.log.error("alarm", input=one.name, problem=problem, hint=hint)
            told[one.name] = problem

    def _beat(self) -> None:
        told: dict[str, str] = {}
        swept_s = self._p.monotonic_s()
        while (rang := self._bell.wait(_TICK_S)) is not None:
            if rang:
                self._changed()
                continue
            self._p.watcher.check_silence()
            self._look_at_inputs(told)
            try:
                self._write_status()
                if self._p.monotonic_s() - swept_s > _SWEEP_S:
                    swept_s = self._p.monotonic_s()
                    recovery.sweep(self._p.spool, self._p.config.keep_raw_s)
            except (EdgeError, OSError) as error:
                self._p.log.error("alarm", error_type=type(error).__name__, problem="housekeeping failed")

    def _write_status(self) -> None:
        p = self._p
        taken = health.snapshot(
            p.spool,
            now=p.now(),
            version=p.version,
            device_id=p.device_id,
            cloud=p.config.cloud,
            link_problem=self.link_problem,
            clock_offset_s=p.notifier.clock_offset_s,
        )
        files.replace(p.spool.folders.status, health.to_json(taken))
