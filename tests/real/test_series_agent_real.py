"""Real series through the agent: each arrives as the volume that it is, and what is odd is refused in words."""

from __future__ import annotations

import subprocess
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array

from edge_agent.ferns import Ferns
from edge_agent.filter import ULTRASOUND_CLASSES, Filter
from edge_agent.items import PrepareRequest
from edge_agent.prepare import Tools, prepare
from edge_agent.sandbox import FERNS_PATH
from tests.line.test_series_line import check_untouched, command, series_of
from tests.line_machine import Line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.req("MPR-05")
def test_the_set_arrives_as_its_series(unpacked: Path, tmp_path: Path) -> None:
    """The reference phantom, the tilted one and the oblique MR: sent as one folder, three volumes."""
    sources = {path.parent.name: pydicom.dcmread(path) for path in sorted((unpacked / "mpr").rglob("*.dcm"))}
    with Line(tmp_path / "line") as line:
        line.cloud()
        sent = subprocess.run(
            command(line, "--path", unpacked / "mpr", "--series", "--wait"),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        count = sum(row.startswith("sent: ") for row in sent.stdout.splitlines())
        found = series_of(line, count)
        assert Counter({("CT", 28): 2, ("MR", 20): 1}) == Counter(
            (each["modality"], each["image_count"]) for each in found
        )
        assert [True] * 3 == [each["mpr"]["ready"] for each in found], found
        tilts = [
            line.client.get_json(f"/api/series/{each['series_id']}")["geometry"]["tilt_deg"] for each in found
        ]
        assert 1 == sum(abs(tilt) > 15 for tilt in tilts)
        assert len(sources) == len(found)
        check_untouched(line)


@pytest.mark.parametrize("name", ["us_dicom", "malformed", "mpr"])
def test_every_real_file_is_kept_or_refused(unpacked: Path, tmp_path: Path, name: str) -> None:
    """Fuzzed, cut, odd and compressed files: each comes out, with no name of anybody, or is refused with a reason; the
    pixels of a CT, MR or PET image that comes out are its own."""
    tools = Tools(rules=Filter(), classifier=Ferns.load(FERNS_PATH))
    (tmp_path / "key").write_bytes(b"k" * 32)
    outcomes: Counter[str] = Counter()
    for number, path in enumerate(sorted(path for path in (unpacked / name).rglob("*") if path.is_file())):
        out = tmp_path / str(number)
        out.mkdir()
        request = PrepareRequest(
            capture_id=f"00000000-0000-0000-0000-{number:012}",
            raw_path=path,
            out_dir=out,
            pixels="guard",
            key_path=tmp_path / "key",
            received_time=datetime(2026, 1, 1, tzinfo=UTC),
            mm_per_pixel=None,
            is_series=True,
        )
        reply = prepare(request, tools)
        outcomes[reply.outcome] += 1
        assert (reply.outcome == "kept") == (reply.reason is None)
        for image in reply.images:
            new = pydicom.dcmread(image.path)
            assert new.PatientName == new.PatientID
            assert "YES" == new.PatientIdentityRemoved
            if new.SOPClassUID not in ULTRASOUND_CLASSES:
                assert frame_of(path) in (None, frame_of(image.path)), path.name
    assert outcomes["kept"] >= {"us_dicom": 1, "malformed": 10, "mpr": 70}[name], outcomes


def frame_of(path: Path) -> bytes | None:
    """The first frame's pixels as they are stored; None where they cannot be decoded."""
    try:
        return bytes(pixel_array(path, index=0, raw=True).tobytes())
    except (
        AttributeError,
        InvalidDicomError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        TypeError,
        ValueError,
    ):
        return None
