"""Part of steps 10 and 11: the ledger entry of a result: which image, which models, which output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sonorelay.contract.digest import sha256
from sonorelay.contract.notes import Signer
from sonorelay.contract.reasons import EdgeReason

HEADER: Final = "sonorelay.org/result@v2"
_NONE: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImage:
    """What came of reading one image."""

    image_id: str
    """UUID of the image."""
    sha256: bytes
    """SHA-256 of its stored bytes."""
    reason: EdgeReason | None
    """Why it could not be read; None where it could."""
    reading: dict[str, Any] | None
    """The reading's JSON; None where there is a reason."""
    pictures: Mapping[str, bytes]
    """SHA-256 of each picture in the blob store, by name."""
    infer_ms: float
    """How long the reading took, milliseconds."""
    ahead_ms: float = 0.0
    """How much of that passed before the image was in the queue, beside the steps before, milliseconds."""

    @property
    def ok(self) -> bool:
        """Whether it was read."""
        return self.reason is None


def output_digest(reading: Mapping[str, Any]) -> bytes:
    """SHA-256 of a reading: of its JSON with sorted keys and without spaces, 32 bytes."""
    return sha256(json.dumps(reading, sort_keys=True, separators=(",", ":")).encode())


def models_digest(models: Mapping[str, Mapping[str, str]]) -> bytes:
    """SHA-256 of a line `<name> <version> <hex of the weights' SHA-256>` and LF for each model, by name; 32 bytes."""
    lines = [f"{name} {used['version']} {used['sha256']}\n" for name, used in sorted(models.items())]
    return sha256("".join(lines).encode())


def entry(read: ReadImage, time: datetime, signer: Signer) -> bytes:
    """The entry: a note signed by the log's own key, at most 1 KiB, without patient data.

    It names the image by id and digest, the models by name and version and all their weights by one digest, and
    the reading and pictures by digest: ten models still fit. `time` is the server's.
    """
    models = read.reading["models"] if read.reading else {}
    lines = [
        HEADER,
        f"image {read.image_id}",
        f"sha256 {read.sha256.hex()}",
        f"reason {read.reason.value if read.reason else _NONE}",
        f"output {output_digest(read.reading).hex() if read.reading else _NONE}",
        *(f"picture {name} {digest.hex()}" for name, digest in sorted(read.pictures.items())),
        f"models {models_digest(models).hex() if models else _NONE}",
        *(f"model {name} {used['version']}" for name, used in sorted(models.items())),
        f"time {time.astimezone(UTC).isoformat(timespec='milliseconds')}",
    ]
    return signer.sign("\n".join(lines) + "\n")
