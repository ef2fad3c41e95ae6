"""Part of steps 10 and 11: the ledger entry of what was done with a model: which version, by whom, in place of
which."""

from __future__ import annotations

from datetime import UTC
from typing import Final

from cloud.models.rules import ModelEvent
from sonorelay.contract.notes import Signer

HEADER: Final = "sonorelay.org/model@v1"
_NONE: Final = "-"


def entry(event: ModelEvent, sha256: bytes | None, signer: Signer) -> bytes:
    """The entry: a note signed by the log's own key, at most 1 KiB (SPEC.md, section 9).

    `sha256` is of the version's weights, 32 bytes; None for the end of a shadow.
    """
    lines = [
        HEADER,
        f"action {event.action.value}",
        f"model {event.model}",
        f"version {event.version or _NONE}",
        f"before {event.before or _NONE}",
        f"sha256 {sha256.hex() if sha256 else _NONE}",
        f"actor {event.actor}",
        f"time {event.time.astimezone(UTC).isoformat(timespec='milliseconds')}",
    ]
    return signer.sign("\n".join(lines) + "\n")
