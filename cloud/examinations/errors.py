"""Examinations: why something that a person asks is not done: a code, an HTTP status, a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cloud.errors import CloudError


class ExaminationProblem(StrEnum):
    """Reason code; the page has words for each in both languages."""

    UNKNOWN = "UNKNOWN"
    REVIEW_STALE = "REVIEW_STALE"
    REVIEW_ID_USED = "REVIEW_ID_USED"
    NOT_READ_YET = "NOT_READ_YET"
    REASON_MISSING = "REASON_MISSING"
    LABEL_UNKNOWN = "LABEL_UNKNOWN"
    OUTLINE_IMPOSSIBLE = "OUTLINE_IMPOSSIBLE"
    AGE_IMPOSSIBLE = "AGE_IMPOSSIBLE"
    NOT_ALL_REVIEWED = "NOT_ALL_REVIEWED"
    NOTHING_TO_SIGN = "NOTHING_TO_SIGN"
    CHANGED_MEANWHILE = "CHANGED_MEANWHILE"
    SIGNED_ALREADY = "SIGNED_ALREADY"
    SAME_EXAMINATION = "SAME_EXAMINATION"
    WOULD_BE_EMPTY = "WOULD_BE_EMPTY"
    ITEM_UNKNOWN = "ITEM_UNKNOWN"
    SEX_WITHHELD = "SEX_WITHHELD"
    STILL_ARRIVING = "STILL_ARRIVING"
    NOTE_EMPTY = "NOTE_EMPTY"


STATUS: Final[Mapping[ExaminationProblem, tuple[int, str]]] = {
    ExaminationProblem.UNKNOWN: (404, "There is no such examination, capture, image or review."),
    ExaminationProblem.REVIEW_STALE: (
        409,
        "The image has another result by now; look at it and review again. What you wrote was not stored.",
    ),
    ExaminationProblem.REVIEW_ID_USED: (409, "This review_id belongs to a review with other words."),
    ExaminationProblem.NOT_READ_YET: (409, "The image has no result yet."),
    ExaminationProblem.REASON_MISSING: (
        422,
        "A disagreement names a reason, an agreement neither reason nor correction; OTHER needs a note.",
    ),
    ExaminationProblem.LABEL_UNKNOWN: (422, "A corrected plane or finding is none that the server knows."),
    ExaminationProblem.OUTLINE_IMPOSSIBLE: (
        422,
        "The ellipse is no outline of a head in this image: its centre lies in it, its half axes are above 0.",
    ),
    ExaminationProblem.AGE_IMPOSSIBLE: (422, "A gestational age is above 0 and at most 315 days."),
    ExaminationProblem.NOT_ALL_REVIEWED: (
        409,
        "Not every image with a result is reviewed; review them, or say why the examination is signed all the same.",
    ),
    ExaminationProblem.NOTHING_TO_SIGN: (409, "The examination has no image with a result yet."),
    ExaminationProblem.CHANGED_MEANWHILE: (
        409,
        "The examination has changed since you looked; look again, then sign. Nothing was signed.",
    ),
    ExaminationProblem.SIGNED_ALREADY: (409, "This signature_id signed something else."),
    ExaminationProblem.SAME_EXAMINATION: (409, "The print belongs to that examination already."),
    ExaminationProblem.WOULD_BE_EMPTY: (
        409,
        "It is the only print of a signed examination, or of one that would only be made anew; it stays.",
    ),
    ExaminationProblem.ITEM_UNKNOWN: (404, "The site's protocol has no such item."),
    ExaminationProblem.SEX_WITHHELD: (
        422,
        "The text states the sex of the fetus, which this site does not tell; leave it out. "
        "文本说明了胎儿性别，本站点规定不予告知，请删除。",
    ),
    ExaminationProblem.STILL_ARRIVING: (
        409,
        "A print of it is still on its way; delete it once that has come or was given up.",
    ),
    ExaminationProblem.NOTE_EMPTY: (422, "There is nothing to write."),
}
"""HTTP status and sentence of each code."""


class ExaminationRefused(CloudError):
    """What was asked is refused for a stated reason; nothing was done."""

    def __init__(self, reason: ExaminationProblem) -> None:
        super().__init__(STATUS[reason][1])
        self.reason = reason
