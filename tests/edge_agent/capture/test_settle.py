"""Step 1: when a file is finished, and how it is opened and copied."""

from __future__ import annotations

import hashlib
import os
import socket
from io import BytesIO
from pathlib import Path

import pytest

from edge_agent.capture.settle import (
    GiveUp,
    SettleRules,
    SourceChanged,
    Take,
    Wait,
    copy_in,
    is_temporary,
    judge,
    open_source,
)
from edge_agent.errors import ImageRefused
from edge_agent.formats.ends import Structure, structure
from sonorelay.contract.limits import STILL_MAX_BYTES
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import dicom, encoded, screen

PNG = encoded(screen().pixels, ".png")
BMP = encoded(screen().pixels, ".bmp")
RULES = SettleRules(quiet_s=2.0, never_finished_s=60.0)


def seen(data: bytes) -> Structure:
    return structure(BytesIO(data), len(data))


def verdict(data: bytes, *, ended: bool, idle_s: float) -> object:
    return judge(seen(data), len(data), ended=ended, changed_s=100.0, now_s=100.0 + idle_s, rules=RULES)


@pytest.mark.req("TX-02")
def test_end_mark_takes_at_once() -> None:
    """A complete file whose writer closed it is taken without waiting."""
    assert Take() == verdict(BMP, ended=True, idle_s=0.0)


def test_png_end_needs_no_end_mark() -> None:
    """A PNG up to IEND is finished whatever events were lost."""
    assert Take() == verdict(PNG, ended=False, idle_s=0.0)


def test_without_end_mark_a_quiet_time_passes() -> None:
    """A complete BMP without an end mark may have been given its size first: it waits for the quiet time."""
    assert Wait(102.0) == verdict(BMP, ended=False, idle_s=0.5)
    assert Take() == verdict(BMP, ended=False, idle_s=2.0)


def test_closed_but_incomplete_waits_on() -> None:
    """A client may write in pieces and close between them; only after the long time it is truncated."""
    assert Wait(160.0) == verdict(PNG[:-20], ended=True, idle_s=30.0)
    assert GiveUp(EdgeReason.TRUNCATED) == verdict(PNG[:-20], ended=True, idle_s=60.0)
    assert GiveUp(EdgeReason.NEVER_FINISHED) == verdict(PNG[:-20], ended=False, idle_s=60.0)


def test_preallocated_zeros_are_incomplete() -> None:
    """Over SMB the full size may be set first: zeros where structure must be are not an end."""
    jpeg, object_ = encoded(screen().pixels, ".jpg"), dicom(screen().pixels)
    for data, written in ((PNG, 40), (jpeg, 100), (object_, object_.index(b"\xe0\x7f\x10\x00OB"))):
        padded = data[:written] + bytes(len(data) - written)
        assert isinstance(verdict(padded, ended=False, idle_s=3.0), Wait)


def test_empty_waits_then_is_empty() -> None:
    """An empty file is somebody's beginning until the long time has passed."""
    assert Wait(160.0) == verdict(b"", ended=True, idle_s=5.0)
    assert GiveUp(EdgeReason.EMPTY_FILE) == verdict(b"", ended=True, idle_s=60.0)


def test_too_large_is_given_up_at_once() -> None:
    """A still over the limit is refused before a byte is copied."""
    found = seen(PNG)
    given = judge(found, STILL_MAX_BYTES + 1, ended=True, changed_s=0.0, now_s=0.0, rules=RULES)
    assert GiveUp(EdgeReason.TOO_LARGE) == given


@pytest.mark.parametrize("name", [".hidden.png", "a.tmp", "a.png.part", "a.png~", "A.TMP"])
def test_temporary_names(name: str) -> None:
    """Names that writers use for unfinished files are not looked at."""
    assert is_temporary(name)
    assert not is_temporary("a.png")


@pytest.mark.req("TX-02")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A link, a pipe, a socket and a folder are refused without following or waiting."""
    (tmp_path / "file").write_bytes(PNG)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("link", "pipe", "folder", "socket"):
            with pytest.raises(ImageRefused) as refused, open_source(tmp_path / name):
                pass
            assert EdgeReason.NOT_A_REGULAR_FILE is refused.value.reason


def test_copy_is_hashed_and_complete(tmp_path: Path) -> None:
    """Our copy has the source's bytes, their SHA-256 and a name that is not the source's."""
    (tmp_path / "a.png").write_bytes(PNG)
    with open_source(tmp_path / "a.png") as source:
        copy = copy_in(source, tmp_path, "folder")
    assert PNG == copy.path.read_bytes()
    assert (hashlib.sha256(PNG).digest(), len(PNG)) == (copy.sha256, copy.size_bytes)
    assert "a.png" not in copy.path.name


def test_changed_while_copying_leaves_no_copy(tmp_path: Path) -> None:
    """A source that somebody writes to is not taken, and the half copy is gone."""
    path, incoming = tmp_path / "a.png", tmp_path / "in"
    incoming.mkdir()
    path.write_bytes(PNG)
    with open_source(path) as source:
        with path.open("ab") as writer:
            writer.write(b"more")
        with pytest.raises(SourceChanged):
            copy_in(source, incoming, "folder")
    assert [] == list(incoming.iterdir())
