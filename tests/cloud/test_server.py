"""The server's process: its folder, its addresses, certificates, the console beside gRPC, its end."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest

from cloud.__main__ import main
from cloud.errors import ConfigInvalid
from tests.authority import Authority


async def test_endpoints_are_written_while_it_runs(serve: Any, cloud_config: Any) -> None:
    """endpoints.json says where the server is, exactly while it is there; the console answers beside gRPC."""
    file = cloud_config.data_dir / "endpoints.json"
    async with serve(cloud_config) as running:
        written = json.loads(file.read_text())
        assert written == {
            "grpc": running.endpoints.grpc,
            "http": running.endpoints.http,
            "log_verifier_key": running.endpoints.log_verifier_key,
        }
        url = f"http://{running.endpoints.http}/api/health/live"
        answer = await asyncio.to_thread(urllib.request.urlopen, url, timeout=5)
        with answer:
            assert answer.status == 200
    assert not file.exists()
    assert "server_stopped" in running.logged.getvalue()


async def test_one_server_per_folder(serve: Any, cloud_config: Any) -> None:
    """A second server on the same folder does not start and says why; after the first one's end it does."""
    async with serve(cloud_config):
        with pytest.raises(ConfigInvalid, match="another server"):
            async with serve(cloud_config):
                pass
    async with serve(cloud_config) as running:
        assert running.endpoints.grpc


async def test_address_in_use_is_named(serve: Any, cloud_config: Any, changed: Any, tmp_path: Path) -> None:
    """A port that is taken is refused by the name of its setting, for either listener."""
    async with serve(cloud_config) as running:
        for setting, address in (
            ("http_address", running.endpoints.http),
            ("grpc_address", running.endpoints.grpc),
        ):
            other = changed(cloud_config, data_dir=tmp_path / setting, **{setting: address})
            with pytest.raises(ConfigInvalid, match=setting):
                async with serve(other):
                    pass


async def test_missing_models_are_named_at_start(
    serve: Any, cloud_config: Any, changed: Any, tmp_path: Path
) -> None:
    """A server that should read images but cannot does not start."""
    (tmp_path / "models").mkdir()
    config = changed(cloud_config, inference=True, model_repository=tmp_path / "models")
    with pytest.raises(ConfigInvalid, match="fetal_head_seg"):
        async with serve(config):
            pass


def test_wrong_setting_ends_with_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The command names what is wrong and ends with 1."""
    assert main(["serve", "--data", str(tmp_path), "--grpc", "0.0.0.0:1", "--no-inference"]) == 1
    assert "grpc_address" in capsys.readouterr().err


def test_doctor_says_what_is_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Absent models are a finding of the doctor."""
    assert main(["doctor", "--data", str(tmp_path), "--models", str(tmp_path / "none")]) == 1
    assert "MISSING models" in capsys.readouterr().out


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority that servers and clients trust."""
    return Authority(tmp_path, "authority")


async def test_with_certificates_only_known_clients_get_in(
    serve: Any, cloud_config: Any, changed: Any, authority: Authority, small_agent: Any, tmp_path: Path
) -> None:
    """With certificate files agents need a certificate of the authority; without one nothing is answered, and
    a listener outside the loopback serves browsers over TLS with client certificates."""
    certificate, key = authority.issue("server")
    config = changed(
        cloud_config,
        tls_certificate_file=certificate,
        tls_key_file=key,
        tls_client_ca_file=authority.file,
        http_address="0.0.0.0:0",
    )
    known = authority.issue("agent")
    stranger = Authority(tmp_path, "stranger").issue("intruder")
    async with serve(config) as running:
        root = authority.file.read_bytes()
        for files, gets_in in ((known, True), (stranger, False), (None, False)):
            pair = (files[1].read_bytes(), files[0].read_bytes()) if files else (None, None)
            credentials = grpc.ssl_channel_credentials(root, *pair)
            async with grpc.aio.secure_channel(running.endpoints.grpc, credentials) as channel:
                agent = small_agent(running.endpoints, "room-1", channel)
                if gets_in:
                    assert (await agent.notify(agent.capture(b"x"))).slot == 1
                else:
                    with pytest.raises(grpc.aio.AioRpcError):
                        await agent.notify(agent.capture(b"x"))
        port = running.endpoints.http.rpartition(":")[2]
        url = f"https://127.0.0.1:{port}/api/health/live"
        context = ssl.create_default_context(cafile=str(authority.file))
        with pytest.raises(OSError, match=r"(?i)certificate|reset|ssl|closed"):
            await asyncio.to_thread(urllib.request.urlopen, url, timeout=5, context=context)
        context.load_cert_chain(*map(str, known))
        answer = await asyncio.to_thread(urllib.request.urlopen, url, timeout=5, context=context)
        with answer:
            assert answer.status == 200
