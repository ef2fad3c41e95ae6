"""Bad input: the whole `malformed` set through the sandbox; each file gets a reason, the parent lives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import psutil
import pytest

from edge_agent.capture.folder import take_file
from edge_agent.filter import FilterRules
from edge_agent.sandbox import Sandbox
from sonorelay.contract.reasons import EDGE_RULES
from tests.edge_agent.capture.memory_intake import MemoryIntake
from tests.edge_agent.deidentify.synthetic import ferns, request

STORAGE = "1.2.840.10008.5.1.4.1.1."
OPEN_RULES = FilterRules(
    sop_classes=frozenset(STORAGE + end for end in ("2", "4", "7", "6.1", "4.1", "2.1")),
    modalities=frozenset({"US", "CT", "MR", "OT", "SC"}),
    side_min_px=1,
)
"""Lets through what a site never would, so that the decoders meet the fuzzed pixels."""


def _files(unpacked: Path) -> list[Path]:
    return sorted(path for path in (unpacked / "malformed").rglob("*") if path.is_file())


@pytest.mark.req("TX-02")
@pytest.mark.slow
@pytest.mark.parametrize("rules", [FilterRules(), OPEN_RULES], ids=["site", "open"])
def test_each_malformed_file_has_an_outcome(unpacked: Path, tmp_path: Path, rules: FilterRules) -> None:
    """Every file is kept, refused or held with a reason; the child stays under 1 GB; the parent lives."""
    sandbox = Sandbox(ferns_path=ferns(tmp_path / "ferns.npz"), rules=rules)
    outcomes: Counter[tuple[str, str]] = Counter()
    peak_bytes = 0
    files = _files(unpacked)
    for path in files:
        reply = sandbox.prepare(request(tmp_path, path.read_bytes()))
        outcomes[reply.outcome, reply.reason.value if reply.reason else ""] += 1
        assert (reply.outcome == "kept") == (reply.reason is None) == bool(reply.images)
        assert reply.reason is None or EDGE_RULES[reply.reason].status == reply.outcome
        for image in reply.images:
            image.path.unlink()
        child = sandbox.child_pid
        if child is not None:
            peak_bytes = max(peak_bytes, psutil.Process(child).memory_info().rss)
    sandbox.close()
    print(sorted(outcomes.items()), f"largest {peak_bytes / 1e6:.0f} MB")
    assert len(files) == outcomes.total() > 300
    assert peak_bytes < 1024**3


def test_each_malformed_file_is_taken_by_the_input(unpacked: Path, tmp_path: Path) -> None:
    """The input, which looks at structure in the agent's process, keeps or refuses each file."""
    intake = MemoryIntake(tmp_path / "in")
    files = _files(unpacked)
    for path in files:
        take_file(path, intake, input_name="batch")
    assert len(files) == len(intake.kept) + len(intake.refused)
