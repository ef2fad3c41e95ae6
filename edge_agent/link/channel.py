"""The channel to the cloud: keepalive, certificates; nothing in plain text beyond this machine."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from edge_agent.errors import ConfigInvalid
from sonorelay.contract.limits import KEEPALIVE_CLIENT_OPTIONS

# The gate decides when to try again; the channel's own waiting, up to two minutes, must not add to it.
_RECONNECT_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files of mutual TLS, PEM."""

    ca: Path
    """Certificates that the cloud's certificate must lead to."""
    certificate: Path
    """This device's certificate chain."""
    key: Path
    """Its private key."""


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT or unix:PATH stays on this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_channel(address: str, tls: TlsFiles | None) -> grpc.Channel:
    """A channel to HOST:PORT; it connects by itself. The caller closes it.

    Raises ConfigInvalid: no certificates for an address beyond this machine, or files that cannot be read.
    """
    options = [*KEEPALIVE_CLIENT_OPTIONS, *_RECONNECT_OPTIONS]
    if tls is None:
        if not is_loopback(address):
            raise ConfigInvalid(
                f"cloud = {address!r} is beyond this machine: set tls_ca, tls_certificate and tls_key"
            )
        return grpc.insecure_channel(address, options=options)
    try:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=tls.ca.read_bytes(),
            private_key=tls.key.read_bytes(),
            certificate_chain=tls.certificate.read_bytes(),
        )
    except OSError as error:
        raise ConfigInvalid(f"a certificate file cannot be read: {error.filename}") from error
    return grpc.secure_channel(address, credentials, options=options)
