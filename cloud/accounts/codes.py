"""Accounts: one-time codes by time (TOTP, RFC 6238), each good for one use."""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from typing import Final

import pyotp
import segno

STEP_S: Final = 30
"""A code belongs to a step of this many seconds."""
SECRET_BYTES: Final = 20
_SLACK_STEPS: Final = 1
"""Clocks may differ by this many steps (RFC 6238, 5.2)."""
_ISSUER: Final = "SonoRelay"


def make_secret(random: bytes) -> str:
    """The Base32 secret of `random` (20 bytes)."""
    return base64.b32encode(random).decode("ascii")


def matching_step(secret: str, code: str, now: datetime, last_step: int) -> int | None:
    """The step that `code` belongs to, newer than `last_step`; None where it is wrong, too old or was used."""
    current = int(now.timestamp()) // STEP_S
    made = pyotp.TOTP(secret, interval=STEP_S)
    typed = "".join(code.split()).encode()
    for step in range(current - _SLACK_STEPS, current + _SLACK_STEPS + 1):
        if step > last_step and hmac.compare_digest(made.at(step * STEP_S).encode(), typed):
            return step
    return None


def enrolment_uri(secret: str, name: str) -> str:
    """The otpauth address that an authenticator app reads."""
    return pyotp.TOTP(secret, interval=STEP_S).provisioning_uri(name=name, issuer_name=_ISSUER)


def qr_picture(uri: str) -> str:
    """`uri` as a QR code: an SVG in a data address, dark on white."""
    return str(
        segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, border=3, dark="#000", light="#fff")
    )
