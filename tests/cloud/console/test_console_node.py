"""Part of step 13: finding Node for the page's build."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cloud.console.node import npm_command, run_npm


def programs(folder: Path, node_version: str, npm_script: str = "exit 0") -> None:
    """Puts a node of this version and an npm into `folder`."""
    for name, script in (("node", f"echo v{node_version}"), ("npm", npm_script)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


def test_a_new_enough_node_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine has is used before anything else."""
    programs(tmp_path, "24.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [str(tmp_path / "npm")] == npm_command()


def test_npm_finds_its_own_node_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm's scripts call node by name; it must be the one that belongs to this npm. Failure is told."""
    own, web = tmp_path / "own", tmp_path / "web"
    own.mkdir()
    web.mkdir()
    programs(own, "22.12.0", 'echo "$PATH $PWD $*" > seen; test "$1" = ci')
    monkeypatch.setenv("PATH", os.pathsep.join([str(own), "/usr/bin", "/bin"]))
    assert run_npm(["ci", "--no-fund"], web)
    assert (web / "seen").read_text().startswith(f"{own}{os.pathsep}")
    assert (web / "seen").read_text().endswith(f"{web} ci --no-fund\n")
    assert not run_npm(["run"], web)
