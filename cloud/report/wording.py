"""Beside the thirteen steps: report: from facts to a sheet: who, when, what was found, what it is worth, its proof."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cloud.examinations.items import BoundBy
from cloud.examinations.states import NORMAL_FINDING
from cloud.report import tables
from cloud.report.chart import CENTILES
from cloud.report.code import code_text, drawn
from cloud.report.facts import ImageFacts, ReportFacts, Standing, UnreadFacts
from cloud.report.key_images import key_images
from cloud.report.numbers import probability_text, zone_of
from cloud.report.plain import plain
from cloud.report.sheet import Code, Language, Line, Pair, Sheet, Tone
from cloud.report.voice import Voice

_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9]+")
_STANDING_TONES: Final = {
    Standing.DRAFT: Tone.REVIEW,
    Standing.SIGNED: Tone.NORMAL,
    Standing.CHANGED: Tone.ABNORMAL,
}


def worded(facts: ReportFacts, language: Language, *, all_heat: bool = False) -> Sheet:
    """The report in this language; `all_heat`: every key image with its heat map, not the abnormal ones alone."""
    voice = Voice(language, zone_of(facts.time_zone))
    images = key_images(facts.images, voice, all_heat=all_heat)
    places = {"shown": len(images), "all": len(facts.images)}
    return Sheet(
        language=language,
        title=voice.say("title"),
        site_name=plain(facts.site_name),
        notice=voice.say("notice"),
        software=voice.say("software", version=facts.software),
        page_of=voice.say("page_of", page="{page}", pages="{pages}"),
        running=voice.say("report_of", number=plain(facts.number)),
        mark=_mark(facts, voice),
        standing=_standing(facts, voice),
        identity_title=voice.say("identity.title"),
        identity_lines=tuple(voice.say(f"identity.{line}") for line in ("name", "birth", "id")),
        identity_note=voice.say("identity.note"),
        head=tuple(_head(facts, voice)),
        summary_title=voice.say("summary.title"),
        summary=tuple(_summary(facts, voice)),
        measurements=tables.measurements(facts, voice),
        charts=tuple(tables.charts(facts, voice)),
        charts_note=voice.say("chart.note", centiles=", ".join(str(percent) for percent in CENTILES)),
        images_title=voice.say("images.title"),
        images=images,
        images_note=voice.say("images.note", **places),
        checklist=tables.checklist(facts.checklist, voice) if facts.checklist else None,
        reviews=tables.reviews(facts.images, voice),
        signature_title=voice.say("signature.title"),
        signature=tuple(_signature(facts, voice)),
        signature_hand=voice.say("signature.hand"),
        models=tables.models(facts.images, voice),
        proof_title=voice.say("proof.title"),
        proof=tuple(_proof(facts, voice)),
        proof_note=voice.say("proof.note"),
        code=_code(facts, voice),
        file_name=f"report-{_FILE_NAME.sub('-', facts.number).strip('-')}-{language}.pdf",
        made_time_s=int(facts.made_time.timestamp()),
    )


def _mark(facts: ReportFacts, voice: Voice) -> str | None:
    return None if facts.standing is Standing.SIGNED else voice.say(f"mark.{facts.standing}")


def _standing(facts: ReportFacts, voice: Voice) -> Line:
    signed = facts.signature
    places = {"signer": plain(signed.signer), "time": voice.time(signed.time)} if signed else {}
    return Line(text=voice.say(f"standing.{facts.standing}", **places), tone=_STANDING_TONES[facts.standing])


def _head(facts: ReportFacts, voice: Voice) -> Iterator[Pair]:
    yield Pair(label=voice.say("head.number"), value=plain(facts.number))
    yield Pair(label=voice.say("head.time"), value=voice.span(facts.began_time, facts.active_time))
    yield Pair(label=voice.say("head.device"), value=plain(facts.device_id))
    if facts.pseudonym is None:
        yield Pair(label=voice.say("head.pseudonym"), value=voice.say("head.no_pseudonym"))
    else:
        yield Pair(label=voice.say("head.pseudonym"), value=plain(facts.pseudonym), mono=True)
    yield Pair(label=voice.say("head.binding"), value=_binding(facts, voice))
    yield Pair(label=voice.say("head.age"), value=_age(facts, voice))
    unread = sum(each.count for each in facts.unread)
    count = voice.say("images.count", read=len(facts.images), unread=unread)
    yield Pair(label=voice.say("head.images"), value=count)
    yield Pair(label=voice.say("head.made"), value=voice.time(facts.made_time))


def _binding(facts: ReportFacts, voice: Voice) -> str:
    """Who says that the prints belong together; a guess beside an identity is not passed over."""
    said = voice.say(f"binding.{facts.bound_by}")
    if facts.guessed_count and facts.bound_by is not BoundBy.DEVICE_AND_TIME:
        places = {"guessed": facts.guessed_count, "all": facts.capture_count}
        said = voice.listed([said, voice.say("binding.partly", **places)])
    return said


def _age(facts: ReportFacts, voice: Voice) -> str:
    age = facts.age
    if age is None:
        return voice.say("age.none")
    who = plain(age.given_by) if age.given_by else voice.say("somebody")
    return voice.say(f"age.{age.source}", age=voice.age(age.days), who=who)


def _summary(facts: ReportFacts, voice: Voice) -> Iterator[Line]:
    if not facts.images:
        yield Line(text=voice.say("summary.no_images"), tone=Tone.REVIEW)
    for image in facts.images:
        yield _finding(image, voice)
        if image.review is not None:
            yield _decision(image, voice)
        for remark in image.remarks:
            places = {"value": tables.remark_value(remark.value, remark.unit), "unit": remark.unit}
            text = voice.say(
                "summary.remark",
                by=voice.say(f"by.{remark.author}"),
                number=image.number,
                what=_ended(voice.remark(remark), voice),
                **places,
            )
            yield Line(text=text, tone=Tone.ABNORMAL)
    for unread in facts.unread:
        yield _unread(unread, voice)


def _ended(sentence: str, voice: Voice) -> str:
    return voice.joined([sentence, ""])


def _finding(image: ImageFacts, voice: Voice) -> Line:
    """What the model says about one image."""
    begin = voice.say("finding.image", number=image.number, plane=voice.plane_of_model(image)) + voice.say(
        "summary.model"
    )
    if image.abstain_codes:
        return Line(text=begin + voice.say("finding.doubt", why=voice.abstains(image)), tone=Tone.REVIEW)
    if image.finding is None:
        return Line(text=begin + voice.say("finding.none"), tone=Tone.REVIEW)
    normal = image.finding == NORMAL_FINDING
    text = voice.say(
        "finding.normal" if normal else "finding.abnormal",
        name=voice.name("name", image.finding),
        probability=probability_text(image.not_normal_probability or 0.0),
    )
    return Line(text=begin + text, tone=Tone.NORMAL if normal else Tone.ABNORMAL)


def _decision(image: ImageFacts, voice: Voice) -> Line:
    """What a person says about one image."""
    review = image.review
    assert review is not None
    who = plain(review.reviewer)
    why = tables.reason(image, voice) or voice.say("finding.no_reason")
    text = (
        voice.say("finding.agrees", who=who)
        if review.agreed
        else voice.say("finding.disagrees", who=who, why=why)
    )
    return Line(text=voice.say("summary.person", number=image.number) + text, tone=Tone.PERSON)


def _unread(unread: UnreadFacts, voice: Voice) -> Line:
    places = {"count": unread.count, "status": voice.say(f"status.{unread.status}")}
    text = voice.say("summary.unread", why=voice.edge_reason(unread.reason), **places).strip()
    return Line(text=text, tone=Tone.REVIEW)


def _signature(facts: ReportFacts, voice: Voice) -> Iterator[Pair]:
    signed = facts.signature
    if signed is None:
        yield Pair(label=voice.say("signature.signer"), value=voice.say("signature.none"))
        return
    yield Pair(label=voice.say("signature.signer"), value=plain(signed.signer))
    yield Pair(label=voice.say("signature.time"), value=voice.time(signed.time))
    yield Pair(label=voice.say("signature.digest"), value=signed.digest, mono=True)
    yield Pair(label=voice.say("signature.entry"), value=str(signed.ledger_index), mono=True)
    if signed.override_reason:
        yield Pair(label=voice.say("signature.override"), value=voice.text(signed.override_reason))
    if signed.changed:
        yield Pair(label=voice.say("signature.changed"), value=voice.say("signature.changed_text"))


def _proof(facts: ReportFacts, voice: Voice) -> Iterator[Pair]:
    log = facts.log
    yield Pair(label=voice.say("proof.origin"), value=log.origin, mono=True)
    yield Pair(label=voice.say("proof.key"), value=log.verifier_key, mono=True)
    yield Pair(label=voice.say("proof.checkpoint"), value=voice.say("proof.size", size=log.size))
    yield Pair(label=voice.say("proof.root"), value=log.root, mono=True)
    entries = [
        voice.say(
            "proof.entry",
            number=image.number,
            image=image.ledger_index,
            result="–" if image.result_ledger_index is None else image.result_ledger_index,
            review=image.review.ledger_index if image.review else "–",
        )
        for image in facts.images
    ]
    if entries:
        yield Pair(label=voice.say("proof.images"), value=voice.listed(entries), mono=True)


def _code(facts: ReportFacts, voice: Voice) -> Code:
    text = code_text(facts)
    modules, path = drawn(text)
    return Code(alt=voice.say("proof.code"), text=text, modules=modules, path=path)
