"""The device's manifest key and the site's secret: made at the first start, never sent anywhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.errors import ConfigInvalid
from edge_agent.spool import files
from edge_agent.spool.files import Folders
from sonorelay.contract.notes import Signer

_KEY_SIZE_BYTES: Final = 32
_DEVICE_ID_DIGITS: Final = 10


def device_key_path(folders: Folders) -> Path:
    """Where the device's Ed25519 key lies: 32 raw bytes, 0600."""
    return folders.keys / "device.key"


def site_secret_path(folders: Folders) -> Path:
    """Where the site's secret for keyed hashes lies: 32 random bytes, 0600."""
    return folders.keys / "site.secret"


def load_signer(folders: Folders, device_id: str) -> Signer:
    """The device's signer; makes key and site secret where there are none yet, durably.

    `device_id`: empty: derived from the public key, so that a fresh data folder is a device of its own.
    Raises ConfigInvalid (damaged or too widely readable key), OSError.
    """
    _secret(site_secret_path(folders))
    key = Ed25519PrivateKey.from_private_bytes(_secret(device_key_path(folders)))
    if not device_id:
        digest = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()
        device_id = f"edge-{digest[:_DEVICE_ID_DIGITS]}"
    return Signer(device_id, key)


def _secret(path: Path) -> bytes:
    if not path.exists():
        files.write(path, os.urandom(_KEY_SIZE_BYTES))
    if path.stat().st_mode & 0o077:
        raise ConfigInvalid(f"{path} may be read by others: chmod 600 {path}")
    data = path.read_bytes()
    if len(data) != _KEY_SIZE_BYTES:
        raise ConfigInvalid(f"{path} is damaged: put it back from a backup, or move it away for a new key")
    return data
