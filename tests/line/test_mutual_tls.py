"""Agent and cloud over mutual TLS, as real processes with certificate files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.authority import Authority
from tests.line_machine import Line, wait_for


def _settings(folder: Path, name: str, values: dict[str, Path]) -> Path:
    """A settings file of certificate paths."""
    path = folder / f"{name}.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in values.items()))
    return path


@pytest.mark.req("TX-08")
def test_print_goes_through_with_certificates_and_not_without(tmp_path: Path) -> None:
    """With both sides' certificates a print is committed; a stranger's agent gets nothing in and keeps its
    print until it has a certificate of the authority."""
    authority = Authority(tmp_path, "authority")
    server = authority.issue("server")
    with Line(tmp_path / "line") as line:
        cloud_files = {
            "tls_certificate_file": server[0], "tls_key_file": server[1], "tls_client_ca_file": authority.file,
        }  # fmt: skip
        line.cloud("--no-inference", "--config", _settings(tmp_path, "cloud", cloud_files))

        def agent(authority_of_agent: Authority) -> Path:
            certificate, key = authority_of_agent.issue("room-1")
            files = {"tls_ca": authority.file, "tls_certificate": certificate, "tls_key": key}
            return _settings(tmp_path, "agent", files)

        stranger = line.agent("--pixels", "trusted", "--config", agent(Authority(tmp_path, "stranger")))
        line.print(1)

        def refused() -> bool:
            captures = line.status()["captures"]
            return any(each["state"] == "sharded" and each["last_error"] for each in captures)

        wait_for(refused, "the stranger to be refused", line)
        assert not line.state().committed_times
        stranger.terminate()
        stranger.wait(timeout=20)
        line.agent("--pixels", "trusted", "--config", agent(authority))
        (done,) = line.agent_done(1)
        assert done["state"] == "done"
        assert len(line.state().committed_times) == 1
