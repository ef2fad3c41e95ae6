"""A printed loop goes the whole way of one image and is one result."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from deploy.local.console_client import READ
from edge_agent.simulator.printer import Printer
from tests.line_machine import Line


@pytest.mark.req("READ-11")
@pytest.mark.parametrize("form", ["dicom", "avi"])
def test_a_printed_loop_arrives_as_one_result(tmp_path: Path, form: str) -> None:
    """A DICOM cine and a video of the same frames: de-identified, read, shown by their best frame, receipted."""
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    (printed,) = Printer(drawn, seed=3, only_cines=True, sleep=lambda _: None).print(1)
    source = drawn / printed.name
    frames = pydicom.dcmread(source).pixel_array
    if form == "avi":
        source = drawn / "loop.avi"
        height_px, width_px = frames.shape[1:3]
        writer = cv2.VideoWriter(str(source), cv2.VideoWriter.fourcc(*"FFV1"), 25.0, (width_px, height_px))
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
        writer.release()
    with Line(tmp_path / "line") as line:
        line.cloud()
        line.agent()
        source.rename(line.prints / source.name)
        (item,) = line.finals(1)
        assert item["status"] in READ, item["reason"]
        (image,) = item["images"]
        assert (len(frames), form) == (image["frame_count"], image["source_format"])
        reading = image["reading"]
        loop = reading["loop"]
        assert (len(frames), 25.0) == (loop["frame_count"], loop["frame_rate_hz"])
        assert loop["sampled"] == [frame["index"] for frame in loop["per_frame"]]
        # The probe slides away at the end: the best frame is one in which it was held.
        assert loop["best_frame"] < 0.8 * len(frames)
        assert ("brain", True) == (reading["plane"], reading["head"] is not None)
        body = line.client.get(f"/api/images/{image['image_id']}/still.png")
        still = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
        assert still is not None
        kept = still > 0
        np.testing.assert_array_equal(frames[loop["best_frame"]][kept], still[kept])
        assert printed.patient_id.encode() not in body
        line.state().check_exactly_once(1)
