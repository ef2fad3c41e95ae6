"""Who may change models: a certificate with the administrators' unit, or anyone on a loopback-only server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloud.errors import CallRefused
from cloud.models.rights import admin
from tests.authority import Authority


def _peer(tmp_path: Path, name: str, unit: str | None) -> dict[str, Any]:
    certificate, _ = Authority(tmp_path, "authority").issue(name, unit)
    return {"transport_security_type": [b"ssl"], "x509_pem_cert": [certificate.read_bytes()]}


def test_an_administrator_is_named_by_the_certificate(tmp_path: Path) -> None:
    """The common name goes into history and ledger as one word, apart from the server's own words."""
    peer = _peer(tmp_path, "dr. li\nprogram", "sonorelay-admin")
    assert admin(peer) == "cn=dr._li_program"


@pytest.mark.parametrize("unit", [None, "", "sonorelay-agent", "xsonorelay-admin"])
def test_a_certificate_without_the_unit_is_refused(tmp_path: Path, unit: str | None) -> None:
    """A device's certificate gives no right to models."""
    with pytest.raises(CallRefused, match="sonorelay-admin"):
        admin(_peer(tmp_path, "room-1", unit or None))


def test_a_channel_without_certificates_is_loopback() -> None:
    """A server takes such channels on loopback only."""
    assert admin({"transport_security_type": [b"insecure"]}) == "loopback"


@pytest.mark.parametrize(
    "peer",
    [
        {},
        {"transport_security_type": [b"ssl"]},
        {"transport_security_type": [b"ssl"], "x509_pem_cert": [b"no certificate"]},
        {"transport_security_type": [b"ssl", b"insecure"]},
    ],
)
def test_what_is_not_known_is_refused(peer: dict[str, Any]) -> None:
    """Without a certificate that can be read nobody is an administrator."""
    with pytest.raises(CallRefused):
        admin(peer)
