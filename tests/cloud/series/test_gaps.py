"""What a series lacks by its numbers, and the two ways to search for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.series.gaps import MISSING_MAX, created_at, folders_above, folders_by_time, missing, search
from cloud.series.header import Header
from cloud.series.read_header import read_header
from cloud.series.reasons import LeftOutReason
from tests.cloud.series import phantom
from tests.cloud.series.headers import header


def numbers(members: list[Header]) -> list[int]:
    return [each.instance_number for each in missing(members)]


@pytest.mark.req("MPR-05")
def test_a_gap_names_the_missing_header() -> None:
    """A gap gives name, UIDs and number of what is missing; the name is never in a repr."""
    (gap,) = missing([header(1), header(2), header(4)])
    assert (header().patient_name, header().study_uid, header().series_uid, 3) == (
        gap.patient_name,
        gap.study_uid,
        gap.series_uid,
        gap.instance_number,
    )
    assert "zhang" not in repr(gap)


@pytest.mark.req("MPR-05")
def test_numbers_missing_at_either_end() -> None:
    """Numbers begin at 1 (or at 0, where one is 0), and end at least where the header's count does."""
    assert [1, 2] == numbers([header(3), header(4)])
    assert [1] == numbers([header(0), header(2)])
    assert [3, 4] == numbers([header(1, images_in_acquisition=4), header(2, images_in_acquisition=4)])
    assert [] == numbers([header(1, instance_number=None)])


@pytest.mark.req("MPR-05")
@pytest.mark.parametrize("number", [MISSING_MAX + 3, 10**30, -(10**30)])
def test_a_jump_beyond_reason_is_no_gap(number: int) -> None:
    """A number far away names no missing images: their list would be endless."""
    assert [] == numbers([header(1), header(2, instance_number=number)])


@pytest.fixture(name="archive")
def _archive(tmp_path: Path) -> Path:
    """archive/batch/patient/series holds 1, 2, 5; 3 lies beside it, 4 in another batch, strangers everywhere."""
    at = phantom.centred(phantom.AXIAL, phantom.even(5, 2.0))
    series = tmp_path / "archive" / "batch" / "patient" / "series"
    for number in (1, 2, 5):
        phantom.write_series(series, [at[number - 1]], first_number=number)
    phantom.write_series(series.parent / "lost", [at[2]], first_number=3)
    phantom.write_series(tmp_path / "archive" / "batch-2" / "x" / "y", [at[3]], first_number=4)
    phantom.write_series(
        tmp_path / "archive" / "batch" / "other",
        [at[2]],
        first_number=3,
        PatientName="Li^Na",
        SOPInstanceUID="1.8",
    )
    (series.parent / "photo.png").write_bytes(b"\x89PNG")
    return tmp_path / "archive"


def known(archive: Path) -> tuple[Header, list[Header]]:
    """The image now read, and its series as far as it is in its folder."""
    members = [read_header(path) for path in sorted((archive / "batch" / "patient" / "series").iterdir())]
    return members[0], members


@pytest.mark.req("MPR-05")
def test_first_strategy_goes_up_to_the_top(archive: Path) -> None:
    """The folder above with all below it comes first, then the one above that, up to the top and no further."""
    current, members = known(archive)
    folder = archive / "batch" / "patient" / "series"
    near = search(missing(members), current, [folders_above(folder, archive / "batch")], looked=[folder])
    assert [3] == [each.instance_number for each in near.found]
    assert [4] == [each.instance_number for each in near.missing]
    assert not near.is_timed_out
    far = search(missing(members), current, [folders_above(folder, archive)], looked=[folder])
    assert {3, 4} == {each.instance_number for each in far.found}
    assert () == far.missing
    assert [] == list(folders_above(folder, archive / "batch-2"))


@pytest.mark.req("MPR-05")
def test_a_stranger_with_the_right_number_is_not_taken(archive: Path) -> None:
    """An image of another patient that bears the series' UID is left out with the reason, its number stays missing."""
    current, members = known(archive)
    result = search(missing(members), current, [[archive / "batch" / "other"]])
    assert () == result.found
    assert [LeftOutReason.OTHER_PATIENT] == [each.reason for each in result.left_out]
    assert [3, 4] == [each.instance_number for each in result.missing]


@pytest.mark.req("MPR-05")
def test_second_strategy_widens_the_interval(archive: Path) -> None:
    """Folders created within the first interval come first, nearest first, then the next; those beyond never."""
    folder = archive / "batch" / "patient" / "series"
    hour = 3_600.0
    created_s = {folder: 0.0, archive / "batch-2" / "x" / "y": 30 * hour, folder.parent / "lost": -0.5 * hour}
    looked = list(
        folders_by_time(
            folder,
            archive,
            created_at=lambda path: created_s.get(path, 10_000 * hour),
            intervals_s=(hour, 24 * hour, 48 * hour),
        )
    )
    assert [folder, folder.parent / "lost", archive / "batch-2" / "x" / "y"] == looked


@pytest.mark.req("MPR-05")
def test_second_strategy_finds_what_the_first_cannot(archive: Path) -> None:
    """Where the folders above do not hold an image, the folder of the same time does; the search ends when all is
    found."""
    current, members = known(archive)
    folder = archive / "batch" / "patient" / "series"

    def never() -> Iterator[Path]:
        raise AssertionError("all was found before")
        yield

    by_time = folders_by_time(folder, archive / "batch-2", created_at=lambda path: 0.0)
    result = search(missing(members), current, [folders_above(folder, archive / "batch"), by_time, never()])
    assert {3, 4} == {each.instance_number for each in result.found}


@pytest.mark.req("MPR-05")
def test_when_a_folder_was_created(tmp_path: Path) -> None:
    """Never after its files came; a folder that cannot be looked at is far away in time."""
    (tmp_path / "a").mkdir()
    os.utime(tmp_path / "a", (1_000, 1_000))
    assert 1_000.0 >= created_at(tmp_path / "a")
    assert float("-inf") == created_at(tmp_path / "b")


@pytest.mark.req("MPR-05")
def test_the_search_ends_when_its_time_is_up(archive: Path) -> None:
    """With the time up no further file is opened, and the result says so."""
    current, members = known(archive)
    ticks = iter(range(100))
    opened: list[Path] = []

    def read(path: Path) -> Header:
        opened.append(path)
        return read_header(path)

    result = search(
        missing(members),
        current,
        [folders_above(archive / "batch" / "patient" / "series", archive)],
        read=read,
        clock=lambda: float(next(ticks)),
        limit_s=3.0,
    )
    assert result.is_timed_out
    assert len(opened) <= 2
    assert result.missing
