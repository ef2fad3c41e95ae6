"""Step 1 of 13: capture. A watched folder: what is written there becomes a capture, once.

Events only say where to look; a full scan at start and every few seconds finds what events lost.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from watchdog.observers.api import BaseObserver

from edge_agent.capture import Intake
from edge_agent.capture.settle import (
    Copy,
    GiveUp,
    Identity,
    Opened,
    SettleRules,
    SourceChanged,
    Take,
    Wait,
    copy_in,
    is_temporary,
    judge,
    open_source,
)
from edge_agent.capture.take import hand_over, rejection, take_file
from edge_agent.capture.watch import EVENTS, FileEvents, listed, new_observer
from edge_agent.errors import ConfigInvalid, ImageRefused, RetryLater
from edge_agent.items import Arrival
from sonorelay.contract.reasons import EdgeReason

INPUT_NAME: Final = "folder"
HINT_DELAY_S: Final = 0.02
"""A file that is being written is looked at no more often than this, seconds."""
RETRY_S: Final = 2.0
"""When the spool is full or our disk fails, seconds, unless the spool says how long."""
SCAN_AGAIN_S: Final = 0.5
"""After a scan that found something new: events may have been lost, so the next scan is soon."""
WORKERS: Final = 4

__all__ = ["FolderInput", "take_file"]

AfterKeep = Literal["remove", "leave"]


@dataclass(slots=True)
class _Pending:
    """A file that is not taken yet."""

    identity: Identity | None
    changed_s: float
    due_s: float
    ended: Identity | None = None
    """As it was when its writer closed it or moved it here; None while it is being written."""
    is_taking: bool = False
    notice_count: int = 0


class FolderInput:
    """Takes every finished file of a folder, once. The source is touched only after `keep` has returned."""

    def __init__(
        self,
        folder: Path,
        *,
        after_keep: AfterKeep = "remove",
        recursive: bool = False,
        rescan_s: float = 5.0,
        quiet_s: float = 2.0,
        never_finished_s: float = 60.0,
        clock_s: Callable[[], float] = time.monotonic,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Starts nothing yet.

        Args:
            folder: what to watch.
            after_keep: "remove" deletes a source once it is kept; "leave" remembers it.
            recursive: also take files in folders one level below.
            rescan_s: time between full scans, seconds.
            quiet_s: see SettleRules.
            never_finished_s: see SettleRules.
            clock_s: monotonic clock, seconds.
            clock_ns: monotonic clock, nanoseconds.
            now: aware UTC.
        """
        self._folder = folder
        self._after_keep: AfterKeep = after_keep
        self._recursive = recursive
        self._rescan_s = rescan_s
        self._rules = SettleRules(quiet_s=quiet_s, never_finished_s=never_finished_s)
        self._clock_s, self._clock_ns, self._now = clock_s, clock_ns, now
        self._condition = threading.Condition()
        self._pending: dict[Path, _Pending] = {}
        self._settled: dict[Path, Identity] = {}
        self._scan_due_s = 0.0
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._observer: BaseObserver | None = None
        self._scan_problem: str | None = None
        self._take_problem: str | None = None
        """What keeps the input from working at the moment, without names; None where nothing does."""

    @property
    def name(self) -> str:
        """Short name in logs."""
        return INPUT_NAME

    @property
    def problem(self) -> str | None:
        """Why files are not taken in; None while all is well."""
        return self._scan_problem or self._take_problem

    def start(self, intake: Intake) -> None:
        """Begins to take files in; returns at once. Errors.

        ConfigInvalid where the folder cannot be watched.
        """
        if not self._folder.is_dir():
            raise ConfigInvalid(
                "the watched folder does not exist or is no folder; create it or correct the setting"
            )
        self._stopping = False
        self._scan_due_s = self._clock_s()
        self._observer = new_observer()
        events = FileEvents(lambda path, ended, created: self._notice(intake, path, ended, created))
        self._observer.schedule(
            events,
            str(self._folder),
            recursive=self._recursive,
            event_filter=EVENTS,
        )
        self._observer.start()
        self._thread = threading.Thread(target=self._run, args=(intake,), name="capture-folder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stops; returns when the threads have ended. A file that is being taken is taken to its end."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join()
            self._observer = None
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def rescan(self) -> None:
        """Has the folder scanned now."""
        with self._condition:
            self._scan_due_s = self._clock_s()
            self._condition.notify_all()

    def _notice(self, intake: Intake, path: Path, ended: bool, created: bool) -> None:
        """Notes an event; called on the observer's thread."""
        if is_temporary(path.name) or not self._is_ours(path):
            return
        if created:
            intake.expect()
        try:
            identity = Identity.of(os.lstat(path))
        except OSError:
            return
        now_s = self._clock_s()
        with self._condition:
            if self._settled.get(path) == identity:
                # An event of a file that is already taken.
                return
            pending = self._pending.get(path)
            if pending is None:
                pending = self._pending[path] = _Pending(
                    identity=None, changed_s=now_s, due_s=now_s + HINT_DELAY_S
                )
            elif not ended and pending.ended == identity:
                # Attributes changed, not bytes: file servers set times after closing.
                return
            pending.changed_s = now_s
            pending.notice_count += 1
            pending.ended = identity if ended else None
            pending.due_s = now_s if ended else min(pending.due_s, now_s + HINT_DELAY_S)
            self._condition.notify_all()

    def _is_ours(self, path: Path) -> bool:
        parent = path.parent
        return parent == self._folder or (self._recursive and parent.parent == self._folder)

    def _run(self, intake: Intake) -> None:
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="capture-folder") as pool:
            while True:
                with self._condition:
                    if self._stopping:
                        return
                    scan = self._scan_due_s <= self._clock_s()
                if scan:
                    self._scan()
                with self._condition:
                    if self._stopping:
                        return
                    for path in self._due():
                        self._submit(pool, intake, path)
                    self._condition.wait(max(0.0, self._next_s() - self._clock_s()))

    def _submit(self, pool: ThreadPoolExecutor, intake: Intake, path: Path) -> None:
        pending = self._pending[path]
        pending.is_taking, notice_count = True, pending.notice_count

        def looked(done: Future[float | None]) -> None:
            self._looked(path, done, notice_count)

        pool.submit(self._look, intake, path).add_done_callback(looked)

    def _due(self) -> list[Path]:
        now_s = self._clock_s()
        return [path for path, one in self._pending.items() if one.due_s <= now_s and not one.is_taking]

    def _next_s(self) -> float:
        times_s = [one.due_s for one in self._pending.values() if not one.is_taking]
        return min([self._scan_due_s, *times_s])

    def _scan(self) -> None:
        """Finds what events did not tell; runs outside the lock, for a share may be slow."""
        try:
            seen = dict(self._entries())
            self._scan_problem = None
        except OSError as error:
            self._scan_problem = f"the watched folder cannot be read (errno {error.errno})"
            seen = None
        now_s = self._clock_s()
        with self._condition:
            self._scan_due_s = now_s + self._rescan_s
            if seen is None:
                return
            self._settled = {path: one for path, one in self._settled.items() if path in seen}
            for path, identity in seen.items():
                if self._settled.get(path) == identity:
                    continue
                pending = self._pending.get(path)
                if pending is None:
                    self._pending[path] = _Pending(identity=identity, changed_s=now_s, due_s=now_s)
                    self._scan_due_s = min(self._scan_due_s, now_s + SCAN_AGAIN_S)
                elif pending.identity is not None and pending.identity != identity:
                    pending.identity, pending.changed_s, pending.due_s = identity, now_s, now_s

    def _entries(self) -> Iterator[tuple[Path, Identity]]:
        for entry in listed(self._folder):
            if self._recursive and entry.is_dir(follow_symlinks=False):
                for inner in listed(Path(entry.path)):
                    yield Path(inner.path), Identity.of(inner.stat(follow_symlinks=False))
            else:
                yield Path(entry.path), Identity.of(entry.stat(follow_symlinks=False))

    def _look(self, intake: Intake, path: Path) -> float | None:
        """Looks at one file and takes it if it is finished.

        Gives when to look again, or None where it is settled.
        """
        try:
            with open_source(path) as source:
                return self._decide(intake, path, source)
        except FileNotFoundError:
            return None
        except SourceChanged:
            with self._condition:
                self._pending[path].changed_s = self._clock_s()
            return self._clock_s() + HINT_DELAY_S
        except ImageRefused as refused:
            identity = Identity.of(os.lstat(path))
            with self._condition:
                given_up_s = self._pending[path].changed_s + self._rules.never_finished_s
            if refused.reason is EdgeReason.UNREADABLE and self._clock_s() < given_up_s:
                # The writer may set the rights last.
                return min(given_up_s, self._clock_s() + 1.0)
            intake.refuse(rejection(INPUT_NAME, path, refused.reason, None, identity.size_bytes))
            self._settle(path, identity)
            return None

    def _decide(self, intake: Intake, path: Path, source: Opened) -> float | None:
        found, now_s = source.structure(), self._clock_s()
        with self._condition:
            if self._settled.get(path) == source.identity:
                return None
            pending = self._pending[path]
            if pending.identity != source.identity:
                if pending.identity is not None:
                    pending.changed_s = now_s
                pending.identity = source.identity
            ended, changed_s = pending.ended is not None, pending.changed_s
        size_bytes = source.identity.size_bytes
        verdict = judge(found, size_bytes, ended=ended, changed_s=changed_s, now_s=now_s, rules=self._rules)
        if isinstance(verdict, Take) and source.link_count > 1:
            # A spooler may link the finished file to its name and remove the first name a moment later.
            given_up_s = changed_s + self._rules.never_finished_s
            verdict = (
                GiveUp(EdgeReason.NOT_A_REGULAR_FILE)
                if now_s >= given_up_s
                else Wait(min(given_up_s, now_s + 1.0))
            )
        if isinstance(verdict, Wait):
            return verdict.until_s
        if isinstance(verdict, Take):
            copy = copy_in(source, intake.incoming, INPUT_NAME)
            hand_over(lambda: intake.keep(self._arrival(path, copy)), copy)
            self._finish(path, source.identity)
        elif verdict.reason in (EdgeReason.TOO_LARGE, EdgeReason.NOT_A_REGULAR_FILE):
            intake.refuse(rejection(INPUT_NAME, path, verdict.reason, None, size_bytes))
            self._settle(path, source.identity)
        else:
            copy = copy_in(source, intake.incoming, INPUT_NAME)
            hand_over(
                lambda: intake.refuse(rejection(INPUT_NAME, path, verdict.reason, copy, size_bytes)), copy
            )
            self._finish(path, source.identity)
        return None

    def _arrival(self, path: Path, copy: Copy) -> Arrival:
        return Arrival(
            input_name=INPUT_NAME,
            source_name=path.name,
            copy_path=copy.path,
            size_bytes=copy.size_bytes,
            sha256=copy.sha256,
            received_time=self._now(),
            monotonic_ns=self._clock_ns(),
        )

    def _finish(self, path: Path, identity: Identity) -> None:
        """The bytes are safe: removes the source if it is still the same, else it is another capture."""
        try:
            if Identity.of(os.lstat(path)) != identity:
                return
            if self._after_keep == "remove":
                path.unlink()
                return
        except FileNotFoundError:
            return
        except OSError as error:
            self._scan_problem = (
                f"a kept file cannot be removed from the watched folder (errno {error.errno})"
            )
        self._settle(path, identity)

    def _settle(self, path: Path, identity: Identity) -> None:
        with self._condition:
            self._settled[path] = identity

    def _looked(self, path: Path, done: Future[float | None], notice_count: int) -> None:
        """Notes the outcome of a look; whatever went wrong, the file stays and is looked at again."""
        now_s = self._clock_s()
        error = done.exception()
        again_s = done.result() if error is None else now_s + _retry_s(error)
        if error is None:
            self._take_problem = None
        else:
            self._take_problem = f"a file could not be taken in ({type(error).__name__}); it is tried again"
        with self._condition:
            pending = self._pending[path]
            pending.is_taking = False
            if error is None and pending.notice_count != notice_count:
                # Something happened during the look.
                pending.due_s = now_s + HINT_DELAY_S
            elif again_s is not None:
                pending.due_s = again_s
            else:
                del self._pending[path]
                self._scan_due_s = min(self._scan_due_s, now_s + SCAN_AGAIN_S)
            self._condition.notify_all()


def _retry_s(error: BaseException) -> float:
    return error.after_s if isinstance(error, RetryLater) and error.after_s is not None else RETRY_S
