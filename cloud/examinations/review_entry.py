"""Examinations: the ledger entries of a review and of a signature: pseudonyms and digests, no free text."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cloud.examinations.review_items import Said
from sonorelay.contract.notes import Signer

REVIEW_HEADER: Final = "sonorelay.org/review@v1"
SIGNED_HEADER: Final = "sonorelay.org/examination-signed@v1"
_NONE: Final = "-"


def review_entry(said: Said, sha256: bytes, reviewer_id: str, time: datetime, signer: Signer) -> bytes:
    """The entry of a review (SPEC.md, section 11), at most 1 KiB; `sha256` is that of the image's stored bytes."""
    corrected = said.corrected.digest.hex() if said.corrected else _NONE
    lines = [
        REVIEW_HEADER,
        f"review {said.review_id}",
        f"image {said.image_id}",
        f"sha256 {sha256.hex()}",
        f"result {said.result_ledger_index}",
        f"decision {said.decision.value}",
        f"reason {said.reason.value if said.reason else _NONE}",
        f"corrected {corrected}",
        f"reviewer {reviewer_id}",
        f"time {_text(time)}",
    ]
    return signer.sign("\n".join(lines) + "\n")


def signed_entry(
    *,
    signature_id: str,
    examination_id: str,
    content: bytes,
    image_count: int,
    reviewed_count: int,
    overrides: bool,
    signer_id: str,
    time: datetime,
    signer: Signer,
) -> bytes:
    """The entry of a signature (SPEC.md, section 11), at most 1 KiB."""
    lines = [
        SIGNED_HEADER,
        f"signature {signature_id}",
        f"examination {examination_id}",
        f"content {content.hex()}",
        f"images {image_count}",
        f"reviewed {reviewed_count}",
        f"override {'yes' if overrides else 'no'}",
        f"signer {signer_id}",
        f"time {_text(time)}",
    ]
    return signer.sign("\n".join(lines) + "\n")


def _text(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds")
