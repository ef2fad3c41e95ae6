"""Files of the spool: where each lies, how it is written so that it lasts, and how it is destroyed."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CHUNK_BYTES: Final = 1024 * 1024


def fsync_file(path: Path) -> None:
    """When it returns, the bytes of the file survive a power cut. Raises OSError."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def fsync_folder(folder: Path) -> None:
    """When it returns, the names in the folder survive a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Readers see the old bytes or the new ones, never a mixture; not synced. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(fd, "wb") as stream:
        stream.write(data)
    os.replace(temporary, path)


def write(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """When it returns, the file survives a power cut: temporary beside it, fsync, rename, fsync the folder.

    A failure leaves the old file, or none. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(fd, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def shred(path: Path) -> None:
    """Overwrites the file with zeros, syncs, unlinks; a file that is gone already is no error.

    On a magnetic disk the bytes are gone. On an SSD, a copy-on-write file system or a snapshot the old
    blocks may live on until the medium reuses them: there only disk encryption destroys them for certain.
    """
    try:
        stream = path.open("r+b", buffering=0)
    except FileNotFoundError:
        return
    with stream:
        left = os.fstat(stream.fileno()).st_size
        zeros = bytes(min(left, _CHUNK_BYTES))
        while left > 0:
            left -= stream.write(zeros[:left])
        os.fsync(stream.fileno())
    path.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Removes a folder of de-identified work files; a folder that is gone already is no error."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            clear(entry)
        else:
            entry.unlink(missing_ok=True)
    folder.rmdir()


def stale(folder: Path, older_than_s: float) -> list[Path]:
    """Plain files in `folder` that nobody has written for `older_than_s` seconds of wall clock."""
    limit = time.time() - older_than_s
    found: list[Path] = []
    for entry in folder.iterdir():
        try:
            if entry.is_file() and entry.stat().st_mtime < limit:
                found.append(entry)
        except FileNotFoundError:
            continue  # Somebody took it in between; that is what we want to know.
    return found


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on the folder's file system."""
    stat = os.statvfs(folder)
    return stat.f_bavail * stat.f_frsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Every path of the data folder. One data folder belongs to one agent."""

    data: Path
    """The data folder."""

    @property
    def incoming(self) -> Path:
        """Own copies of files that the spool has not yet taken over."""
        return self.data / "incoming"

    @property
    def raw(self) -> Path:
        """Captured bytes by capture id, as they came: patient data. Shredded after the receipt."""
        return self.data / "raw"

    @property
    def work(self) -> Path:
        """De-identified images and sub-files, one folder per capture."""
        return self.data / "work"

    @property
    def quarantine(self) -> Path:
        """Bytes and a note of everything refused or held. The agent never deletes here."""
        return self.data / "quarantine"

    @property
    def receipts(self) -> Path:
        """Receipts as tlog-proof files, one per part."""
        return self.data / "receipts"

    @property
    def results(self) -> Path:
        """Readings that came back, one JSON file per image."""
        return self.data / "results"

    @property
    def keys(self) -> Path:
        """The device's key and the site's secret; 0700."""
        return self.data / "keys"

    @property
    def database(self) -> Path:
        """The spool's SQLite file."""
        return self.data / "spool.sqlite3"

    @property
    def lock(self) -> Path:
        """Locked by the running agent."""
        return self.data / "agent.lock"

    @property
    def bell(self) -> Path:
        """Pipe by which another process wakes the running agent."""
        return self.data / "agent.bell"

    @property
    def status(self) -> Path:
        """Snapshot of the running agent's health, JSON."""
        return self.data / "status.json"

    def create(self) -> None:
        """Makes the folders that are missing, readable by this user only. Raises OSError."""
        for folder in (
            self.data,
            self.incoming,
            self.raw,
            self.work,
            self.quarantine,
            self.receipts,
            self.results,
            self.keys,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
