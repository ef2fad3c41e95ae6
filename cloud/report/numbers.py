"""Beside the thirteen steps: report: numbers as text, written as the console's page writes them (`format.ts`)."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

MINUS = "−"
"""Of the same width as a plus sign, and never taken for a dash."""


def signed(value: float, digits: int) -> str:
    """A number with a true minus sign; a rounded zero has no sign."""
    text = f"{value:.{digits}f}"
    return f"{MINUS}{text[1:]}" if text.startswith("-") and float(text) else text.lstrip("-")


def with_sd(value: float, sd: float | None, digits: int) -> str:
    """A value with 1 sigma behind it, where that is known."""
    return signed(value, digits) if sd is None else f"{signed(value, digits)} ± {sd:.{digits}f}"


def centile_text(centile: float) -> str:
    """A centile; one so far out that its decimals say nothing is named by its bound."""
    if centile > 99.9:
        return "> 99.9"
    return "< 0.1" if centile < 0.1 else f"{centile:.1f}"


def probability_text(share: float) -> str:
    """A probability, 0..1, in percent; rounding never makes a certainty of it."""
    percent = share * 100
    if percent > 99.9:
        return "> 99.9 %"
    return "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def limit_text(value: float) -> str:
    """A limit without superfluous zeros."""
    return signed(value, 2).rstrip("0").rstrip(".")


def weeks_and_days(days: float) -> tuple[int, int]:
    """Whole weeks and the days beyond them, to the nearest day."""
    return divmod(round(days), 7)


def zone_of(name: str) -> tzinfo:
    """The time zone of an IANA name; UTC is known on every machine. Raises ValueError, or KeyError for one that this
    machine does not know."""
    return UTC if name == "UTC" else ZoneInfo(name)


def moment(time: datetime, zone: tzinfo) -> str:
    """Date, time to the minute and distance from UTC in this zone."""
    local = time.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M} UTC{offset[:3].replace('-', MINUS)}:{offset[3:5]}"
