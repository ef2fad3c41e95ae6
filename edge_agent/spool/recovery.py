"""What a start does to the files of the spool: the same moves as the normal way, on what was left over."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from edge_agent.spool import files, queries
from edge_agent.spool.spool import Spool
from sonorelay.contract.digest import sha256_stream

_LEFTOVER_AGE_S: Final = 600.0
"""A copy this old belongs to nobody: another process that sends takes seconds from copy to row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """What the sweep did."""

    tidied: int
    """Raw files whose capture's state was looked at."""
    shredded: int
    """Own copies without a row, whose sender was never told "ok"."""
    found: int
    """Captures whose bytes lay under the copy's old name."""


def sweep(spool: Spool, keep_raw_s: float) -> Swept:
    """Brings every file in line with its row; at start and every hour, a repeat changes nothing.

    Raises RetryLater (database) and OSError (disk).
    """
    folders = spool.folders
    found = 0
    for capture in spool.read(lambda tx: queries.captures(tx, queries.OPEN_STATES)):
        raw, copy = folders.raw / capture.capture_id, folders.incoming / capture.copy_name
        if not raw.exists() and capture.copy_name and copy.is_file():
            with copy.open("rb") as stream:
                intact = sha256_stream(stream) == capture.sha256
            if intact:
                os.rename(copy, raw)
                files.fsync_folder(folders.raw)
                found += 1
    tidied = 0
    for raw in list(folders.raw.iterdir()):
        spool.tidy(raw.name, keep_raw_s)
        tidied += 1
    shredded = 0
    leftovers = files.stale(folders.incoming, _LEFTOVER_AGE_S) + [
        raw for raw in files.stale(folders.raw, _LEFTOVER_AGE_S) if spool.get(raw.name) is None
    ]
    for leftover in leftovers:
        files.shred(leftover)
        shredded += 1
    return Swept(tidied=tidied, shredded=shredded, found=found)
