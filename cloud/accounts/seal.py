"""Accounts: the site's seal: secrets that must be read again are kept encrypted, by a key in a file of its own.

A copy of the database alone does not open them; whoever has the whole data folder has the key too.
"""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cloud.accounts import rows
from cloud.db import Database, Tx
from cloud.errors import CloudError, ConfigInvalid
from cloud.store import durable

KEY_FILE: Final = Path("keys") / "accounts.key"
"""Where the key lies in the data folder."""
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_OWNER_ONLY: Final = 0o600
_SECRET_LENGTH: Final = 32
"""Letters of a secret that is not sealed yet: 20 bytes in Base32. A sealed one has 64."""


class SealBroken(CloudError):
    """What was sealed was altered, moved to another place, or sealed with another key."""


class Seal:
    """AES-256-GCM. What is sealed for one place (a user, a purpose) does not open at another."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._cipher = AESGCM(key)
        self._random = random

    def close(self, secret: bytes, place: str) -> str:
        """`secret` sealed for `place`: base64 letters, 28 bytes longer than the secret."""
        nonce = self._random(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, secret, place.encode())
        return base64.urlsafe_b64encode(sealed).decode("ascii")

    def open(self, sealed: str, place: str) -> bytes:
        """What was sealed for `place`. Raises SealBroken."""
        try:
            raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], place.encode())
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise SealBroken("a sealed secret does not open") from error

    def close_code(self, secret: str, user_id: str) -> str:
        """A user's secret of one-time codes (Base32, 20 bytes), sealed: 64 letters."""
        return self.close(base64.b32decode(secret), f"codes {user_id}")

    def open_code(self, sealed: str, user_id: str) -> str:
        """The Base32 secret of a user. Raises SealBroken."""
        return base64.b32encode(self.open(sealed, f"codes {user_id}")).decode("ascii")


def open_seal(data: Path, database: Database, random: Callable[[int], bytes]) -> Seal:
    """The seal of a data folder; a new folder gets one, and secrets that were kept before it are sealed.

    Raises ConfigInvalid where the key is not the one that secrets of the database were sealed with.
    """
    file = data / KEY_FILE
    with database.begin() as tx:
        if not file.exists():
            if any(_is_sealed(secret) for _, _, secret in rows.code_secrets(tx)):
                raise ConfigInvalid(f"{file} is missing: restore it from the backup, or reset who uses codes")
            durable.write(file, base64.b64encode(random(_KEY_BYTES)) + b"\n", mode=_OWNER_ONLY)
        seal = Seal(_key(file), random)
        _seal_all(tx, seal, file)
    return seal


def _seal_all(tx: Tx, seal: Seal, file: Path) -> None:
    """Seals what is not sealed yet; tries what is."""
    for user_id, column, secret in rows.code_secrets(tx):
        if not _is_sealed(secret):
            rows.set_user(tx, user_id, **{column: seal.close_code(secret, user_id)})
            continue
        try:
            seal.open_code(secret, user_id)
        except SealBroken as error:
            raise ConfigInvalid(
                f"{file} is not the key of this database: restore it from the backup"
            ) from error


def _is_sealed(secret: str) -> bool:
    return len(secret) != _SECRET_LENGTH


def _key(file: Path) -> bytes:
    if stat.S_IMODE(file.stat().st_mode) & ~_OWNER_ONLY:
        raise ConfigInvalid(f"{file} may be read by others: set its mode to 0600")
    try:
        key = base64.b64decode(file.read_bytes().strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigInvalid(f"{file} is not a key: restore it from the backup")
    return key
