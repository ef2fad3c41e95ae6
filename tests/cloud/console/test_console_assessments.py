"""Step 13: a person gives a gestational age, and the stored lengths are judged at it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloud.console.api.site import Site
from cloud.infer.assess import Context
from cloud.infer.reasons import AbstainReason
from cloud.infer.thresholds import Limits, ThresholdScheme
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading, png_of

SEED = 8
NOTICE = "research use, not for diagnosis"


def image_of(get: Get, capture_id: str) -> dict[str, Any]:
    """The capture's one image."""
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    found: dict[str, Any] = image
    return found


def asked(get: Get, image_id: str, days: float | str) -> Any:
    """The answer for an age in days."""
    return get(f"/api/images/{image_id}/assessment?gestational_age_days={days}")


@pytest.mark.req("BEY-07")
def test_the_stored_lengths_are_placed_at_the_given_age(console: RunningConsole, get: Get) -> None:
    """As if the examination had given it: z-scores and centiles with formula and publication; but the age is named
    as asked for, and the answer bears the mark."""
    shot = brain_shot(SEED)
    with_age = made_reading(shot, Verdict(ventricle_mm=9.1, context=Context(gestational_age_days=143)))[0]
    expected = with_age.to_json()
    capture_id = console.do(console.world.result(SEED, Verdict(ventricle_mm=9.1)))
    image = image_of(get, capture_id)
    assert image["reading"]["growth"] == {}
    said = asked(get, image["image_id"], 143).json
    assert said["growth"].keys() == {"hc", "bpd", "ofd", "ventricle_width"}
    for name, one in said["growth"].items():
        fresh = expected["growth"][name]
        assert fresh["z_score"] == pytest.approx(one["z_score"], abs=0.02)
        assert fresh["centile"] == pytest.approx(one["centile"], abs=0.2)
        assert (fresh["formula"], fresh["reference"]) == (one["formula"], one["reference"])
    age = said["gestational_age"]
    assert (143, "20w3d", "asked") == (age["days"], age["text"], age["source"])
    assert [remark["code"] for remark in expected["remarks"]] == [r["code"] for r in said["remarks"]]
    assert (True, NOTICE) == (said["lengths_judged"], said["notice"])


def test_nothing_is_stored(console: RunningConsole, get: Get) -> None:
    """Neither the result nor the ledger knows of the question, and no event tells of it."""
    world = console.world
    capture_id = console.do(world.result(SEED, Verdict(context=Context(gestational_age_days=150))))
    before, checkpoint = get(f"/api/captures/{capture_id}").body, get("/ledger/checkpoint").body
    newest = console.do(world.services.hub.newest())
    assert asked(get, image_of(get, capture_id)["image_id"], 143).status == 200
    assert before == get(f"/api/captures/{capture_id}").body
    assert checkpoint == get("/ledger/checkpoint").body
    assert newest == console.do(world.services.hub.newest())


def test_the_sites_limits_of_now_are_used(console: RunningConsole, get: Get) -> None:
    """The answer is judged by the site's own scheme and names it."""
    strict = ThresholdScheme(name="strict", version="7", limits=Limits(ventricle_mild_mm=5.0))
    console.stop()
    console.world.services = replace(console.world.services, site=Site(thresholds=strict))
    console.start()
    image = image_of(get, console.do(console.world.result(SEED, Verdict(ventricle_mm=6.0))))
    assert image["reading"]["remarks"] == []
    said = asked(get, image["image_id"], 170).json
    assert {"name": "strict", "version": "7", "sha256": strict.sha256} == said["threshold_scheme"]
    assert "VENTRICLE_MILD" in {remark["code"] for remark in said["remarks"]}


@pytest.mark.parametrize("days", ["0", "-1", "315.5", "1e9", "nan", "inf", "twenty", ""])
def test_an_age_that_is_none_is_refused(console: RunningConsole, get: Get, days: str) -> None:
    """Ages outside of 0 to 315 days, and what is no number, are the asker's fault; the answer says which limit."""
    image = image_of(get, console.do(console.world.result(SEED, Verdict())))
    answer = asked(get, image["image_id"], days)
    assert answer.status == 422
    (problem,) = answer.json["detail"]
    assert problem["loc"] == ["query", "gestational_age_days"]
    assert any(word in problem["msg"] for word in ("greater than 0", "less than or equal to 315", "number"))
    assert get(f"/api/images/{image['image_id']}/assessment").status == 422


@pytest.mark.parametrize(("days", "covered"), [(13.9 * 7, False), (98, True), (280, True), (280.5, False)])
def test_outside_of_the_standards_weeks_there_is_no_number(
    console: RunningConsole, get: Get, days: float, covered: bool
) -> None:
    """A possible age that the standard of HC does not cover: the weeks that it covers instead of a number."""
    image = image_of(get, console.do(console.world.result(SEED, Verdict())))
    hc = asked(get, image["image_id"], days).json["growth"]["hc"]
    assert covered == (hc["z_score"] is not None) == (hc["centile"] is not None)
    assert (14, 40) == (hc["first_week"], hc["last_week"])


def test_what_cannot_be_judged_is_said(console: RunningConsole, get: Get) -> None:
    """An unknown image and one without a reading are not found, in words; doubtful lengths and those of no head
    are not judged; without a scale there is no growth."""
    world = console.world
    unknown = asked(get, "00000000-0000-0000-0000-000000000000", 143)
    assert (404, "There is no such thing.") == (unknown.status, unknown.json["detail"])
    shot = brain_shot(SEED)
    waiting = console.do(world.announce())
    (image_id,) = console.do(world.store_images(waiting, [png_of(shot)], [shot]))
    early = asked(get, image_id, 143)
    assert (404, "The image has no reading (yet).") == (early.status, early.json["detail"])
    reading = made_reading(shot, Verdict())[0].to_json() | {"head": None, "measurements": None}
    console.do(world._conclude(waiting, image_id, {"ok": True, "reading": reading, "pictures": {}}))
    headless = asked(get, image_id, 143).json
    doubtful = image_of(get, console.do(world.result(SEED, Verdict(reasons=(AbstainReason.HEAD_CUT_OFF,)))))
    for said in (headless, asked(get, doubtful["image_id"], 143).json):
        assert (False, {}, []) == (said["lengths_judged"], said["growth"], said["remarks"])
    unscaled = image_of(get, console.do(world.result(SEED, Verdict(scaled=False))))
    said = asked(get, unscaled["image_id"], 143).json
    assert (True, {}, None) == (said["lengths_judged"], said["growth"], said["gestational_age_by_hc"])
