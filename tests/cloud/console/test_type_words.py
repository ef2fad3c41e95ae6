"""The console has a word for every name that the edge and the models may give, in each of its languages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from edge_agent.deidentify.regions import ScaleSource
from sonorelay.contract.blocks import IMAGE_TYPES

ROOT = Path(__file__).resolve().parents[3]
WORDS = ROOT / "cloud" / "console" / "web" / "src" / "i18n"


def words(language: str, block: str, inner: str | None = None) -> dict[str, str]:
    """The words of a block of a language's file, or of one inside of it."""
    text = (WORDS / language / "live.ts").read_text(encoding="utf-8")
    (found,) = re.findall(rf"\n  {block}: \{{\n(.*?)\n  \}},", text, re.DOTALL)
    if inner is not None:
        (found,) = re.findall(rf"{inner}: \{{(.*?)\}}", found, re.DOTALL)
    return dict(re.findall(r"'?([\w-]+)'?: '([^']+)'", found))


def labels(model: str = "*") -> set[str]:
    """The labels of a shipped model, or of all of them."""
    cards = [
        tomllib.loads(path.read_text()) for path in (ROOT / "model_repository").glob(f"{model}/*/card.toml")
    ]
    return {label for card in cards for label in card["labels"]}


@pytest.mark.req("TX-04")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_type_has_a_word(language: str) -> None:
    """ "unsorted" and "other" are said in words, as the four planes are."""
    known = words(language, "plane")
    assert set(IMAGE_TYPES) <= known.keys()
    assert len({known[name] for name in IMAGE_TYPES}) == len(IMAGE_TYPES)


@pytest.mark.req("READ-07")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_label_of_the_models_has_a_word(language: str) -> None:
    """Classes of the brain, its standard planes, and planes: none is shown as a code."""
    subplanes = words(language, "subplane", "name").keys()
    assert (
        {"trans-thalamic", "trans-ventricular", "trans-cerebellar"}
        == labels("fetal_subplane_cls")
        == subplanes
    )
    known = words(language, "plane").keys() | words(language, "finding").keys() | subplanes
    parts_of_a_picture = {"head", "ventricle", "midline"}
    assert labels() - parts_of_a_picture <= known


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_source_of_a_scale_has_a_word(language: str) -> None:
    """Whatever the edge may name as the scale's source."""
    assert set(get_args(ScaleSource)) == words(language, "measure", "source").keys()
