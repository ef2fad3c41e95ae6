"""The spool: one transaction per move, so that a capture is always in exactly one state.

The moves: captured -> sharded -> done, or captured -> refused / held, or sharded -> failed -> sharded.
Everything that a capture needs to go on is in its row and its files; a restart reads no other memory.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import sqlalchemy as sa

from edge_agent.capture import Intake
from edge_agent.errors import RetryLater, SpoolFull
from edge_agent.items import Arrival, CaptureState, PixelRule, Rejection
from edge_agent.spool import entry, files, quarantine, queries, schema
from edge_agent.spool.arrivals import Arrivals, Woken
from edge_agent.spool.changes import update
from edge_agent.spool.files import Folders
from edge_agent.spool.journal import Journal, Move
from edge_agent.spool.options import SpoolOptions, nothing
from edge_agent.spool.prepared import TROUBLE
from edge_agent.spool.records import Capture, SeenCheckpoint, StoredResult, to_us
from sonorelay.contract.reasons import EdgeReason

T = TypeVar("T")

_DISK_THREADS: Final = 4


class Spool:
    """Implements Intake: when `keep` or `refuse` returns, the capture survives a power cut.

    Thread-safe; several processes may use one data folder. Database trouble is raised as RetryLater.
    """

    def __init__(self, folders: Folders, options: SpoolOptions) -> None:
        self.folders = folders
        self._options = options
        self._on_change: Callable[[], None] = nothing
        self._on_expect: Callable[[], None] = nothing
        self._arrivals: Arrivals = Woken(nothing)
        # A capture's files follow its state: nobody may change the state while they are moved.
        self._settling = threading.Lock()
        folders.create()
        self._writer = schema.open_engine(folders.database, writer=True)
        self._reader = schema.open_engine(folders.database, writer=False)
        schema.prepare(self._writer)
        self._journal = Journal(self._writer)
        self._disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="spool-disk")

    def listen(
        self,
        *,
        on_change: Callable[[], None],
        on_expect: Callable[[], None],
        arrivals: Arrivals | None = None,
    ) -> None:
        """`on_change` is called after a capture was moved by hand, `on_expect` on a hint.

        `arrivals` is handed what `keep` takes in; where there is none, `on_change` is called for that too.
        """
        self._on_change, self._on_expect = on_change, on_expect
        self._arrivals = arrivals or Woken(on_change)

    def close(self) -> None:
        """Finishes what was handed in; the spool must not be used afterwards."""
        self._disk.shutdown(wait=True)
        self._journal.close()
        self._writer.dispose()
        self._reader.dispose()

    # Intake

    @property
    def incoming(self) -> Path:
        """Folder for own copies."""
        return self.folders.incoming

    def expect(self) -> None:
        """Hint that a file is on its way."""
        self._on_expect()

    def keep(self, arrival: Arrival) -> str:
        """Takes the copy over and returns the capture id.

        The same (source name, bytes) of one input twice is one capture; the same bytes under another name
        become a quiet row refused/DUPLICATE whose bytes are not stored again. Errors: SpoolFull.
        """
        self._check_room(arrival.size_bytes)
        capture_id = self._options.new_id()
        self._options.before_step(1, capture_id)
        raw = self.folders.raw / capture_id
        row = entry.capture_row(arrival, capture_id, self._entry_facts())
        kept: Capture | None = None
        self._arrivals.announce(capture_id)
        try:
            os.rename(arrival.copy_path, raw)
            # Beside the transaction, not before it: until both are done the sender is not told "ok", and
            # after a power cut between them the copy lies under its old name, which the row holds.
            synced = self._disk.submit(files.fsync_folder, self.folders.raw)
            entered = self._move(lambda tx: entry.insert_capture(tx, row))
            synced.result()
            kept = entered.capture
            if kept is None:
                self._give_bytes(entered.capture_id, raw)
        except (OSError, RetryLater) as error:
            if raw.exists() and self._row_missing(capture_id):
                files.shred(raw)
            raise SpoolFull("the capture could not be kept", after_s=5.0) from error
        finally:
            self._arrivals.settle(capture_id, kept)
        return entered.capture_id

    def refuse(self, rejection: Rejection) -> str:
        """Puts what could not become a capture into quarantine and returns its capture id.

        The same (source name, bytes, reason) twice is one row. Errors: SpoolFull.
        """
        row = entry.rejection_row(rejection, self._options.new_id(), self._entry_facts())
        try:
            refused_id = self._move(lambda tx: entry.insert_rejection(tx, row))
            quarantine.take_in(
                self.folders, self.get_known(refused_id), rejection.copy_path, self._options.now()
            )
        except (OSError, RetryLater) as error:
            raise SpoolFull("the rejection could not be kept", after_s=5.0) from error
        self._on_change()
        return refused_id

    # Moves of the line

    def sharded(
        self, capture: Capture, *, manifest: bytes, priority: int, steps_ms: dict[str, float]
    ) -> Future[None]:
        """Begins the move to sharded; its future is done when the manifest survives a power cut.

        A cut before that costs nothing: the capture is still captured and the steps repeat, same bytes. For
        the same reason the sub-files are not synced: one that a cut takes is made again from the raw bytes.
        """
        sealed: Future[None] = Future()

        def written(move: Future[None]) -> None:
            error = move.exception()
            if error is None:
                sealed.set_result(None)
            else:
                sealed.set_exception(_translated(error))

        sharded = update(
            capture.capture_id,
            state=CaptureState.SHARDED,
            manifest=manifest,
            priority=priority,
            steps_ms=json.dumps(steps_ms),
        )
        self._journal.submit(sharded).add_done_callback(written)
        return sealed

    def set_aside(
        self,
        capture: Capture,
        state: CaptureState,
        reason: EdgeReason,
        detail: str,
        steps_ms: dict[str, float],
    ) -> None:
        """Moves a capture to refused or held, quarantines its bytes and owes the cloud a withdrawal."""
        self._move(
            update(
                capture.capture_id,
                state=state,
                reason=reason.value,
                detail=detail,
                withdraw_due=True,
                steps_ms=json.dumps(steps_ms),
                saved_bytes=capture.size_bytes if state is CaptureState.REFUSED else 0,
            )
        )
        self.tidy(capture.capture_id)

    def done(
        self,
        capture: Capture,
        *,
        receipts: bytes,
        ledger_indices: tuple[int, ...],
        seen: SeenCheckpoint,
        steps_ms: dict[str, float],
    ) -> None:
        """Stores the verified receipt and moves the capture to done; only now its raw bytes may go."""
        done = update(
            capture.capture_id,
            state=CaptureState.DONE,
            receipts=receipts,
            ledger_indices=json.dumps(ledger_indices),
            steps_ms=json.dumps(steps_ms),
            attempts=0,
            next_try_us=None,
            last_error="",
            done_us=to_us(self._options.now()),
        )

        def move(tx: sa.Connection) -> None:
            done(tx)
            queries.note_checkpoint(tx, seen)

        self._move(move)

    def failed_once(self, capture: Capture, *, error: str, next_try_time: datetime, given_up: bool) -> None:
        """Records a failed upload (TX-09): failure point, attempts, next try; `given_up`: state failed."""
        self._move(
            update(
                capture.capture_id,
                state=CaptureState.FAILED if given_up else CaptureState.SHARDED,
                attempts=capture.attempts + 1,
                next_try_us=to_us(next_try_time),
                last_error=error,
            )
        )

    def make_again(self, capture_id: str) -> None:
        """Back to captured, because the sub-files are damaged or gone: steps 3 to 6 give the same bytes."""
        self._move(update(capture_id, state=CaptureState.CAPTURED, manifest=None))
        self._on_change()

    def words_said(self, *, notified: Iterable[str], withdrawn: Iterable[str]) -> None:
        """The cloud has answered these pre-notifications and withdrawals; one transaction for all."""
        said = [update(capture_id, notify_due=False) for capture_id in notified]
        said += [update(capture_id, withdraw_due=False) for capture_id in withdrawn]

        def move(tx: sa.Connection) -> None:
            for one in said:
                one(tx)

        self._move(move)

    def clear_done(self, capture_id: str, keep_raw_s: float = 0.0) -> None:
        """`tidy` for a capture that has just been moved to done; raw bytes that stay are left to the sweep."""
        files.clear(self.folders.work / capture_id)
        if keep_raw_s <= 0:
            files.shred(self.folders.raw / capture_id)

    def tidy(self, capture_id: str, keep_raw_s: float = 0.0) -> None:
        """Brings a capture's files in line with its state; a repeat changes nothing.

        done: work files removed, raw bytes shredded once `keep_raw_s` seconds have passed since.
        refused or held: bytes into quarantine, with the note. Otherwise nothing.
        """
        with self._settling:
            capture = self.get(capture_id)
            if capture is None:
                return
            if capture.state is CaptureState.DONE:
                files.clear(self.folders.work / capture_id)
                done = capture.done_time or self._options.now()
                if (self._options.now() - done).total_seconds() >= keep_raw_s:
                    files.shred(self.folders.raw / capture_id)
            elif capture.state in (CaptureState.REFUSED, CaptureState.HELD):
                quarantine.settle(self.folders, capture, self._options.now())

    # By hand

    def rerun(self, capture_id: str, pixels: PixelRule | None = None) -> Capture:
        """Takes a refused, held or failed capture out of quarantine and through the line again.

        `pixels`: the rule a person chose, None for the agent's setting. What was held after step 6 keeps its
        manifest and goes on from there. Raises KeyError (unknown id), ValueError (nothing to run again).
        """
        with self._settling:
            capture = self.get_known(capture_id)
            quarantine.bring_back(self.folders, capture)
            again = CaptureState.CAPTURED if capture.manifest is None else CaptureState.SHARDED
            self._move(
                update(
                    capture_id,
                    state=again,
                    reason=None,
                    detail="",
                    pixels=pixels or capture.pixels,
                    withdraw_due=False,
                    attempts=0,
                    next_try_us=None,
                    saved_bytes=0,
                )
            )
        self._on_change()
        return self.get_known(capture_id)

    def release(self, capture_id: str) -> Capture:
        """A person has looked: a held capture goes on with its pixels as they are.

        Raises KeyError (unknown id), ValueError (not held).
        """
        if self.get_known(capture_id).state is not CaptureState.HELD:
            raise ValueError("only a held capture can be released; use rerun for a refused one")
        return self.rerun(capture_id, pixels="trusted")

    # Reading

    def read(self, question: Callable[[sa.Connection], T]) -> T:
        """Answer of one of `queries` on a consistent view. Raises RetryLater."""
        try:
            with self._reader.begin() as connection:
                return question(connection)
        except (sa.exc.OperationalError, sqlite3.OperationalError) as error:
            raise RetryLater("the spool's database is busy") from error

    def get(self, capture_id: str) -> Capture | None:
        """The capture, or None."""
        return self.read(lambda tx: queries.get(tx, capture_id))

    def get_known(self, capture_id: str) -> Capture:
        """The capture; raises KeyError where there is none."""
        capture = self.get(capture_id)
        if capture is None:
            raise KeyError(capture_id)
        return capture

    # Settings and results

    def remember(self, name: str, value: str) -> str:
        """Stores a setting unless it has a value, and returns the value that stands."""
        return self._move(lambda tx: queries.remember(tx, name, value))

    def save_result(self, result: StoredResult | None, cursor: int) -> None:
        """Stores a result and the cursor after it in one transaction; a repeat changes nothing."""
        self._move(lambda tx: queries.save_result(tx, result, cursor))

    # Inside

    def _move(self, move: Move[T]) -> T:
        try:
            return self._journal.move(move)
        except TROUBLE as error:
            raise _translated(error) from error

    def _entry_facts(self) -> entry.EntryFacts:
        return entry.EntryFacts(
            request_id=self._options.new_id(),
            boot_id=self._options.boot_id,
            now=self._options.now(),
            monotonic_ns=self._options.monotonic_ns(),
        )

    def _give_bytes(self, capture_id: str, copy: Path) -> None:
        """Bytes that came again: a power cut may have taken the first copy of a capture not yet told "ok"."""
        capture = self.get_known(capture_id)
        raw = self.folders.raw / capture_id
        waiting = capture.state in (CaptureState.CAPTURED, CaptureState.SHARDED, CaptureState.FAILED)
        if waiting and not raw.exists():
            os.rename(copy, raw)
            files.fsync_folder(self.folders.raw)
            self._on_change()
        else:
            files.shred(copy)

    def _row_missing(self, capture_id: str) -> bool:
        try:
            return self.get(capture_id) is None
        except RetryLater:
            return False  # Not known: the sweep after a restart decides.

    def _check_room(self, size_bytes: int) -> None:
        if self._options.free_bytes(self.folders.data) < self._options.free_min_bytes + size_bytes:
            raise SpoolFull("the disk is over its watermark", after_s=5.0)


def _translated(error: BaseException) -> BaseException:
    """Trouble of the database as RetryLater; anything else as it is."""
    if isinstance(error, TROUBLE):
        kind = type(error.orig if isinstance(error, sa.exc.DBAPIError) else error).__name__
        return RetryLater(f"the spool's database refused: {kind}")
    return error


_spool: type[Intake] = Spool
