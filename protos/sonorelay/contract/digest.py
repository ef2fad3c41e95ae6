"""Digests: SHA-256 everywhere, 32 raw bytes on the wire, lower-case hex in paths and logs."""

from __future__ import annotations

import hashlib
from typing import BinaryIO, Final

DIGEST_SIZE_BYTES: Final = 32
_READ_BYTES: Final = 1024 * 1024


def sha256(data: bytes | bytearray | memoryview) -> bytes:
    """SHA-256 of `data`, 32 bytes."""
    return hashlib.sha256(data).digest()


def sha256_stream(stream: BinaryIO) -> bytes:
    """SHA-256 of what `stream` still holds, 32 bytes; reads 1 MiB at a time."""
    digest = hashlib.sha256()
    while chunk := stream.read(_READ_BYTES):
        digest.update(chunk)
    return digest.digest()


def session_id(device_id: str, capture_id: str) -> str:
    """Name of an upload: hex SHA-256 of device id, LF, capture id. A repeat gives the same name."""
    return hashlib.sha256(f"{device_id}\n{capture_id}".encode()).hexdigest()


def trace_id(capture_id: str) -> str:
    """Trace id of a capture from print to console: the 32 hex digits of its UUID."""
    return capture_id.replace("-", "").lower()
