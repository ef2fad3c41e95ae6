"""Who owns the data folder: one running agent holds its lock; other processes ring its bell."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_agent.errors import ConfigInvalid


class OwnerLock:
    """Held by the one process that runs the line on a data folder; gone when that process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self) -> bool:
        """True where the folder is now ours; False where another process has it. Raises OSError."""
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        self._fd = fd
        return True

    def release(self) -> None:
        """Gives the folder back."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        """Takes the folder; raises ConfigInvalid where another process has it."""
        if not self.acquire():
            raise ConfigInvalid(
                f"an agent already runs on {self._path.parent}: stop it, or choose another data folder"
            )
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()


class Bell:
    """A pipe by which other processes tell the agent at once that the spool has changed."""

    def __init__(self, path: Path) -> None:
        """Makes the pipe. Raises OSError."""
        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:
            if not stat.S_ISFIFO(path.stat().st_mode):
                path.unlink()
                os.mkfifo(path, 0o600)
        # Read and write: with a writer of our own the pipe never reports its end.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop_read, self._stop_write = os.pipe()

    def wait(self, timeout_s: float) -> bool | None:
        """True: somebody rang. False: the time is over. None: the bell was stopped."""
        ready, _, _ = select.select([self._fd, self._stop_read], [], [], timeout_s)
        if self._stop_read in ready:
            return None
        if not ready:
            return False
        os.read(self._fd, 4096)
        return True

    def stop(self) -> None:
        """Ends a wait under way, and every later one."""
        os.write(self._stop_write, b"x")

    def close(self) -> None:
        """Gives the pipe back; call when nobody waits any more."""
        for fd in (self._fd, self._stop_read, self._stop_write):
            os.close(fd)


def ring(path: Path) -> bool:
    """Wakes the agent that runs on this data folder; False where none listens."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    try:
        os.write(fd, b"x")
    except BlockingIOError:
        pass  # Full of rings that it has not yet answered: it will look.
    finally:
        os.close(fd)
    return True
