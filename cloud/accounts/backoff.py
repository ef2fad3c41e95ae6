"""Accounts: how long one must wait after failed tries, per account and per address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Counted(StrEnum):
    """What tries are counted for."""

    ACCOUNT = "account"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How waiting grows."""

    free: int
    """Tries before one must wait."""
    first: timedelta
    """The first wait; each further try doubles it."""
    longest: timedelta
    """The longest wait."""


RULES: Final[dict[Counted, Rule]] = {
    Counted.ACCOUNT: Rule(free=5, first=timedelta(seconds=30), longest=timedelta(minutes=15)),
    # A ward may share one address: more tries are free, the wait is the same.
    Counted.ADDRESS: Rule(free=20, first=timedelta(seconds=30), longest=timedelta(minutes=15)),
}
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""Tries older than this, reckoned from the newest, no longer count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """Tries since the last success."""

    count: int
    """How many."""
    last_time: datetime
    """When the newest was made (aware UTC)."""
    blocked_until_time: datetime
    """Before this the next one is refused unseen (aware UTC)."""


def wait_s(tries: Tries | None, now: datetime) -> float:
    """Seconds until the next try is taken; 0 where it is now."""
    return 0.0 if tries is None else max(0.0, (tries.blocked_until_time - now).total_seconds())


def after_try(counted: Counted, tries: Tries | None, now: datetime) -> Tries:
    """What stands after one more try, which is counted before it is looked at."""
    rule = RULES[counted]
    old = 0 if tries is None or now - tries.last_time > FORGOTTEN_AFTER else tries.count
    beyond = old + 1 - rule.free
    # 2 to the 30th is far beyond the longest wait.
    wait = timedelta() if beyond < 0 else min(rule.longest, rule.first * 2 ** min(beyond, 30))
    return Tries(count=old + 1, last_time=now, blocked_until_time=now + wait)
