"""Step 13 of 13: console. How often somebody may ask, so that one program or one address cannot take it from all.

Each gets a bucket that fills by itself (GCRA: one moment per bucket, in memory): it holds what may come at once, and
a minute fills it whole. Reads are generous, changes and exports tighter.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MINUTE_S: Final = 60.0
_REMEMBERED: Final = 50_000
"""Buckets that are kept; the one that was used longest ago goes first, and begins full again."""


class Kind(StrEnum):
    """What a request costs."""

    READ = "read"
    CHANGE = "change"
    EXPORT = "export"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests a minute, of each kind; 0: as many as one likes."""

    of_one: Mapping[Kind, int]
    """Of one person or one token."""
    of_address: Mapping[Kind, int]
    """Of one address; a ward, or a proxy, may share one."""


class Limits:
    """Buckets by who asks, from where, and what. `stopwatch` says seconds that only grow."""

    def __init__(self, rates: Rates, stopwatch: Callable[[], float]) -> None:
        self._rates = rates
        self._stopwatch = stopwatch
        self._full_again: OrderedDict[tuple[str, Kind], float] = OrderedDict()

    def by_address(self, address: str, kind: Kind) -> float:
        """Takes one request of an address: 0, or the seconds until one is left."""
        return self._take(f"address {address}", kind, self._rates.of_address[kind])

    def by_person(self, actor: str, kind: Kind) -> float:
        """Takes one request of a person or a token: 0, or the seconds until one is left."""
        return self._take(actor, kind, self._rates.of_one[kind])

    def _take(self, who: str, kind: Kind, per_minute: int) -> float:
        if per_minute <= 0:
            return 0.0
        now, each_s = self._stopwatch(), MINUTE_S / per_minute
        full = max(self._full_again.get((who, kind), now), now) + each_s
        wait_s = full - now - MINUTE_S
        # Rounding must not take one away.
        if wait_s > each_s * 1e-6:
            return max(wait_s, math.ulp(1.0))
        self._full_again[who, kind] = full
        self._full_again.move_to_end((who, kind))
        while len(self._full_again) > _REMEMBERED:
            self._full_again.popitem(last=False)
        return 0.0
