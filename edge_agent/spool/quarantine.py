"""Quarantine: bytes and a note of everything refused or held. The agent never deletes anything here."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from edge_agent.items import CaptureState
from edge_agent.spool import files
from edge_agent.spool.files import Folders
from edge_agent.spool.records import Capture
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason


def bytes_path(folders: Folders, capture_id: str) -> Path:
    """Where the quarantined bytes of a capture lie."""
    return folders.quarantine / f"{capture_id}.bin"


def note_path(folders: Folders, capture_id: str) -> Path:
    """Where the note of a capture lies."""
    return folders.quarantine / f"{capture_id}.json"


def take_in(folders: Folders, capture: Capture, copy: Path | None, now: datetime) -> None:
    """Quarantines a rejection's own copy, durably; a copy of bytes that lie here already is shredded."""
    kept = bytes_path(folders, capture.capture_id)
    if copy is not None:
        if kept.exists():
            files.shred(copy)
        else:
            os.rename(copy, kept)
    _write_note(folders, capture, now)


def settle(folders: Folders, capture: Capture, now: datetime) -> None:
    """Quarantines the raw bytes of a refused or held capture, durably; a repeat changes nothing.

    What was held after step 6 keeps raw bytes and sub-files where they are, so that it can go on.
    """
    if capture.reason == EdgeReason.DUPLICATE:
        return
    if capture.manifest is None:
        files.clear(folders.work / capture.capture_id)
    _write_note(folders, capture, now)
    raw = folders.raw / capture.capture_id
    # The rename comes last: as long as the raw file lies there, the sweep at start does all this again.
    if capture.manifest is None and raw.exists():
        os.rename(raw, bytes_path(folders, capture.capture_id))
        files.fsync_folder(folders.quarantine)


def bring_back(folders: Folders, capture: Capture) -> None:
    """Puts a quarantined capture's bytes back for another run. Raises ValueError where that cannot be."""
    if capture.state not in (CaptureState.REFUSED, CaptureState.HELD, CaptureState.FAILED):
        raise ValueError(f"the capture is {capture.state}; only refused, held or failed ones run again")
    if not give_back(folders, capture.capture_id) and not (folders.raw / capture.capture_id).exists():
        raise ValueError("no bytes were kept of it (a link, a pipe, a duplicate): send the file again")


def give_back(folders: Folders, capture_id: str) -> bool:
    """Moves quarantined bytes back to the raw ones, durably; False where none lie here."""
    try:
        os.rename(bytes_path(folders, capture_id), folders.raw / capture_id)
    except FileNotFoundError:
        return False
    files.fsync_folder(folders.raw)
    return True


def _write_note(folders: Folders, capture: Capture, now: datetime) -> None:
    reason = EdgeReason(capture.reason or EdgeReason.UNREADABLE)
    note = {
        "capture_id": capture.capture_id,
        "state": capture.state,
        "reason": reason,
        "detail": capture.detail,
        "en": EDGE_RULES[reason].en,
        "zh": EDGE_RULES[reason].zh,
        "source_name": capture.source_name,
        "input": capture.input_name,
        "label": capture.label,
        "sha256": capture.sha256.hex() if capture.sha256 else None,
        "size_bytes": capture.size_bytes,
        "received_time": capture.received_time.isoformat(),
        "noted_time": now.isoformat(),
    }
    files.write(note_path(folders, capture.capture_id), json.dumps(note, indent=2).encode() + b"\n")
