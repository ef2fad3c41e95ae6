"""Monitor: a site's own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud.monitor.errors import RuleInvalid
from cloud.monitor.metrics import Metric
from cloud.monitor.rules import DEFAULTS, Comparison, load_rules

NEW = """
[rules.queue_long]
metric = "queue_depth"
comparison = "above"
threshold = 500
clear = 100
hold_s = 30
severity = "warning"
en = "Many images wait."
zh = "待判读图像较多。"
"""


def rules_of(folder: Path, text: str) -> Path:
    """A file with this text."""
    file = folder / "alarms.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_changes_some_rules_and_leaves_the_others(tmp_path: Path) -> None:
    """What the file leaves out is as the program has it; a new rule stands beside the known ones."""
    rules = load_rules(rules_of(tmp_path, "[rules.cpu_high]\nthreshold = 95\nclear = 80\n" + NEW))
    assert (95.0, 80.0, 120) == (
        rules["cpu_high"].threshold,
        rules["cpu_high"].clear,
        rules["cpu_high"].hold_s,
    )
    assert (Metric.QUEUE_DEPTH, Comparison.ABOVE) == (
        rules["queue_long"].metric,
        rules["queue_long"].comparison,
    )
    assert rules["memory_high"] == DEFAULTS["memory_high"]
    assert set(DEFAULTS) | {"queue_long"} == set(rules)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[rules.cpu_high]\nthreshold = 50", "clear must not lie beyond"),
        ("[rules.cpu_high]\nthreshold = true", "threshold must be a number"),
        ("[rules.cpu_high]\nthreshold = nan", "finite"),
        ("[rules.cpu_high]\nhold_s = -1", "hold_s"),
        ("[rules.cpu_high]\nseverity = 'bad'", "one of warning, critical"),
        ("[rules.cpu_high]\nlimit = 3", "unknown key limit"),
        ("[rules.cpu_high]\nenabled = 1", "true or false"),
        ("[rules.mine]\nthreshold = 3", "also needs clear"),
        ("[rules]\nmine = 3", "must be a table"),
        ("[rules.Mine-1]\n" + NEW.split("\n", 2)[2], "name"),
        ("[alarms]\n", "only tables"),
        ("rules = [", "not TOML"),
        ('[rules.cpu_high]\nen = "two\\nlines"', "en: one line"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, told: str) -> None:
    """A file with a mistake is refused as a whole; the words name rule and key."""
    with pytest.raises(RuleInvalid, match=told):
        load_rules(rules_of(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A wrong path is a mistake, not the program's rules."""
    with pytest.raises(RuleInvalid, match="cannot be read"):
        load_rules(tmp_path / "none.toml")
