"""Policy: whether a site tells the sex of a fetus. The one place that knows what tells it.

With `withhold` no text that states it is taken in, and none goes out: pages, reports and exports hand what they are
given by persons, protocols and models through `SexPolicy`. The mother is a woman, and may be called one: words for her,
for staff and for parents are no statement about the fetus. In doubt it is withheld.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

WITHHELD: Final = "withheld"
"""Stands where a text was withheld."""


class FetalSex(StrEnum):
    """What a site does with the sex of a fetus."""

    WITHHOLD = "withhold"
    ALLOW = "allow"


_ADULTS: Final = (
    "patients?", "wom[ae]n", "mothers?", "adults?", "doctors?", "physicians?", "obstetricians?", "sonographers?",
    "nurses?", "midwi(?:fe|ves)", "staff", "partners?", "parents?", "relatives?", "donors?", "infertility", "factors?",
)  # fmt: skip
_NOT_THE_FETUS: Final = re.compile(rf"\b(?:fe)?male (?:{'|'.join(_ADULTS)})\b")
_ENGLISH: Final = re.compile(
    r"\b(?:(?:fe)?males?|boys?|girls?|sons?|daughters?|masculine|feminine|xxy|y[ -]chromosome|sry"
    r"|46 ?,? ?x[xy]|penis|penile|phallus|scrot(?:um|al)|test(?:is|es|icles?|icular)|vulva[rl]?|labia[l]?"
    r"|clitor(?:is|al)"
    r"|(?:sex|gender) ?(?:is|:|=)? ?[mf]\b|nan ?(?:hai|tai|ying|bao)|n[vuü] ?(?:hai|tai|ying|bao))\b"
)
_SYMBOLS: Final = re.compile("[♂♀⚦⚨⚩⚲\U0001f466\U0001f467\U0001f6b9\U0001f6ba]")
_CHINESE_ADULTS: Final = re.compile(
    "(?:妇女|女士|男士|女方|男方|子女|[男女]性?(?:患者|病人|孕妇|医生|医师|护士|技师|家属|不育|不孕)|孕产?妇女|女性(?:孕|产|受检))"
)
_CHINESE: Final = re.compile(
    "[男女]|儿子|千金|公子|丫头|小子|带把|阴茎|阴囊|睾丸|阴唇|阴蒂|雄性|雌性|[yY]染色体"
)
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u2060\ufeff\ufe0e\ufe0f]")
_BETWEEN_HAN: Final = re.compile("(?<=[\u4e00-\u9fff])[\\s._·,-]+(?=[\u4e00-\u9fff])")
_NAMES: Final = re.compile(r"\b(?:sex|gender|\w*genital\w*)|性别|生殖器")
"""A label or the name of a length that speaks of the sex tells it, whatever it says."""


def states_sex(text: str) -> bool:
    """Whether a text says, in English or Chinese, which sex a fetus has, or measures it."""
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    plain = _BETWEEN_HAN.sub("", plain)
    if _SYMBOLS.search(plain):
        return True
    english = _NOT_THE_FETUS.sub(" ", re.sub(r"[\s_./-]+", " ", plain))
    return bool(_ENGLISH.search(english) or _CHINESE.search(_CHINESE_ADULTS.sub("", plain)))


@functools.lru_cache(maxsize=4096)
def names_sex(name: str) -> bool:
    """Whether a label of a model, or the name of a length, is about the sex of a fetus."""
    return states_sex(name) or bool(_NAMES.search(re.sub(r"[\s_./-]+", " ", name.casefold())))


class SexPolicy:
    """The site's decision, and what follows from it."""

    def __init__(self, setting: FetalSex = FetalSex.WITHHOLD) -> None:
        self.setting = setting

    @property
    def telling(self) -> bool:
        """Whether the site tells the sex."""
        return self.setting is FetalSex.ALLOW

    def withholds(self, text: str) -> bool:
        """Whether a person's text must not be taken in or given out."""
        return not self.telling and states_sex(text)

    def text(self, text: str) -> str:
        """A person's text as it may go out."""
        return WITHHELD if self.withholds(text) else text

    def label(self, label: str) -> str:
        """A model's label, or the name of a length, as it may go out."""
        return WITHHELD if not self.telling and names_sex(label) else label

    def facts(self, value: Any) -> Any:
        """JSON values that a model gave, as they may go out: keys that are about the sex are left out, texts that are
        say that something was withheld."""
        if self.telling:
            return value
        if isinstance(value, Mapping):
            return {key: self.facts(each) for key, each in value.items() if not names_sex(key)}
        if isinstance(value, list):
            return [self.facts(each) for each in value]
        return self.label(value) if isinstance(value, str) else value
