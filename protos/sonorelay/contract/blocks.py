"""Blocks: the device-signed note of at most 1 KiB that enters the ledger for each part. SPEC.md, 4."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sonorelay.contract.limits import BLOCK_MAX_BYTES
from sonorelay.contract.notes import NoteInvalid, Signer, Verifier, open_note

HEADER: Final = "sonorelay.org/block@v1"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
SERIES_TYPE: Final = "series"
"""Type of an image that belongs to a series (CT, MR, PET, ultrasound) and is not read by the line's models."""
IMAGE_TYPES: Final = ("brain", "abdomen", "femur", "thorax", "other", "unsorted", SERIES_TYPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Block information of one part (TX-07). No patient data."""

    device_id: str
    """Device number, [a-z0-9][a-z0-9-]{0,62}."""
    capture_id: str
    """UUID of the capture, lower case."""
    part_index: int
    """Place of the part in the capture, from 0."""
    image_type: str
    """Type of its images."""
    image_count: int
    """Images in the part."""
    size_bytes: int
    """Length of the sub-file, bytes."""
    shard_size_bytes: int
    """Length of every shard but the last, bytes."""
    shard_count: int
    """Number of shards."""
    root: bytes
    """RFC 6962 root over the shard digests, 32 bytes."""
    block_time: datetime
    """When the edge made the block (aware, UTC, whole seconds)."""

    def text(self) -> str:
        """Text to be signed; the same block always gives the same bytes. Raises NoteInvalid."""
        if not _NAME.fullmatch(self.device_id):
            raise NoteInvalid("bad device id")
        if not _UUID.fullmatch(self.capture_id):
            raise NoteInvalid("bad capture id")
        if self.image_type not in IMAGE_TYPES:
            raise NoteInvalid("unknown image type")
        root = base64.b64encode(self.root).decode("ascii")
        lines = (
            HEADER,
            f"device {self.device_id}",
            f"capture {self.capture_id}",
            f"part {self.part_index}",
            f"type {self.image_type}",
            f"images {self.image_count}",
            f"size {self.size_bytes}",
            f"shard-size {self.shard_size_bytes}",
            f"shards {self.shard_count}",
            f"root {root}",
            f"time {self.block_time.astimezone(UTC).strftime(_TIME)}",
        )
        return "\n".join(lines) + "\n"

    def sign(self, signer: Signer) -> bytes:
        """The signed note; raises NoteInvalid where it would exceed 1 KiB."""
        note = signer.sign(self.text())
        if len(note) > BLOCK_MAX_BYTES:
            raise NoteInvalid("a block has at most 1024 bytes")
        return note

    @classmethod
    def open(cls, note: bytes, device: Verifier) -> Block:
        """Reads a signed block and checks the device's signature; raises NoteInvalid."""
        if len(note) > BLOCK_MAX_BYTES:
            raise NoteInvalid("a block has at most 1024 bytes")
        text, _ = open_note(note, [device])
        keys = ("device", "capture", "part", "type", "images", "size", "shard-size", "shards", "root", "time")
        lines = text.split("\n")
        if len(lines) != len(keys) + 2 or lines[0] != HEADER or lines[-1]:
            raise NoteInvalid("not a block")
        values: dict[str, str] = {}
        for key, line in zip(keys, lines[1:], strict=False):
            if not line.startswith(f"{key} "):
                raise NoteInvalid(f"a block has a line {key}")
            values[key] = line[len(key) + 1 :]
        try:
            block = cls(
                device_id=values["device"],
                capture_id=values["capture"],
                part_index=int(values["part"]),
                image_type=values["type"],
                image_count=int(values["images"]),
                size_bytes=int(values["size"]),
                shard_size_bytes=int(values["shard-size"]),
                shard_count=int(values["shards"]),
                root=base64.b64decode(values["root"], validate=True),
                block_time=datetime.strptime(values["time"], _TIME).replace(tzinfo=UTC),
            )
        except ValueError as error:
            raise NoteInvalid("a block's value cannot be read") from error
        if block.text() != text:
            raise NoteInvalid("a block has one spelling only")
        return block
