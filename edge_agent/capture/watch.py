"""Step 1 of 13: capture. What the operating system says of a folder: events as hints, and a listing."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from watchdog.events import (
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver

from edge_agent.capture.settle import is_temporary

EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
]
"""The events that are asked for; our own reading makes none of them."""


class FileEvents(FileSystemEventHandler):
    """Turns watchdog's events into hints and end marks."""

    def __init__(self, notice: Callable[[Path, bool, bool], None]) -> None:
        self._notice = notice

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.is_directory:
            return
        moved = isinstance(event, FileMovedEvent)
        name = event.dest_path if moved else event.src_path
        if name:
            path = Path(os.fsdecode(name))
            ended = moved or isinstance(event, FileClosedEvent)
            self._notice(path, ended, moved or isinstance(event, FileCreatedEvent))


def listed(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Gives the entries of a folder that are meant to be seen. Errors: OSError."""
    with os.scandir(folder) as entries:
        for entry in entries:
            # A file may go while we look.
            with contextlib.suppress(FileNotFoundError):
                if not is_temporary(entry.name):
                    yield entry


def new_observer() -> BaseObserver:
    """On Linux the observer that tells files moved in from outside from files created here."""
    if sys.platform == "linux":
        from watchdog.observers.inotify import InotifyObserver

        return InotifyObserver(generate_full_events=True)
    from watchdog.observers import Observer

    return Observer()
