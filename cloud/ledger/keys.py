"""The log's signing key, in a file that only its owner may read."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud.errors import LedgerDamaged
from cloud.store import durable

_OWNER_ONLY: Final = 0o600


def load_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in the PKCS #8 PEM file `path`.

    Raises LedgerDamaged where it is missing, is no such key, or others may read it.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise LedgerDamaged(f"the log's key {path.name} is missing: restore it from the backup") from error
    if mode & ~_OWNER_ONLY:
        raise LedgerDamaged(f"the log's key {path.name} may be read by others: set its mode to 0600")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise LedgerDamaged(f"the log's key {path.name} is not a PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LedgerDamaged(f"the log's key {path.name} is not an Ed25519 key")
    return key


def save_key(path: Path, key: Ed25519PrivateKey) -> None:
    """Writes a new key durably with mode 0600. Raises LedgerDamaged where a file is there: keys are never
    replaced.
    """
    if path.exists():
        raise LedgerDamaged(f"the log's key {path.name} exists already")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    durable.write(path, pem, mode=_OWNER_ONLY)
