"""Step 4 of 13: de-identify. Keyed hashes: new ids and date shifts that only the site's key can tell."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from edge_agent.errors import NeedsPerson

KEY_SIZE_BYTES = 32
_SHIFT_MAX_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteKey:
    """The site's secret; it never leaves the site."""

    secret: bytes
    """32 random bytes."""

    @classmethod
    def read(cls, path: Path) -> SiteKey:
        """Reads the key file. Errors: NeedsPerson where it is not 32 bytes; OSError."""
        secret = path.read_bytes()
        if len(secret) != KEY_SIZE_BYTES:
            raise NeedsPerson(f"The site's secret must be a file of {KEY_SIZE_BYTES} bytes.")
        return cls(secret=secret)

    def digest(self, purpose: str, text: str) -> bytes:
        """HMAC-SHA-256 of `text`, apart for each purpose; 32 bytes."""
        message = purpose.encode() + b"\x00" + text.encode("utf-8", "surrogateescape")
        return hmac.new(self.secret, message, hashlib.sha256).digest()

    def uid(self, original: str) -> str:
        """A UID under 2.25 (PS3.5 B.2), at most 44 characters."""
        return f"2.25.{int.from_bytes(self.digest('uid', original)[:16], 'big')}"

    def patient(self, patient: str) -> str:
        """A pseudonym: S and 15 hexadecimal digits."""
        return "S" + self.digest("patient", patient).hex()[:15].upper()

    def shifted(self, day: str, patient: str) -> str:
        """The date `day` (YYYYMMDD) moved back by the patient's 1 to 365 days; "" where it is no date."""
        if len(day) != 8 or not (day.isascii() and day.isdigit()):
            return ""
        days = 1 + int.from_bytes(self.digest("date", patient)[:8], "big") % _SHIFT_MAX_DAYS
        try:
            moved = date(int(day[:4]), int(day[4:6]), int(day[6:])) - timedelta(days=days)
        except (ValueError, OverflowError):
            return ""
        return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"
