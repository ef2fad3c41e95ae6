"""Beside the thirteen steps: report: free text made harmless to look at: it stays text, and nothing of it is hidden.

What cannot be seen or would turn other text around (controls, directional marks, unpaired surrogates) is written as its
number; what is endless is cut and says so.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST: Final = 2000
"""Characters of one free text that a report shows."""
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNBROKEN: Final = re.compile(r"[!-~]{30}(?=[!-~])")
_ZERO_WIDTH_SPACE: Final = "\u200b"


def plain(text: str) -> str:
    """The text on one line, at most `LONGEST` characters of it, each of them visible; a line may break anywhere in
    what has no spaces."""
    seen = "".join(_visible(character) for character in " ".join(text[:LONGEST].split()))
    if len(text) > LONGEST:
        seen += f" […{LONGEST}/{len(text)}]"
    return _UNBROKEN.sub(lambda found: found[0] + _ZERO_WIDTH_SPACE, seen)


def numbered(character: str) -> str:
    """A character by its number, as [U+202E]."""
    return f"[U+{ord(character):04X}]"


def _visible(character: str) -> str:
    return numbered(character) if unicodedata.category(character) in _HIDDEN else character
