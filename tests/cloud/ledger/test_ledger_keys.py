"""The log's key file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from cloud.errors import LedgerDamaged
from cloud.ledger.keys import load_key, save_key


def test_a_saved_key_comes_back_and_is_its_owners_only(tmp_path: Path) -> None:
    """The same key is loaded; nobody else may read the file."""
    key = Ed25519PrivateKey.generate()
    save_key(tmp_path / "log.key", key)
    assert key.private_bytes_raw() == load_key(tmp_path / "log.key").private_bytes_raw()
    assert stat.S_IMODE((tmp_path / "log.key").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    """Replacing the key would end the log."""
    save_key(tmp_path / "log.key", Ed25519PrivateKey.generate())
    with pytest.raises(LedgerDamaged, match="exists already"):
        save_key(tmp_path / "log.key", Ed25519PrivateKey.generate())


def test_bad_key_files_are_refused(tmp_path: Path) -> None:
    """Missing, readable by others, not PEM, another kind of key."""
    path = tmp_path / "log.key"
    with pytest.raises(LedgerDamaged, match="missing"):
        load_key(path)
    save_key(path, Ed25519PrivateKey.generate())
    path.chmod(0o644)
    with pytest.raises(LedgerDamaged, match="0600"):
        load_key(path)
    path.chmod(0o600)
    path.write_bytes(b"no key")
    with pytest.raises(LedgerDamaged, match="PEM"):
        load_key(path)
    other = generate_private_key(SECP256R1())
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(LedgerDamaged, match="Ed25519"):
        load_key(path)
