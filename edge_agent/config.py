"""Settings of the agent: one frozen value, from TOML and the command line; unknown keys are errors."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from edge_agent.errors import ConfigInvalid
from edge_agent.items import PixelRule

AfterKeep = Literal["remove", "leave"]
_DEVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CHOICES: Final = {"pixels": ("guard", "trusted"), "after_keep": ("remove", "leave")}
_TLS: Final = ("tls_ca", "tls_certificate", "tls_key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, its meaning and its default. In TOML the same names at top level; labels as a table."""

    data: Path
    """Data folder: spool, keys, quarantine, receipts. One agent per folder."""
    watch: tuple[Path, ...] = ()
    """Watched folders where prints land; a single path or a list."""
    cloud: str = "127.0.0.1:50551"
    """Address of the cloud's gRPC port, HOST:PORT. Beyond this machine the three tls_ files are needed."""
    device_id: str = ""
    """Device number, [a-z0-9][a-z0-9-]{0,62}; empty: made from the device key at first start."""
    pixels: PixelRule = "guard"
    """guard: pixels that may identify are blanked or the image is held. trusted: already de-identified."""
    after_keep: AfterKeep = "remove"
    """What becomes of a watched file once the spool holds it: remove or leave."""
    recursive: bool = False
    """Also take files from the watched folders' sub-folders, one level deep."""
    rescan_s: float = 5.0
    """Seconds between full scans of the watched folders, beside the events."""
    quiet_s: float = 2.0
    """Seconds without change after which a file without an end marker counts as finished."""
    never_finished_s: float = 60.0
    """Seconds after which an incomplete file that no longer grows is refused."""
    keep_raw_days: float = 0.0
    """Days for which raw bytes stay after the receipt was verified; 0: shredded at once."""
    free_min_bytes: int = 512 * 1024 * 1024
    """Below this many free bytes on the data disk nothing new is taken in."""
    upload_threads: int = 16
    """Captures that may be uploaded at the same time."""
    retry_first_s: float = 0.5
    """Ceiling of the first waiting time after a failure, seconds; it doubles, with full jitter."""
    retry_max_s: float = 60.0
    """Highest ceiling of the waiting time, seconds."""
    attempts_max: int = 10
    """Failed uploads after which a capture is called failed and an alarm is raised."""
    failed_retry_s: float = 3600.0
    """Seconds between tries of a failed capture; sooner when the cloud answers again."""
    log_verifier_key: str = ""
    """Verifier key of the site's log; empty: the first one seen is pinned."""
    tls_ca: Path | None = None
    """PEM file: certificates that the cloud's certificate must lead to."""
    tls_certificate: Path | None = None
    """PEM file: this device's certificate chain."""
    tls_key: Path | None = None
    """PEM file: its private key."""
    sandbox_idle_s: float = 20.0
    """Seconds after which the idle sandbox process ends, to give its memory back."""
    labels: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    """Folders of batch orders by label: `send --label NAME` finds its folder here."""
    series_labels: tuple[str, ...] = ()
    """Labels whose orders are series, as with `send --series`; a single label or a list."""

    def __post_init__(self) -> None:
        """Checks every value; raises ConfigInvalid."""
        if self.device_id and not _DEVICE_ID.fullmatch(self.device_id):
            raise ConfigInvalid(
                f"device_id = {self.device_id!r}: lower-case letters, digits, dashes; at most 63"
            )
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigInvalid(f"{name} = {getattr(self, name)!r}: choose one of {', '.join(allowed)}")
        for name in (
            "rescan_s",
            "quiet_s",
            "never_finished_s",
            "retry_first_s",
            "retry_max_s",
            "failed_retry_s",
        ):
            if getattr(self, name) <= 0:
                raise ConfigInvalid(f"{name} = {getattr(self, name)}: must be more than 0")
        for name in ("upload_threads", "attempts_max"):
            if getattr(self, name) < 1:
                raise ConfigInvalid(f"{name} = {getattr(self, name)}: must be at least 1")
        for name in ("keep_raw_days", "free_min_bytes", "sandbox_idle_s"):
            if getattr(self, name) < 0:
                raise ConfigInvalid(f"{name} = {getattr(self, name)}: must not be negative")
        given = [name for name in _TLS if getattr(self, name) is not None]
        if given and len(given) != len(_TLS):
            raise ConfigInvalid(f"{', '.join(_TLS)} belong together; only {', '.join(given)} given")
        host, _, port = self.cloud.rpartition(":")
        if not self.cloud.startswith("unix:") and not (host and port.isdigit()):
            raise ConfigInvalid(f"cloud = {self.cloud!r}: write HOST:PORT")

    @property
    def keep_raw_s(self) -> float:
        """Seconds for which raw bytes stay after the receipt was verified."""
        return self.keep_raw_days * 86_400.0


def load(path: Path | None, overrides: Mapping[str, Any]) -> Config:
    """The settings of a TOML file (None: none), with those of the command line above them.

    Relative paths in the file count from its folder. Raises ConfigInvalid; the message names the setting.
    """
    table: dict[str, Any] = {}
    if path is not None:
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigInvalid(f"the settings file cannot be read: {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigInvalid(f"the settings file is not TOML: {path}: {error}") from error
    base = Path() if path is None else path.resolve().parent
    known = {f.name: f for f in fields(Config)}
    unknown = sorted(table.keys() - known.keys())
    if unknown:
        raise ConfigInvalid(f"unknown setting {', '.join(unknown)}; known are {', '.join(known)}")
    values = {name: _value(name, value, base) for name, value in table.items()}
    values |= {name: value for name, value in overrides.items() if value is not None}
    missing = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING]
    for name in missing:
        if name not in values:
            raise ConfigInvalid(
                f"the setting {name} is missing: give --{name} or write it into the settings file"
            )
    return Config(**values)


def _value(name: str, value: Any, base: Path) -> Any:
    kind = Config.__dataclass_fields__[name].type
    if name == "watch":
        several = value if isinstance(value, list) else [value]
        return tuple(base / _checked(name, one, str) for one in several)
    if name == "series_labels":
        return tuple(_checked(name, one, str) for one in (value if isinstance(value, list) else [value]))
    if name == "labels":
        folders = _checked(name, value, dict)
        return MappingProxyType({k: base / _checked(f"labels.{k}", v, str) for k, v in folders.items()})
    if kind in ("Path", "Path | None"):
        return base / _checked(name, value, str)
    if kind == "float":
        return float(_checked(name, value, int | float))
    if kind == "bool":
        return _checked(name, value, bool)
    if kind == "int":
        return _checked(name, value, int)
    return _checked(name, value, str)


def _checked(name: str, value: Any, kind: Any) -> Any:
    # In Python a bool is an int; in a settings file it is a mistake.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ConfigInvalid(f"{name} = {value!r}: not a value of this setting's kind")
    return value
