"""The console has a word for every type that the edge may give, in each of its languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sonorelay.contract.blocks import IMAGE_TYPES

WORDS = Path(__file__).resolve().parents[3] / "cloud" / "console" / "web" / "src" / "i18n"


@pytest.mark.req("TX-04")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_type_has_a_word(language: str) -> None:
    """ "unsorted" and "other" are said in words, as the four planes are."""
    text = (WORDS / f"{language}.ts").read_text(encoding="utf-8")
    (block,) = re.findall(r"\n  plane: \{\n(.*?)\n  \},", text, re.DOTALL)
    words = dict(re.findall(r"^    (\w+): '(.+)',$", block, re.MULTILINE))
    assert set(IMAGE_TYPES) <= words.keys()
    assert len({words[name] for name in IMAGE_TYPES}) == len(IMAGE_TYPES)
