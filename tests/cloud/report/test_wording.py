"""What a report says, before it lies on paper."""

from __future__ import annotations

import re
import string
from dataclasses import replace

import pytest

from cloud.infer.thresholds import REMARK_SENTENCES
from cloud.report.facts import ReportFacts
from cloud.report.key_images import SHOWN_MOST
from cloud.report.sheet import Language, Sheet, Tone
from cloud.report.wording import worded
from cloud.report.words import CHINESE, ENGLISH
from tests.cloud.console.test_type_words import words
from tests.cloud.report import made


@pytest.fixture(scope="module")
def facts() -> ReportFacts:
    """An examination with everything in it."""
    return made.report_facts(made.images()[0])


def places(text: str) -> set[str]:
    """Names of the places that are filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things() -> None:
    """Every key has a word in each language, with the same places; no word is empty."""
    assert ENGLISH.keys() == CHINESE.keys()
    assert {key: places(text) for key, text in ENGLISH.items()} == {
        key: places(text) for key, text in CHINESE.items()
    }
    assert all(text.strip() for text in (*ENGLISH.values(), *CHINESE.values()))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_names_things_as_the_page_does(language: str) -> None:
    """Findings, planes and sub-planes have one name each, wherever a doctor reads them."""
    known = ENGLISH if language == "en" else CHINESE
    fold = str.casefold
    for kind, of_page in (
        ("name", words(language, "finding")),
        ("plane", words(language, "plane")),
        ("subplane", words(language, "subplane", "name")),
    ):
        mine = {
            key.removeprefix(f"{kind}."): text for key, text in known.items() if key.startswith(f"{kind}.")
        }
        shared = mine.keys() & of_page.keys()
        assert shared
        assert {code: fold(of_page[code]) for code in shared} == {code: fold(mine[code]) for code in shared}


@pytest.mark.parametrize("language", list(Language))
def test_standing_is_said_and_marked(facts: ReportFacts, language: Language) -> None:
    """A draft and a report that changed after signing say so and bear a mark on every page; a signed one bears none."""
    signed = worded(facts, language)
    draft = worded(replace(facts, signature=None), language)
    changed = worded(replace(facts, signature=made.signature(changed=True)), language)
    assert (None, Tone.NORMAL) == (signed.mark, signed.standing.tone)
    assert "dr.lin" in signed.standing.text
    assert (draft.mark, changed.mark) == tuple(
        (ENGLISH if language == "en" else CHINESE)[key] for key in ("mark.draft", "mark.changed")
    )
    assert 3 == len({signed.standing.text, draft.standing.text, changed.standing.text})


def test_a_persons_values_stand_beside_the_models(facts: ReportFacts) -> None:
    """Neither replaces the other, and each says whose it is."""
    rows = [row for row in worded(facts, Language.ENGLISH).measurements.rows if row.cells[1] == "4"]
    hc = {row.cells[2]: row.cells[3] for row in rows if row.cells[0].startswith("Head circumference")}
    assert {"model": "195.3 ± 2.1 mm", "person": "191.2 ± 1.5 mm"} == hc
    assert {Tone.PLAIN, Tone.PERSON} == {row.tone for row in rows}


def test_lengths_of_a_doubtful_outline_are_marked(facts: ReportFacts) -> None:
    """They stand there, and say that nobody should rely on them."""
    rows = [row for row in worded(facts, Language.ENGLISH).measurements.rows if row.cells[1] == "3"]
    assert {("not relied on", Tone.REVIEW)} == {(row.cells[-1], row.tone) for row in rows}


def test_without_an_age_nothing_is_placed(facts: ReportFacts) -> None:
    """No chart is drawn, and a note says why."""
    sheet = worded(replace(facts, age=None), Language.ENGLISH)
    assert () == sheet.charts
    assert ENGLISH["note.no_age"] in sheet.measurements.notes


def test_the_chart_has_the_point_where_it_was_measured(facts: ReportFacts) -> None:
    """The point's place on the axes gives back week and length."""
    chart = worded(facts, Language.ENGLISH).charts[0]
    x, y, first = chart.marks[0].x, chart.marks[0].y, chart.x_ticks
    weeks_a_share = (int(first[-1].text) - int(first[0].text)) / (first[-1].at - first[0].at)
    weeks = int(first[0].text) + (x - first[0].at) * weeks_a_share
    low, high = chart.y_ticks[0], chart.y_ticks[-1]
    length = int(low.text) + (y - low.at) / (high.at - low.at) * (int(high.text) - int(low.text))
    assert made.AGE_DAYS / 7 == pytest.approx(weeks)
    assert made.LENGTHS[0].value == pytest.approx(length)


def test_the_median_runs_between_the_outer_centiles(facts: ReportFacts) -> None:
    """Curves are in the order of their centiles at every week: higher centiles lie higher."""
    for chart in worded(facts, Language.ENGLISH).charts:
        for across in zip(*(curve.points for curve in chart.curves), strict=True):
            heights = [y for _, y in across]
            assert sorted(heights, reverse=True) == heights


def test_the_most_pressing_images_are_shown(facts: ReportFacts) -> None:
    """Of more images than fit, an abnormal one is never left out; they stand in the order of the examination."""
    normal, abnormal = facts.images[0], facts.images[1]
    many = tuple(replace(normal, number=n, review=None) for n in range(1, 20))
    shown = worded(replace(facts, images=(*many, replace(abnormal, number=20))), Language.ENGLISH).images
    assert SHOWN_MOST == len(shown)
    assert sorted(key.number for key in shown) == [key.number for key in shown]
    assert 20 == shown[-1].number
    assert shown[-1].heat_caption is not None
    assert {None} == {key.heat_caption for key in shown[:-1]}


def test_every_heat_map_is_shown_where_asked_for(facts: ReportFacts) -> None:
    """Normal images too."""
    shown = worded(facts, Language.ENGLISH, all_heat=True).images
    assert all(key.heat_caption for key in shown)


@pytest.mark.parametrize("language", list(Language))
def test_codes_of_another_version_are_said_as_they_are(facts: ReportFacts, language: Language) -> None:
    """A finding, plane, doubt or limit that this version does not know is not lost, and is no error."""
    odd = replace(
        facts.images[1],
        finding="new_kind",
        plane="new_plane",
        subplane=None,
        review=None,
        remarks=(replace(facts.images[1].remarks[0], code="NEW_LIMIT"),),
    )
    doubtful = replace(odd, abstain_codes=("NEW_DOUBT",))
    text = said(worded(replace(facts, images=(odd, doubtful)), language))
    assert all(code in text for code in ("new_kind", "new_plane", "NEW_LIMIT", "NEW_DOUBT"))


@pytest.mark.parametrize("language", list(Language))
def test_no_place_is_left_open(facts: ReportFacts, language: Language) -> None:
    """Every {place} is filled in, but those of the page's number."""
    sheet = worded(facts, language)
    assert set() == set(re.findall(r"\{\w+\}", said(sheet))) - {"{page}", "{pages}"}


@pytest.mark.parametrize("language", list(Language))
def test_limits_are_said_with_their_numbers(facts: ReportFacts, language: Language) -> None:
    """Each remark names the limit and what was measured."""
    image = facts.images[1]
    for code in REMARK_SENTENCES:
        remark = replace(image.remarks[0], code=code.value, value=17.26, limit=9.5)
        sheet = worded(replace(facts, images=(replace(image, remarks=(remark,)),)), language)
        (line,) = [line.text for line in sheet.summary if "17.3" in line.text]
        assert "9.5" in line


def said(sheet: Sheet) -> str:
    """Every word of a sheet."""
    return repr(sheet)
