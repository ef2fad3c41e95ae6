"""Real ultrasound objects in many encodings through steps 3 to 5, each with its outcome and reason."""

from __future__ import annotations

import csv
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pydicom
import pytest

from edge_agent.items import PixelRule, PrepareReply
from edge_agent.prepare import prepare
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import request, tools

HELD = {EdgeReason.SECTOR_NOT_FOUND, EdgeReason.PIXELS_MAY_IDENTIFY}


def _outcomes(unpacked: Path, tmp_path: Path, rule: PixelRule) -> dict[str, PrepareReply]:
    with_tools = tools(tmp_path)
    outcomes = {}
    for path in sorted((unpacked / "us_dicom").glob("*.dcm")):
        folder = tmp_path / path.stem
        folder.mkdir()
        outcomes[path.name] = prepare(request(folder, path.read_bytes(), rule), with_tools)
        print(path.name, outcomes[path.name].outcome, outcomes[path.name].reason)
    return outcomes


@pytest.mark.req("TX-03")
@pytest.mark.slow
def test_guard_keeps_no_picture_with_a_name_on_the_sector(unpacked: Path, tmp_path: Path) -> None:
    """Each object has an outcome; the one whose name stands inside the region is held."""
    outcomes = _outcomes(unpacked, tmp_path, "guard")
    assert 24 == len(outcomes)
    assert EdgeReason.PIXELS_MAY_IDENTIFY is outcomes["dcm4che__YBR_FULL-RLE.dcm"].reason
    assert {reply.reason for reply in outcomes.values() if reply.outcome == "held"} <= HELD
    assert {EdgeReason.TOO_SMALL} == {
        reply.reason for reply in outcomes.values() if reply.outcome == "refused"
    }
    for name, reply in outcomes.items():
        for image in reply.images:
            ds = pydicom.dcmread(image.path)
            assert ("YES", "NO") == (ds.PatientIdentityRemoved, ds.BurnedInAnnotation)
            assert not any(element.tag.is_private for element in ds.iterall()), name


@pytest.mark.slow
def test_trusted_reads_every_encoding_alike(unpacked: Path, tmp_path: Path) -> None:
    """One scene in several transfer syntaxes gives the same pixels; all but the tiny one are read."""
    outcomes = _outcomes(unpacked, tmp_path, "trusted")
    assert ["pydicom__ExplVR_BigEnd.dcm"] == [
        name for name, reply in outcomes.items() if reply.outcome != "kept"
    ]
    plain = ("OBXXXX1A.dcm", "OBXXXX1A_expb.dcm", "OBXXXX1A_rle.dcm")
    first, *others = (
        pydicom.dcmread(outcomes[f"pydicom-data__{name}"].images[0].path).pixel_array for name in plain
    )
    assert all(np.array_equal(first, other) for other in others)


@pytest.mark.slow
def test_banners_of_kept_objects_are_gone(unpacked: Path, tmp_path: Path) -> None:
    """What `guard` keeps of objects with a banner at the top has nothing there."""
    with (unpacked / "us_dicom" / "burned_text.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if "banner" in row["where"]]
    for name, reply in _outcomes(unpacked, tmp_path, "guard").items():
        for row in rows:
            if reply.images and any(
                fnmatch(name, pattern + "*") for pattern in row["file_pattern"].split("|")
            ):
                frames = pydicom.dcmread(reply.images[0].path).pixel_array
                frames = frames if reply.images[0].frame_count > 1 else frames[np.newaxis]
                assert not frames[:, :40].any(), name
