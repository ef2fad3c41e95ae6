"""Step 13 of 13: console. From the server's studies to what the page and the exported table show."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from cloud.console.api.present_examinations import examination
from cloud.console.api.site import Site
from cloud.console.api.study_models import (
    DeletedFacts,
    ImageHistory,
    ModelVersion,
    ResultFacts,
    Study,
    StudyNote,
)
from cloud.examinations.brief import of_result
from cloud.examinations.leads import Lead
from cloud.examinations.study_items import Note, Place, StoredResult
from cloud.examinations.study_items import Study as StoredStudy

CSV_HEAD: Final = (
    "number",
    "study_id",
    "began_time",
    "device_id",
    "patient_key",
    "gestational_age_days",
    "status",
    "findings",
    "planes",
    "probability_of_anomaly",
    "images",
    "read",
    "reviewed",
    "disagreed",
    "signed_time",
    "signed_by",
    "tags",
    "notice",
)
NOTICE: Final = "research use, not for diagnosis"
_PLACE: Final = re.compile(r"(-?[0-9]{1,6}\.[0-9]{1,20}(?:e-[0-9]{1,3})?)~([0-9]{1,18})")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_LENGTHS: Final = ("hc_mm", "bpd_mm", "ofd_mm", "ventricle_width_mm")


def study(stored: StoredStudy, site: Site, lead: Lead | None) -> Study:
    """A study as the page shows it."""
    gone = stored.deleted
    return Study(
        examination=examination(stored.examination, site, lead),
        planes=site.sex.facts(list(stored.planes)),
        probability=stored.probability,
        disagreed_count=stored.disagreed_count,
        tags=[site.sex.text(tag) for tag in stored.tags],
        deleted=None
        if gone is None
        else DeletedFacts(time=gone.time, by=gone.by, reason=site.sex.text(gone.reason)),
    )


def note(stored: Note, site: Site) -> StudyNote:
    """A note as the page shows it."""
    return StudyNote(note_id=stored.note_id, note=site.sex.text(stored.note), by=stored.by, time=stored.time)


def history(
    image_ids: Iterable[str], results: Sequence[StoredResult], waiting: Iterable[str], site: Site
) -> list[ImageHistory]:
    """The results of each of these images, in their order."""
    waits = set(waiting)
    return [
        ImageHistory(
            image_id=image_id,
            waiting=image_id in waits,
            results=[_result(each, site) for each in results if each.image_id == image_id],
        )
        for image_id in image_ids
    ]


def place_text(place: Place) -> str:
    """A place in a list as an address carries it."""
    return f"{place.value!r}~{place.number}"


def place_from(text: str | None) -> Place | None:
    """The place that an address carries; None where it carries none. Raises ValueError."""
    if text is None:
        return None
    found = _PLACE.fullmatch(text)
    if found is None:
        raise ValueError("no place")
    return Place(value=float(found[1]), number=int(found[2]))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Lines of a table. A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def csv_row(shown: Study) -> Sequence[Any]:
    """A study as a row under `CSV_HEAD`."""
    of = shown.examination
    return (
        of.number,
        of.examination_id,
        of.began_time.isoformat(),
        of.device_id,
        of.patient_key or "",
        "" if of.gestational_age is None else round(of.gestational_age.days, 1),
        of.status.value,
        " ".join(of.findings),
        " ".join(shown.planes),
        "" if shown.probability is None else shown.probability,
        of.image_count,
        of.read_count,
        of.reviewed_count,
        shown.disagreed_count,
        "" if of.signed is None else of.signed.time.isoformat(),
        "" if of.signed is None else of.signed.by,
        "; ".join(shown.tags),
        NOTICE,
    )


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return f"'{value}"
    return value


def _result(stored: StoredResult, site: Site) -> ResultFacts:
    reading = stored.reading
    told = of_result(reading is not None, reading)
    lengths = (reading or {}).get("measurements") or {}
    models = (reading or {}).get("models") or {}
    return ResultFacts.model_validate(
        {
            "ledger_index": stored.ledger_index,
            "current": stored.is_current,
            "time": stored.time,
            "reason": stored.reason,
            "abstained": bool(reading and reading["abstained"]),
            "plane": site.sex.facts(reading["plane"]) if reading else None,
            "finding": site.sex.facts(reading["finding"]) if reading else None,
            "probability": told["probability"],
            **{name: lengths.get(name) for name in _LENGTHS},
            "models": [
                ModelVersion(name=site.sex.label(name), version=used["version"])
                for name, used in sorted(models.items())
            ],
        }
    )
