"""Promotion, rollback and shadow in a running server: no restart, no lost job, one version in each result."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from cloud.db.sqlite import SqliteDatabase
from cloud.db.tables import shadow_reading
from cloud.models.client import CallFailed
from sonorelay.agent.v1.agent_service_pb2 import WatchResultsRequest
from sonorelay.models.v1 import model_service_pb2 as pb

BRAIN = "fetal_brain_cls"
FINDING = {"1": "ventriculomegaly", "2": "normal"}
"""What the tiny versions answer."""


class Results:
    """What a device's stream of results has brought so far."""

    def __init__(self, agent: Any) -> None:
        self.readings: dict[str, dict[str, Any]] = {}
        self._more = asyncio.Condition()
        self._task = asyncio.create_task(self._follow(agent))

    async def _follow(self, agent: Any) -> None:
        request = WatchResultsRequest(device_id=agent.device_id, cursor=0)
        async for response in agent.agent.WatchResults(request):
            if response.HasField("result"):
                async with self._more:
                    assert response.result.image_id not in self.readings
                    self.readings[response.result.image_id] = json.loads(response.result.reading_json)
                    self._more.notify_all()

    async def count(self, wanted: int) -> None:
        """Waits until so many have come."""
        async with asyncio.timeout(60), self._more:
            await self._more.wait_for(lambda: len(self.readings) >= wanted)

    def close(self) -> None:
        self._task.cancel()


def version_of(reading: dict[str, Any]) -> str:
    """The brain model's version in a reading, whose finding must be that version's."""
    version: str = reading["models"][BRAIN]["version"]
    assert FINDING[version] == reading["finding"]
    return version


async def deliver(agent: Any, count: int, png: bytes) -> list[str]:
    """Hands in so many captures of one image each, all at once; the images' ids."""

    async def one() -> str:
        made = agent.capture(png)
        await agent.notify(made)
        await agent.deliver(made)
        image_id: str = made.parts[0].image_ids[0]
        return image_id

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.req("READ-10")
async def test_a_promotion_in_the_middle_loses_nothing(
    reading: Any, admin: Any, make_version: Any, head_png: bytes
) -> None:
    """Fifty images are under way while version 2 is promoted: each has one result of exactly one version, whose
    answer it is; what comes after the promotion has the new one."""
    answer = await admin.push(make_version("2"))
    agent = reading.agent()
    first = await deliver(agent, 1, head_png)
    results = Results(agent)
    sending = asyncio.create_task(deliver(agent, 49, head_png))
    await results.count(10)
    assert (await admin.promote("2")).live_version == "2"
    later = await deliver(agent, 1, head_png)
    ids = [*first, *(await sending), *later]
    await results.count(51)
    assert sorted(ids) == sorted(results.readings)
    versions = Counter(version_of(found) for found in results.readings.values())
    assert versions["1"] >= 10
    assert versions["1"] + versions["2"] == 51
    assert version_of(results.readings[later[0]]) == "2"
    new = [r["models"][BRAIN]["sha256"] for r in results.readings.values() if version_of(r) == "2"]
    assert {answer.sha256.hex()} == set(new)
    results.close()


@pytest.mark.req("LEARN-03")
async def test_rollback_brings_the_previous_version_back(
    reading: Any, admin: Any, make_version: Any, head_png: bytes
) -> None:
    """After a rollback the next image is read by the version before; a repeat changes nothing, and there is
    nothing further to go back to."""
    await admin.push(make_version("2"))
    with pytest.raises(CallFailed, match="MODEL_STATE_CHANGED"):
        await admin.roll_back("1")
    await admin.promote("2")
    again = await admin.promote("2")
    assert (again.live_version, again.previous_version) == ("2", "1")
    with pytest.raises(CallFailed, match="MODEL_STATE_CHANGED"):
        await admin.roll_back("3")
    back = await admin.roll_back("2")
    assert (back.live_version, back.previous_version) == ("1", "")
    assert back == await admin.roll_back("2")
    with pytest.raises(CallFailed, match="MODEL_STATE_CHANGED"):
        await admin.roll_back("1")
    agent = reading.agent()
    (image_id,) = await deliver(agent, 1, head_png)
    results = Results(agent)
    await results.count(1)
    assert version_of(results.readings[image_id]) == "1"
    results.close()
    events = (await admin.show()).events
    assert [event.action for event in events] == [
        pb.MODEL_ACTION_ROLLED_BACK,
        pb.MODEL_ACTION_PROMOTED,
        pb.MODEL_ACTION_PUSHED,
        pb.MODEL_ACTION_SHIPPED,
    ]
    assert [0, 1, 2] == sorted(event.ledger_index for event in events if event.ledger_index >= 0)


async def test_the_state_outlives_the_server(
    serve: Any, reading_config: Any, admin_of: Any, make_version: Any, head_png: bytes
) -> None:
    """After a restart the promoted version answers and the shadow reads along."""
    async with serve(reading_config) as running:
        admin = admin_of(running)
        for version in ("2", "3"):
            await admin.push(make_version(version))
        await admin.promote("2")
        await admin.shadow("3")
        admin.client.__exit__()
    async with serve(reading_config) as running:
        admin = admin_of(running)
        model = (await admin.show()).model
        assert (model.live_version, model.previous_version, model.shadow_version) == ("2", "1", "3")
        agent = running.agent()
        await deliver(agent, 1, head_png)
        results = Results(agent)
        await results.count(1)
        assert Counter({"2": 1}) == Counter(version_of(each) for each in results.readings.values())
        results.close()
        assert (await compared(admin, 1)).shadow_version == "3"
        admin.client.__exit__()


async def compared(admin: Any, images: int) -> Any:
    """The newest comparison of shadows, once it covers so many images."""
    async with asyncio.timeout(30):
        while True:
            found = (await admin.show()).comparisons
            if found and found[0].image_count + found[0].failure_count >= images:
                return found[0]
            await asyncio.sleep(0.1)


@pytest.mark.req("LEARN-03")
async def test_a_shadow_reads_along_and_only_its_difference_is_kept(
    reading: Any, admin: Any, make_version: Any, head_png: bytes
) -> None:
    """The shadow's disagreement is counted; results name the live version alone, one for each image."""
    await admin.push(make_version("2"))
    with pytest.raises(CallFailed, match="MODEL_STATE_CHANGED"):
        await admin.shadow("1")
    assert (await admin.shadow("2")).shadow_version == "2"
    agent = reading.agent()
    ids = await deliver(agent, 5, head_png)
    results = Results(agent)
    await results.count(5)
    found = await compared(admin, 5)
    assert sorted(ids) == sorted(results.readings)
    assert Counter({"1": 5}) == Counter(version_of(each) for each in results.readings.values())
    results.close()
    assert (found.live_version, found.shadow_version) == ("1", "2")
    assert (found.image_count, found.failure_count) == (5, 0)
    assert (found.label_count, found.same_label_count) == (5, 0)
    # Logits (1, 6, 0) against (6, 1, 0): the first two probabilities change places.
    assert found.mean_probability_difference == pytest.approx(0.9909 - 0.0067, abs=2e-3)
    assert (await admin.promote("2")).shadow_version == ""


async def test_a_shadow_of_the_head_model_is_compared_by_its_mask(
    reading: Any, admin: Any, make_segmenter: Any, head_png: bytes
) -> None:
    """For the head model the overlap of the masks is stored; equal weights of another number agree fully."""
    await admin.push(make_segmenter("2"))
    await admin.shadow("2", "fetal_head_seg")
    agent = reading.agent()
    await deliver(agent, 2, head_png)
    async with asyncio.timeout(30):
        while not (found := (await admin.show("fetal_head_seg")).comparisons) or found[0].image_count < 2:
            await asyncio.sleep(0.1)
    assert found[0].mean_dice == 1.0
    assert found[0].label_count == 0
    assert not found[0].HasField("mean_probability_difference")


async def test_a_failing_shadow_hurts_nobody(
    reading: Any, admin: Any, make_version: Any, head_png: bytes
) -> None:
    """A shadow that fails on images (its answer is not finite there) is counted; every image has its result."""
    await admin.push(make_version("2", fails_on_images=True))
    await admin.shadow("2")
    agent = reading.agent()
    await deliver(agent, 3, head_png)
    results = Results(agent)
    await results.count(3)
    assert all(found["finding"] == "ventriculomegaly" for found in results.readings.values())
    results.close()
    found = await compared(admin, 3)
    assert (found.image_count, found.failure_count, found.label_count) == (0, 3, 0)
    database = SqliteDatabase(reading.config.data_dir / "state.db")
    rows = await database.read(lambda tx: tx.execute(shadow_reading.select()).all())
    database.close()
    assert {"ModelInvalid"} == {row.error for row in rows}


async def test_damaged_files_are_never_promoted(reading: Any, admin: Any, make_version: Any) -> None:
    """Weights that are not those that were accepted are refused, and the live version stays."""
    await admin.push(make_version("2"))
    other = make_version("2", logits=(0.0, 0.0, 9.0))
    placed = reading.config.data_dir / "models" / BRAIN / "2"
    (placed / "model.onnx").write_bytes((other / "2" / "model.onnx").read_bytes())
    (placed / "card.toml").write_bytes((other / "card.toml").read_bytes())
    with pytest.raises(CallFailed, match="MODEL_REFUSED: digest: the files of version 2"):
        await admin.promote("2")
    assert (await admin.show()).model.live_version == "1"
