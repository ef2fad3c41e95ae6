"""A local computer hands a model to the cloud over mutual TLS, as real processes: push, promote, a print."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cloud.__main__ import main
from tests.authority import Authority
from tests.conftest import ROOT
from tests.line_machine import Line

PLANE = "fetal_plane_cls"


def _settings(folder: Path, name: str, values: dict[str, Path]) -> Path:
    """A settings file of certificate paths."""
    path = folder / f"{name}.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()))
    return path


def _next_version(folder: Path) -> tuple[Path, str, str]:
    """The shipped plane model once more, under the next number, as training would leave it; old and new number."""
    shipped = ROOT / "model_repository" / PLANE
    old = max((path.name for path in shipped.iterdir() if path.name.isdecimal()), key=int)
    new = str(int(old) + 1)
    made = folder / PLANE
    made.mkdir(parents=True)
    for name in ("config.pbtxt", "labels.txt"):
        shutil.copy(shipped / name, made / name)
    own = shipped / old / "card.toml"
    card = (own if own.is_file() else shipped / "card.toml").read_text()
    assert tomllib.loads(card)["version"] == old
    (made / "card.toml").write_text(card.replace(f'version = "{old}"', f'version = "{new}"', 1))
    (made / new).mkdir()
    shutil.copy(shipped / old / "model.onnx", made / new / "model.onnx")
    return made, old, new


class Operator:
    """Runs `sonorelay-cloud models` with a certificate."""

    def __init__(self, server: str, authority: Authority, name: str, unit: str | None) -> None:
        certificate, key = authority.issue(name, unit)
        self.link = [
            *("--server", server, "--tls-ca", authority.file),
            *("--tls-certificate", certificate, "--tls-key", key),
        ]

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """One command as a process of its own."""
        command = [sys.executable, "-m", "cloud", "models", *arguments, *self.link]
        return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=100)

    def call(self, *arguments: str | Path) -> int:
        """One command in this process."""
        return main(["models", *map(str, arguments), *map(str, self.link)])


def _models_of(line: Line) -> dict[str, Any]:
    """The models that the only result names."""
    with sqlite3.connect(f"file:{line.data / 'cloud' / 'state.db'}?mode=ro", uri=True) as db:
        ((reading,),) = db.execute("select reading from result").fetchall()
    db.close()
    models: dict[str, Any] = json.loads(reading)["models"]
    return models


@pytest.mark.req("READ-10")
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_model_goes_to_the_cloud_over_mutual_tls_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An administrator's push and promotion go through without a restart, the next print is read by the new
    version, and a device's certificate gives no right to models."""
    # Five programs compile every module once, wherever the tests run.
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "pycache"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    authority = Authority(tmp_path, "authority")
    server = authority.issue("server")
    folder, old, new = _next_version(tmp_path / "trained")
    with Line(tmp_path / "line") as line:
        cloud_files = {
            "tls_certificate_file": server[0], "tls_key_file": server[1], "tls_client_ca_file": authority.file,
        }  # fmt: skip
        line.cloud("--config", _settings(tmp_path, "cloud", cloud_files))
        assert line.endpoints is not None
        device = Operator(line.endpoints.grpc, authority, "room-1", None)
        refused = device.run("push", folder)
        assert (refused.returncode, "NOT_PERMITTED" in refused.stderr) == (1, True), refused.stderr
        assert device.call("list") == 1
        assert "NOT_PERMITTED" in capsys.readouterr().err

        operator = Operator(line.endpoints.grpc, authority, "li", "sonorelay-admin")
        pushed = operator.run("push", folder)
        assert pushed.returncode == 0, pushed.stderr
        assert f"accepted: {PLANE} {new}" in pushed.stdout
        assert "sent 100 %" in pushed.stderr
        promoted = operator.run("promote", PLANE, new)
        assert promoted.returncode == 0, promoted.stderr

        certificate, key = authority.issue("room-1")
        files = {"tls_ca": authority.file, "tls_certificate": certificate, "tls_key": key}
        line.agent("--pixels", "trusted", "--config", _settings(tmp_path, "agent", files))
        line.print(1)
        line.finals(1)
        assert _models_of(line)[PLANE]["version"] == new

        assert operator.call("show", PLANE) == 0
        assert "cn=li" in capsys.readouterr().out
        assert operator.call("rollback", PLANE, "--from", new) == 0
        assert [PLANE, old, "-"] == capsys.readouterr().out.splitlines()[1].split()[:3]
        assert operator.call("rollback", PLANE) == 1
        assert "MODEL_STATE_CHANGED" in capsys.readouterr().err
