"""Beside the thirteen steps: series: finds the DICOM files of a folder and reads their headers.

Every file below the folder comes back once: with its header, or left out with the reason. No file, whatever it holds,
ends the search.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from cloud.series.errors import HeaderRefused
from cloud.series.header import Header
from cloud.series.read_header import read_header
from cloud.series.reasons import LeftOutReason

SUFFIXES: Final = frozenset({".dcm", ".dicom", ".ima"})
FILES_MAX: Final = 100_000
_IDENTIFIER_AT: Final = 128
_IDENTIFIER: Final = b"DICM"

ReadHeader = Callable[[Path], Header]


class Way(StrEnum):
    """How a file is taken for DICOM."""

    SUFFIX = "suffix"
    IDENTIFIER = "identifier"
    EITHER = "either"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that takes no part."""

    path: Path = field(repr=False)
    """Where it lies; not shown, since folders are often named after patients."""
    reason: LeftOutReason
    """Why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found."""

    headers: tuple[Header, ...]
    """Of the images, in the order of their paths."""
    left_out: tuple[LeftOut, ...]
    """The other files, in the order of their paths."""
    is_whole: bool
    """False: there were more than FILES_MAX files, and the rest was not looked at."""


def find(folder: Path, way: Way = Way.EITHER, *, read: ReadHeader = read_header) -> Found:
    """Looks at every file below `folder`. A folder that cannot be listed holds nothing."""
    headers: list[Header] = []
    left_out: list[LeftOut] = []
    for count, path in enumerate(_files(folder)):
        if count == FILES_MAX:
            return Found(headers=tuple(headers), left_out=tuple(left_out), is_whole=False)
        seen = look(path, way, read=read)
        if isinstance(seen, Header):
            headers.append(seen)
        else:
            left_out.append(seen)
    return Found(headers=tuple(headers), left_out=tuple(left_out), is_whole=True)


def look(path: Path, way: Way = Way.EITHER, *, read: ReadHeader = read_header) -> Header | LeftOut:
    """The header of the file at `path`, or why it has none for us."""
    reason = _not_taken(path, way)
    if reason is None:
        try:
            return read(path)
        except HeaderRefused as refused:
            reason = refused.reason
    return LeftOut(path=path, reason=reason)


def _files(folder: Path) -> Iterator[Path]:
    """Paths below `folder` in order; links to folders are not followed: they can lead out, and in circles."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(parent, name)


def _not_taken(path: Path, way: Way) -> LeftOutReason | None:
    """Why the file is not even a candidate; None: it is."""
    has_suffix = path.suffix.lower() in SUFFIXES
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return LeftOutReason.NOT_A_FILE
        has_identifier = _has_identifier(path)
    except OSError:
        return LeftOutReason.FILE_UNREADABLE
    return _TAKEN[way, has_suffix, has_identifier]


def _has_identifier(path: Path) -> bool:
    """PS3.10 7.1: a preamble of 128 bytes, then the letters DICM."""
    with path.open("rb") as file:
        return file.read(_IDENTIFIER_AT + len(_IDENTIFIER))[_IDENTIFIER_AT:] == _IDENTIFIER


_TAKEN: Final[dict[tuple[Way, bool, bool], LeftOutReason | None]] = {
    **{(way, False, False): LeftOutReason.FOREIGN_FILE for way in Way},
    **{(way, True, True): None for way in Way},
    (Way.SUFFIX, True, False): None,
    (Way.SUFFIX, False, True): LeftOutReason.NO_SUFFIX,
    (Way.IDENTIFIER, True, False): LeftOutReason.NO_IDENTIFIER,
    (Way.IDENTIFIER, False, True): None,
    (Way.EITHER, True, False): None,
    (Way.EITHER, False, True): None,
    (Way.BOTH, True, False): LeftOutReason.NO_IDENTIFIER,
    (Way.BOTH, False, True): LeftOutReason.NO_SUFFIX,
}
"""By way, whether the suffix is there, whether the identifier is there."""


def merged(founds: Iterable[Found]) -> Found:
    """Several searches as one; a path counts once."""
    headers: dict[Path, Header] = {}
    left_out: dict[Path, LeftOut] = {}
    is_whole = True
    for found in founds:
        headers |= {header.path: header for header in found.headers}
        left_out |= {each.path: each for each in found.left_out}
        is_whole = is_whole and found.is_whole
    return Found(headers=tuple(headers.values()), left_out=tuple(left_out.values()), is_whole=is_whole)
