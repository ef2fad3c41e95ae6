"""Step 1 of 13: capture. Decides when a file in a folder is finished, and takes an own copy of it.

An event is a hint, a size that stands still proves nothing, a name is not an identity. Imports no parsing
library.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from edge_agent.errors import ImageRefused
from edge_agent.formats.ends import Ending, Structure, structure
from edge_agent.formats.sniff import Kind
from sonorelay.contract.limits import CINE_MAX_BYTES, STILL_MAX_BYTES
from sonorelay.contract.reasons import EdgeReason

_COPY_PIECE_BYTES: Final = 1024 * 1024
_NOT_REGULAR: Final = frozenset({errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EISDIR, errno.EMLINK})
_UNREADABLE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ENAMETOOLONG, errno.EINVAL})
_TEMPORARY_ENDS: Final = (".tmp", ".part", ".partial", ".crdownload", ".swp", "~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What must not change while a file is taken; a file with another identity is another capture."""

    device: int
    """Number of the file system."""
    inode: int
    """Number of the file on it."""
    mtime_ns: int
    """Time of the last write, nanoseconds since 1970."""
    size_bytes: int
    """Length."""

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        """Reads it from a stat result; a folder, link or pipe has no time and no length here."""
        is_file = stat.S_ISREG(status.st_mode)
        return cls(
            device=status.st_dev,
            inode=status.st_ino,
            mtime_ns=status.st_mtime_ns if is_file else 0,
            size_bytes=status.st_size if is_file else 0,
        )


class SourceChanged(Exception):
    """Somebody wrote to the file while it was taken; it is to be looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRules:
    """When a file counts as finished."""

    quiet_s: float = 2.0
    """Without an end mark of the writer: so long without a change, seconds."""
    never_finished_s: float = 60.0
    """An empty or incomplete file is given up after so long without a change, seconds."""


@dataclass(frozen=True, slots=True)
class Take:
    """The file is finished: it is to be taken now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The file is not finished."""

    until_s: float
    """When to look again at the latest, on the caller's monotonic clock, seconds."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The file will not become an image."""

    reason: EdgeReason
    """Why."""


def is_temporary(name: str) -> bool:
    """Whether a writer's convention says that a file of this name is not yet meant to be seen."""
    return name.startswith(".") or name.lower().endswith(_TEMPORARY_ENDS)


def judge(
    found: Structure, size_bytes: int, *, ended: bool, changed_s: float, now_s: float, rules: SettleRules
) -> Take | Wait | GiveUp:
    """Decides on one look at a file.

    Args:
        found: the file's structure.
        size_bytes: its length.
        ended: whether the writer closed it or moved it here since the last change.
        changed_s: when it last changed, on the monotonic clock, seconds.
        now_s: the monotonic clock, seconds.
        rules: the times.
    """
    if size_bytes > (CINE_MAX_BYTES if found.kind is Kind.DICOM else STILL_MAX_BYTES):
        return GiveUp(EdgeReason.TOO_LARGE)
    given_up_s = changed_s + rules.never_finished_s
    if size_bytes == 0:
        return GiveUp(EdgeReason.EMPTY_FILE) if now_s >= given_up_s else Wait(given_up_s)
    if found.ending is Ending.INCOMPLETE:
        # The writer may close and open again, or write in pieces: only time tells.
        if now_s < given_up_s:
            return Wait(given_up_s)
        return GiveUp(EdgeReason.TRUNCATED if ended else EdgeReason.NEVER_FINISHED)
    quiet_at_s = changed_s + rules.quiet_s
    if ended or found.proves_writing_ended or now_s >= quiet_at_s:
        return Take()
    return Wait(quiet_at_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A source that is open for reading."""

    file: BinaryIO
    """The bytes."""
    identity: Identity
    """As it was when opened."""
    link_count: int
    """How many names the file has; more than one is no file of a single writer."""

    def structure(self) -> Structure:
        """Looks at the structure. Errors: ImageRefused UNREADABLE."""
        try:
            return structure(self.file, self.identity.size_bytes)
        except OSError as error:
            raise ImageRefused(EdgeReason.UNREADABLE, f"errno {error.errno}") from error


@contextmanager
def open_source(path: Path) -> Iterator[Opened]:
    """Opens a source without following a link and without waiting for a pipe's other end.

    Errors: FileNotFoundError where it has gone; ImageRefused NOT_A_REGULAR_FILE or UNREADABLE.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        if error.errno in _NOT_REGULAR:
            raise ImageRefused(EdgeReason.NOT_A_REGULAR_FILE, f"errno {error.errno}") from error
        if error.errno in _UNREADABLE:
            raise ImageRefused(EdgeReason.UNREADABLE, f"errno {error.errno}") from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ImageRefused(EdgeReason.NOT_A_REGULAR_FILE, "not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        yield Opened(file=file, identity=Identity.of(status), link_count=status.st_nlink)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Our own copy of a source."""

    path: Path
    """Where it is; synced, with a name of our own."""
    sha256: bytes
    """SHA-256, 32 bytes."""
    size_bytes: int
    """Length."""


def copy_in(source: Opened, incoming: Path, prefix: str) -> Copy:
    """Copies the source into `incoming`, hashing on the way; synced when it returns.

    Errors: SourceChanged where the source changed meanwhile; ImageRefused UNREADABLE where it cannot be read;
    OSError of our own disk. Where it raises, no copy is left.
    """
    path = incoming / f"{prefix}-{uuid.uuid4().hex}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as target:
            copy = _pump(source, target, path)
            os.fsync(target.fileno())
        if (
            Identity.of(os.fstat(source.file.fileno())) != source.identity
            or copy.size_bytes != source.identity.size_bytes
        ):
            raise SourceChanged
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return copy


def _pump(source: Opened, target: BinaryIO, path: Path) -> Copy:
    digest, size_bytes = hashlib.sha256(), 0
    source.file.seek(0)
    while piece := _read(source.file):
        digest.update(piece)
        view = memoryview(piece)
        while view:
            view = view[target.write(view) :]
        size_bytes += len(piece)
        if size_bytes > source.identity.size_bytes:
            raise SourceChanged
    return Copy(path=path, sha256=digest.digest(), size_bytes=size_bytes)


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(_COPY_PIECE_BYTES)
    except OSError as error:
        raise ImageRefused(EdgeReason.UNREADABLE, f"errno {error.errno}") from error
