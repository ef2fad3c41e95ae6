"""Models on the console: the same life as by command, for administrators only, in audit and ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from cloud.accounts.roles import Role
from cloud.console.api.manage_models import ModelAct
from cloud.models.rules import Action
from tests.cloud.models.conftest import BRAIN
from tests.cloud.token import token_of

REASON = "reason"


@pytest.fixture
async def web(reading: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Asks the server of `reading` with an administrator's token."""
    async with httpx2.AsyncClient(base_url=f"http://{reading.endpoints.http}", timeout=30) as client:
        client.headers["Authorization"] = (
            f"Bearer {await token_of(reading.config.data_dir, Role.ADMINISTRATOR)}"
        )
        yield client


def test_the_words_of_the_page_are_those_of_the_rules() -> None:
    """What can be done with a model has the same words in the API as in the ledger."""
    assert {each.value for each in Action} == {each.value for each in ModelAct}


@pytest.mark.req("LEARN-03")
async def test_promote_shadow_and_roll_back(web: httpx2.AsyncClient, admin: Any, make_version: Any) -> None:
    """What is done on the console changes what answers, and stands with its actor in history, ledger and audit."""
    await admin.push(make_version("2"))
    shadowed = await web.put(f"/api/models/{BRAIN}/shadow", json={"version": "2"})
    assert (200, "2") == (shadowed.status_code, shadowed.json()["shadow"])
    promoted = (await web.post(f"/api/models/{BRAIN}/promote", json={"version": "2"})).json()
    assert ("2", "1", None) == (promoted["live"], promoted["previous"], promoted["shadow"])
    stale = await web.post(f"/api/models/{BRAIN}/rollback", json={"from_version": "1"})
    assert (409, "MODEL_CHANGED") == (stale.status_code, stale.json()[REASON])
    back = (await web.post(f"/api/models/{BRAIN}/rollback", json={"from_version": "2"})).json()
    assert ("1", None) == (back["live"], back["previous"])
    detail = (await web.get(f"/api/models/{BRAIN}")).json()
    done = [(event["action"], event["actor"]) for event in detail["events"]]
    assert [(each, "token:page") for each in ("rolled-back", "promoted", "shadowed")] == done[:3]
    index = detail["events"][0]["ledger_index"]
    entry = (await web.get(f"/api/ledger/entries/{index}")).json()
    assert ("model", "token:page") == (entry["kind"], entry["by"])
    assert ("rolled-back", "1", "2") == tuple(entry["fields"][key] for key in ("action", "version", "before"))
    rows = (await web.get("/api/audit", params={"object_id": BRAIN})).json()["rows"]
    assert ["model_rollback", "model_promote", "model_shadow"] == [row["act"] for row in rows]


async def test_cards_and_versions_are_shown(web: httpx2.AsyncClient, admin: Any, make_version: Any) -> None:
    """A version's card says what it is, on which data, and how good it is beside a simple way."""
    await admin.push(make_version("2"))
    listed = (await web.get("/api/models")).json()["models"]
    assert next(each for each in listed if each["model"] == BRAIN)["version_count"] == 2
    versions = (await web.get(f"/api/models/{BRAIN}")).json()["versions"]
    assert ["2", "1"] == [version["version"] for version in versions]
    card = versions[0]["card"]
    assert "a tiny model for tests" == card["task"]
    assert [("guessing", 0.33)] == [(each["name"], each["value"]) for each in card["baseline"]]
    assert [("accuracy", 0.3, 0.4)] == [
        (each["name"], each["low_95"], each["high_95"]) for each in card["metrics"]
    ]
    assert ["it always answers the same"] == card["known_failures"]


async def test_what_is_not_there_is_refused_in_words(
    web: httpx2.AsyncClient,
) -> None:
    """Unknown model, unknown version, and a shadow of the version that is live."""
    for path, body in (
        ("/api/models/nothing/promote", {"version": "1"}),
        (f"/api/models/{BRAIN}/promote", {"version": "77"}),
    ):
        answer = await web.post(path, json=body)
        assert (404, "UNKNOWN") == (answer.status_code, answer.json()[REASON])
    answer = await web.put(f"/api/models/{BRAIN}/shadow", json={"version": "1"})
    assert (409, "MODEL_CHANGED") == (answer.status_code, answer.json()[REASON])


async def test_a_server_without_models_says_so(running: Any) -> None:
    """It lists none, and refuses every change."""
    bearer = {"Authorization": f"Bearer {await token_of(running.config.data_dir, Role.ADMINISTRATOR)}"}
    async with httpx2.AsyncClient(base_url=f"http://{running.endpoints.http}", headers=bearer) as client:
        assert {"models": []} == (await client.get("/api/models")).json()
        answer = await client.post(f"/api/models/{BRAIN}/promote", json={"version": "1"})
        assert (409, "MODELS_ELSEWHERE") == (answer.status_code, answer.json()[REASON])
