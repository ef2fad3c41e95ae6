"""Kill -9 just before each step, restart: each image exactly once in store, ledger and results."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.line_machine import Line, wait_for

PRINTS = 2


@pytest.mark.req("TX-09")
@pytest.mark.parametrize("step", range(1, 8))
def test_the_agent_dies_before_a_step(tmp_path: Path, step: int) -> None:
    """An agent killed before step 1 to 7 goes on after its restart; nothing is lost, nothing is sent twice."""
    with Line(tmp_path) as line:
        line.cloud()
        victim = line.agent(module=("tests.faults.killed_agent", str(step)))
        line.print(PRINTS)
        wait_for(lambda: victim.poll() is not None, f"the kill before step {step}", line)
        assert victim.returncode == -signal.SIGKILL
        line.agent()
        line.finals(PRINTS)
        captures = line.agent_done(PRINTS)
        assert ["done"] * PRINTS == [capture["state"] for capture in captures]
        assert [] == list(line.prints.iterdir())
        line.state().check_exactly_once(PRINTS)


@pytest.mark.req("TX-09")
@pytest.mark.parametrize("step", range(8, 13))
def test_the_cloud_dies_before_a_step(tmp_path: Path, step: int) -> None:
    """A server killed before step 8 to 12 goes on after its restart; receipts and results stay single."""
    with Line(tmp_path) as line:
        victim = line.cloud(module=("tests.faults.killed_cloud", str(step)))
        line.agent()
        line.print(PRINTS)
        wait_for(lambda: victim.poll() is not None, f"the kill before step {step}", line)
        assert victim.returncode == -signal.SIGKILL
        line.cloud()
        line.finals(PRINTS)
        captures = line.agent_done(PRINTS)
        assert ["done"] * PRINTS == [capture["state"] for capture in captures]
        line.state().check_exactly_once(PRINTS)
