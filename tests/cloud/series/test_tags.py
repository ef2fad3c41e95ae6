"""Headers as rows for a person: nothing in them acts, however hostile."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from cloud.series.messages import Tag
from cloud.series.tags import TAGS_MAX, VALUE_MAX, plain, tags
from tests.cloud.series.phantom import header, write


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """pydicom writes what the standard forbids."""
    for name in ("reading_validation_mode", "writing_validation_mode"):
        monkeypatch.setattr(pydicom.config.settings, name, pydicom.config.IGNORE)


def rows(path: Path, ds: Dataset) -> dict[str, Tag]:
    """The rows of a file with this header, by tag."""
    write(path, ds, np.zeros((4, 4)))
    return {row.tag: row for row in tags(partial(path.open, "rb"))}


def test_rows_name_element_and_value(tmp_path: Path) -> None:
    """Tag, representation, keyword and value; items of sequences after their place; binary by its length."""
    ds = header(1)
    item = Dataset()
    item.RegionDataType = 1
    ds.SequenceOfUltrasoundRegions = [item, item]
    ds.add_new(0x00091001, "OB", b"1234")
    found = rows(tmp_path / "1.dcm", ds)
    assert Tag(tag="(0008,0060)", vr="CS", keyword="Modality", value="CT") == found["(0008,0060)"]
    assert "2 items" == found["(0018,6011)"].value
    assert "1" == found["(0018,6011)[1].(0018,6014)"].value
    assert ("", "4 bytes") == (found["(0009,1001)"].keyword, found["(0009,1001)"].value)


def test_hostile_text_is_plain_and_short(tmp_path: Path) -> None:
    """Markup stays letters; marks that turn the reading direction, hide or break a line are shown by number; 64 kB are
    cut with the count of what is left out."""
    ds = header(1)
    ds.PatientComments = "<script>alert(1)</script>\u202egnp.exe\x1b[31m\u200b\u2028"
    ds.add_new(0x00204000, "LT", "A" * 65_000)
    found = rows(tmp_path / "1.dcm", ds)
    assert r"<script>alert(1)</script>\u202egnp.exe\u001b[31m\u200b\u2028" == found["(0010,4000)"].value
    long = found["(0020,4000)"].value
    assert long.endswith(f"... ({65_000 - VALUE_MAX} more)")
    assert len(long) < VALUE_MAX + 30


def test_rows_are_bounded(tmp_path: Path) -> None:
    """A header of thousands of elements gives the first of them."""
    ds = header(1)
    for n in range(0x1000, 0x1000 + 2 * TAGS_MAX):
        ds.add_new(0x00110000 + n, "LO", "x")
    assert TAGS_MAX == len(rows(tmp_path / "1.dcm", ds))


@pytest.mark.parametrize("letter", ["\u202e", "\u2066", "\x00", "\x85", "\ud800", "\ue000", "\U000e0041"])
def test_no_letter_steers_a_display(letter: str) -> None:
    """Each is shown as its number."""
    assert rf"a\u{ord(letter):04x}b" == plain(f"a{letter}b")


def test_letters_of_all_scripts_stay() -> None:
    """Chinese, Arabic and combined letters are not touched."""
    assert "张伟 سلام é" == plain("张伟 سلام é")
