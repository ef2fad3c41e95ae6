"""Step 2: what the cloud is told first."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.agent import Agent
from edge_agent.build import build_agent
from edge_agent.config import Config
from edge_agent.items import Rejection
from edge_agent.spool import queries
from sonorelay.contract.reasons import EdgeReason, WireReason
from tests.edge_agent.bench_parts import PlainPreparer, arrival, until
from tests.edge_agent.fake_cloud import FakeCloud, refuse


@pytest.fixture
def cloud() -> Iterator[FakeCloud]:
    made = FakeCloud()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def agent(tmp_path: Path, cloud: FakeCloud) -> Iterator[Agent]:
    config = Config(data=tmp_path, cloud=cloud.address, retry_first_s=0.02, retry_max_s=0.1, free_min_bytes=0)
    made = build_agent(config, preparer=PlainPreparer(), log_stream=io.StringIO(), log_strict=True)
    made.start()
    yield made
    made.stop()


def test_the_first_word_says_what_the_spool_knows_and_no_name(agent: Agent, cloud: FakeCloud) -> None:
    """Request id, capture, times, size, key; never the sender's file name."""
    capture_id = agent.spool.keep(arrival(agent.spool, b"x" * 77, "DOE JANE.png"))
    until(lambda: capture_id in cloud.announced)
    word = cloud.announced[capture_id]
    capture = agent.spool.get_known(capture_id)
    assert (word.request_id, word.size_bytes, word.expected_image_count) == (capture.request_id, 77, 1)
    assert word.received_time.ToMicroseconds() == int(capture.received_time.timestamp() * 1e6)
    assert b"DOE" not in word.SerializeToString()
    until(lambda: agent.all_sent)
    assert not agent.spool.get_known(capture_id).notify_due


def test_a_first_word_that_hangs_blocks_nothing(agent: Agent, cloud: FakeCloud) -> None:
    """The upload goes on while the pre-notification waits for its answer."""
    waiting: list[bool] = []
    cloud.before["PreNotify"] = lambda _: (
        waiting.append(True),
        until(lambda: bool(cloud.committed_captures())),
    )
    capture_id = agent.spool.keep(arrival(agent.spool, b"x"))
    until(lambda: cloud.committed_captures() == [capture_id])
    until(lambda: capture_id in cloud.announced)
    assert waiting


def test_a_refused_first_word_is_not_repeated_for_ever(agent: Agent, cloud: FakeCloud) -> None:
    """REQUEST_ID_REUSED: a person sees it in the log; the upload decides."""
    cloud.before["PreNotify"] = lambda context: refuse(context, WireReason.REQUEST_ID_REUSED)
    agent.spool.keep(arrival(agent.spool, b"x"))
    until(lambda: agent.all_sent)
    assert cloud.calls.count("PreNotify") == 1
    assert len(cloud.committed_captures()) == 1


def test_what_never_became_a_capture_is_announced_and_withdrawn(agent: Agent, cloud: FakeCloud) -> None:
    """The console shows that a print was truncated, in this order: it came, it does not come."""
    copy = arrival(agent.spool, b"half")
    rejection = Rejection(
        input_name="folder",
        source_name="half.png",
        reason=EdgeReason.TRUNCATED,
        copy_path=copy.copy_path,
        sha256=copy.sha256,
        size_bytes=4,
    )
    capture_id = agent.spool.refuse(rejection)
    until(lambda: agent.all_sent)
    assert cloud.withdrawn[capture_id].reason == "TRUNCATED"
    assert cloud.calls.index("PreNotify") < cloud.calls.index("Withdraw")
    assert agent.spool.read(lambda tx: queries.words_due(tx, 9)) == []


def test_a_duplicate_is_not_mentioned(agent: Agent, cloud: FakeCloud) -> None:
    """The same bytes again are quiet."""
    first = agent.spool.keep(arrival(agent.spool, b"x", "a"))
    agent.spool.keep(arrival(agent.spool, b"x", "b"))
    until(lambda: agent.all_sent)
    assert list(cloud.announced) == [first]
    assert not cloud.withdrawn
