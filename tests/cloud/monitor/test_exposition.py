"""Monitor: what Prometheus gets, and that the dashboard and the alert rules ask for nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cloud.console.api.access import RULES
from cloud.monitor.exposition import PREFIX, STEPS, StepTimes
from cloud.monitor.metrics import METRICS, Metric
from tests.cloud.console.world import Verdict, World
from tests.cloud.monitor.made import look

DASHBOARDS = Path(__file__).resolve().parents[3] / "deploy/dashboards"
NAME = re.compile(rf"\b{PREFIX}[a-z0-9_]+")


async def scraped(world: World) -> str:
    """A scrape after a look, a print with its result, an answer, an alarm and a call."""
    monitor = world.services.monitor
    steps = StepTimes(world.database, monitor.exposition.steps)
    await steps.follow()
    await world.result(22, Verdict())
    await steps.follow()
    await monitor.sampler.look()
    await monitor.book.consider(look(Metric.JOBS_HELD, 2.0))
    monitor.exposition.answered("GET", "/api/captures/{capture_id}", 200, 0.02)
    return monitor.exposition.text().decode()


def samples(text: str) -> dict[str, list[dict[str, str]]]:
    """Labels by name of every sample."""
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


async def test_the_scrape_holds_what_is_watched(world: World) -> None:
    """Base units, the line's steps once for each capture, answers by address, calls by code, alarms by rule."""
    text = await scraped(world)
    found = samples(text)
    assert {"step": "infer", "le": "0.25"} in found[f"{PREFIX}step_duration_seconds_bucket"]
    assert f'{PREFIX}step_duration_seconds_count{{step="infer"}} 1.0' in text
    assert {"method": "Commit", "code": "OK"} in found[f"{PREFIX}grpc_calls_total"]
    assert {"rule": "jobs_held", "severity": "warning", "state": "firing"} in found[f"{PREFIX}alarms_raised"]
    (ratio,) = re.findall(rf"^{PREFIX}host_memory_usage_ratio ([\d.]+)$", text, re.M)
    assert 0 < float(ratio) < 1
    followed = StepTimes(world.database, world.services.monitor.exposition.steps)
    await followed.follow()
    await followed.follow()
    assert f'{PREFIX}step_duration_seconds_count{{step="infer"}} 1.0' in (
        world.services.monitor.exposition.text().decode()
    )


async def test_labels_are_few_and_hold_no_patient(world: World) -> None:
    """Every label's values come from a fixed list or name a machine; no id of a capture or an image is there."""
    found = samples(await scraped(world))
    uuids = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}")
    addresses = {template for _, template in RULES} | {"unknown"}
    for name, several in found.items():
        for labels in several:
            assert set(labels) <= {
                *("step", "le", "method", "code", "address", "status", "rule", "severity", "state"),
                *("core", "gpu", "model", "device", "channel", "version"),
            }, name
            assert not any(uuids.search(value) for value in labels.values()), name
            assert labels.get("step", "infer") in STEPS
            assert labels.get("address", "unknown") in addresses


def asked_for(path: Path) -> set[str]:
    """Names of metrics in a file's queries."""
    return set(NAME.findall(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("file", sorted(DASHBOARDS.glob("*")), ids=lambda path: path.name)
async def test_dashboard_and_alert_rules_name_real_metrics(world: World, file: Path) -> None:
    """Every metric that a file in deploy/dashboards names is in the real output, or in the table of what this
    machine lacks."""
    real = set(samples(await scraped(world)))
    of_table = {f"{PREFIX}{facts.exported}" for facts in METRICS.values()}
    assert asked_for(file) <= real | of_table
    if file.suffix == ".json":
        dashboard = json.loads(file.read_text(encoding="utf-8"))
        assert dashboard["title"]
        assert all(panel["targets"] for panel in dashboard["panels"] if panel["type"] != "row")


def test_the_alert_rules_are_prometheus_own(program: Callable[[str, str], str]) -> None:
    """promtool takes the alert rules and the example of a scrape."""
    promtool = program("promtool", "prometheus")
    for kind, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        options = ["--syntax-only"] if kind == "config" else []
        done = subprocess.run(
            [promtool, "check", kind, *options, str(DASHBOARDS / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stdout + done.stderr
