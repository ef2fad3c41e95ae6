"""Beside the thirteen steps: series: keyed hashes: what stands in place of names and UIDs in stored series.

The same original gives the same hash, so that images still group; only who has the server's secret can tell which.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cloud.errors import ConfigInvalid
from cloud.store import durable

_KEY_BYTES: Final = 32
_OWNER_ONLY: Final = 0o600


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesKey:
    """The server's secret for series."""

    secret: bytes = field(repr=False)
    """32 random bytes."""

    @classmethod
    def open(cls, path: Path) -> Self:
        """The key in the file `path`, which is made where there is none. Raises ConfigInvalid."""
        if not path.exists():
            durable.write(path, secrets.token_bytes(_KEY_BYTES), mode=_OWNER_ONLY)
        secret = path.read_bytes()
        if len(secret) != _KEY_BYTES or stat.S_IMODE(path.stat().st_mode) & ~_OWNER_ONLY:
            raise ConfigInvalid(
                f"the series' key {path.name} must be {_KEY_BYTES} bytes that only its owner may read: "
                "restore it from the backup"
            )
        return cls(secret=secret)

    def digest(self, purpose: str, *texts: str) -> bytes:
        """HMAC-SHA-256 of the texts, apart for each purpose; 32 bytes."""
        message = "\0".join((purpose, *texts)).encode("utf-8", "surrogateescape")
        return hmac.new(self.secret, message, hashlib.sha256).digest()

    def uid(self, original: str) -> str:
        """A UID under 2.25 (PS3.5 B.2), at most 44 characters."""
        return f"2.25.{int.from_bytes(self.digest('uid', original)[:16], 'big')}"

    def name(self, name: str) -> str:
        """What stands in place of a patient's name: N and 15 hexadecimal digits; empty for an empty one."""
        return f"N{self.digest('name', name).hex()[:15].upper()}" if name else ""

    def patient(self, patient: str) -> str:
        """A pseudonym: P and 15 hexadecimal digits."""
        return f"P{self.digest('patient', patient).hex()[:15].upper()}"

    def uuid(self, purpose: str, *texts: str) -> str:
        """A UUID (RFC 9562, version 5) that the same texts give again."""
        return str(uuid.UUID(bytes=self.digest(purpose, *texts)[:16], version=5))

    def folder(self, path: str) -> str:
        """The folders of a relative path, one hash for each level; empty for a file at the top."""
        parts = path.split("/")[:-1]
        levels = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
        return "/".join(self.digest("folder", level).hex()[:16] for level in levels)
