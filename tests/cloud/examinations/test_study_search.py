"""How studies are found: the folded text, and the tables that name what can be asked for."""

from __future__ import annotations

import dataclasses

import pytest

from cloud.console.api.study_present import place_from, place_text
from cloud.examinations.study_items import Place, StudyFilter
from cloud.examinations.study_list import _PLAIN
from cloud.examinations.study_text import asked_words, fold, search_text
from cloud.examinations.words import PLANE_WORDS, PLANES, SUBPLANES


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("脑室扩张", "NAO SHI KUO ZHANG"),
        ("脑室扩张", "nskz"),
        ("脑室扩张", "nǎoshì"),
        ("脑室扩张", "室扩"),
        ("绿色", "lvse"),
        ("绿色", "lüse"),
        ("Müller", "mueller".replace("ue", "u")),
        ("ＵＳ－１２", "us-12"),
        ("西安", "xi'an"),
        ("wide ventricle", "ventricle wide"),
    ],
)
def test_what_is_typed_finds_what_is_meant(text: str, asked: str) -> None:
    """Text and question are folded alike; the order of words, tones, accents and width do not matter."""
    stored = search_text([text])
    assert all(word in stored for word in asked_words(asked))


@pytest.mark.parametrize("asked", ["zhangkuo", "nskzz", "脑扩"])
def test_what_is_not_there_is_not_found(asked: str) -> None:
    """Syllables keep their order within a word."""
    assert not all(word in search_text(["脑室扩张"]) for word in asked_words(asked))


def test_nothing_unseen_is_left() -> None:
    """Controls, joiners and marks would end or split a pattern."""
    assert "ab" == fold("a\u0000\u200b\u0301 b\n")
    assert [] == asked_words(" \u0000 ")


def test_every_plane_has_its_words() -> None:
    """The words are of the planes that a model can name, none left out."""
    assert {*PLANES, *SUBPLANES} == PLANE_WORDS.keys()


def test_every_filter_is_applied() -> None:
    """A field of the filter that nothing asks for would narrow nothing, unseen."""
    own_words = {"text", "states", "deleted"}
    assert {field.name for field in dataclasses.fields(StudyFilter)} - own_words == _PLAIN.keys()


@pytest.mark.parametrize(
    "place",
    [Place(value=0.0, number=1), Place(value=-1.0, number=7), Place(value=142.33333333333334, number=99)],
)
def test_a_place_survives_the_address(place: Place) -> None:
    """To the last digit: else a page would skip or repeat its edge."""
    assert place == place_from(place_text(place))


@pytest.mark.parametrize("text", ["", "1~2", "nan~1", "1.0~x", "1.0~1; --", "9" * 30 + ".0~1"])
def test_no_other_text_is_a_place(text: str) -> None:
    """What no page gave is refused."""
    with pytest.raises(ValueError, match="no place"):
        place_from(text)
