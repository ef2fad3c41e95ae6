"""Settings of the cloud server: one frozen value, read from a TOML file and the command line."""

from __future__ import annotations

import dataclasses
import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from cloud.accounts.roles import Role, mapped_role, mapped_tenant
from cloud.errors import ConfigInvalid
from cloud.report.numbers import zone_of

ENGINES: Final = ("onnx", "openvino", "triton")
"""What `engine` may be."""
FETAL_SEX: Final = ("withhold", "allow")
"""What `fetal_sex` may be."""
BROWSER_ULTRASOUND: Final = ("refuse", "trusted")
"""What `browser_ultrasound` may be."""
_AT_LEAST_1: Final = (
    *("inference_threads", "inference_overlap", "queue_max", "open_uploads_max", "series_workers"),
)
_NOT_NEGATIVE: Final = (
    *("missing_after_s", "examination_gap_s", "free_min_bytes", "cache_bytes", "series_memory_bytes"),
    *("reads_per_minute", "changes_per_minute", "exports_per_minute"),
)
MAIL_SECURITIES: Final = ("starttls", "tls", "none")
"""What `alarm_mail_security` may be."""
_GIB: Final = 1024**3
_MIB: Final = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting. A TOML file has the same names at its top level; an unknown name is an error."""

    data_dir: Path = Path("sonorelay-cloud")
    """Folder of everything that the server keeps: database, blobs, ledger, keys. One server per folder."""
    grpc_address: str = "127.0.0.1:50551"
    """Where agents call, host:port; port 0 takes a free one. Not loopback only with certificates."""
    http_address: str = "127.0.0.1:8080"
    """Where browsers call, host:port; port 0 takes a free one. Not loopback only with certificates."""
    tls_certificate_file: Path | None = None
    """The server's certificate chain, PEM. With it agents, and browsers from outside, must speak TLS."""
    tls_key_file: Path | None = None
    """Private key of that certificate, PEM."""
    tls_client_ca_file: Path | None = None
    """Authority that signs the clients' certificates, PEM: only its clients get in."""
    site: str = "sonorelay.local/log"
    """Name of the site's log, as its checkpoints bear it: origin, no spaces, no plus sign. Never changes."""
    site_name: str = ""
    """What the hospital calls itself at the head of reports; empty: the log's name stands there."""
    time_zone: str = "UTC"
    """IANA name of the zone that reports print times in, such as Asia/Shanghai."""
    model_repository: Path | None = None
    """Folder of the models that a site begins with, in Triton's layout; not set: the one that comes with the
    program. The site's own versions lie in data_dir/models."""
    thresholds_file: Path | None = None
    """The site's own limits for lengths, TOML; not set: the program's. README: Measurements and references."""
    protocol_file: Path | None = None
    """What an examination has to show at this site, YAML; not set: the program's general second-trimester one."""
    fetal_sex: str = "withhold"
    """"withhold": what tells the sex of a fetus is neither taken in nor shown. "allow": it is, where the law allows."""
    inference: bool = True
    """False: images are taken and kept, none is read; their jobs wait."""
    engine: str = "onnx"
    """What runs the models: "onnx" (ONNX Runtime, in the process), "openvino" (the same with Intel's runtime, of the
    extra `openvino`), or "triton" (a Triton server at triton_address)."""
    triton_address: str = "127.0.0.1:8001"
    """Where Triton answers gRPC, host:port. Not loopback only with certificates."""
    triton_ca_file: Path | None = None
    """Authority that signs Triton's certificate, PEM. With it Triton is spoken to over mutual TLS."""
    triton_certificate_file: Path | None = None
    """Our certificate chain for Triton, PEM."""
    triton_key_file: Path | None = None
    """Private key of that certificate, PEM."""
    triton_deadline_s: float = 20.0
    """The longest that Triton may take for one run of a model, seconds."""
    inference_threads: int = 2
    """Threads that run models, and the most that one run uses, at least 1."""
    inference_overlap: int = 2
    """Images read at the same time, at least 1: one is prepared while another is in the models."""
    missing_after_s: float = 60.0
    """A capture that was announced counts as missing after this many seconds without its images."""
    examination_gap_s: float = 900.0
    """A print without identity that comes after a longer pause on its device begins a new examination, seconds."""
    free_min_bytes: int = 2 * _GIB
    """Uploads are refused while the disk has less free than this, bytes."""
    queue_max: int = 20_000
    """Uploads are refused while more images than this wait to be read."""
    cache_bytes: int = 128 * _MIB
    """Memory for shards that have just come, so that they are not read back from disk, bytes."""
    open_uploads_max: int = 4096
    """Uploads whose state is kept in memory; others are read from the database when they go on."""
    series_workers: int = 2
    """Processes that open series and cut planes through them, at least 1; they begin with the first request."""
    series_memory_bytes: int = 0
    """Memory that volumes in all these processes may take together, and that building one may, bytes; 0: a quarter of
    the machine's."""
    series_threshold: int = 10
    """Images that a reconstruction needs, at least 2."""
    browser_ultrasound: str = "refuse"
    """Pictures that may bear names in their pixels (ultrasound, screen captures), uploaded by a browser: "refuse" where
    their file does not say that none are burned in, or "trusted": the site declares what it uploads to be clean."""
    alarm_rules_file: Path | None = None
    """The site's own rules for alarms, TOML; not set: the program's. docs/monitoring.md."""
    alarm_webhook_url: str = ""
    """Where each change of an alarm is posted, http or https; empty: nowhere."""
    alarm_webhook_secret_file: Path | None = None
    """Key of the webhooks' signature, one line of at least 16 characters; not set: the environment's
    SONORELAY_ALARM_WEBHOOK_SECRET."""
    alarm_webhook_ca_file: Path | None = None
    """Authority that signs that address's certificate, PEM; not set: the system's."""
    alarm_mail_server: str = ""
    """Mail server for alarms, host:port; empty: no e-mail."""
    alarm_mail_security: str = "starttls"
    """How it is spoken to: "starttls", "tls", or "none", which only a server on this machine may have."""
    alarm_mail_user: str = ""
    """Name to sign in with there; empty: without."""
    alarm_mail_password_file: Path | None = None
    """Its password, one line; not set: the environment's SONORELAY_ALARM_MAIL_PASSWORD."""
    alarm_mail_ca_file: Path | None = None
    """Authority that signs the mail server's certificate, PEM; not set: the system's."""
    alarm_mail_from: str = ""
    """Address that alarms come from."""
    alarm_mail_to: tuple[str, ...] = ()
    """Addresses that alarms go to."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, besides the loopback ones, under which browsers may ask for the console."""
    reads_per_minute: int = 6000
    """Requests a minute that one person or token may make to read; ten times as many come from one address."""
    changes_per_minute: int = 120
    """Requests a minute that change something, as above."""
    exports_per_minute: int = 300
    """Requests a minute for receipts and other files, as above. 0 lifts a limit."""
    public_url: str = ""
    """The console's address as browsers see it, https://host; empty: as each request names it. An identity provider
    sends people back to public_url/api/oidc/callback."""
    oidc_issuer: str = ""
    """The hospital's identity provider (OpenID Connect): its issuer address; empty: local accounts only."""
    oidc_client_id: str = ""
    """Who this console is to the provider."""
    oidc_client_secret_file: Path | None = None
    """File with the secret that proves it; not set: a public client, which PKCE alone protects."""
    oidc_label: str = "SSO"
    """What the sign-in page calls the provider."""
    oidc_role_claim: str = "groups"
    """Claim that says what a person is: a text or a list; dots lead into tables, as in "realm_access.roles"."""
    oidc_roles: tuple[str, ...] = ()
    """Values of that claim and the roles here, "value=role"; the first that fits counts, without one nobody gets in."""
    oidc_tenant_claim: str = ""
    """Claim that says whose a person is, in the form of oidc_role_claim; empty: administrators say it here."""
    oidc_tenants: tuple[str, ...] = ()
    """Values of that claim and the tenants here, "value=tenant", "value=" for the whole site; the first that fits
    counts, without one nobody gets in."""
    oidc_domains: tuple[str, ...] = ()
    """Domains of verified e-mail addresses that may come in; empty: the address does not matter."""
    oidc_name_claim: str = "preferred_username"
    """Claim with the name that a new account gets."""

    def check(self) -> Self:
        """This value, if it can be used. Raises ConfigInvalid with what to do."""
        for name in _AT_LEAST_1:
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} must be at least 1")
        if self.series_threshold < 2:
            raise ConfigInvalid("series_threshold must be at least 2: one slice is no volume")
        if self.browser_ultrasound not in BROWSER_ULTRASOUND:
            raise ConfigInvalid(f"browser_ultrasound must be one of {', '.join(BROWSER_ULTRASOUND)}")
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ConfigInvalid(f"{name} must not be negative")
        if not self.site or any(c.isspace() or c == "+" for c in self.site):
            raise ConfigInvalid("site must be a name without spaces and plus signs")
        try:
            zone_of(self.time_zone)
        except (KeyError, ValueError, OSError) as exc:
            raise ConfigInvalid(
                f"time_zone: {self.time_zone!r} is not known on this machine; name it as Asia/Shanghai"
            ) from exc
        if self.engine not in ENGINES:
            raise ConfigInvalid(f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}")
        if self.fetal_sex not in FETAL_SEX:
            raise ConfigInvalid(f"fetal_sex must be one of {', '.join(FETAL_SEX)}, not {self.fetal_sex!r}")
        if self.triton_deadline_s <= 0:
            raise ConfigInvalid("triton_deadline_s must be above 0")
        _check_all_or_none(self, ("tls_certificate_file", "tls_key_file", "tls_client_ca_file"))
        _check_oidc(self)
        _check_all_or_none(self, ("triton_ca_file", "triton_certificate_file", "triton_key_file"))
        _check_alarms(self)
        host, port = split_address("triton_address", self.triton_address)
        if port == 0 or (not is_loopback(host) and self.triton_ca_file is None):
            raise ConfigInvalid(
                f"triton_address: {self.triton_address} needs a port, and outside this machine triton_ca_file, "
                "triton_certificate_file and triton_key_file"
            )
        for name in ("grpc_address", "http_address"):
            host, _ = split_address(name, getattr(self, name))
            if not is_loopback(host) and not self.tls:
                raise ConfigInvalid(
                    f"{name}: {host} can be reached from outside this machine; set tls_certificate_file, "
                    "tls_key_file and tls_client_ca_file, or use 127.0.0.1"
                )
        return self

    @property
    def tls(self) -> bool:
        """Whether certificates are configured."""
        return self.tls_certificate_file is not None


def _check_alarms(config: Config) -> None:
    """Raises ConfigInvalid unless each way out for alarms is whole or not there."""
    url = config.alarm_webhook_url
    if url and not url.startswith(("https://", "http://")):
        raise ConfigInvalid("alarm_webhook_url must begin with https:// or http://")
    if config.alarm_mail_security not in MAIL_SECURITIES:
        raise ConfigInvalid(f"alarm_mail_security must be one of {', '.join(MAIL_SECURITIES)}")
    if not config.alarm_mail_server:
        return
    host, port = split_address("alarm_mail_server", config.alarm_mail_server)
    if port == 0 or not config.alarm_mail_from or not config.alarm_mail_to:
        raise ConfigInvalid("alarm_mail_server needs a port, alarm_mail_from and alarm_mail_to")
    if config.alarm_mail_security == "none" and not is_loopback(host):
        raise ConfigInvalid(f"alarm_mail_security: none is for a mail server on this machine, not for {host}")
    for address in (config.alarm_mail_from, *config.alarm_mail_to):
        if not re.fullmatch(r"[^@\s,<>]+@[^@\s,<>]+", address):
            raise ConfigInvalid(f"alarm_mail_from and alarm_mail_to: {address!r} is no plain address")


def _check_all_or_none(config: Config, names: tuple[str, ...]) -> None:
    """Raises ConfigInvalid unless all of these files are set and can be read, or none is set."""
    files = {name: getattr(config, name) for name in names}
    if any(files.values()) and not all(files.values()):
        raise ConfigInvalid(f"set all of {', '.join(names)}, or none")
    for name, path in files.items():
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigInvalid(f"{name}: {path} cannot be read")


def _check_oidc(config: Config) -> None:
    """Raises ConfigInvalid unless the identity provider can be used, or none is set."""
    for name in ("oidc_issuer", "public_url"):
        address = getattr(config, name)
        parts = urlsplit(address)
        if (
            address
            and parts.scheme != "https"
            and not (parts.scheme == "http" and is_loopback(parts.hostname or ""))
        ):
            raise ConfigInvalid(f"{name}: {address!r} must begin with https://")
    if not config.oidc_issuer:
        return
    if not config.oidc_client_id or not config.oidc_roles:
        raise ConfigInvalid("oidc_issuer: set oidc_client_id and oidc_roles too")
    for each in config.oidc_roles:
        try:
            mapped_role(each)
        except ValueError as exc:
            roles = ", ".join(role.value for role in Role)
            raise ConfigInvalid(f"oidc_roles: {each!r} is not value=role with a role of {roles}") from exc
    if bool(config.oidc_tenant_claim) is not bool(config.oidc_tenants):
        raise ConfigInvalid("set both of oidc_tenant_claim and oidc_tenants, or none")
    for each in config.oidc_tenants:
        try:
            mapped_tenant(each)
        except ValueError as exc:
            raise ConfigInvalid(f"oidc_tenants: {exc}") from exc


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """Settings of a TOML file (None: only defaults) with `overrides` (from the command line) on top.

    Paths in the file are relative to the file. Raises ConfigInvalid for a file that cannot be read, an
    unknown name, a value of the wrong type, or a value that cannot be used.
    """
    values = _from_file(path) if path else {}
    values.update({name: value for name, value in overrides.items() if value is not None})
    return Config(**values).check()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = tomllib.load(file)
    except OSError as exc:
        raise ConfigInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{path}: not TOML: {exc}") from exc
    types = {field.name: str(field.type) for field in dataclasses.fields(Config)}
    unknown = sorted(set(raw) - set(types))
    if unknown:
        raise ConfigInvalid(f"{path}: unknown setting {', '.join(unknown)}; known are {', '.join(types)}")
    return {name: _value(path, name, types[name], value) for name, value in raw.items()}


def _value(path: Path, name: str, type_name: str, value: object) -> object:
    """A TOML value as the setting's type."""
    if type_name.startswith("Path") and isinstance(value, str):
        return path.parent / value
    if type_name == "tuple[str, ...]" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    expected: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "int": (int,),
        "float": (int, float),
        "bool": (bool,),
    }
    # In Python a bool is an int; in a settings file it is a mistake.
    is_mistaken_bool = isinstance(value, bool) and type_name != "bool"
    if type_name in expected and isinstance(value, expected[type_name]) and not is_mistaken_bool:
        return value
    raise ConfigInvalid(f"{path}: {name} must be of type {type_name}")


def split_address(name: str, address: str) -> tuple[str, int]:
    """Host (without brackets) and port of `host:port`. Raises ConfigInvalid that names the setting."""
    host, separator, port = address.rpartition(":")
    if not separator or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ConfigInvalid(f"{name}: {address!r} is not host:port")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`; a name other than localhost counts as not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
