"""Step 13: the console's API against a real server."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.console.api.app import openapi_document
from cloud.console.api.reading_models import Reading
from cloud.console.api.schema import OPENAPI_FILE, openapi_text
from cloud.infer.assess import Context
from cloud.infer.loop_reading import BestReason
from cloud.infer.reading import SubPlane
from cloud.infer.reasons import AbstainReason
from cloud.infer.thresholds import RemarkCode
from cloud.infer.ventricle import NoWidth
from cloud.items import CaptureState
from edge_agent.simulator.write import encode
from sonorelay.contract.notes import Proof, Verifier
from sonorelay.contract.reasons import EdgeReason, WireReason
from tests.cloud.console.conftest import Get
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict, brain_shot, made_reading, png_of

NOTICE = "research use, not for diagnosis"


def pixels(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A PNG's pixels."""
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    return np.asarray(decoded, np.uint8)


def test_the_list_is_newest_first_and_paged(console: RunningConsole, get: Get) -> None:
    """A page ends with the slot to go on from; the last page says that it is the last."""
    ids = [console.do(console.world.announce()) for _ in range(5)]
    first = get("/api/captures?limit=2").json
    second = get(f"/api/captures?limit=2&before_slot={first['next_before_slot']}").json
    third = get(f"/api/captures?limit=2&before_slot={second['next_before_slot']}").json
    shown = [item["capture_id"] for page in (first, second, third) for item in page["items"]]
    assert list(reversed(ids)) == shown
    assert third["next_before_slot"] is None


def test_the_list_can_be_narrowed_to_states(console: RunningConsole, get: Get) -> None:
    """Only captures in the asked states come."""
    world = console.world
    lost, waiting = console.do(world.announce()), console.do(world.announce())
    console.do(world.stop(lost, CaptureState.MISSING, EdgeReason.DID_NOT_COME))
    shown = get("/api/captures?state=missing").json["items"]
    assert [(lost, "missing", "DID_NOT_COME")] == [(i["capture_id"], i["status"], i["reason"]) for i in shown]
    both = get("/api/captures?state=missing&state=incoming").json["items"]
    assert {lost, waiting} == {i["capture_id"] for i in both}


def test_the_lists_cursor_covers_its_items(console: RunningConsole, get: Get) -> None:
    """What changed up to the cursor is in the list, so a reader may skip those events."""
    console.do(console.world.announce())
    newest = console.do(console.world.services.hub.newest())
    assert newest == get("/api/captures").json["cursor"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "before_slot=0", f"before_slot={10**30}", "state=nothing"]
)
def test_a_wrong_question_is_refused(get: Get, query: str) -> None:
    """Values outside their range are the asker's fault, not a crash."""
    assert get(f"/api/captures?{query}").status == 422


@pytest.mark.parametrize(
    "path",
    [
        "/api/captures/00000000-0000-0000-0000-000000000000",
        "/api/captures/00000000-0000-0000-0000-000000000000/receipts/0.txt",
        "/api/images/00000000-0000-0000-0000-000000000000/still.png",
        "/ledger/tile/0/999",
        "/ledger/tile/..%2f..%2flog.key",
        "/ledger/tile/0/../../log.key",
        "/nothing",
        "/live/a/b",
        "/assets/..%2findex.html",
    ],
)
def test_what_is_not_there_is_a_404(get: Get, path: str) -> None:
    """Unknown ids and paths, and paths that try to leave their folder, are not found."""
    assert get(path).status == 404


@pytest.mark.req("READ-09")
def test_a_result_carries_the_reading_whole(console: RunningConsole, get: Get) -> None:
    """Finding, probabilities, outline, measurements, heat, models and the standing mark reach the page."""
    verdict = Verdict(finding="ventriculomegaly", probability=0.91)
    capture_id = console.do(console.world.result(4, verdict))
    item = get(f"/api/captures/{capture_id}").json
    (image,) = item["images"]
    reading = image["reading"]
    assert ("abnormal", "ventriculomegaly", NOTICE) == (item["status"], reading["finding"], reading["notice"])
    assert reading["schema"] == 1
    assert {"normal", "ventriculomegaly", "other"} == set(reading["finding_probabilities"])
    assert reading["head"]["ellipse"]["a"] >= reading["head"]["ellipse"]["b"] > 0
    assert {"hc_mm", "bpd_mm", "ofd_mm", "cephalic_index"} <= set(reading["measurements"])
    assert reading["heat"]["label"] == "ventriculomegaly"
    assert all(len(model["sha256"]) == 64 for model in reading["models"].values())
    assert item["trace_id"] == capture_id.replace("-", "")


@pytest.mark.req("BEY-07")
@pytest.mark.req("BEY-10")
def test_what_the_lengths_say_reaches_the_page(console: RunningConsole, get: Get) -> None:
    """Uncertainties, ages with their formula, growth, remarks with their sentences, and the scheme of limits."""
    verdict = Verdict(ventricle_mm=12.4, context=Context(gestational_age_days=168))
    capture_id = console.do(console.world.result(8, verdict))
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    reading = image["reading"]
    measured = reading["measurements"]
    assert measured["hc_mm"] > measured["hc_mm_sd"] > 0
    assert (measured["ventricle_width_mm"], measured["midline_shift_mm_sd"]) == (12.4, None)
    assert reading["lengths_judged"]
    assert (reading["gestational_age"]["text"], reading["gestational_age"]["source"]) == (
        "24w0d",
        "examination",
    )
    assert "HC" in reading["gestational_age_by_hc"]["formula"]
    assert set(reading["growth"]) == {"hc", "bpd", "ofd", "ventricle_width"}
    assert "VENTRICLE_MODERATE" in {remark["code"] for remark in reading["remarks"]}
    sentences = get("/api/reasons").json["remark"]
    assert all("{limit}" in sentences[remark["code"]]["zh"] for remark in reading["remarks"])
    assert reading["threshold_scheme"]["sha256"] == verdict.context.thresholds.sha256


@pytest.mark.req("READ-08")
def test_the_plane_of_the_brain_and_the_ventricles_reach_the_page(console: RunningConsole, get: Get) -> None:
    """Sub-plane with its certainty, calipers with the measured one first, midline, and why there is no width."""
    shares = {"trans-thalamic": 0.55, "trans-ventricular": 0.41, "trans-cerebellar": 0.04}
    subplane = SubPlane(label="trans-thalamic", probabilities=shares, sure=False)
    shown = []
    for no_width in (None, NoWidth.TOUCHES_SKULL):
        verdict = Verdict(ventricle_mm=8.2, no_width=no_width, subplane=subplane)
        capture_id = console.do(console.world.result(9, verdict))
        shown.append(get(f"/api/captures/{capture_id}").json["images"][0]["reading"])
    measured, refused = shown
    assert measured["subplane"] == {"label": "trans-thalamic", "probabilities": shares, "sure": False}
    for reading in shown:
        first, second = reading["ventricles"]["calipers"]
        assert (first["far"], second["far"], len(first["line"])) == (True, False, 4)
        assert len(reading["ventricles"]["midline"]["line"]) == 4
    assert (measured["ventricles"]["no_width"], refused["ventricles"]["no_width"]) == (None, "touches_skull")
    assert measured["measurements"]["ventricle_width_mm"] == pytest.approx(8.2, abs=0.01)
    assert refused["measurements"]["ventricle_width_mm"] is None


def test_a_reading_of_an_earlier_version_is_still_shown() -> None:
    """What it does not have is null or empty; nothing is said about its lengths."""
    made, _ = made_reading(brain_shot(5), Verdict())
    old = made.to_json()
    later = ("lengths_judged", "gestational_age", "gestational_age_by_hc", "growth", "remarks", "loop")
    for key in (*later, "threshold_scheme", "subplane", "ventricles", "novelty"):
        del old[key]
    old["measurements"] = {
        key: value
        for key, value in old["measurements"].items()
        if not key.endswith("_sd") and not key.startswith(("ventricle", "midline", "outline"))
    }
    shown = Reading.model_validate(old)
    assert shown.measurements is not None
    assert (shown.measurements.hc_mm_sd, shown.threshold_scheme, shown.growth) == (None, None, {})
    assert (shown.subplane, shown.ventricles, shown.novelty) == (None, None, {})
    assert not shown.lengths_judged


def test_the_still_is_the_stored_png(console: RunningConsole, get: Get) -> None:
    """A stored PNG goes out byte for byte, as soon as it is stored."""
    shot = brain_shot(5)
    data = png_of(shot)
    capture_id = console.do(console.world.announce())
    (image_id,) = console.do(console.world.store_images(capture_id, [data], [shot]))
    answer = get(f"/api/images/{image_id}/still.png")
    assert (200, "image/png", data) == (answer.status, answer.headers["content-type"], answer.body)
    for picture in ("mask", "heatmap", "overlay", "crop", "fused"):
        assert get(f"/api/images/{image_id}/{picture}.png").status == 404


def test_a_dicom_still_is_decoded(console: RunningConsole, get: Get) -> None:
    """A browser cannot show DICOM: it gets the first frame as PNG."""
    shot = brain_shot(5)
    data = encode(shot, "dicom")
    capture_id = console.do(console.world.announce())
    stored = console.world.store_images(capture_id, [data], [shot], media_type="application/dicom")
    (image_id,) = console.do(stored)
    shown = pixels(get(f"/api/images/{image_id}/still.png").body)
    assert (shot.still.truth.height_px, shot.still.truth.width_px) == shown.shape[:2]


@pytest.mark.req("READ-08")
def test_the_pictures_of_a_result(console: RunningConsole, get: Get) -> None:
    """Mask and overlay have the still's size, crop and heat map the crop's, fused shows both."""
    capture_id = console.do(console.world.result(6, Verdict()))
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    still = (image["height_px"], image["width_px"])
    side = image["reading"]["crop"]["size_px"]
    sizes = {"mask": still, "overlay": still, "fused": still, "crop": (side, side), "heatmap": (side, side)}
    for picture, size in sizes.items():
        assert size == pixels(get(f"/api/images/{image['image_id']}/{picture}.png").body).shape[:2], picture


def test_a_picture_is_sent_once(console: RunningConsole, get: Get) -> None:
    """The browser asks again with the tag and gets 304; each picture has its own tag."""
    capture_id = console.do(console.world.result(6, Verdict()))
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    base = f"/api/images/{image['image_id']}"
    still, overlay = get(f"{base}/still.png"), get(f"{base}/overlay.png")
    assert still.headers["cache-control"].startswith("private")
    assert still.headers["etag"] != overlay.headers["etag"]
    for answer, name in ((still, "still"), (overlay, "overlay")):
        again = get(f"{base}/{name}.png", {"If-None-Match": f'"x", W/{answer.headers["etag"]}'})
        assert (304, b"") == (again.status, again.body)
    assert get(f"{base}/still.png", {"If-None-Match": '"other"'}).status == 200


def test_the_receipts_verify(console: RunningConsole, get: Get) -> None:
    """Both receipts are proofs that the log's published key accepts for exactly their entries."""
    capture_id = console.do(console.world.result(6, Verdict()))
    (image,) = get(f"/api/captures/{capture_id}").json["images"]
    log = Verifier.parse(get("/api/system").json["log_verifier_key"])
    part = get(f"/api/captures/{capture_id}/receipts/0.txt")
    outcome = get(f"/api/captures/{capture_id}/results/{image['image_id']}.txt")
    assert part.headers["content-type"].startswith("text/plain")
    Proof.parse(part.body).verify(f"part of {capture_id}\n".encode(), log)
    Proof.parse(outcome.body).verify(f"result of {image['image_id']}\n".encode(), log)
    assert get(f"/api/captures/{capture_id}/receipts/1.txt").status == 404


def test_every_reason_has_its_words(get: Get) -> None:
    """Each code of the contract and of inference comes with a sentence in both languages."""
    texts = get("/api/reasons").json
    assert {reason.value for reason in EdgeReason} == set(texts["edge"])
    assert {reason.value for reason in WireReason} == set(texts["wire"])
    tables = {"abstain": AbstainReason, "no_width": NoWidth, "best_frame": BestReason, "remark": RemarkCode}
    for name, codes in tables.items():
        assert {code.value for code in codes} == set(texts[name]), name
    sentences = [rule["text"] for rule in texts["edge"].values()]
    sentences += [sentence for name in tables for sentence in texts[name].values()]
    assert all(sentence["en"] and sentence["zh"] for sentence in sentences)
    assert all(re.search("[\u4e00-\u9fff]", sentence["zh"]) for sentence in sentences)
    # The page looks a code up without knowing its table; the one that two tables share means the same in both.
    of_all = [code for name in ("edge", *tables) for code in texts[name]]
    assert {"IMAGE_UNREADABLE"} == {code for code in of_all if of_all.count(code) > 1}


def test_system_and_health(console: RunningConsole, get: Get) -> None:
    """Counts per state, version, mark; a server without an engine is alive and ready to show."""
    console.do(console.world.announce())
    system = get("/api/system").json
    assert (1, 0) == (system["counts"]["incoming"], system["counts"]["result"])
    assert ("0.1.0", NOTICE, []) == (system["version"], system["notice"], system["models"])
    assert system["uptime_s"] >= 0
    assert get("/api/health/live").json == {"status": "ok", "failing": []}
    assert get("/api/health/ready").json == {"status": "ok", "failing": []}


def test_readiness_says_what_fails(console: RunningConsole, get: Get) -> None:
    """With its database gone the server still lives but is not ready, and says why."""
    console.world.database.close()
    ready = get("/api/health/ready")
    assert (503, {"status": "not ready", "failing": ["database"]}) == (ready.status, ready.json)
    assert get("/api/health/live").status == 200


def test_a_busy_server_says_when_to_come_again(console: RunningConsole, get: Get) -> None:
    """What the database cannot answer now is 503 with Retry-After, without words of ours about why."""
    console.world.database.close()
    answer = get("/api/captures")
    assert (503, "1") == (answer.status, answer.headers["retry-after"])
    assert {"detail": "The server is busy; try again."} == answer.json


def test_the_ledgers_files_are_served(console: RunningConsole, get: Get, tmp_path: Path) -> None:
    """The checkpoint may change and is asked for again; a full tile never does; a partial tile may."""
    served = get("/ledger/checkpoint")
    assert (200, "no-cache") == (served.status, served.headers["cache-control"])
    assert served.body == (tmp_path / "world/ledger/checkpoint").read_bytes()
    for name, caching in (("0/x001/x234/067", "immutable"), ("entries/000.p/7", "no-cache")):
        path = tmp_path / "world/ledger/tile" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hashlib.sha256(name.encode()).digest())
        tile = get(f"/ledger/tile/{name}")
        assert path.read_bytes() == tile.body
        assert caching in tile.headers["cache-control"]


def test_the_committed_description_is_the_codes() -> None:
    """openapi.json equals the app's. After a change: python -m cloud.console.api.schema, then npm run api."""
    assert openapi_text() == OPENAPI_FILE.read_text(encoding="utf-8")


def test_the_description_has_no_tuples_and_describes_every_field() -> None:
    """Tuples have no good TypeScript form; a field without words is a question to somebody later."""
    schemas = openapi_document()["components"]["schemas"]
    silent = []
    for name, schema in schemas.items():
        assert "prefixItems" not in str(schema), name
        if name not in ("HTTPValidationError", "ValidationError"):
            fields = schema.get("properties", {}).items()
            silent += [f"{name}.{field}" for field, about in fields if "description" not in about]
    assert [] == silent
