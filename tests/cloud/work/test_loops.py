"""Loops in the worker: one result a loop, and bounded memory however large it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloud.work import worker
from cloud.work.worker import HELD_MAX_BYTES
from tests.cloud.infer.loops import dicom_loop, moving

MEMORY_MAX_BYTES = 600_000_000


def loop_capture(agent: Any, data: bytes, frame_count: int, size_hw: tuple[int, int]) -> Any:
    """A capture of one loop."""
    return agent.capture(
        data,
        media_type="application/dicom",
        source_format="dicom",
        frame_count=frame_count,
        width_px=size_hw[1],
        height_px=size_hw[0],
    )


@pytest.mark.req("READ-11")
@pytest.mark.parametrize("held_max_bytes", [HELD_MAX_BYTES, 100_000])
async def test_a_committed_loop_comes_back_as_one_result(
    serve: Any, reading_config: Any, held_max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop that is held in memory and one that stays in the store: one reading each, with its best frame."""
    monkeypatch.setattr(worker, "HELD_MAX_BYTES", held_max_bytes)
    count, size_hw = 6, (240, 320)
    async with serve(reading_config) as running:
        agent = running.agent()
        data = dicom_loop(moving(count, size_hw), FrameTime="40")
        await agent.deliver(loop_capture(agent, data, count, size_hw))
        result = await agent.first_result()
        assert result.ok
        loop = json.loads(result.reading_json)["loop"]
        assert (count, 25.0) == (loop["frame_count"], loop["frame_rate_hz"])
        assert min(count, 16) >= len(loop["sampled"])
        assert loop["best_frame"] in loop["sampled"]


async def test_a_loop_that_ends_early_gets_a_result_that_says_so(serve: Any, reading_config: Any) -> None:
    """A loop with fewer bytes than frames is unreadable, and the next one is read."""
    async with serve(reading_config) as running:
        agent = running.agent()
        whole = dicom_loop(moving(6), FrameTime="40")
        await agent.deliver(loop_capture(agent, whole[:-5000], 6, (240, 320)))
        result = await agent.first_result()
        assert (False, "IMAGE_UNREADABLE") == (result.ok, result.reason)


@pytest.mark.slow
@pytest.mark.req("READ-11")
def test_a_loop_of_two_gigabytes_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """Of 4,000 frames sixteen are fetched from the store; the process never holds more than the worker may."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cloud.work.large_loop", str(tmp_path / "blobs")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    report = json.loads(done.stdout)
    print(report)
    assert report["size_bytes"] > 2_000_000_000
    assert (4_000, 0, 3_999) == (report["frame_count"], report["sampled"][0], report["sampled"][-1])
    # Header, sixteen frames of two shards, then again those that are read in full.
    assert report["fetched"] < 100
    assert report["memory_bytes"] < MEMORY_MAX_BYTES
