"""What the agent costs the machine it stands on while nothing is printed."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from tests.bench.outcome import Row, row
from tests.line_machine import Line

SETTLE_S = 30.0
WATCH_S = 30.0


def idle(folder: Path) -> list[Row]:
    """Resident memory and processor share of the idle agent, its children included, after it had work."""
    with Line(folder / "line") as line:
        line.cloud("--no-inference")
        agent = line.agent()
        line.print(3)
        line.agent_done(3)
        time.sleep(SETTLE_S)
        process = psutil.Process(agent.pid)
        family = [process, *process.children(recursive=True)]
        begin_s = sum(sum(p.cpu_times()[:2]) for p in family)
        time.sleep(WATCH_S)
        cpu_percent = 100 * (sum(sum(p.cpu_times()[:2]) for p in family) - begin_s) / WATCH_S
        memory_mb = sum(p.memory_info().rss for p in family) / 1e6
    return [
        row("agent idle, resident memory / 100 MB", memory_mb, 100, "MB", memory_mb / 100, "<=", 1.0,
            notes=f"{len(family)} process(es)"),
        row("agent idle, CPU / 1 %", cpu_percent, 1, "%", cpu_percent, "<=", 1.0),
    ]  # fmt: skip
