"""Settings of the agent."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest

from edge_agent.config import Config, load
from edge_agent.errors import ConfigInvalid


def test_a_file_and_the_command_line_above_it(tmp_path: Path) -> None:
    """Paths of the file count from its folder; options go above the file."""
    path = tmp_path / "agent.toml"
    path.write_text('data = "d"\nwatch = ["a", "/b"]\nkeep_raw_days = 2\n[labels]\nward = "w"\n')
    settings = load(path, {"cloud": "127.0.0.1:9", "pixels": None})
    assert settings.data == tmp_path / "d"
    assert settings.watch == (tmp_path / "a", Path("/b"))
    assert (settings.keep_raw_s, settings.cloud, settings.pixels) == (172_800.0, "127.0.0.1:9", "guard")
    assert dict(settings.labels) == {"ward": tmp_path / "w"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('data = "d"\ncolour = 1', "unknown setting colour"),
        ("", "data is missing"),
        ("data = 3", "data = 3"),
        ('data = "d"\nrescan_s = true', "rescan_s = True"),
        ('data = "d"\nrescan_s = 0', "rescan_s = 0"),
        ('data = "d"\npixels = "some"', "guard, trusted"),
        ('data = "d"\ndevice_id = "Room 1"', "device_id"),
        ('data = "d"\ncloud = "somewhere"', "HOST:PORT"),
        ('data = "d"\ntls_ca = "ca.pem"', "belong together"),
        ('data = "d"\nupload_threads = 0', "at least 1"),
        ('data = "d"\nfree_min_bytes = -1', "negative"),
        ("data = ", "not TOML"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    """Unknown keys and values that cannot be used are errors that say which and what to do."""
    path = tmp_path / "agent.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid, match=named):
        load(path, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message says which file."""
    with pytest.raises(ConfigInvalid, match=r"none\.toml"):
        load(tmp_path / "none.toml", {})


def test_every_setting_is_documented() -> None:
    """Each field has its sentence."""
    lines = inspect.getsource(Config).split("\n")
    for setting in fields(Config):
        at = next(n for n, line in enumerate(lines) if line.startswith(f"    {setting.name}:"))
        assert lines[at + 1].strip().startswith('"""'), setting.name
