"""Part of step 11: model life: who may change models: a client certificate with the administrators' role."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from cloud.errors import CallRefused
from sonorelay.contract.reasons import WireReason

ADMIN_UNIT: Final = "sonorelay-admin"
"""Organizational unit in the subject of an administrator's certificate."""
LOOPBACK: Final = "loopback"
"""The actor where the server has no certificates, so that only this machine can call."""
_NOT_PRINTABLE: Final = re.compile(r"[^A-Za-z0-9._@-]+")
_NAME_MAX: Final = 60

AuthContext = Mapping[str, Iterable[bytes]]
"""What gRPC says of the peer: values by property."""


def admin(peer: AuthContext) -> str:
    """The administrator, for history and ledger: "cn=" and the certificate's common name, or "loopback".

    Refuses anyone else as NOT_PERMITTED. A channel without certificates is taken only by a server that
    listens on loopback (`Config.check`).
    """
    if list(peer.get("transport_security_type", ())) == [b"insecure"]:
        return LOOPBACK
    certificate = _certificate(peer)
    units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if ADMIN_UNIT not in [unit.value for unit in units]:
        raise CallRefused(
            WireReason.NOT_PERMITTED, f"the certificate's subject lacks the organizational unit {ADMIN_UNIT}"
        )
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # The name goes into a line of the ledger, without spaces and line ends, and apart from our own words.
    name = _NOT_PRINTABLE.sub("_", str(names[0].value))[:_NAME_MAX] if names else ""
    return f"cn={name}"


def _certificate(peer: AuthContext) -> x509.Certificate:
    for pem in peer.get("x509_pem_cert", ()):
        try:
            return x509.load_pem_x509_certificate(pem)
        except ValueError as exc:
            raise CallRefused(WireReason.NOT_PERMITTED, "the certificate cannot be read") from exc
    raise CallRefused(WireReason.NOT_PERMITTED, "the call came without a client certificate")
