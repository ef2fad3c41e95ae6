"""Step 4: what is sent of an examination's identity."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pydicom
import pytest

from edge_agent.deidentify.keys import SiteKey
from edge_agent.items import Identity
from edge_agent.prepare import prepare
from edge_agent.sandbox_wire import reply_from_json, reply_to_json
from tests.edge_agent.deidentify.synthetic import dicom, encoded, region, request, screen, tools

KEY = SiteKey(secret=b"k" * 32)
BOX = (40, 58, 790, 530)


def identity(folder: Path, **changes: Any) -> Identity | None:
    """What the steps 3 to 5 say of a made-up object with these elements."""
    folder.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        # The library says what it thinks of hostile values.
        warnings.simplefilter("ignore")
        data = dicom(screen().pixels, SequenceOfUltrasoundRegions=[region(*BOX)], **changes)
    reply = prepare(request(folder, data), tools(folder))
    assert "kept" == reply.outcome, (reply.reason, reply.detail)
    return reply_from_json(reply_to_json(reply)).identity


@pytest.mark.req("BEY-01")
@pytest.mark.req("TX-03")
def test_pseudonyms_and_days_leave_and_nothing_else(tmp_path: Path) -> None:
    """The study's and the patient's keyed pseudonyms, the patient's as in the rebuilt object, and an age in days;
    neither number, nor name, nor date is in them."""
    found = identity(tmp_path, LastMenstrualDate="20231010")
    assert found is not None
    rebuilt = pydicom.dcmread(tmp_path / "out" / "0.dcm")
    assert KEY.digest("examination", "1.2.3.4.2").hex() == found.examination_key
    assert rebuilt.PatientID == found.patient_key
    assert 142.0 == found.gestational_age_days
    said = f"{found.examination_key} {found.patient_key} {found.gestational_age_days}"
    for planted in ("1.2.3.4", "MRN", "00417", "20231010", "20240229", "TESTPERSON"):
        assert planted not in said
    assert b"20231010" not in (tmp_path / "out" / "0.dcm").read_bytes()


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({"LastMenstrualDate": "20240229"}, None),
        ({"LastMenstrualDate": "20240301"}, None),
        ({"LastMenstrualDate": "20230420"}, 315.0),
        ({"LastMenstrualDate": "20230419"}, None),
        ({"LastMenstrualDate": "2023101"}, None),
        ({"LastMenstrualDate": "20231399"}, None),
        ({"LastMenstrualDate": ""}, None),
        ({"LastMenstrualDate": "20231010", "StudyDate": None}, None),
        ({}, None),
    ],
)
def test_an_age_is_said_only_where_the_dates_are_a_pregnancys(
    tmp_path: Path, changes: dict[str, Any], days: float | None
) -> None:
    """Above 0 and at most 315 days, from two dates that are dates; else nothing is said."""
    found = identity(tmp_path, **changes)
    assert found is not None
    assert days == found.gestational_age_days


def test_the_same_study_has_the_same_key_and_another_another(tmp_path: Path) -> None:
    """Pictures of one study share it; another study, or another site's secret, gives another."""
    one, same, other = (
        identity(tmp_path / name, SOPInstanceUID=f"1.2.{name}", StudyInstanceUID=study)
        for name, study in (("1", "1.2.3"), ("2", "1.2.3"), ("3", "1.2.4"))
    )
    assert one == same
    assert one != other
    assert SiteKey(secret=b"x" * 32).digest("examination", "1.2.3") != KEY.digest("examination", "1.2.3")


def test_without_a_study_or_a_number_less_is_said(tmp_path: Path) -> None:
    """No study: nothing, for a study that is made up would bind nothing. No patient number: no patient."""
    assert identity(tmp_path / "a", StudyInstanceUID=None) is None
    found = identity(tmp_path / "b", PatientID="")
    assert found is not None
    assert found.patient_key is None


def test_formats_without_identity_say_nothing(tmp_path: Path) -> None:
    """A picture file carries no study."""
    reply = prepare(request(tmp_path, encoded(screen().pixels, ".png")), tools(tmp_path))
    assert "kept" == reply.outcome
    assert reply.identity is None
