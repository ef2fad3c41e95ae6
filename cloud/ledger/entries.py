"""Part of step 10: what an entry of the log says, for a person to read: its kind, its lines, when, and by whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sonorelay.contract.merkle import leaf_hash

UNKNOWN: Final = "unknown"
"""Kind of an entry whose first line is not of this project's form."""
_KIND: Final = re.compile(r"sonorelay\.org/([a-z][a-z0-9-]{0,31})@v[0-9]{1,3}")
_SIGNED_BY: Final = re.compile(r"— (\S+) \S+\n")
_BY: Final = ("actor", "device")
"""Names of the lines that say who, the first that is there counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryText:
    """An entry of the log in words. Nothing of it is checked: that is for whoever reads it."""

    index: int
    """Its index in the log."""
    kind: str
    """What stands between the slash and the @ of its first line; "unknown" for another form."""
    fields: Mapping[str, str]
    """Its lines: what stands behind each line's first word, by that word; of equal ones the first."""
    time: datetime | None
    """What it says of when (aware UTC); None where it says nothing."""
    by: str | None
    """What it says of who: a person, a machine or a device; None where it says nothing."""
    signer: str | None
    """Name of the key that its signature line bears; None where it has none."""
    text: str | None
    """All of it; None where it is not UTF-8."""
    leaf_hash: bytes
    """SHA-256(0x00 || entry), 32 bytes."""
    size_bytes: int
    """Its length, bytes."""


def entry_text(index: int, entry: bytes) -> EntryText:
    """What `entry` says. Never fails: the log takes any bytes."""
    text = _utf8(entry)
    kind, fields, signer = UNKNOWN, dict[str, str](), None
    if text is not None:
        body, _, signatures = text.partition("\n\n")
        header, *lines = body.split("\n")
        form, signed = _KIND.fullmatch(header), _SIGNED_BY.match(signatures)
        kind = form[1] if form else UNKNOWN
        signer = signed[1] if signed else None
        for line in lines if form else ():
            name, _, value = line.partition(" ")
            if value:
                fields.setdefault(name, value)
    return EntryText(
        index=index,
        kind=kind,
        fields=fields,
        time=_time(fields.get("time")),
        by=next((fields[name] for name in _BY if name in fields), None),
        signer=signer,
        text=text,
        leaf_hash=leaf_hash(entry),
        size_bytes=len(entry),
    )


def _utf8(entry: bytes) -> str | None:
    try:
        return entry.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _time(text: str | None) -> datetime | None:
    try:
        time = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time is None or time.tzinfo is None else time.astimezone(UTC)
