"""Step 4 of 13: de-identify. What is sent of an examination's identity: pseudonyms keyed by the site, and an age.

No date leaves: the gestational age is reckoned here and only its days are sent.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from pydicom.dataset import Dataset

from edge_agent.deidentify.keys import SiteKey
from edge_agent.formats.dicom import code
from edge_agent.items import Identity
from sonorelay.contract.limits import GESTATIONAL_AGE_MAX_DAYS

_DATE_LENGTH: Final = 8


def identity_of(ds: Dataset, key: SiteKey) -> Identity | None:
    """The pseudonyms of a header's study and patient, and its gestational age; None where it names no study."""
    study = code(ds, "StudyInstanceUID")
    if not study:
        return None
    patient = patient_of(ds)
    return Identity(
        examination_key=key.digest("examination", study).hex(),
        patient_key=None if patient is None else key.patient(patient),
        gestational_age_days=_gestational_age_days(ds),
    )


def patient_of(ds: Dataset) -> str | None:
    """Who the patient is at the site: issuer and number; None where the header has no number."""
    number = text(ds, "PatientID")
    return f"{text(ds, 'IssuerOfPatientID')}\x00{number}" if number else None


def text(ds: Dataset, keyword: str) -> str:
    """The value as text; "" where absent."""
    value = ds.get(keyword)
    return str(value).strip("\x00 ") if value is not None else ""


def _gestational_age_days(ds: Dataset) -> float | None:
    """Days from the last menstrual period to the day of the examination; None where they are no pregnancy."""
    begin, day = _date(text(ds, "LastMenstrualDate")), _date(text(ds, "StudyDate"))
    if begin is None or day is None:
        return None
    days = (day - begin).days
    return float(days) if 0 < days <= GESTATIONAL_AGE_MAX_DAYS else None


def _date(value: str) -> date | None:
    """A date of PS3.5 (DA, YYYYMMDD); None for anything else."""
    if len(value) != _DATE_LENGTH or not (value.isascii() and value.isdigit()):
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None
