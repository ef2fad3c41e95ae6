"""Beside the thirteen steps: series: the header of one stored image as rows for a person; hostile text comes as plain
text, short, with what steers a display shown by its number."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from cloud.series.errors import DAMAGED
from cloud.series.messages import Tag
from cloud.series.read_header import CappedFile, OpenBytes, damage_named

VALUE_MAX: Final = 256
"""Characters of a value that are shown; what is left out is counted."""
TAGS_MAX: Final = 2000
_DEPTH_MAX: Final = 4
_ITEMS_SHOWN: Final = 100
_VALUES_SHOWN: Final = 64
_STEERS: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that are not seen or that turn the direction of what follows."""


def tags(open_bytes: OpenBytes) -> list[Tag]:
    """The first TAGS_MAX elements in the order of their numbers. Errors: HeaderRefused."""
    with damage_named(), open_bytes() as file:
        ds = pydicom.dcmread(CappedFile(file), stop_before_pixels=True, force=True)
        return list(islice(_rows(ds, "", 0), TAGS_MAX))


def plain(text: str) -> str:
    """At most VALUE_MAX characters; what is not seen, or steers a display, as \\u and four or more digits."""
    kept = text[:VALUE_MAX]
    seen = "".join(_seen(letter) for letter in kept)
    return seen if len(text) <= VALUE_MAX else f"{seen} ... ({len(text) - VALUE_MAX} more)"


def _seen(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if unicodedata.category(letter) in _STEERS else letter


def _rows(ds: Dataset, above: str, depth: int) -> Iterator[Tag]:
    for tag in sorted(ds.keys()):
        name = f"{above}({tag.group:04x},{tag.element:04x})"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                element = ds[tag]
                value = element.value
        except DAMAGED:
            yield Tag(tag=name, vr="??", keyword=keyword_for_tag(tag), value="?")
            continue
        items = list(value or ()) if element.VR == "SQ" else []
        shown = f"{len(items)} items" if element.VR == "SQ" else plain(_text(value))
        yield Tag(tag=name, vr=element.VR, keyword=plain(element.keyword), value=shown)
        if depth < _DEPTH_MAX:
            for number, item in enumerate(items[:_ITEMS_SHOWN]):
                yield from _rows(item, f"{name}[{number}].", depth + 1)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if hasattr(value, "__iter__") and not isinstance(value, str) and not hasattr(value, "components"):
        values = list(islice(value, _VALUES_SHOWN + 1))
        more = " ..." if len(values) > _VALUES_SHOWN else ""
        return "\\".join(str(each) for each in values[:_VALUES_SHOWN]) + more
    return str(value)
