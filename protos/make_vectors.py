"""Writes the golden vectors (`python -m protos.make_vectors`), so that any language can check itself."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sonorelay.contract import blocks, digest, merkle, notes, shards
from sonorelay.contract.limits import SHARD_SIZE_BYTES
from sonorelay.ingest.v1.subfile_pb2 import SubFileImage, SubFileIndex

FOLDER = Path(__file__).resolve().parent / "vectors"
CAPTURE_ID = "3f0c5b9e-8a51-4d1e-9c44-0a1b2c3d4e5f"
DEVICE_ID = "room-3"
DEVICE_SEED = bytes(range(32))
LOG_SEED = bytes(range(32, 64))


def pattern(size_bytes: int) -> bytes:
    """Bytes 0, 1, ... 250, 0, 1, ...: a length that no shard size divides."""
    return (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]


def cuts() -> list[dict[str, Any]]:
    """Shard digests and roots of patterns around the shard size."""
    sizes = (1, SHARD_SIZE_BYTES - 1, SHARD_SIZE_BYTES, SHARD_SIZE_BYTES + 1, 5 * SHARD_SIZE_BYTES + 7)
    out = []
    for size_bytes in sizes:
        part = shards.digest_part([pattern(size_bytes)])
        out.append(
            {
                "size_bytes": size_bytes,
                "shard_sha256": [d.hex() for d in part.shard_sha256],
                "root": part.root.hex(),
            }
        )
    return out


def sub_file() -> dict[str, Any]:
    """Head of a sub-file with two images."""
    first, second = pattern(10), pattern(20)
    index = SubFileIndex(image_type="brain")
    position = 0
    for number, data in enumerate((first, second)):
        index.images.append(
            SubFileImage(
                image_id=f"00000000-0000-4000-8000-00000000000{number}",
                media_type="image/png",
                offset_bytes=position,
                size_bytes=len(data),
                sha256=digest.sha256(data),
                width_px=2,
                height_px=3,
                frame_count=1,
                source_format="png",
                index_in_capture=number,
            )
        )
        position += len(data)
    return {"bytes": base64.b64encode(shards.encode_head(index) + first + second).decode(), "images": 2}


def signed() -> dict[str, Any]:
    """A block, its log of three entries, and the receipt."""
    device = notes.Signer(DEVICE_ID, Ed25519PrivateKey.from_private_bytes(DEVICE_SEED))
    log = notes.Signer("sonorelay.org/vectors", Ed25519PrivateKey.from_private_bytes(LOG_SEED))
    part = shards.digest_part([pattern(300_000)])
    block = blocks.Block(
        device_id=DEVICE_ID,
        capture_id=CAPTURE_ID,
        part_index=0,
        image_type="brain",
        image_count=1,
        size_bytes=part.size_bytes,
        shard_size_bytes=SHARD_SIZE_BYTES,
        shard_count=len(part.shard_sha256),
        root=part.root,
        block_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    ).sign(device)
    entries = [b"sonorelay.org/vector@v1\n", block, b"sonorelay.org/vector@v1\nlast\n"]
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    root = merkle.root_of_hashes(leaves)
    checkpoint = log.sign(notes.Checkpoint(origin=log.verifier.name, size=3, root=root).text())
    path = merkle.inclusion_path(1, 3, lambda lo, hi: merkle.root_of_hashes(leaves[lo:hi]))
    proof = notes.Proof(index=1, path=tuple(path), checkpoint=checkpoint)
    return {
        "device_verifier_key": str(device.verifier),
        "log_verifier_key": str(log.verifier),
        "block": block.decode(),
        "entries": [base64.b64encode(entry).decode() for entry in entries],
        "root": root.hex(),
        "checkpoint": checkpoint.decode(),
        "receipt": proof.encode().decode(),
    }


def vectors() -> dict[str, Any]:
    """All vectors by file name."""
    return {
        "identity.json": {
            "device_id": DEVICE_ID,
            "capture_id": CAPTURE_ID,
            "session_id": digest.session_id(DEVICE_ID, CAPTURE_ID),
            "trace_id": digest.trace_id(CAPTURE_ID),
        },
        "cuts.json": cuts(),
        "sub_file.json": sub_file(),
        "block_and_receipt.json": signed(),
    }


def main() -> None:
    """Writes every file."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in vectors().items():
        (FOLDER / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
