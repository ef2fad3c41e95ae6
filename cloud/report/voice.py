"""Beside the thirteen steps: report: one language's words, with names, ages and times as it says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo

from cloud.infer.reasons import SENTENCES, AbstainReason
from cloud.infer.thresholds import REMARK_SENTENCES, RemarkCode
from cloud.policy.sex import WITHHELD
from cloud.report.facts import ImageFacts, RemarkFacts
from cloud.report.numbers import limit_text, moment, weeks_and_days
from cloud.report.plain import plain
from cloud.report.sheet import Language
from cloud.report.words import WORDS
from sonorelay.contract.reasons import EDGE_RULES, EdgeReason


class Voice:
    """Says things in one language. A code that it does not know is said as it is, made plain."""

    def __init__(self, language: Language, zone: tzinfo) -> None:
        self.language = language
        self._words = WORDS[language]
        self._zone = zone

    def say(self, key: str, /, **places: object) -> str:
        """The word of `key` with its places filled in. Raises KeyError for an unknown key."""
        return self._words[key].format(**places)

    def name(self, kind: str, code: str) -> str:
        """Name of a plane, a finding, a measure."""
        return self._words.get(f"{kind}.{code}") or self.text(code)

    def text(self, text: str) -> str:
        """A text of a person or a machine; one that the site does not tell says only that."""
        return self.say("withheld") if text == WITHHELD else plain(text)

    def either(self, en: str, zh: str) -> str:
        """A text that is there in both languages."""
        return plain(zh if self.language is Language.CHINESE else en)

    def age(self, days: float) -> str:
        """A gestational age."""
        weeks, rest = weeks_and_days(days)
        return self.say("age.text", weeks=weeks, days=rest)

    def time(self, time: datetime) -> str:
        """A moment at the site."""
        return moment(time, self._zone)

    def span(self, began: datetime, ended: datetime) -> str:
        """From one moment to another; what both have in common is said once."""
        first, last = self.time(began), self.time(ended)
        if first == last:
            return first
        day, zone = first.split(" ")[0], first.split(" ")[-1]
        last = last.removeprefix(f"{day} ")
        return self.say(
            "head.span", began=first.removesuffix(f" {zone}") if last.endswith(zone) else first, ended=last
        )

    def plane(self, image: ImageFacts) -> str:
        """What the image shows: a person's word first."""
        corrected = image.review.plane if image.review else None
        if corrected is not None:
            kind = "subplane" if f"subplane.{corrected}" in self._words else "plane"
            return self.name(kind, corrected)
        return self.plane_of_model(image)

    def plane_of_model(self, image: ImageFacts) -> str:
        """What the model says that the image shows."""
        plane = self.name("plane", image.plane)
        if image.subplane is None:
            return plane
        key = "subplane.text" if image.subplane_sure else "subplane.not_sure"
        return self.say(key, plane=plane, subplane=self.name("subplane", image.subplane))

    def abstains(self, image: ImageFacts) -> str:
        """Why a reading is not to be relied on, in sentences."""
        known = {reason.value for reason in AbstainReason}
        return self.joined(
            SENTENCES[AbstainReason(code)][self.language] if code in known else plain(code)
            for code in image.abstain_codes
        )

    def edge_reason(self, code: str | None) -> str:
        """Why a print did not get through, in a sentence; empty where no reason is known."""
        if code is None or code not in {reason.value for reason in EdgeReason}:
            return plain(code or "")
        rule = EDGE_RULES[EdgeReason(code)]
        return self.either(rule.en, rule.zh)

    def remark(self, remark: RemarkFacts) -> str:
        """What is remarked about a length."""
        if remark.code not in {code.value for code in RemarkCode}:
            return plain(remark.code)
        sentence = REMARK_SENTENCES[RemarkCode(remark.code)][self.language]
        return sentence.format(limit=limit_text(remark.limit))

    def joined(self, sentences: Iterable[str]) -> str:
        """Sentences one after the other, as the language sets them."""
        return ("" if self.language is Language.CHINESE else " ").join(sentences)

    def listed(self, parts: Iterable[str]) -> str:
        """Parts of one sentence."""
        return ("；" if self.language is Language.CHINESE else "; ").join(parts)
