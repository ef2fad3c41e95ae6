"""Step 13: what a person's own measuring needs: where lengths are millimetres, and the growth standards as curves."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset

from cloud.infer.biometry import REFERENCES, Measure, centile_value
from edge_agent.simulator.write import encode
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot
from tests.cloud.infer.test_infer_decode import dicom_bytes

SEED = 11


def stored_dicom(console: RunningConsole, data: bytes) -> str:
    """The image's id; its bytes are DICOM."""
    world, shot = console.world, brain_shot(SEED)
    capture_id = console.do(world.announce())
    stored = world.store_images(capture_id, [data], [shot], media_type="application/dicom")
    (image_id,) = console.do(stored)
    return image_id


def region(edges: tuple[int, int, int, int], steps_cm: tuple[float, float], **elements: Any) -> Dataset:
    """A two-dimensional region in centimetres; its last column and row are inside."""
    ds = Dataset()
    ds.RegionSpatialFormat = 1
    ds.PhysicalUnitsXDirection = ds.PhysicalUnitsYDirection = 3
    ds.RegionLocationMinX0, ds.RegionLocationMinY0, ds.RegionLocationMaxX1, ds.RegionLocationMaxY1 = edges
    ds.PhysicalDeltaX, ds.PhysicalDeltaY = steps_cm
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def test_the_region_of_a_scanners_dicom_is_served(console: RunningConsole, get: Get) -> None:
    """Edges and millimetres are those of the virtual scanner's own truth."""
    shot = brain_shot(SEED)
    truth = shot.still.truth
    image_id = stored_dicom(console, encode(shot, "dicom"))
    (found,) = get(f"/api/images/{image_id}/scale").json["regions"]
    x0, y0, x1, y1 = truth.sector_box
    assert {"x0": x0, "y0": y0, "x1": x1, "y1": y1} == {k: found[k] for k in ("x0", "y0", "x1", "y1")}
    assert truth.mm_per_pixel == pytest.approx(found["mm_per_pixel_x"])
    assert truth.mm_per_pixel == pytest.approx(found["mm_per_pixel_y"])
    assert "dicom_region" == found["source"]


def test_unequal_steps_and_several_regions_stay_as_they_are(console: RunningConsole, get: Get) -> None:
    """Each region has its own steps in both directions; one in seconds, a trace and one without sane edges or steps
    are left out."""
    regions = [
        region((0, 0, 29, 47), (0.01, 0.02)),
        region((30, 0, 63, 47), (0.03, -0.03)),
        region((30, 0, 63, 47), (0.03, 0.03), PhysicalUnitsXDirection=4),
        region((30, 0, 63, 47), (0.03, 0.03), RegionSpatialFormat=3),
        region((30, 0, 64, 47), (0.03, 0.03)),
        region((30, 0, 20, 47), (0.03, 0.03)),
        region((30, 0, 63, 47), (0.03, 0.0)),
    ]
    data = dicom_bytes(np.zeros((48, 64), np.uint8), SequenceOfUltrasoundRegions=regions)
    found = get(f"/api/images/{stored_dicom(console, data)}/scale").json["regions"]
    assert [(0, 0, 30, 48), (30, 0, 64, 48)] == [(r["x0"], r["y0"], r["x1"], r["y1"]) for r in found]
    assert [0.1, 0.2, 0.3, 0.3] == pytest.approx(
        [step for r in found for step in (r["mm_per_pixel_x"], r["mm_per_pixel_y"])]
    )


def test_a_scale_from_elsewhere_holds_on_the_whole_still(console: RunningConsole, get: Get) -> None:
    """A PNG whose scale the order gave is one region, and says who gave it."""
    truth = brain_shot(SEED).still.truth
    capture_id = console.do(console.world.result(SEED, Verdict()))
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    (found,) = get(f"/api/images/{image['image_id']}/scale").json["regions"]
    assert (0, 0, truth.width_px, truth.height_px) == (found["x0"], found["y0"], found["x1"], found["y1"])
    assert (truth.mm_per_pixel, "given") == (found["mm_per_pixel_x"], found["source"])


def test_what_cannot_be_said_is_not_made_up(console: RunningConsole, get: Get) -> None:
    """No image: 404. Bytes that are no image: 422."""
    assert 404 == get(f"/api/images/{uuid.uuid4()}/scale").status
    assert 422 == get(f"/api/images/{stored_dicom(console, b'no image')}/scale").status


@pytest.mark.req("BEY-07")
@pytest.mark.parametrize("measure", Measure)
def test_the_curves_are_the_standards_own(get: Get, measure: Measure) -> None:
    """Every week that the standard covers, each centile as biometry reckons it, with formula and publication."""
    said = get(f"/api/growth/{measure}").json
    reference = REFERENCES[measure]
    assert list(range(reference.first_week, reference.last_week + 1)) == [w["weeks"] for w in said["weeks"]]
    assert [3, 10, 50, 90, 97] == said["centiles"]
    for week in said["weeks"]:
        expected = [centile_value(measure, p, week["weeks"] * 7) for p in said["centiles"]]
        assert expected == pytest.approx(week["mm"])
        assert sorted(week["mm"]) == week["mm"]
    assert (reference.citation, reference.formula) == (said["reference"], said["formula"])


CHECKED = {
    # CLINICAL.md: mean (SD) at 20 weeks; z of the 97th centile is 1.8808.
    "hc": (172.48, 172.48 + 1.8808 * 7.44),
    "bpd": (48.45, 48.45 + 1.8808 * 2.30),
    "ofd": (60.69, 60.69 + 1.8808 * 2.78),
    "ventricle_width": (6.31, 8.86),
}


@pytest.mark.parametrize("measure", CHECKED)
def test_the_curves_agree_with_the_published_check_values(get: Get, measure: str) -> None:
    """50th and 97th centile at 20 weeks, as published."""
    (week,) = (w for w in get(f"/api/growth/{measure}").json["weeks"] if w["weeks"] == 20)
    assert CHECKED[measure] == pytest.approx((week["mm"][2], week["mm"][4]), abs=0.02)


def test_an_unknown_length_has_no_curve(get: Get) -> None:
    """The answer says so instead of guessing."""
    assert 422 == get("/api/growth/shoe").status
