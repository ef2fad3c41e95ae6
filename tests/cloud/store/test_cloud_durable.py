"""The one way of creating stored files on the cloud."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from cloud.errors import StoreFull
from cloud.store import durable


def test_a_file_is_written_whole_and_replaced_whole(tmp_path: Path) -> None:
    """The folder is made, the mode is as asked for, no temporary file stays."""
    path = tmp_path / "a" / "b" / "file"
    durable.write(path, b"one")
    durable.write(path, b"two", mode=0o600)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fdatasync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_store_full_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    """The old file is whole, no temporary file stays, and the caller hears when to come back."""
    path = tmp_path / "file"
    durable.write(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(StoreFull):
        durable.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_other_errors_pass(tmp_path: Path) -> None:
    """What waiting does not mend is not called a full disk."""
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError):
        durable.write(tmp_path / "file", b"data")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_order_of_a_durable_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data is synced before it gets its name, the folder after: a power cut shows old or new."""
    steps: list[str] = []
    for name in ("write", "fdatasync", "replace", "fsync"):
        real = getattr(os, name)

        def step(*arguments: object, name: str = name, real: object = real) -> object:
            steps.append(name)
            return real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(os, name, step)
    durable.write(tmp_path / "file", b"data")
    assert steps == ["write", "fdatasync", "replace", "fsync"]
