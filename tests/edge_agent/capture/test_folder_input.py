"""Step 1: the watched folder on a real file system with real events."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.capture.folder import FolderInput, take_file
from edge_agent.errors import ConfigInvalid
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.capture.memory_intake import MemoryIntake, until
from tests.edge_agent.deidentify.synthetic import encoded, screen

PNG = encoded(screen().pixels, ".png")
OTHER = encoded(screen(2).pixels, ".png")
BMP = encoded(screen().pixels, ".bmp")
Start = Callable[..., MemoryIntake]


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = tmp_path / "watched"
    folder.mkdir()
    return folder


@pytest.fixture
def start(tmp_path: Path, watched: Path) -> Iterator[Start]:
    """Starts an input on the watched folder with long times, so that only what a test sets makes it act."""
    running: list[FolderInput] = []

    def begin(**options: Any) -> MemoryIntake:
        intake = MemoryIntake(tmp_path / "incoming")
        times = {"rescan_s": 30.0, "quiet_s": 20.0, "never_finished_s": 40.0}
        one = FolderInput(watched, **(times | options))
        one.start(intake)
        running.append(one)
        return intake

    yield begin
    for one in running:
        one.stop()


def hashes(intake: MemoryIntake) -> list[bytes]:
    return [one.sha256 for one in intake.kept]


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def test_closed_file_is_taken_once_and_removed(start: Start, watched: Path) -> None:
    """A written and closed file is kept with its own bytes, and its source goes only then."""
    intake = start()
    (watched / "a.bmp").write_bytes(BMP)
    intake.wait(kept=1)
    until(lambda: not (watched / "a.bmp").exists())
    assert [sha(BMP)] == hashes(intake)
    assert BMP == intake.kept[0].copy_path.read_bytes()
    assert intake.expected_count >= 1


def test_moved_in_and_renamed_files_are_taken(start: Start, watched: Path, tmp_path: Path) -> None:
    """A file moved in from elsewhere and one renamed from a temporary name are complete at that moment."""
    intake = start()
    (tmp_path / "outside.bmp").write_bytes(BMP)
    (tmp_path / "outside.bmp").rename(watched / "moved.bmp")
    (watched / "b.bmp.tmp").write_bytes(encoded(screen(3).pixels, ".bmp"))
    (watched / "b.bmp.tmp").rename(watched / "b.bmp")
    intake.wait(kept=2)
    assert {"moved.bmp", "b.bmp"} == {one.source_name for one in intake.kept}


def test_files_from_before_the_start_are_taken(start: Start, watched: Path) -> None:
    """What came while the agent was down is found by the scan at start."""
    (watched / "a.png").write_bytes(PNG)
    intake = start()
    intake.wait(kept=1)
    assert [sha(PNG)] == hashes(intake)


def test_pieces_are_one_capture(start: Start, watched: Path) -> None:
    """A client that closes between pieces still gives one whole capture."""
    intake = start()
    (watched / "a.png").write_bytes(PNG[:1000])
    assert intake.holds_still(0.3)
    with (watched / "a.png").open("ab") as writer:
        writer.write(PNG[1000:])
    intake.wait(kept=1)
    assert [sha(PNG)] == hashes(intake)


def test_same_name_rewritten_is_another_capture(start: Start, watched: Path) -> None:
    """Identity is content: the same name with other bytes is taken again, in leave mode too."""
    intake = start(after_keep="leave")
    (watched / "a.png").write_bytes(PNG)
    intake.wait(kept=1)
    (watched / "a.png").write_bytes(OTHER)
    intake.wait(kept=2)
    assert [sha(PNG), sha(OTHER)] == hashes(intake)
    assert OTHER == (watched / "a.png").read_bytes()


def test_left_files_are_not_taken_again(start: Start, watched: Path) -> None:
    """In leave mode a scan does not take a file a second time."""
    intake = start(after_keep="leave", rescan_s=0.05)
    (watched / "a.png").write_bytes(PNG)
    intake.wait(kept=1)
    assert intake.holds_still(0.4)


def test_a_full_spool_loses_nothing(start: Start, watched: Path) -> None:
    """While the spool is full the source stays and no copy is left; when it has room the file is taken."""
    intake = start(rescan_s=0.05)
    intake.full = True
    (watched / "a.png").write_bytes(PNG)
    intake.wait(refusals=2)
    assert PNG == (watched / "a.png").read_bytes()
    intake.full = False
    intake.wait(kept=1)
    until(lambda: not (watched / "a.png").exists())
    assert [intake.kept[0].copy_path] == list(intake.incoming.iterdir())


def test_truncated_and_empty_files_are_given_up(start: Start, watched: Path) -> None:
    """After the long time an incomplete file goes into quarantine with its bytes and its reason."""
    intake = start(never_finished_s=0.2, rescan_s=0.05)
    (watched / "half.png").write_bytes(PNG[:-30])
    (watched / "empty.png").touch()
    intake.wait(refused=2)
    reasons = {one.source_name: one for one in intake.refused}
    assert EdgeReason.TRUNCATED is reasons["half.png"].reason
    assert EdgeReason.EMPTY_FILE is reasons["empty.png"].reason
    copy = reasons["half.png"].copy_path
    assert copy is not None
    assert PNG[:-30] == copy.read_bytes()
    until(lambda: list(watched.iterdir()) == [])


def test_a_file_that_is_never_closed_is_given_up(start: Start, watched: Path) -> None:
    """A writer that stops in the middle without closing raises NEVER_FINISHED."""
    intake = start(never_finished_s=0.3, rescan_s=0.05, after_keep="leave")
    with (watched / "open.png").open("wb") as writer:
        writer.write(PNG[:500])
        writer.flush()
        intake.wait(refused=1)
    assert EdgeReason.NEVER_FINISHED is intake.refused[0].reason


def test_what_is_no_file_is_refused_once_and_stays(start: Start, watched: Path, tmp_path: Path) -> None:
    """Links, pipes and folders get their reason once, are never followed, and stay where they are."""
    (tmp_path / "secret.png").write_bytes(PNG)
    (watched / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(watched / "pipe.png")
    (watched / "folder").mkdir()
    intake = start(rescan_s=0.05)
    intake.wait(refused=3)
    (watched / "folder" / "inner.png").write_bytes(PNG)
    assert intake.holds_still(0.3)
    assert {EdgeReason.NOT_A_REGULAR_FILE} == {one.reason for one in intake.refused}
    assert {"link.png", "pipe.png", "folder"} == {path.name for path in watched.iterdir()}
    assert [] == intake.kept


def test_second_hard_link_is_not_taken(start: Start, watched: Path, tmp_path: Path) -> None:
    """A file with two names is taken only when one name is left."""
    (tmp_path / "first.png").write_bytes(PNG)
    os.link(tmp_path / "first.png", watched / "a.png")
    intake = start(rescan_s=0.05)
    assert intake.holds_still(0.3)
    (tmp_path / "first.png").unlink()
    intake.wait(kept=1)


def test_hidden_and_foreign_names(start: Start, watched: Path) -> None:
    """Temporary names wait for their rename; a name that is not UTF-8 is no obstacle."""
    intake = start(rescan_s=0.05)
    (watched / ".a.png").write_bytes(OTHER)
    with open(os.fsencode(watched) + b"/na\xffme.png", "wb") as writer:
        writer.write(PNG)
    intake.wait(kept=1)
    assert intake.holds_still(0.2)
    assert b"na\xffme.png" == os.fsencode(intake.kept[0].source_name)


def test_one_folder_deeper_if_asked(start: Start, watched: Path) -> None:
    """With `recursive` files one folder below are taken, and the folder is no refusal."""
    (watched / "day").mkdir()
    intake = start(recursive=True)
    (watched / "day" / "a.png").write_bytes(PNG)
    intake.wait(kept=1)
    assert [] == intake.refused


def test_a_burst_is_complete(start: Start, watched: Path) -> None:
    """Every file of a burst is taken exactly once, whatever events were lost."""
    intake = start(rescan_s=0.2)
    files = {f"{number}.png": PNG + number.to_bytes(2, "big") for number in range(300)}
    for name, data in files.items():
        (watched / name).write_bytes(data)
    intake.wait(kept=len(files))
    assert intake.holds_still(0.3)
    assert sorted(sha(data) for data in files.values()) == sorted(hashes(intake))


def test_missing_folder_is_said(tmp_path: Path) -> None:
    """A folder that does not exist is a setting to correct, not silence."""
    with pytest.raises(ConfigInvalid, match="does not exist"):
        FolderInput(tmp_path / "nowhere").start(MemoryIntake(tmp_path / "in"))


@pytest.mark.req("TX-01")
def test_take_file_takes_one_now(tmp_path: Path) -> None:
    """A batch order's file is kept with label and scale at once, and its source stays."""
    (tmp_path / "a.png").write_bytes(PNG)
    intake = MemoryIntake(tmp_path / "in")
    given = take_file(tmp_path / "a.png", intake, input_name="batch", label="ward", mm_per_pixel=0.1)
    assert "capture-1" == given
    kept = intake.kept[0]
    assert ("batch", "ward", 0.1, sha(PNG)) == (kept.input_name, kept.label, kept.mm_per_pixel, kept.sha256)
    assert PNG == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", EdgeReason.EMPTY_FILE), (PNG[:-9], EdgeReason.TRUNCATED)],
    ids=["empty", "half"],
)
def test_take_file_refuses_with_the_reason(tmp_path: Path, data: bytes, reason: EdgeReason) -> None:
    """A batch order does not wait: what is incomplete now is refused now, with its bytes."""
    (tmp_path / "a.png").write_bytes(data)
    intake = MemoryIntake(tmp_path / "in")
    take_file(tmp_path / "a.png", intake, input_name="batch")
    assert [reason] == [one.reason for one in intake.refused]
    assert hashlib.sha256(data).digest() == intake.refused[0].sha256
