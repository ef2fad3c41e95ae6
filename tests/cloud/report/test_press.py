"""Reports are made by processes that can be ended."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cloud.report.errors import ReportUnavailable
from cloud.report.press import Press
from cloud.report.render import render_pdf
from cloud.report.sheet import Language, Sheet
from cloud.report.wording import worded
from tests.cloud.report import made


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary folders are made in."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def pictures() -> dict[str, bytes]:
    """Pictures of the made-up images."""
    return made.images()[1]


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    """A sheet with everything in it."""
    return worded(made.report_facts(made.images()[0]), Language.CHINESE)


def children() -> list[psutil.Process]:
    """Processes that this one started and that still run a report."""
    found: list[psutil.Process] = []
    for each in psutil.Process().children():
        # One that has just ended has no command line any more.
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [each] if "cloud.report.typeset" in each.cmdline() else []
    return found


async def test_a_process_of_its_own_makes_the_same_bytes(
    sheet: Sheet, pictures: dict[str, bytes], scratch: Path
) -> None:
    """And leaves nothing behind: neither files nor the process."""
    made_here = render_pdf(made.report_facts(made.images()[0]), Language.CHINESE, pictures)
    assert made_here == await Press().print(sheet, pictures)
    assert [] == list(scratch.iterdir())
    assert [] == children()


async def test_a_report_that_takes_too_long_is_ended(
    sheet: Sheet, pictures: dict[str, bytes], scratch: Path
) -> None:
    """The limit holds; process and folder are gone when the refusal comes."""
    with pytest.raises(ReportUnavailable, match="longer than"):
        await Press(limit_s=0.001).print(sheet, pictures)
    assert [] == list(scratch.iterdir())
    assert [] == children()


async def test_whoever_goes_away_ends_the_report(
    sheet: Sheet, pictures: dict[str, bytes], scratch: Path
) -> None:
    """A cancelled request leaves no process that goes on."""
    asked = asyncio.create_task(Press().print(sheet, pictures))
    while not children():
        assert not asked.done()
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert [] == children()
    assert [] == list(scratch.iterdir())


async def test_what_cannot_be_set_is_refused_without_its_words(
    sheet: Sheet, pictures: dict[str, bytes], capfd: pytest.CaptureFixture[str]
) -> None:
    """A picture that is none ends in an error that tells nothing of the report."""
    broken = dict.fromkeys(pictures, b"no picture")
    with pytest.raises(ReportUnavailable) as refused:
        await Press().print(sheet, broken)
    assert "the report could not be set" == str(refused.value)
    assert ("", "") == capfd.readouterr()


async def test_missing_fonts_are_named(sheet: Sheet, pictures: dict[str, bytes], tmp_path: Path) -> None:
    """The refusal says what to do."""
    with pytest.raises(ReportUnavailable, match="make setup"):
        await Press(fonts=tmp_path).print(sheet, pictures)


async def test_the_event_loop_goes_on_meanwhile(sheet: Sheet, pictures: dict[str, bytes]) -> None:
    """Others are served while several reports are made, and no more than two are made at once."""
    press = Press()
    asked = [asyncio.create_task(press.print(replace(sheet, running=str(n)), pictures)) for n in range(5)]
    most, turns = 0, 0
    while not all(each.done() for each in asked):
        most, turns = max(most, len(children())), turns + 1
        await asyncio.sleep(0)
    assert 5 == len({each.result() for each in asked})
    assert 1 <= most <= 2
    assert turns > 5
