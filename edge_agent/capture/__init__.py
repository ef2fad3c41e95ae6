"""Step 1 of 13: capture. Input seam: whatever brings images in hands them to the spool's intake."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from edge_agent.items import Arrival, Rejection


class Intake(Protocol):
    """The spool's door. When `keep` or `refuse` returns, the capture survives a power cut."""

    @property
    def incoming(self) -> Path:
        """Folder for own copies, on the spool's file system, so that keeping is a rename."""
        ...

    def keep(self, arrival: Arrival) -> str:
        """Takes the copy over and returns the capture id. The same (source name, bytes) twice is one capture.

        Errors: SpoolFull (edge_agent.errors): the sender is to be told to wait.
        """
        ...

    def refuse(self, rejection: Rejection) -> str:
        """Puts what could not become a capture into quarantine and returns its capture id."""
        ...

    def expect(self) -> None:
        """Hint that a file is on its way, so that the sandbox may warm up; it promises nothing."""
        ...


class CaptureInput(Protocol):
    """Never tells the sender "ok" before `keep` has returned."""

    @property
    def name(self) -> str:
        """Short name in logs: folder, batch."""
        ...

    @property
    def problem(self) -> str | None:
        """Why files are not taken in at the moment, for the alarm; no names. None while all is well."""
        ...

    def start(self, intake: Intake) -> None:
        """Begins to take files in, on threads of its own; returns at once."""
        ...

    def stop(self) -> None:
        """Stops taking files in; returns when its threads have ended. Nothing half taken is lost."""
        ...
