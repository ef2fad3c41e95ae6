"""A real Prometheus scrapes a real server with a machine's token, and takes our alert rules."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cloud.accounts.roles import Role
from cloud.monitor.metrics import Metric
from tests.cloud.console.conftest import built_page, running_console
from tests.cloud.console.running import RunningConsole
from tests.cloud.monitor.made import look
from tests.cloud.monitor.receivers import free_port

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy/dashboards"
PATIENCE_S = 60.0


@pytest.fixture
def console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A running console over an empty world."""
    with running_console(tmp_path, built_page(tmp_path)) as running:
        yield running


@contextmanager
def prometheus(program: str, folder: Path, target: str) -> Iterator[str]:
    """A Prometheus with the committed example for its settings, but for target and pace; its address."""
    settings = (DASHBOARDS / "prometheus.yml").read_text().replace("127.0.0.1:8080", target)
    (folder / "prometheus.yml").write_text(settings.replace("scrape_interval: 15s", "scrape_interval: 1s"))
    shutil.copy(DASHBOARDS / "alerts.yml", folder)
    address = f"127.0.0.1:{free_port()}"
    options = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, *options], cwd=folder, stdout=log, stderr=log)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def until(base: str, path: str, is_so: Callable[[Any], bool]) -> Any:
    """What Prometheus answers once it is so."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        try:
            with urllib.request.urlopen(f"{base}/api/v1/{path}", timeout=5) as answer:
                data = json.load(answer)["data"]
        except OSError:
            data = None
        if data is not None and is_so(data):
            return data
        time.sleep(0.2)
    raise AssertionError(f"{path}: {data}")


def query(text: str) -> str:
    """Path of a query."""
    return "query?" + urllib.parse.urlencode({"query": text})


@pytest.mark.req("DATA-11")
def test_prometheus_scrapes_the_server(
    console: RunningConsole, program: Callable[[str, str], str], tmp_path: Path
) -> None:
    """With IT's token in a file the target is up and the figures are ours; a critical alarm reaches its alerts."""
    monitor = console.world.services.monitor
    found = program("prometheus", "prometheus")
    console.do(monitor.sampler.look())
    console.do(monitor.book.consider(look(Metric.AGENT_SILENT_S, {"room-1": 900.0})))
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "sonorelay.token").write_text(console.do(console.world.add_token(Role.IT, "prometheus")))
    with prometheus(found, folder, f"127.0.0.1:{console.port}") as base:
        until(base, query('up{job="sonorelay"} == 1'), lambda data: bool(data["result"]))
        (memory,) = until(
            base, query("sonorelay_host_memory_usage_ratio"), lambda data: bool(data["result"])
        )["result"]
        assert monitor.sampler.latest.readings.single[Metric.MEMORY_PERCENT] == pytest.approx(
            100 * float(memory["value"][1])
        )
        rules = until(base, "rules", lambda data: bool(data["groups"]))
        assert "SonoRelayDown" in {rule["name"] for rule in rules["groups"][0]["rules"]}
        (alarm,) = until(base, query("sonorelay_alarms_raised"), lambda data: bool(data["result"]))["result"]
        assert ("agent_silent", "critical") == (alarm["metric"]["rule"], alarm["metric"]["severity"])
