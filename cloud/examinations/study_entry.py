"""Examinations: the ledger entries of a deletion and of a restoration: pseudonyms and digests, no free text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sonorelay.contract.notes import Signer

DELETED_HEADER: Final = "sonorelay.org/examination-deleted@v1"
RESTORED_HEADER: Final = "sonorelay.org/examination-restored@v1"


def deleted_entry(examination_id: str, content: bytes, user_id: str, time: datetime, signer: Signer) -> bytes:
    """The entry of a deletion (SPEC.md, section 11), at most 1 KiB; `content` is the digest of what is hidden."""
    return _entry(DELETED_HEADER, examination_id, content, user_id, time, signer)


def restored_entry(
    examination_id: str, content: bytes, user_id: str, time: datetime, signer: Signer
) -> bytes:
    """The entry of a restoration, likewise: equal digests show that nothing changed meanwhile."""
    return _entry(RESTORED_HEADER, examination_id, content, user_id, time, signer)


def _entry(
    header: str, examination_id: str, content: bytes, user_id: str, time: datetime, signer: Signer
) -> bytes:
    lines = [
        header,
        f"examination {examination_id}",
        f"content {content.hex()}",
        f"user {user_id}",
        f"time {time.astimezone(UTC).isoformat(timespec='milliseconds')}",
    ]
    return signer.sign("\n".join(lines) + "\n")
