"""Examinations: the text by which one is found: words in both languages, and Chinese also as people type it.

Text and what is asked for are folded in the same way: compatibility forms (full width), case, accents and tones, and
all blanks and controls go. Chinese words stand there a second time as pinyin and a third time as its first letters.
One column holds all of it, so that any database can search it: a scan here, a trigram index on that column elsewhere.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from typing import Final

from pypinyin import Style, lazy_pinyin

LINE: Final = "\n"
"""Between the texts, so that nothing is found across two of them."""
_APOSTROPHES: Final = "'’·"
"""Between syllables of pinyin, and in names."""


def fold(text: str) -> str:
    """The form that is compared."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(c for c in plain if _counts(c))


def _counts(c: str) -> bool:
    # Controls and letters that nobody sees (category C) would end or split what is compared.
    seen = not c.isspace() and unicodedata.category(c)[0] != "C"
    return seen and not unicodedata.combining(c) and c not in _APOSTROPHES


@functools.lru_cache(maxsize=4096)
def spelled(text: str) -> tuple[str, ...]:
    """`text` folded; with Chinese in it also as pinyin (ü as u and as v) and as its first letters."""
    folded = fold(text)
    if folded.isascii():
        return (folded,)
    told = unicodedata.normalize("NFKC", text)
    ways = (
        lazy_pinyin(told, style=Style.NORMAL, v_to_u=True),
        lazy_pinyin(told, style=Style.NORMAL),
        lazy_pinyin(told, style=Style.FIRST_LETTER),
    )
    return tuple(dict.fromkeys((folded, *(fold("".join(way)) for way in ways))))


def search_text(texts: Iterable[str]) -> str:
    """All of them, folded and spelled, a line each."""
    return LINE.join(dict.fromkeys(form for text in texts if text for form in spelled(text)))


def asked_words(text: str) -> list[str]:
    """The words that a search text asks for, folded, the longest first: it is found where all of them are."""
    return sorted({folded for word in text.split() if (folded := fold(word))}, key=len, reverse=True)
