"""Contract of the capture input, run on every implementation: no "ok" before `keep` has returned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.capture import CaptureInput
from edge_agent.capture.folder import FolderInput
from tests.edge_agent.capture.memory_intake import MemoryIntake, until
from tests.edge_agent.deidentify.synthetic import encoded, screen

PNG = encoded(screen().pixels, ".png")
_folder: type[CaptureInput] = FolderInput
MAKERS: dict[str, Callable[[Path], CaptureInput]] = {
    "folder": lambda folder: FolderInput(folder, rescan_s=0.05, quiet_s=0.1, never_finished_s=0.3),
}
"""Maker per implementation; its sender writes files into the folder and sees them go as its "ok" there."""


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[CaptureInput, Path, MemoryIntake]:
    folder = tmp_path / "sender"
    folder.mkdir()
    return MAKERS[request.param](folder), folder, MemoryIntake(tmp_path / "incoming")


def test_ok_only_after_keep(made: tuple[CaptureInput, Path, MemoryIntake]) -> None:
    """While `keep` refuses, the sender sees no ok; once it returns, the sender sees it."""
    one, folder, intake = made
    intake.full = True
    one.start(intake)
    (folder / "a.png").write_bytes(PNG)
    intake.wait(refusals=2)
    assert (folder / "a.png").exists()
    intake.full = False
    intake.wait(kept=1)
    until(lambda: not (folder / "a.png").exists())
    one.stop()


def test_copies_lie_in_incoming_and_are_whole(made: tuple[CaptureInput, Path, MemoryIntake]) -> None:
    """What `keep` is given is a whole own copy inside the spool's folder, with its length and time."""
    one, folder, intake = made
    one.start(intake)
    (folder / "a.png").write_bytes(PNG)
    intake.wait(kept=1)
    one.stop()
    arrival = intake.kept[0]
    assert (intake.incoming, PNG, len(PNG)) == (
        arrival.copy_path.parent, arrival.copy_path.read_bytes(), arrival.size_bytes,
    )  # fmt: skip
    assert arrival.received_time.tzinfo is not None
    assert one.name == arrival.input_name


def test_stop_and_start_again(made: tuple[CaptureInput, Path, MemoryIntake]) -> None:
    """After `stop` nothing is taken; what came meanwhile is taken after the next start."""
    one, folder, intake = made
    one.start(intake)
    one.stop()
    (folder / "a.png").write_bytes(PNG)
    assert intake.holds_still(0.3)
    one.start(intake)
    intake.wait(kept=1)
    one.stop()


def test_stop_without_start(made: tuple[CaptureInput, Path, MemoryIntake]) -> None:
    """Stopping what never ran does nothing."""
    one, _, intake = made
    one.stop()
    assert [] == intake.kept
