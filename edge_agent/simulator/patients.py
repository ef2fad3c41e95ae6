"""Made-up patients: names that no person bears, numbers that no hospital gave."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

_ENGLISH = (
    ("EXAMPLE", "ALICE"),
    ("SAMPLE", "SUSAN"),
    ("NOBODY", "NORA"),
    ("PLACEHOLDER", "PAULA"),
    ("FICTION", "FIONA"),
    ("TESTCASE", "TINA"),
)
# 测试 is "test", 样例 "sample", 虚构 "invented", 模拟 "simulated"; 甲乙丙丁 count like A B C D.
_CHINESE = (
    ("CESHI", "JIA", "测试", "甲"),
    ("YANGLI", "YI", "样例", "乙"),
    ("XUGOU", "BING", "虚构", "丙"),
    ("MONI", "DING", "模拟", "丁"),
)
_FIRST_DAY = datetime(2025, 3, 3, 8, 30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One made-up pregnant woman and her appointment."""

    latin: str
    """Name in Latin letters as burned in, family name first."""
    person_name: str
    """DICOM person name (PN); Chinese names carry the ideographic group."""
    character_set: str
    """SpecificCharacterSet that the name is written in; empty for the default repertoire."""
    patient_id: str
    """Made-up number, `SIM-` and six digits."""
    accession: str
    """Made-up accession number, `SIMACC` and seven digits."""
    birth: date
    """Made-up date of birth."""
    taken: datetime
    """Start of the examination on the machine's clock, without time zone as machines write it."""


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient, Chinese or English, with an appointment in a made-up week."""
    number = int(rng.integers(0, 1_000_000))
    if rng.random() < 0.5:
        family, given, family_zh, given_zh = _CHINESE[int(rng.integers(len(_CHINESE)))]
        person_name = f"{family}^{given}={family_zh}^{given_zh}"
        character_set = "GB18030" if rng.random() < 0.5 else "ISO_IR 192"
    else:
        family, given = _ENGLISH[int(rng.integers(len(_ENGLISH)))]
        person_name, character_set = f"{family}^{given}", ""
    taken = _FIRST_DAY + timedelta(days=int(rng.integers(0, 360)), seconds=int(rng.integers(0, 8 * 3600)))
    return Patient(
        latin=f"{family} {given}",
        person_name=person_name,
        character_set=character_set,
        patient_id=f"SIM-{number:06d}",
        accession=f"SIMACC{int(rng.integers(0, 10_000_000)):07d}",
        birth=date(1985, 1, 1) + timedelta(days=int(rng.integers(0, 6000))),
        taken=taken,
    )
