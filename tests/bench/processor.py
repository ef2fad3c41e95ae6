"""Which process a benchmark's processor time goes to."""

from __future__ import annotations

import os
import time

import psutil

from deploy.local.machine import Program


class Watch:
    """Processor time of the cloud, the agent and the agent's parser child since it was made."""

    def __init__(self, cloud: Program, agent: Program) -> None:
        self._cloud, self._agent = psutil.Process(cloud.pid), psutil.Process(agent.pid)
        self._begin_s = self._spent_s()
        self._begin_time_s = time.monotonic()

    def profile_ms(self, images: int) -> dict[str, float]:
        """Milliseconds of processor per image by process, and what of all cores' time nobody of them used."""
        end_s, wall_s = self._spent_s(), time.monotonic() - self._begin_time_s
        # A child that was replaced meanwhile would count less than nothing.
        used_s = {name: max(0.0, spent - self._begin_s[name]) for name, spent in end_s.items()}
        rest_s = max(0.0, wall_s * (os.cpu_count() or 1) - sum(used_s.values()))
        parts = {**used_s, "idle, waiting, others": rest_s}
        return {f"processor: {name}": 1000 * spent / images for name, spent in parts.items()}

    def _spent_s(self) -> dict[str, float]:
        children = self._agent.children(recursive=True)
        return {
            "cloud": _of(self._cloud),
            "agent": _of(self._agent),
            "parser child": sum(_of(child) for child in children),
        }


def _of(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)
