"""Monitor: rules: when a metric raises an alarm. The program's own, changed by a site's file."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from cloud.monitor.errors import RuleInvalid
from cloud.monitor.metrics import Metric

HOLD_MAX_S: Final = 86_400.0
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")
_TEXT_MAX_CHARACTERS: Final = 200


class Severity(StrEnum):
    """How much hangs on it."""

    WARNING = "warning"
    CRITICAL = "critical"


class Comparison(StrEnum):
    """On which side of the threshold the alarm lies."""

    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When a metric raises an alarm, and when it is well again."""

    name: str
    """Its name: lower-case letters, digits, underscores."""
    metric: Metric
    """What is watched."""
    comparison: Comparison
    """Alarm above the threshold, or below it."""
    threshold: float
    """Beyond this, in the metric's unit, for `hold_s` it is an alarm; the threshold itself is not beyond."""
    clear: float
    """Here, or farther from the threshold, the alarm is over; between the two nothing changes."""
    hold_s: float
    """How long it must last before it is an alarm, seconds."""
    severity: Severity
    """How much hangs on it."""
    en: str
    """What has happened and what to do, English."""
    zh: str
    """The same, Chinese."""
    enabled: bool = True
    """False: no alarm ever."""

    def is_beyond(self, value: float) -> bool:
        """Whether `value` lies beyond the threshold."""
        above = self.comparison is Comparison.ABOVE
        return value > self.threshold if above else value < self.threshold

    def is_clear(self, value: float) -> bool:
        """Whether `value` ends an alarm."""
        return value <= self.clear if self.comparison is Comparison.ABOVE else value >= self.clear

    def check(self) -> Self:
        """This rule, if it can be used. Raises RuleInvalid."""
        if not _NAME.fullmatch(self.name):
            raise RuleInvalid("name: 2 to 32 lower-case letters, digits and underscores, a letter first")
        for field in ("threshold", "clear", "hold_s"):
            if not math.isfinite(getattr(self, field)):
                raise RuleInvalid(f"{field} must be a finite number")
        if not 0 <= self.hold_s <= HOLD_MAX_S:
            raise RuleInvalid(f"hold_s must be 0 to {HOLD_MAX_S:.0f}")
        if self.is_beyond(self.clear):
            raise RuleInvalid("clear must not lie beyond the threshold")
        for field in ("en", "zh"):
            text = getattr(self, field)
            if not 1 <= len(text) <= _TEXT_MAX_CHARACTERS or not text.isprintable():
                raise RuleInvalid(f"{field}: one line of at most {_TEXT_MAX_CHARACTERS} characters")
        return self


def _rule(
    name: str,
    metric: Metric,
    limits: tuple[float, float],
    hold_s: float,
    severity: Severity,
    words: tuple[str, str],
    comparison: Comparison = Comparison.ABOVE,
) -> Rule:
    return Rule(
        name=name,
        metric=metric,
        comparison=comparison,
        threshold=limits[0],
        clear=limits[1],
        hold_s=hold_s,
        severity=severity,
        en=words[0],
        zh=words[1],
    )


_W, _C = Severity.WARNING, Severity.CRITICAL
_GIB: Final = 1024.0**3
_MB: Final = 1e6

DEFAULTS: Final[Mapping[str, Rule]] = {
    rule.name: rule.check()
    for rule in (
        _rule(
            *("cpu_high", Metric.CPU_PERCENT, (90, 75), 120, _W),
            (
                "The processor has been busy for minutes: readings take longer.",
                "处理器持续繁忙，判读会变慢。",
            ),
        ),
        _rule(
            *("memory_high", Metric.MEMORY_PERCENT, (90, 85), 60, _W),
            ("Memory is nearly used up: see what else runs here.", "内存即将用尽，请检查本机其他程序。"),
        ),
        _rule(
            *("disk_used", Metric.DISK_USED_PERCENT, (85, 80), 10, _W),
            ("The disk of the data folder fills up: make room.", "数据盘空间不足，请清理。"),
        ),
        _rule(
            *("disk_full", Metric.DISK_FREE_BYTES, (4 * _GIB, 5 * _GIB), 0, _C),
            (
                "The disk is nearly full: soon no print is taken any more. Make room now.",
                "磁盘即将写满，很快将无法接收打印。请立即清理。",
            ),
            Comparison.BELOW,
        ),
        _rule(
            *("network_in", Metric.NETWORK_RECEIVED_BYTES_PER_S, (100 * _MB, 70 * _MB), 60, _W),
            ("The network is at its limit (received).", "网络接收流量接近上限。"),
        ),
        _rule(
            *("network_out", Metric.NETWORK_SENT_BYTES_PER_S, (100 * _MB, 70 * _MB), 60, _W),
            ("The network is at its limit (sent).", "网络发送流量接近上限。"),
        ),
        _rule(
            *("gpu_memory", Metric.GPU_MEMORY_PERCENT, (95, 90), 60, _W),
            ("The graphics processor's memory is nearly used up.", "显存即将用尽。"),
        ),
        _rule(
            *("loop_slow", Metric.EVENT_LOOP_LAG_MS, (500, 200), 10, _W),
            ("The server answers late: its event loop is held up.", "服务器响应迟缓，事件循环受阻。"),
        ),
        _rule(
            *("queue_old", Metric.QUEUE_OLDEST_S, (120, 30), 10, _C),
            ("Images wait too long to be read.", "图像等待判读时间过长。"),
        ),
        _rule(
            *("jobs_held", Metric.JOBS_HELD, (0, 0), 0, _W),
            ("Images could not be read and wait for a person.", "有图像无法判读，需人工处理。"),
        ),
        _rule(
            *("model_not_ready", Metric.MODEL_NOT_READY, (0, 0), 20, _C),
            ("A model cannot run: images are kept and not read.", "模型无法运行，图像仅保存、不判读。"),
        ),
        _rule(
            *("capture_missing", Metric.CAPTURES_MISSING, (0, 0), 0, _C),
            (
                "A print was announced and did not come. Look at the agent's machine.",
                "已通知的打印未到达，请检查该代理所在机器。",
            ),
        ),
        _rule(
            *("upload_stalled", Metric.UPLOADS_STALLED, (0, 0), 60, _W),
            ("An upload began and does not end.", "有上传已开始但未完成。"),
        ),
        _rule(
            *("agent_silent", Metric.AGENT_SILENT_S, (600, 120), 0, _C),
            ("An agent has not been heard: its prints do not come.", "代理长时间无响应，其打印无法到达。"),
        ),
        _rule(
            *("clock_off", Metric.CLOCK_OFFSET_MS, (2000, 1000), 0, _W),
            ("An agent's clock is wrong: set up its time service.", "代理时钟不准，请检查其时间同步。"),
        ),
        _rule(
            *("ledger_behind", Metric.LEDGER_UNPUBLISHED, (0, 0), 60, _C),
            (
                "The ledger's files lag behind: nobody can check new receipts.",
                "账本文件滞后，新回执无法核验。",
            ),
        ),
        _rule(
            *("ledger_check", Metric.LEDGER_CHECK_FAILED, (0, 0), 0, _C),
            (
                "The ledger's files do not fit its checkpoint: somebody altered them. Run the check, keep the files.",
                "账本文件与检查点不符，可能被篡改。请运行校验并保留文件。",
            ),
        ),
        _rule(
            *("audit_check", Metric.AUDIT_CHECK_FAILED, (0, 0), 0, _C),
            (
                "The audit's chain is broken: somebody altered it. Run: sonorelay-cloud audit verify.",
                "审计链断裂，可能被篡改。请运行 sonorelay-cloud audit verify。",
            ),
        ),
        _rule(
            *("delivery_failing", Metric.DELIVERY_FAILURES, (2, 0), 0, _W),
            (
                "Alarms do not get out this way. Test it on the page.",
                "告警无法通过该渠道发出，请在页面上测试。",
            ),
        ),
    )
}
"""The program's rules by name."""

CHANGEABLE: Final = frozenset({"threshold", "clear", "hold_s", "severity", "enabled"})
"""What a person may change of a rule; a file may change and add anything."""


def load_rules(path: Path | None) -> dict[str, Rule]:
    """The program's rules with those of a TOML file (tables `[rules.NAME]`) in their place or beside them.

    Raises RuleInvalid, naming rule and key.
    """
    rules = dict(DEFAULTS)
    if path is None:
        return rules
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise RuleInvalid(f"{path}: cannot be read ({exc.strerror})") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise RuleInvalid(f"{path}: not TOML: {exc}") from exc
    tables = raw.get("rules", {})
    if set(raw) - {"rules"} or not isinstance(tables, dict):
        raise RuleInvalid(f"{path}: only tables [rules.NAME] are known")
    for name, table in tables.items():
        try:
            rules[name] = _from_table(name, table, rules.get(name))
        except RuleInvalid as exc:
            raise RuleInvalid(f"{path}: rule {name}: {exc}") from exc
    return rules


_KINDS: Final[Mapping[str, type]] = {
    "metric": Metric,
    "comparison": Comparison,
    "threshold": float,
    "clear": float,
    "hold_s": float,
    "severity": Severity,
    "en": str,
    "zh": str,
    "enabled": bool,
}


def _from_table(name: str, table: object, before: Rule | None) -> Rule:
    if not isinstance(table, dict):
        raise RuleInvalid("must be a table")
    unknown = sorted(set(table) - set(_KINDS))
    if unknown:
        raise RuleInvalid(f"unknown key {', '.join(unknown)}; known are {', '.join(_KINDS)}")
    values = {key: _value(key, value) for key, value in table.items()}
    if before is not None:
        return replace(before, **values).check()
    absent = sorted(set(_KINDS) - set(values) - {"enabled"})
    if absent:
        raise RuleInvalid(f"a new rule also needs {', '.join(absent)}")
    return Rule(name=name, **values).check()


def _value(key: str, value: object) -> Any:
    kind = _KINDS[key]
    if kind is float:
        # In Python a bool is an int; as a limit it is a mistake.
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RuleInvalid(f"{key} must be a number")
        return float(value)
    if issubclass(kind, StrEnum):
        known = [each.value for each in kind]
        if value not in known:
            raise RuleInvalid(f"{key} must be one of {', '.join(known)}")
        return kind(value)
    if not isinstance(value, kind):
        raise RuleInvalid(f"{key} must be {'true or false' if kind is bool else 'text'}")
    return value
