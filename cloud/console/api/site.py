"""Step 13 of 13: console. What a site has decided about what is shown: its limits, and what it does not tell."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud.infer.thresholds import ThresholdScheme
from cloud.policy.sex import SexPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Decisions of the site, handed to everything that presents."""

    thresholds: ThresholdScheme = field(default_factory=ThresholdScheme)
    """Limits for lengths."""
    sex: SexPolicy = field(default_factory=SexPolicy)
    """Whether the sex of a fetus is told."""
