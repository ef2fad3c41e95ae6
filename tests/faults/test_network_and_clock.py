"""The network is away, the clock is wrong, the disk is full: the line waits, then goes on, and loses nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from deploy.local.machine import stop
from tests.line_machine import Line, wait_for


@pytest.mark.req("TX-09")
@pytest.mark.req("BEY-08")
def test_prints_made_while_the_cloud_is_away_are_sent_when_it_is_back(tmp_path: Path) -> None:
    """The clinic never waits: prints are taken at once without a cloud, and sent once it answers."""
    with Line(tmp_path) as line:
        cloud = line.cloud()
        stop(cloud)
        line.agent()
        line.print(3)
        wait_for(lambda: not any(line.prints.iterdir()), "the folder to be emptied", line)
        wait_for(
            lambda: line.status()["captures_by_state"].get("sharded") == 3, "three captures sharded", line
        )
        line.cloud()
        line.finals(3)
        line.agent_done(3)
        line.state().check_exactly_once(3)


def test_an_agent_whose_clock_is_an_hour_off_is_served_and_its_offset_known(tmp_path: Path) -> None:
    """The device's clock orders nothing; the server stores its offset."""
    with Line(tmp_path) as line:
        line.cloud()
        line.agent(module=("tests.faults.late_agent",))
        line.print(1)
        item = line.finals(1)[0]
        assert item["status"] in ("normal", "abnormal", "review")
        line.state().check_exactly_once(1)
        system = json.loads(line.client.get("/api/system"))
        assert system is not None
        offset_s = line.clock_offset_s("room-1")
        assert -3660 < offset_s < -3540


def test_a_full_disk_at_the_cloud_holds_nothing_back_for_good(tmp_path: Path) -> None:
    """A server over its watermark says STORE_FULL; the agent keeps the capture and sends it once there is room."""
    free_bytes = shutil.disk_usage(tmp_path).free
    full = tmp_path / "full.toml"
    full.write_text(f"free_min_bytes = {free_bytes * 2}\n")
    with Line(tmp_path / "line") as line:
        cloud = line.cloud("--config", full)
        line.agent()
        line.print(1)
        wait_for(
            lambda: "STORE_FULL" in (line.logs / "cloud.log").read_text(), "the refusal STORE_FULL", line
        )
        assert ["sharded"] == [capture["state"] for capture in line.status()["captures"]]
        stop(cloud)
        line.cloud()
        line.finals(1)
        line.agent_done(1)
        line.state().check_exactly_once(1)


def test_a_full_disk_at_the_agent_leaves_the_print_where_it_is(tmp_path: Path) -> None:
    """An agent over its watermark takes nothing in and deletes nothing; with room again it goes on."""
    full = tmp_path / "full.toml"
    full.write_text(f"free_min_bytes = {shutil.disk_usage(tmp_path).free * 2}\n")
    with Line(tmp_path / "line") as line:
        line.cloud()
        agent = line.agent("--config", full)
        printed = line.print(1)
        wait_for(lambda: "SpoolFull" in (line.logs / "agent.log").read_text(), "the alarm", line)
        assert [printed[0].name] == [path.name for path in line.prints.iterdir()]
        stop(agent)
        line.agent()
        line.finals(1)
        line.agent_done(1)
        line.state().check_exactly_once(1)
