"""Prints of several made-up patients become examinations, by real processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edge_agent.simulator.printer import Printer
from tests.line_machine import Line


@pytest.mark.req("BEY-01")
def test_prints_are_grouped_by_the_study_that_their_machine_named(tmp_path: Path) -> None:
    """Each patient's prints are one examination, in whatever order they come, the agent killed and started again in
    between; a picture file afterwards is with the last of them, as a guess. The age is the header's, and no number
    of a patient is anywhere in the answer."""
    with Line(tmp_path) as line:
        line.cloud("--no-inference")
        agent = line.agent()
        printer = Printer(line.prints, formats=("dicom",), seed=4, cines=False)
        printed = printer.print(4)
        agent.kill()
        agent.wait(timeout=20)
        line.agent()
        printed += printer.print(4)
        capture_of = {each["sha256"]: each["capture_id"] for each in line.agent_done(len(printed))}

        def captures() -> dict[str, dict[str, Any]]:
            items = json.loads(line.client.get("/api/captures?limit=50"))["items"]
            return {item["capture_id"]: item for item in items}

        known = captures()
        by_patient: dict[str, set[str]] = {}
        for one in printed:
            found = by_patient.setdefault(one.patient_id, set())
            found.add(known[capture_of[one.sha256]]["examination_id"])
        assert len(by_patient) > 1
        assert [1] * len(by_patient) == [len(found) for found in by_patient.values()], by_patient
        answer = line.client.get("/api/examinations")
        shown = json.loads(answer)["items"]
        assert len(by_patient) == len(shown)
        weeks = {round(7 * one.truth.weeks) for one in printed}
        assert weeks == {int(each["gestational_age"]["days"]) for each in shown}
        assert {"study"} == {each["bound_by"] for each in shown}
        for one in printed:
            assert one.patient_id.encode() not in answer
        line.print(1)
        line.agent_done(len(printed) + 1)
        (paper,) = (item for capture_id, item in captures().items() if capture_id not in known)
        assert ("study", "device_and_time") == (
            paper["examination"]["bound_by"],
            paper["examination"]["capture_bound_by"],
        )
        assert shown[0]["examination_id"] == paper["examination_id"]
