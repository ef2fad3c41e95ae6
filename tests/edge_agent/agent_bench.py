"""One cloud, one data folder, agents on it one after the other."""

from __future__ import annotations

import io
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.build import build_agent
from edge_agent.config import Config
from edge_agent.items import CaptureState
from edge_agent.spool.records import Capture
from tests.edge_agent.bench_parts import PlainPreparer, until
from tests.edge_agent.fake_cloud import FakeCloud


class Bench:
    """One cloud, one data folder, agents on it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.cloud = FakeCloud()
        self.preparer = PlainPreparer()
        self.log = io.StringIO()
        self.config = Config(
            data=folder / "data",
            cloud=self.cloud.start(),
            retry_first_s=0.02,
            retry_max_s=0.2,
            free_min_bytes=0,
        )
        self.agent: Agent | None = None

    def start(self, **build: object) -> Agent:
        self.agent = build_agent(
            self.config,
            preparer=self.preparer,
            log_stream=self.log,
            log_strict=True,
            **build,  # type: ignore[arg-type]
        )
        self.agent.start()
        return self.agent

    def stop(self) -> None:
        if self.agent is not None:
            self.agent.stop()
            self.agent = None

    def capture(self, capture_id: str) -> Capture:
        assert self.agent is not None
        return self.agent.spool.get_known(capture_id)

    def wait_state(self, capture_id: str, state: CaptureState) -> Capture:
        until(lambda: self.capture(capture_id).state is state)
        return self.capture(capture_id)
