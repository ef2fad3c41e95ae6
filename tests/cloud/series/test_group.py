"""Which images belong to the one now read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloud.series.found import find
from cloud.series.group import group, mismatch, too_few
from cloud.series.read_header import read_header
from cloud.series.reasons import LeftOutReason, RefusalReason
from tests.cloud.series import phantom
from tests.cloud.series.headers import header


@pytest.mark.req("MPR-03")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"patient_name": "li^na"}, LeftOutReason.OTHER_PATIENT),
        ({"study_uid": "1.9"}, LeftOutReason.OTHER_STUDY),
        ({"series_uid": "1.9"}, LeftOutReason.OTHER_SERIES),
        ({"patient_name": "li^na", "study_uid": "1.9", "series_uid": "1.9"}, LeftOutReason.OTHER_PATIENT),
        ({"study_uid": "1.9", "series_uid": "1.9", "modality": "MR"}, LeftOutReason.OTHER_STUDY),
    ],
)
def test_the_cascade(changes: dict[str, Any], expected: LeftOutReason | None) -> None:
    """Patient, then examination, then series; the first that differs is the reason."""
    assert expected == mismatch(header(1), header(2, **changes))


@pytest.mark.req("MPR-04")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"series_number": 4}, LeftOutReason.OTHER_SERIES_NUMBER),
        ({"body_part": "CHEST"}, LeftOutReason.OTHER_BODY_PART),
        ({"modality": "MR"}, LeftOutReason.OTHER_MODALITY),
        ({"series_number": None, "body_part": "", "modality": ""}, None),
    ],
)
def test_a_wrong_series_uid_is_caught(changes: dict[str, Any], expected: LeftOutReason | None) -> None:
    """An image with this series' UID and another number, body part or modality is left out; silence is no
    contradiction."""
    assert expected == mismatch(header(1), header(2, **changes))


@pytest.mark.req("MPR-08")
def test_an_image_counts_once() -> None:
    """A second file with the same SOP Instance UID is left out; the image now read is the one that stays."""
    copy = header(2, path=Path("/data/a-copy.dcm"), sop_instance_uid=header(1).sop_instance_uid)
    made = group(header(1), [copy, header(1), header(3)])
    assert [header(1), header(3)] == list(made.members)
    assert [(copy.path, LeftOutReason.DUPLICATE_INSTANCE)] == [
        (each.path, each.reason) for each in made.left_out
    ]


@pytest.mark.req("MPR-06")
def test_the_threshold() -> None:
    """At the threshold a reconstruction is offered, below it the refusal names both numbers; 10 unless given."""
    assert too_few(10) is None
    assert too_few(3, threshold=3) is None
    refusal = too_few(9)
    assert refusal is not None
    assert RefusalReason.TOO_FEW_IMAGES == refusal.reason
    assert {"count": 9, "threshold": 10} == dict(refusal.values)
    assert "9" in refusal.sentence("zh")


@pytest.mark.req("MPR-01")
@pytest.mark.req("MPR-09")
def test_a_mixed_batch(tmp_path: Path) -> None:
    """From a tree batch / patient / examination / series with other patients, examinations and series, the header of
    one image picks its series, wherever its files lie, and the rest is left out with the reasons."""
    series = tmp_path / "batch-7" / "patient" / "examination" / "series"
    paths = phantom.write_series(series, phantom.centred(phantom.AXIAL, phantom.even(4, 2.0)))
    stray = phantom.write_series(tmp_path / "batch-8", phantom.centred(phantom.AXIAL, [9.0]), first_number=5)
    others = {
        "other-patient": {"PatientName": "Li^Na", "SOPInstanceUID": "1.7.1"},
        "other-study": {"StudyInstanceUID": "1.9.1", "SOPInstanceUID": "1.7.2"},
        "other-series": {"SeriesInstanceUID": "1.9.2", "SOPInstanceUID": "1.7.3"},
        "typed-wrongly": {"SeriesNumber": 9, "SOPInstanceUID": "1.7.4"},
    }
    for name, tags in others.items():
        phantom.write_series(tmp_path / "batch-7" / name, phantom.centred(phantom.AXIAL, [0.0]), **tags)
    made = group(read_header(paths[2]), find(tmp_path).headers)
    assert [*paths, *stray] == [each.path for each in made.members]
    assert {
        "other-patient": LeftOutReason.OTHER_PATIENT,
        "other-study": LeftOutReason.OTHER_STUDY,
        "other-series": LeftOutReason.OTHER_SERIES,
        "typed-wrongly": LeftOutReason.OTHER_SERIES_NUMBER,
    } == {each.path.parent.name: each.reason for each in made.left_out}
