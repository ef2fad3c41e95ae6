"""Part of step 10: the ledger entry of a finished upload: how many files, and one root over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from cloud.series.stored import Source
from sonorelay.contract.merkle import part_root
from sonorelay.contract.notes import Signer

HEADER: Final = "sonorelay.org/upload@v1"


def entry(
    upload_id: str,
    source: Source,
    digests: Iterable[bytes],
    refused_count: int,
    series_count: int,
    time: datetime,
    signer: Signer,
) -> bytes:
    """The entry: a note signed by the log's own key, at most 1 KiB, without patient data (SPEC.md, section 12)."""
    kept = list(digests)
    lines = [
        HEADER,
        f"upload {upload_id}",
        f"source {source.value}",
        f"files {len(kept)}",
        f"refused {refused_count}",
        f"series {series_count}",
        f"root {part_root(sorted(kept)).hex()}",
        f"time {time.astimezone(UTC).isoformat(timespec='milliseconds')}",
    ]
    return signer.sign("\n".join(lines) + "\n")
