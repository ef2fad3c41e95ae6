"""Settings of the cloud: what is read, what is refused, and that each is documented."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
from pathlib import Path

import pytest

from cloud import config as settings
from cloud.config import Config, is_loopback, load
from cloud.errors import ConfigInvalid


def test_file_and_command_line_make_the_settings(tmp_path: Path) -> None:
    """The command line goes before the file, the file before the defaults; paths are relative to the file."""
    file = tmp_path / "cloud.toml"
    file.write_text('data_dir = "data"\nmissing_after_s = 5\nallowed_hosts = ["reader"]\ninference = false\n')
    config = load(file, {"grpc_address": "127.0.0.1:0", "http_address": None})
    assert config == Config(
        data_dir=tmp_path / "data",
        missing_after_s=5,
        allowed_hosts=("reader",),
        inference=False,
        grpc_address="127.0.0.1:0",
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1", "colour"),
        ("data_dir = 1", "data_dir"),
        ("queue_max = true", "queue_max"),
        ("inference = 1", "inference"),
        ("queue_max = 0", "queue_max"),
        ("missing_after_s = -1", "missing_after_s"),
        ('site = "two words"', "site"),
        ('grpc_address = "127.0.0.1"', "grpc_address"),
        ('http_address = "127.0.0.1:99999"', "http_address"),
        ('tls_key_file = "key.pem"', "tls_certificate_file"),
        ('engine = "torch"', "onnx, openvino, triton"),
        ('triton_address = "127.0.0.1:0"', "triton_address"),
        ('triton_address = "gpu.hospital:8001"', "triton_ca_file"),
        ('triton_key_file = "key.pem"', "triton_certificate_file"),
        ("triton_deadline_s = 0", "triton_deadline_s"),
        ('time_zone = "Middle/Earth"', "time_zone"),
        ('time_zone = "../../etc/passwd"', "time_zone"),
        ('time_zone = ""', "time_zone"),
        ("= broken", "TOML"),
    ],
)
def test_unusable_setting_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    """An unknown name, a wrong type or an unusable value ends the start with the setting's name."""
    file = tmp_path / "cloud.toml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=named):
        load(file, {})


def test_absent_file_is_refused(tmp_path: Path) -> None:
    """A settings file that was named must be there."""
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        load(tmp_path / "none.toml", {})


@pytest.mark.parametrize("name", ["grpc_address", "http_address"])
@pytest.mark.parametrize("address", ["0.0.0.0:80", "[::]:80", "192.0.2.7:80", "reader.example:80"])
def test_outside_address_needs_certificates(name: str, address: str) -> None:
    """Whatever can be reached from outside is refused unless certificate files are configured."""
    with pytest.raises(ConfigInvalid, match="tls_certificate_file"):
        load(None, {name: address})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_loopback_is_loopback(host: str) -> None:
    """These reach no further than this machine."""
    assert is_loopback(host)


def test_every_setting_is_documented() -> None:
    """Each field has a sentence of its own below it."""
    tree = ast.parse(inspect.getsource(settings))
    body = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config").body
    documented = {
        first.target.id
        for first, second in itertools.pairwise(body)
        if isinstance(first, ast.AnnAssign)
        and isinstance(first.target, ast.Name)
        and isinstance(second, ast.Expr)
        and isinstance(second.value, ast.Constant)
    }
    assert {field.name for field in dataclasses.fields(Config)} == documented


def test_an_identity_provider_needs_its_settings() -> None:
    """https or this machine, who we are, and roles that exist; without an issuer none of it matters."""
    good = {
        "oidc_issuer": "https://login.example",
        "oidc_client_id": "x",
        "oidc_roles": ("obstetrics=doctor",),
    }
    assert Config(**good).check()  # type: ignore[arg-type]  # a table of the test
    for wrong, words in (
        ({"oidc_issuer": "http://login.example"}, "must begin with https"),
        ({"public_url": "console.example"}, "must begin with https"),
        ({"oidc_client_id": ""}, "set oidc_client_id and oidc_roles"),
        ({"oidc_roles": ()}, "set oidc_client_id and oidc_roles"),
        ({"oidc_roles": ("obstetrics=surgeon",)}, "not value=role with a role of doctor"),
        ({"oidc_roles": ("doctor",)}, "not value=role"),
        ({"oidc_tenant_claim": "hospital"}, "set both of oidc_tenant_claim and oidc_tenants"),
        ({"oidc_tenant_claim": "hospital", "oidc_tenants": ("east",)}, "not value=tenant"),
        ({"reads_per_minute": -1}, "must not be negative"),
    ):
        with pytest.raises(ConfigInvalid, match=words):
            Config(**{**good, **wrong}).check()  # type: ignore[arg-type]  # a table of the test
