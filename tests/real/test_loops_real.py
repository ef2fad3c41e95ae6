"""Real multi-frame ultrasound objects, in several transfer syntaxes, through step 11 with the shipped weights."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from cloud.infer.decode import decode
from cloud.infer.engines.onnx import OnnxEngine
from cloud.infer.frames import open_loop
from cloud.infer.pipeline import Reader
from tests.cloud.infer.loops import dicom_loop

ROOT = Path(__file__).parents[2]
DICOM = "application/dicom"
pytestmark = pytest.mark.slow


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """A reader on the shipped models."""
    engine = OnnxEngine(ROOT / "model_repository", threads=2)
    await engine.start()
    yield Reader(engine)
    await engine.close()


@pytest.mark.req("READ-11")
async def test_real_loops_are_read_and_none_gives_a_finding(reader: Reader, unpacked: Path) -> None:
    """Each multi-frame object has its frames, decoded alike by the library at once; none shows a fetus, each
    abstains."""
    folder = unpacked / "us_dicom"
    with (folder / "index.csv").open(newline="") as file:
        loops = {row["file"]: int(row["frames"]) for row in csv.DictReader(file) if int(row["frames"]) > 1}
    assert loops
    for name, count in loops.items():
        data = (folder / name).read_bytes()
        loop = open_loop(data, DICOM)
        assert loop is not None
        assert count == loop.frame_count
        last = next(loop.frames([count - 1]))
        np.testing.assert_array_equal(last, decode(data, DICOM, count - 1).pixels)
        assert last.shape[:2] == pydicom.dcmread(folder / name).pixel_array.shape[1:3]
        form = (await reader.read(data, DICOM)).reading.to_json()
        print(
            name, count, loop.frame_rate_hz, form["plane"], form["abstain_reasons"], form["loop"]["sampled"]
        )
        assert form["abstained"]


@pytest.mark.req("READ-11")
async def test_a_loop_of_a_real_head_reads_as_its_still(reader: Reader, data: Path) -> None:
    """A real frame that drifts a little: the plane and circumference of the still, over the loop."""
    with (data / "splits.csv").open() as rows:
        files = [row["file"] for row in csv.DictReader(rows) if (row["set"], row["split"]) == ("hc18", "dev")]
    for name in sorted(files)[::7]:
        pixels = cv2.imread(str(data / "hc18" / name), cv2.IMREAD_GRAYSCALE)
        assert pixels is not None
        encoded, png = cv2.imencode(".png", pixels)
        assert encoded
        still = (await reader.read(bytes(png), "image/png", 0.1, "given")).reading
        unsure = any("HEAD" in code for code in still.abstain_reasons)
        if still.plane == "brain" and still.head is not None and not unsure:
            break
    frames = [np.roll(pixels, (index, index), (0, 1)) for index in range(10)]
    form = (await reader.read(dicom_loop(frames), DICOM, 0.1, "given")).reading.to_json()
    assert still.plane == form["plane"]
    assert still.measurements is not None
    assert still.measurements.hc_mm is not None
    measured = form["loop"]["measurements"]["lengths"]["hc_mm"]
    assert measured["median"] == pytest.approx(still.measurements.hc_mm, rel=0.02)
    assert measured["spread"] < 0.02 * measured["median"]
