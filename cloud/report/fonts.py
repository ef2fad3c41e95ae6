"""Beside the thirteen steps: report: the fonts of reports, and which characters they can show.

The build (hatch_build.py) puts them beside this file: Noto Sans SC, whole, so that every name can be printed.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any, Final

from cloud.report.plain import numbered

FONTS_DIR: Final = Path(__file__).parent / "fonts"
REGULAR: Final = "NotoSansSC_400Regular.ttf"
BOLD: Final = "NotoSansSC_700Bold.ttf"
_WHOLE_UNICODE: Final = 12
"""Format of the table that maps every code point (OpenType 1.9, cmap, format 12)."""
_ALWAYS: Final = frozenset("\n\u200b")
"""Never drawn."""


@cache
def coverage(path: Path = FONTS_DIR / REGULAR) -> frozenset[str]:
    """The characters that a font has a glyph for. Raises OSError for a font that is not there."""
    data = path.read_bytes()
    (table_count,) = struct.unpack_from(">H", data, 4)
    records = [struct.unpack_from(">4sIII", data, 12 + 16 * n) for n in range(table_count)]
    cmap = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    (encoding_count,) = struct.unpack_from(">H", data, cmap + 2)
    found: set[str] = set()
    for n in range(encoding_count):
        (offset,) = struct.unpack_from(">I", data, cmap + 8 + 8 * n)
        (form,) = struct.unpack_from(">H", data, cmap + offset)
        if form == _WHOLE_UNICODE:
            found |= _groups(data, cmap + offset)
    return frozenset(found)


def shown(value: Any, characters: Collection[str]) -> Any:
    """The same JSON value; a character that the fonts cannot show is written as its number: nothing is lost unseen."""
    if isinstance(value, str):
        return "".join(each if each in characters or each in _ALWAYS else numbered(each) for each in value)
    if isinstance(value, list):
        return [shown(each, characters) for each in value]
    if isinstance(value, dict):
        return {key: shown(each, characters) for key, each in value.items()}
    return value


def _groups(data: bytes, at: int) -> set[str]:
    (count,) = struct.unpack_from(">I", data, at + 12)
    groups = struct.iter_unpack(">III", data[at + 16 : at + 16 + 12 * count])
    return {chr(point) for first, last, _ in groups for point in range(first, last + 1)}
