"""The search through all examinations of a site with 100,000 of them, over HTTP: first page, and words."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from cloud.db.tables import examination, study
from cloud.examinations.study_text import search_text
from cloud.examinations.words import FINDING_WORDS, PLANE_WORDS
from deploy.local.machine import Machine
from tests.bench.outcome import Row, row

STUDIES: Final = 100_000
AT_ONCE: Final = 5_000
ROUNDS, WARM_UP = 40, 3
FIRST_PAGE_MAX_MS: Final = 150.0
SEARCH_MAX_MS: Final = 300.0
BEGUN: Final = datetime(2020, 1, 1, tzinfo=UTC)
WORDS: Final = (
    "naoshikuozhang",
    "nskz",
    "脑室扩张",
    "us-room-7",
    "0A1B2",
    "复查",
    "no such word",
    "wide ventricle",
)
"""What is searched for in turn: common, rare, and not there."""


def made_studies(count: int, seed: int = 0) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows of `count` examinations and of what finds them, the same for a seed; one in ten has a note."""
    chance = random.Random(seed)
    findings, planes = tuple(FINDING_WORDS), tuple(PLANE_WORDS)
    for number in range(1, count + 1):
        finding = chance.choices(findings, (0.9, 0.07, 0.03))[0]
        plane, device = chance.choice(planes), f"us-room-{chance.randrange(1, 13)}"
        patient = f"{chance.getrandbits(64):016X}"
        examination_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        time_ = BEGUN + timedelta(minutes=20 * number)
        texts = [f"#{number}", device, patient, finding, *FINDING_WORDS[finding], plane, *PLANE_WORDS[plane]]
        if chance.random() < 0.1:
            texts.append(f"两周后复查 {chance.randrange(1000)}")
        yield (
            {
                "number": number,
                "examination_id": examination_id,
                "device_id": device,
                "bound_by": "study",
                "patient_key": patient,
                "age_days": round(chance.uniform(90, 280), 1),
                "age_time": time_,
                "age_source": "header",
                "began_time": time_,
                "updated_time": time_,
                "newest_slot": number,
                "capture_count": 1,
                "image_count": 4,
                "read_count": 4,
                "reviewed_count": 4,
                "state": "normal" if finding == "normal" else "abnormal",
                "findings": f" {finding} ",
                "changed_after_signing": False,
            },
            {
                "number": number,
                "examination_id": examination_id,
                "planes": f" {plane} ",
                "probability": round(chance.random(), 4),
                "disagreed_count": 0,
                "text": search_text(texts),
            },
        )


def fill(database_file: Path, count: int) -> None:
    """Writes them into a server's database, which may be running."""
    engine = sa.create_engine(f"sqlite:///{database_file}", connect_args={"timeout": 60})
    made = list(made_studies(count))
    for start in range(0, count, AT_ONCE):
        part = made[start : start + AT_ONCE]
        with engine.begin() as connection:
            connection.execute(sa.insert(examination), [each for each, _ in part])
            connection.execute(sa.insert(study), [each for _, each in part])
    with engine.begin() as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def studies(folder: Path) -> list[Row]:
    """Both rows, on one server."""
    with Machine(folder) as machine:
        address = machine.start_cloud().console_url.removeprefix("http://").rstrip("/")
        token = machine.token()
        fill(folder / "cloud" / "state.db", STUDIES)
        first = _spent(address, token, ["/api/studies", "/api/studies?status=abnormal&sort=probability"])
        words = _spent(address, token, [f"/api/studies?text={quote(word)}" for word in WORDS])
    return [_row("first page", first, FIRST_PAGE_MAX_MS), _row("search", words, SEARCH_MAX_MS)]


def _row(name: str, spent: list[float], limit_ms: float) -> Row:
    p95_ms = statistics.quantiles(spent, n=20)[-1]
    return row(
        f"studies, {name}, p95", p95_ms, limit_ms, "ms", p95_ms / limit_ms, "<=", 1.0,
        notes=f"peer: the limit; median {statistics.median(spent):.1f} ms, {STUDIES} studies, with the total",
    )  # fmt: skip


def _spent(address: str, token: str, paths: list[str]) -> list[float]:
    """Milliseconds of each answer, the paths in turn."""
    connection = http.client.HTTPConnection(address, timeout=120)
    spent = []
    for number in range(WARM_UP + ROUNDS):
        begin = time.perf_counter()
        connection.request("GET", paths[number % len(paths)], headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        assert 200 == response.status, answer
        if number >= WARM_UP:
            spent.append(1000 * (time.perf_counter() - begin))
    connection.close()
    return spent
