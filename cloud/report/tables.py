"""Beside the thirteen steps: report: the tables of a sheet: lengths, completeness, reviews, models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from cloud.infer.biometry import Measure
from cloud.report.chart import CHARTED, growth_chart
from cloud.report.facts import Author, ChecklistFacts, ImageFacts, ItemFacts, LengthFacts, ReportFacts, Seen
from cloud.report.numbers import centile_text, signed, with_sd
from cloud.report.plain import plain
from cloud.report.sheet import Chart, Row, Table, Tone
from cloud.report.voice import Voice

MEASURES: Final = ("hc", "bpd", "ofd", "ci", "ventricle_width", "midline_shift")
"""In the order of the table."""
_DIGITS: Final = {"ci": 3}
_DIGITS_OTHERS: Final = 1
_NOTHING: Final = "–"


def measurements(facts: ReportFacts, voice: Voice) -> Table:
    """Every length of every image, measure by measure, the model's before a person's."""
    found = [(image, length) for image in facts.images for length in image.lengths]
    citations = list(dict.fromkeys(length.reference for _, length in found if length.reference))
    by_measure = [[each for each in found if each[1].measure == measure] for measure in MEASURES]
    rows = [
        replace(_length_row(image, length, citations, voice), repeats=n > 0)
        for of_measure in by_measure
        for n, (image, length) in enumerate(of_measure)
    ]
    columns = ("measure", "image", "by", "value", "z", "centile", "reference")
    return Table(
        title=voice.say("measure.title"),
        columns=tuple(voice.say(f"measure.{column}") for column in columns),
        rows=tuple(rows),
        notes=tuple(_length_notes(facts, found, citations, voice)),
    )


def _length_row(image: ImageFacts, length: LengthFacts, citations: list[str], voice: Voice) -> Row:
    by_person = length.author is Author.PERSON
    digits = _DIGITS.get(length.measure, _DIGITS_OTHERS)
    relied_on = by_person or image.lengths_judged
    value = f"{with_sd(length.value, length.sd, digits)} {length.unit}".rstrip()
    return Row(
        cells=(
            voice.name("measure", length.measure),
            str(image.number),
            voice.say(f"by.{length.author}"),
            value,
            _NOTHING if length.z_score is None else with_sd(length.z_score, length.z_score_sd, 2),
            _NOTHING if length.centile is None else centile_text(length.centile),
            _reference(length, citations, voice) if relied_on else voice.say("measure.not_relied_on"),
        ),
        tone=Tone.PERSON if by_person else Tone.PLAIN if relied_on else Tone.REVIEW,
    )


def _reference(length: LengthFacts, citations: list[str], voice: Voice) -> str:
    if length.outside_weeks is not None:
        first, last = length.outside_weeks
        return voice.say("measure.outside", first=first, last=last)
    return f"[{citations.index(length.reference) + 1}]" if length.reference else _NOTHING


def _length_notes(
    facts: ReportFacts, found: list[tuple[ImageFacts, LengthFacts]], citations: list[str], voice: Voice
) -> Iterator[str]:
    lengths = [length for _, length in found]
    if not lengths:
        yield voice.say("measure.none")
    if any(length.author is Author.PERSON for length in lengths):
        yield voice.say("note.person")
    if any(length.unit == "px" for length in lengths):
        yield voice.say("note.pixels")
    if facts.age is None:
        yield voice.say("note.no_age")
    if lengths:
        yield voice.say("note.formula")
    for number, citation in enumerate(citations, start=1):
        yield voice.say("note.reference", number=number, text=plain(citation))
    scheme = facts.scheme
    name, version = voice.text(scheme.name), voice.text(scheme.version)
    yield voice.say("note.scheme", name=name, version=version, digest=scheme.sha256)


def charts(facts: ReportFacts, voice: Voice) -> Iterator[Chart]:
    """A chart for each measure with a standard that was relied on; none without an age."""
    if facts.age is None:
        return
    for measure in CHARTED:
        lengths = [
            length
            for image in facts.images
            for length in image.lengths
            if length.measure == measure.value and length.z_score is not None
        ]
        title = voice.say("chart.title", measure=voice.say(f"chart.{measure.value}"))
        chart = growth_chart(Measure(measure), lengths, facts.age.days, title)
        if chart is not None:
            yield chart


def checklist(facts: ChecklistFacts, voice: Voice) -> Table:
    """What was seen, what is missing, what a person ticked."""
    seen = sum(item.seen is not Seen.MISSING for item in facts.items)
    name, version = voice.either(facts.name_en, facts.name_zh), voice.text(facts.version)
    return Table(
        title=voice.say("checklist.title", seen=seen, all=len(facts.items)),
        columns=tuple(voice.say(f"checklist.{column}") for column in ("group", "item", "state", "images")),
        rows=tuple(
            _item_row(item, voice, repeats=n > 0 and item.group_en == facts.items[n - 1].group_en)
            for n, item in enumerate(facts.items)
        ),
        notes=(voice.say("checklist.note", name=name, version=version),),
    )


def _item_row(item: ItemFacts, voice: Voice, *, repeats: bool) -> Row:
    who = plain(item.ticked_by) if item.ticked_by else voice.say("somebody")
    images = ", ".join(str(number) for number in item.images) or _NOTHING
    state = voice.say(f"checklist.{item.seen}", who=who)
    tone = Tone.REVIEW if item.seen is Seen.MISSING else Tone.NORMAL
    group, name = voice.either(item.group_en, item.group_zh), voice.either(item.name_en, item.name_zh)
    return Row(cells=(group, name, state, images), tone=tone, repeats=repeats)


def reviews(images: Iterable[ImageFacts], voice: Voice) -> Table:
    """What persons decided, image by image."""
    rows = tuple(_review_row(image, voice) for image in images if image.review)
    columns = ("image", "decision", "reason", "who", "when")
    return Table(
        title=voice.say("reviews.title"),
        columns=tuple(voice.say(f"reviews.{column}") for column in columns),
        rows=rows,
        notes=() if rows else (voice.say("reviews.none"),),
    )


def _review_row(image: ImageFacts, voice: Voice) -> Row:
    review = image.review
    assert review is not None
    return Row(
        cells=(
            str(image.number),
            voice.say("reviews.agree" if review.agreed else "reviews.disagree"),
            reason(image, voice) or _NOTHING,
            plain(review.reviewer),
            voice.time(review.time),
        ),
        tone=Tone.NORMAL if review.agreed else Tone.PERSON,
    )


def reason(image: ImageFacts, voice: Voice) -> str:
    """Why a person disagrees, with what they corrected; empty where nothing is said."""
    review = image.review
    if review is None:
        return ""
    said = [voice.name("reason", review.reason_code)] if review.reason_code else []
    said += [voice.text(review.reason_text)] if review.reason_text.strip() else []
    corrected = [voice.name("name", review.finding)] if review.finding is not None else []
    corrected += [voice.plane(image)] if review.plane is not None else []
    said += [voice.say("finding.corrected", name=name) for name in corrected]
    return voice.listed(said)


def models(images: Iterable[ImageFacts], voice: Voice) -> Table:
    """Which weights took part, each once."""
    used = sorted({(name, *which) for image in images for name, which in image.models.items()})
    return Table(
        title=voice.say("models.title"),
        columns=tuple(voice.say(f"models.{column}") for column in ("name", "version", "digest")),
        rows=tuple(Row(cells=(plain(name), plain(version), digest)) for name, version, digest in used),
        notes=() if used else (voice.say("models.none"),),
    )


def remark_value(value: float, unit: str) -> str:
    """A remarked value, as the table has it."""
    return signed(value, 2 if unit == "SD" else 1)
