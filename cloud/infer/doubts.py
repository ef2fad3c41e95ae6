"""Part of step 11: doubts. Every reason not to rely on a reading, as a table of what was seen."""

from __future__ import annotations

from typing import Final

from cloud.infer.classify import BRAIN, OTHER_PLANE, Classification
from cloud.infer.reasons import AbstainReason
from cloud.infer.segment import HeadSearch

MIN_HEAD_CONFIDENCE: Final = 0.93
"""Below it the outline is not relied on. With version 2 of the head model 3 of 520 heads of `hc18` train lay below,
their circumferences off by 3 % instead of 1 %, none of 192 brains of `planes` and 3 % of 249 heads of other
machines."""


def abstain_reasons(
    blank: bool, plane: Classification, search: HeadSearch, brain: Classification | None
) -> tuple[AbstainReason, ...]:
    """Every reason not to rely on a finding, in the order of the steps; empty when there is none."""
    shows_brain = plane.label == BRAIN
    rejected = plane.label == OTHER_PLANE
    head = search.head
    table = (
        (blank, AbstainReason.IMAGE_BLANK),
        (rejected, AbstainReason.NOT_KNOWN_PLANE),
        (plane.novel or (brain is not None and brain.novel), AbstainReason.UNLIKE_TRAINING),
        # A clear head on a plane that surely is another one: one of the two models is wrong.
        (not plane.sure or (head is not None and not shows_brain), AbstainReason.PLANE_UNCERTAIN),
        (plane.sure and not shows_brain and not rejected, AbstainReason.NOT_BRAIN_PLANE),
        (head is None and shows_brain, AbstainReason.NO_HEAD),
        (search.head_count > 1, AbstainReason.SEVERAL_HEADS),
        (head is not None and head.cut_off, AbstainReason.HEAD_CUT_OFF),
        (head is not None and head.confidence < MIN_HEAD_CONFIDENCE, AbstainReason.HEAD_UNCERTAIN),
        (brain is not None and not brain.sure, AbstainReason.LOW_CONFIDENCE),
    )
    return tuple(reason for applies, reason in table if applies)
