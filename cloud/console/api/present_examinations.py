"""Step 13 of 13: console. From the server's examinations to what the page shows."""

from __future__ import annotations

from cloud.console.api.examination_models import Examination, ExaminationAge, SignedFacts
from cloud.examinations.items import Examination as StoredExamination
from cloud.examinations.items import GivenAge
from cloud.infer.assess import age_text


def examination(stored: StoredExamination) -> Examination:
    """The examination as the page shows it."""
    signed = stored.signed
    return Examination(
        examination_id=stored.examination_id,
        number=stored.number,
        device_id=stored.device_id,
        bound_by=stored.bound_by,
        patient_key=stored.patient_key,
        gestational_age=None if stored.age is None else _age(stored.age),
        began_time=stored.began_time,
        updated_time=stored.updated_time,
        newest_slot=stored.newest_slot,
        capture_count=stored.capture_count,
        image_count=stored.image_count,
        read_count=stored.read_count,
        reviewed_count=stored.reviewed_count,
        status=stored.state,
        findings=list(stored.findings),
        signed=None
        if signed is None
        else SignedFacts(time=signed.time, by=signed.by, changed_after=signed.changed_after),
    )


def _age(age: GivenAge) -> ExaminationAge:
    return ExaminationAge(days=age.days, text=age_text(age.days), time=age.time, source=age.source, by=age.by)
