"""The only way in which the cloud creates files that must survive a power cut."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloud.errors import StoreFull

TEMPORARY_SUFFIX: Final = ".tmp"
_FULL_AFTER_S: Final = 30.0
_FULL_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full disk or quota leaves as StoreFull; every other OSError passes: no waiting mends it."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL_ERRORS:
            raise StoreFull("the disk is full", _FULL_AFTER_S) from error
        raise


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """When it returns, `path` holds exactly `data` and survives a power cut; before, it is as it was.

    The folder is made where it is missing. Errors: StoreFull, OSError.
    """
    write_all({path: data}, mode)


def write_all(files: Mapping[Path, bytes], mode: int = 0o644) -> None:
    """As `write`, for many files with one sync per folder. A crash in between leaves some of them written,
    each one whole.
    """
    written: dict[Path, Path] = {}
    with disk_errors():
        try:
            for path, data in files.items():
                make_folder(path.parent)
                temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
                written[temporary] = path
                write_temporary(temporary, data, mode)
            for temporary, path in written.items():
                os.replace(temporary, path)
            for folder in {path.parent for path in files}:
                sync_folder(folder)
        except BaseException:
            for temporary in written:
                temporary.unlink(missing_ok=True)
            raise


def write_temporary(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Creates `path` (which must be new) with `data` on the disk; its name may still be lost."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Makes `folder` and its missing parents so that they survive a power cut."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """When it returns, the bytes of `path` are on the disk; its name may still be lost."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """When it returns, the names in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
