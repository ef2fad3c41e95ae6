"""The PDF: what is read out of it again by programs that had no part in making it."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray

from cloud.report.facts import ReportFacts
from cloud.report.fonts import BOLD, FONTS_DIR, REGULAR, coverage
from cloud.report.plain import LONGEST
from cloud.report.render import render_pdf
from cloud.report.sheet import Language
from cloud.report.wording import worded
from cloud.report.words import CHINESE, ENGLISH
from tests.cloud.report import made

NOTICES = {Language.ENGLISH: "Research use, not for diagnosis", Language.CHINESE: "仅供研究，不用于诊断"}
MOST_BYTES = 2_000_000
HOSTILE = (
    '#import "/etc/passwd" $x^2$ \\evil `raw` <label> @ref *bold* _it_ {{ }} [x] // gone /* too */ = head'
)


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """Pictures of the made-up images."""
    return made.images()[1]


@pytest.fixture(scope="module")
def facts() -> ReportFacts:
    """An examination with everything in it."""
    return made.report_facts(made.images()[0])


@pytest.fixture(scope="module", params=list(Language))
def language(request: pytest.FixtureRequest) -> Language:
    """Each language."""
    chosen: Language = request.param
    return chosen


@pytest.fixture(scope="module")
def pdf(facts: ReportFacts, language: Language, pictures: dict[str, bytes]) -> bytes:
    """Its report."""
    return render_pdf(facts, language, pictures)


def pages(pdf: bytes) -> list[str]:
    """The text of each page."""
    document = pypdfium2.PdfDocument(pdf)
    texts = [page.get_textpage().get_text_range() for page in document]
    document.close()
    return texts


def bare(text: str) -> str:
    """Text without spaces, breaks and ligatures: how it lies on paper does not matter."""
    folded = unicodedata.normalize("NFKC", text)
    return re.sub(r"[\s\u200b\ufffe\u0002]+", "", folded)


def whole(pdf: bytes) -> str:
    """The whole text, bare."""
    return bare("".join(pages(pdf)))


def strings(value: object) -> Iterator[str]:
    """Every text of a sheet that is to be read on paper."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)
    elif dataclasses.is_dataclass(value):
        for each in dataclasses.fields(value):
            if each.name not in UNSEEN:
                yield from strings(getattr(value, each.name))


UNSEEN = {
    "language",
    "page_of",
    "alt",
    "strokes",
    "image_id",
    "tone",
    "code",
    "file_name",
    "curves",
    "charts",
}
"""What is not read as text: alternatives, drawings, what names files."""


def test_every_word_and_number_of_the_sheet_can_be_read(
    facts: ReportFacts, language: Language, pdf: bytes
) -> None:
    """The text that programs find holds each text of the sheet; nothing is cut off or lost under another."""
    text = whole(pdf)
    missing = [each for each in strings(worded(facts, language)) if bare(each) not in text]
    assert [] == missing


def test_the_numbers_of_the_facts_are_there(facts: ReportFacts, pdf: bytes) -> None:
    """Lengths, z-scores, digests, entries of the ledger: whatever was measured or proves something."""
    text = whole(pdf)
    for image in facts.images:
        for length in image.lengths:
            digits = 3 if length.measure == "ci" else 1
            assert f"{length.value:.{digits}f}±{length.sd:.{digits}f}" in text
            if length.z_score is not None:
                assert f"{abs(length.z_score):.2f}±{length.z_score_sd:.2f}" in text
        assert str(image.ledger_index) in text
        assert all(digest in text for _, digest in image.models.values())
    assert facts.signature is not None
    for value in (
        facts.signature.digest,
        facts.scheme.sha256,
        facts.log.root,
        facts.log.verifier_key,
        facts.pseudonym,
    ):
        assert value is not None
        assert bare(value) in text


@pytest.mark.req("BEY-10")
@pytest.mark.parametrize("count", [0, 4, 25])
def test_the_mark_is_on_every_page(
    facts: ReportFacts, language: Language, pictures: dict[str, bytes], count: int
) -> None:
    """However long the report: research use, not for diagnosis, and which page of how many it is."""
    images = tuple(replace(facts.images[n % 4], number=n + 1) for n in range(count))
    more = {
        f"{kind}-{n + 1}.jpg": pictures[f"{kind}-1.jpg"] for n in range(count) for kind in ("still", "heat")
    }
    texts = pages(render_pdf(replace(facts, images=images), language, more))
    for number, text in enumerate(texts, start=1):
        assert bare(NOTICES[language]) in bare(text)
        words = ENGLISH if language is Language.ENGLISH else CHINESE
        assert bare(words["page_of"].format(page=number, pages=len(texts))) in bare(text)


def test_a_draft_bears_its_mark_on_every_page(
    facts: ReportFacts, language: Language, pictures: dict[str, bytes]
) -> None:
    """And the signed one on none."""
    mark = (ENGLISH if language is Language.ENGLISH else CHINESE)["mark.draft"]
    drafts = pages(render_pdf(replace(facts, signature=None), language, pictures))
    assert all(mark in bare(text) for text in drafts)
    assert mark not in whole(render_pdf(facts, language, pictures))


def test_the_same_facts_give_the_same_bytes(
    facts: ReportFacts, language: Language, pictures: dict[str, bytes], pdf: bytes
) -> None:
    """A report can be made again and compared."""
    assert pdf == render_pdf(facts, language, pictures)


def test_six_images_stay_below_two_megabytes(facts: ReportFacts, pictures: dict[str, bytes]) -> None:
    """With a heat map for each."""
    images = tuple(replace(facts.images[1], number=n) for n in range(1, 7))
    more = {f"{kind}-{n}.jpg": pictures[f"{kind}-2.jpg"] for n in range(1, 7) for kind in ("still", "heat")}
    assert MOST_BYTES > len(render_pdf(replace(facts, images=images), Language.CHINESE, more))


@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "abc \u202egnp.exe\u202c \u2066x\u2069 \x00\x07 \ud800",
        "𠮷 😀 ☃ עברית العربية",
        "x" * 65_536,
        "#" * 65_536,
        "字" * 65_536,
    ],
    ids=["markup", "controls", "no glyph", "unbroken", "hashes", "long"],
)
def test_hostile_text_stays_text(
    facts: ReportFacts, language: Language, pictures: dict[str, bytes], text: str
) -> None:
    """Whatever a person or a machine writes is printed as it is, or by its number: nothing runs, hides, turns or
    takes the report with it."""
    review = replace(made.review(1), agreed=False, reason_text=text, reviewer=text[:60])
    image = replace(facts.images[0], review=review, plane=text[:40], subplane=None, finding=text[:40])
    odd = replace(facts, images=(image,), site_name=text[:200], device_id=text[:60], pseudonym=text[:40])
    found = pages(render_pdf(odd, language, pictures))
    assert 12 > len(found)
    assert all(bare(NOTICES[language]) in bare(page) for page in found)
    expected = {
        HOSTILE: '#import"/etc/passwd"$x^2$\\evil`raw`<label>@ref*bold*_it_{{}}[x]//gone/*too*/=head',
        "x" * 65_536: f"[…{LONGEST}/65536]",
        "#" * 65_536: f"[…{LONGEST}/65536]",
        "字" * 65_536: f"[…{LONGEST}/65536]",
    }.get(text)
    if expected is None:
        expected = "[U+202E]" if text.startswith("abc") else "[U+20BB7][U+1F600]"
    assert bare(expected) in bare("".join(found))


def test_the_mark_of_a_cut_text_is_the_only_loss() -> None:
    """Of a longer text exactly the longest allowed part is shown."""
    from cloud.report.plain import plain

    assert "字" * LONGEST + f" […{LONGEST}/{LONGEST + 1}]" == plain("字" * (LONGEST + 1))
    assert "字" * LONGEST == plain("字" * LONGEST)


def test_every_own_word_has_its_glyphs() -> None:
    """Both weights can show every character that the program itself writes."""
    words = set("".join((*ENGLISH.values(), *CHINESE.values()))) | set("✓?!•±−–…°")
    for font in (REGULAR, BOLD):
        assert set() == words - coverage(FONTS_DIR / font)


def test_coverage_is_what_the_font_has() -> None:
    """As an independent reading of the font tells: rare names are in it, emoji are not."""
    regular = coverage()
    assert set("喆堃玥珺淼頔A±α") <= regular
    assert regular.isdisjoint("😀𠮷☐")
    assert 30_000 < len(regular)


def test_fonts_are_embedded(pdf: bytes, tmp_path: Path, program: Callable[[str, str], str]) -> None:
    """Nothing is taken from the reader's machine: each font is in the file, with a way back to its characters."""
    tool = program("pdffonts", "poppler-utils")
    (tmp_path / "report.pdf").write_bytes(pdf)
    told = subprocess.run([tool, tmp_path / "report.pdf"], capture_output=True, text=True, check=True)
    rows = told.stdout.splitlines()[2:]
    assert {"NotoSansSC-Regular", "NotoSansSC-Bold"} == {row.split()[0].partition("+")[2] for row in rows}
    assert all(["yes", "yes", "yes"] == row.split()[-5:-2] for row in rows)


def test_the_file_is_sound(pdf: bytes, tmp_path: Path, program: Callable[[str, str], str]) -> None:
    """An independent program finds no error; title, language and the standards that it keeps are in it."""
    tool = program("qpdf", "qpdf")
    file = tmp_path / "report.pdf"
    file.write_bytes(pdf)
    subprocess.run([tool, "--check", file], capture_output=True, check=True)
    plain = subprocess.run(
        [tool, "--qdf", "--object-streams=disable", file, "-"], capture_output=True, check=True
    ).stdout
    for part in (
        b"<pdfaid:part>2</pdfaid:part>",
        b"<pdfaid:conformance>A</pdfaid:conformance>",
        b"<pdfuaid:part>1",
    ):
        assert part in plain
    assert b"/StructTreeRoot" in plain
    assert b"/Lang" in plain


def test_the_outline_lies_on_the_still(facts: ReportFacts, pictures: dict[str, bytes]) -> None:
    """The vector outline is drawn where the head is: its colour is found around the ellipse's place and nowhere else in
    the still."""
    image = replace(
        facts.images[1], number=1, strokes=tuple(s for s in facts.images[1].strokes if s.kind == "outline")
    )
    page_pdf = pypdfium2.PdfDocument(
        render_pdf(
            replace(facts, images=(image,)),
            Language.ENGLISH,
            {f"{k}-1.jpg": pictures[f"{k}-2.jpg"] for k in ("still", "heat")},
        )
    )
    red = [np.argwhere(_is_outline(page.render(scale=2).to_numpy())) for page in page_pdf]
    (found,) = [each for each in red if len(each) > 200]
    height, width = np.ptp(found, axis=0)
    points = np.array(image.strokes[0].points) * (image.width_px, image.height_px)
    expected_width, expected_height = np.ptp(points, axis=0)
    assert expected_width / expected_height == pytest.approx(width / height, rel=0.03)
    page_pdf.close()


def test_the_code_on_paper_is_read_by_an_independent_reader(facts: ReportFacts, pdf: bytes) -> None:
    """What a telephone's camera would find: examination, signature, key and checkpoint."""
    document = pypdfium2.PdfDocument(pdf)
    last = document[len(document) - 1]
    # The reader is made for photographs, and does not find the code at every size.
    text = next(filter(None, (_decoded(last.render(scale=scale).to_numpy()) for scale in (3, 6, 5, 4))), "")
    document.close()
    assert worded(facts, Language.ENGLISH).code.text.strip() == text.strip()
    assert facts.signature is not None
    assert f"signed {facts.signature.ledger_index} {facts.signature.digest}" in text


def _decoded(page: NDArray[np.uint8]) -> str:
    """The code at the right of a page; empty where the reader finds none."""
    right = np.ascontiguousarray(page[:, int(page.shape[1] * 0.68) :, :3])
    return str(cv2.QRCodeDetector().detectAndDecode(right)[0])


def _is_outline(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    blue, green, red = (pixels[..., n].astype(int) for n in range(3))
    return (abs(red - 0xFF) < 12) & (abs(green - 0x6F) < 12) & (abs(blue - 0x6A) < 12)
