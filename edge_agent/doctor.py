"""`sonorelay-agent doctor`: checks what the agent needs and says what to do where something is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import grpc

from edge_agent.config import Config
from edge_agent.errors import ConfigInvalid
from edge_agent.link.channel import TlsFiles, open_channel
from edge_agent.link.identity import load_signer
from edge_agent.spool import files
from edge_agent.spool.files import Folders

_CONNECT_S: Final = 3.0
_PARSERS: Final = ("numpy", "cv2", "pydicom", "pypdfium2", "openjpeg", "gdcm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    """What."""
    ok: bool
    """Whether it is as it should be."""
    say: str
    """What was found; where it is not ok, what to do."""


def examine(config: Config) -> Iterator[Finding]:
    """Looks at disk, keys, watched folders, parsers and the cloud, one after the other."""
    folders = Folders(data=config.data)
    yield _disk(config, folders)
    try:
        signer = load_signer(folders, config.device_id)
        yield Finding(name="device key", ok=True, say=f"device {signer.verifier.name}")
    except (ConfigInvalid, OSError) as error:
        yield Finding(name="device key", ok=False, say=str(error))
    for folder in config.watch:
        exists = folder.is_dir()
        say = str(folder) if exists else f"{folder} is no folder: make it, or correct the setting watch"
        yield Finding(name="watched folder", ok=exists, say=say)
    for module in _PARSERS:
        yield _parser(module)
    yield _cloud(config)


def _disk(config: Config, folders: Folders) -> Finding:
    probe = folders.data / ".doctor"
    try:
        folders.create()
        files.write(probe, b"x")
        probe.unlink()
        free = files.free_bytes(folders.data)
    except OSError as error:
        say = f"{folders.data} cannot be written ({error.strerror}): check rights and disk"
        return Finding(name="data folder", ok=False, say=say)
    if free < config.free_min_bytes:
        say = f"{free / 1e9:.1f} GB free, below free_min_bytes: make room; nothing new is taken in until then"
        return Finding(name="data folder", ok=False, say=say)
    return Finding(name="data folder", ok=True, say=f"{folders.data}, {free / 1e9:.1f} GB free")


def _parser(module: str) -> Finding:
    # In a child: the agent's own process never loads a parser.
    found = subprocess.run([sys.executable, "-P", "-c", f"import {module}"], capture_output=True, check=False)
    say = "found" if found.returncode == 0 else "missing: pip install 'sonorelay[edge]'"
    return Finding(name=module, ok=found.returncode == 0, say=say)


def _cloud(config: Config) -> Finding:
    tls = None
    if config.tls_ca and config.tls_certificate and config.tls_key:
        tls = TlsFiles(ca=config.tls_ca, certificate=config.tls_certificate, key=config.tls_key)
    try:
        channel = open_channel(config.cloud, tls)
    except ConfigInvalid as error:
        return Finding(name="cloud", ok=False, say=str(error))
    try:
        grpc.channel_ready_future(channel).result(timeout=_CONNECT_S)
    except grpc.FutureTimeoutError:
        say = (
            f"{config.cloud} does not answer: is the cloud running, is the address right, a firewall between?"
        )
        return Finding(name="cloud", ok=False, say=f"{say} Images wait in the spool meanwhile.")
    finally:
        channel.close()
    return Finding(name="cloud", ok=True, say=f"{config.cloud} answers")
