"""Made-up facts of a report with everything that a report can say, and pictures for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np

from cloud.examinations.items import AgeSource, BoundBy
from cloud.examinations.states import reading_status
from cloud.infer.annotate import Ellipse
from cloud.infer.biometry import REFERENCES, place
from cloud.infer.reasons import AbstainReason
from cloud.items import Status
from cloud.report.facts import (
    Author,
    ChecklistFacts,
    GivenAge,
    ImageFacts,
    ItemFacts,
    LengthFacts,
    LogFacts,
    RemarkFacts,
    ReportFacts,
    ReviewFacts,
    SchemeFacts,
    Seen,
    SignatureFacts,
    UnreadFacts,
)
from cloud.report.strokes import strokes_of
from tests.cloud.console.readings import Verdict, brain_shot, made_reading, png_of

BEGAN = datetime(2026, 11, 27, 1, 12, tzinfo=UTC)
AGE_DAYS = 152.0


def digest(text: str) -> str:
    """A SHA-256 in hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def length(
    name: str, value: float, sd: float, *, author: Author = Author.MODEL, unit: str = "mm"
) -> LengthFacts:
    """A measured value, placed in its standard where it has one."""
    known = {each.value: each for each in REFERENCES}
    placed = place(known[name], value, AGE_DAYS, sd) if name in known and unit == "mm" else None
    return LengthFacts(
        measure=name,
        author=author,
        value=value,
        sd=sd,
        unit=unit,
        z_score=placed.z_score if placed else None,
        z_score_sd=placed.z_score_sd if placed else None,
        centile=placed.centile if placed else None,
        reference=placed.reference if placed else None,
        outside_weeks=None,
    )


LENGTHS = (
    length("hc", 195.31, 2.14),
    length("bpd", 53.42, 0.81),
    length("ofd", 69.87, 0.93),
    length("ci", 0.765, 0.012, unit=""),
    length("ventricle_width", 12.64, 0.72),
    length("midline_shift", 0.83, 0.41),
)
CORRECTED = (
    length("hc", 191.17, 1.52, author=Author.PERSON),
    length("bpd", 52.26, 0.61, author=Author.PERSON),
    length("ofd", 68.35, 0.74, author=Author.PERSON),
    length("ci", 0.752, 0.009, author=Author.PERSON, unit=""),
)
MODELS = {
    name: ("4", digest(name))
    for name in ("fetal_head_seg", "fetal_plane_cls", "fetal_brain_cls", "fetal_ventricle_seg")
}


def _smaller(reading: dict[str, Any]) -> Ellipse:
    """The ellipse that a person draws inside of the model's."""
    drawn = Ellipse(**reading["head"]["ellipse"])
    return replace(drawn, a=drawn.a * 0.97, b=drawn.b * 0.94)


def image(number: int, seed: int, verdict: Verdict, **changes: Any) -> tuple[ImageFacts, dict[str, bytes]]:
    """One image that the virtual scanner drew, with its pictures."""
    shot = brain_shot(seed)
    reading, _ = made_reading(shot, verdict)
    said = reading.to_json()
    probabilities = said["finding_probabilities"]
    values: dict[str, Any] = {
        "number": number,
        "image_id": f"{number:08d}-0000-4000-8000-000000000000",
        "sha256": digest(f"image {number}"),
        "received_time": BEGAN + timedelta(seconds=40 * number),
        "width_px": said["image"]["width_px"],
        "height_px": said["image"]["height_px"],
        "frame_count": 1,
        "best_frame": 0,
        "status": reading_status(said),
        "plane": said["plane"],
        "subplane": "trans-ventricular",
        "subplane_sure": True,
        "finding": said["finding"],
        "not_normal_probability": 1 - probabilities["normal"] if probabilities else None,
        "abstain_codes": tuple(said["abstain_reasons"]),
        "lengths_judged": not said["abstain_reasons"],
        "lengths": LENGTHS[:4],
        "remarks": (),
        "strokes": strokes_of(said, _smaller(said) if changes.pop("is_corrected", False) else None),
        "has_heat": said["heat"] is not None,
        "models": MODELS,
        "ledger_index": 100 + 2 * number,
        "result_ledger_index": 101 + 2 * number,
        "review": None,
    }
    facts = ImageFacts(**{**values, **changes})
    png = cv2.imdecode(np.frombuffer(png_of(shot), np.uint8), cv2.IMREAD_COLOR)
    jpeg = bytes(cv2.imencode(".jpg", png, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])
    pictures = {f"still-{number}.jpg": jpeg}
    if facts.has_heat:
        pictures[f"heat-{number}.jpg"] = jpeg
    return facts, pictures


def review(number: int, **changes: Any) -> ReviewFacts:
    """A doctor who agrees, unless changed."""
    values: dict[str, Any] = {
        "agreed": True,
        "reason_code": None,
        "reason_text": "",
        "finding": None,
        "plane": None,
        "reviewer": "dr.lin",
        "time": BEGAN + timedelta(minutes=20 + number),
        "ledger_index": 140 + number,
    }
    return ReviewFacts(**{**values, **changes})


def images() -> tuple[tuple[ImageFacts, ...], dict[str, bytes]]:
    """A normal, an abnormal and a doubtful image, one corrected by a person, and their pictures."""
    wide = RemarkFacts(code="VENTRICLE_MODERATE", value=12.64, limit=12.0, unit="mm", author=Author.MODEL)
    ill = Verdict(finding="ventriculomegaly", probability=0.934, ventricle_mm=12.64)
    disagreed = review(
        4,
        agreed=False,
        reason_code="WRONG_OUTLINE",
        reason_text="Near skull left out of the outline",
        finding="normal",
        ledger_index=147,
    )
    made = [
        image(1, 3, Verdict(), review=review(1)),
        image(2, 5, ill, lengths=LENGTHS, remarks=(wide,), review=review(2)),
        image(3, 8, Verdict(reasons=(AbstainReason.HEAD_CUT_OFF,)), subplane_sure=False),
        image(4, 11, Verdict(), lengths=LENGTHS[:4] + CORRECTED, is_corrected=True, review=disagreed),
    ]
    pictures = {name: data for _, of_image in made for name, data in of_image.items()}
    return tuple(facts for facts, _ in made), pictures


ITEMS = (
    ("Trans-ventricular plane", "侧脑室水平横切面", Seen.SEEN, (1, 2), None),
    ("Trans-thalamic plane", "丘脑水平横切面", Seen.MISSING, (), None),
    ("Trans-cerebellar plane", "小脑水平横切面", Seen.SEEN, (3,), None),
    ("Head circumference", "头围", Seen.SEEN, (1, 2, 4), None),
    ("Width of the lateral ventricle", "侧脑室宽度", Seen.SEEN, (2,), None),
    ("Cavum septi pellucidi", "透明隔腔", Seen.BY_HAND, (), "dr.lin"),
    ("Spine", "脊柱", Seen.MISSING, (), None),
)


def signature(**changes: Any) -> SignatureFacts:
    """A doctor's."""
    values: dict[str, Any] = {
        "signer": "dr.lin",
        "time": BEGAN + timedelta(minutes=31),
        "digest": digest("signed"),
        "override_reason": "",
        "ledger_index": 151,
        "changed": False,
    }
    return SignatureFacts(**{**values, **changes})


def report_facts(found: tuple[ImageFacts, ...], **changes: Any) -> ReportFacts:
    """An examination at 21 weeks and 5 days with these images."""
    items = tuple(
        ItemFacts(
            group_en="Head", group_zh="头颅", name_en=en, name_zh=zh, seen=seen, images=numbers, ticked_by=who
        )
        for en, zh, seen, numbers, who in ITEMS
    )
    values: dict[str, Any] = {
        "site_name": "Lakeside Women's Hospital, Prenatal Ultrasound",
        "time_zone": "Asia/Shanghai",
        "number": "1042",
        "examination_id": "5f0c2f0e-7c57-4a6e-9d55-3f6d8b1e2a90",
        "pseudonym": "8C41D0A277E95B36",
        "device_id": "us-room-3",
        "began_time": BEGAN,
        "active_time": BEGAN + timedelta(minutes=9),
        "bound_by": BoundBy.STUDY,
        "capture_count": 5,
        "guessed_count": 0,
        "age": GivenAge(days=AGE_DAYS, source=AgeSource.LMP, given_by="dr.lin"),
        "images": found,
        "unread": (UnreadFacts(status=Status.HELD, reason="SECTOR_NOT_FOUND", count=1),),
        "checklist": ChecklistFacts(
            name_en="Second trimester", name_zh="中孕期筛查", version="1", items=items
        ),
        "signature": signature(),
        "scheme": SchemeFacts(name="SonoRelay defaults", version="1", sha256=digest("scheme")),
        "log": LogFacts(
            origin="hospital.example/log",
            verifier_key="hospital.example/log+5d2a1c07+AQ7gQf0b1dJmJrEw4n8Qk1m2b9kq3nS0y8b5Vb1p2cXz",
            size=182,
            root="u2mEwOa5oVY4dUQm9rQzJ6Zr3u6qJ8l2bq0bB0v8r1I=",
        ),
        "software": "0.1.0",
        "made_time": BEGAN + timedelta(minutes=40),
    }
    return ReportFacts(**{**values, **changes})
