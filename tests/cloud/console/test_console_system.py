"""Step 13: /api/system and its alarms over HTTP, and the stream that tells of them at once."""

from __future__ import annotations

import http.client
from typing import Any

import pytest

from cloud.accounts.roles import Role
from cloud.monitor.metrics import HISTORY, Metric
from cloud.monitor.sample import Sample
from tests.cloud.console.conftest import Get
from tests.cloud.console.people import ask, person, reason
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.test_console_events import Stream, events
from tests.cloud.monitor.made import look

HELD = look(Metric.JOBS_HELD, 2.0)
WELL = look(Metric.JOBS_HELD, 0.0, 10)
RULE = {"threshold": 5.0, "clear": 1.0, "hold_s": 0.0, "severity": "critical", "enabled": True}


def consider(console: RunningConsole, sample: Sample) -> None:
    """Has the alarms judged by this look."""
    console.do(console.world.services.monitor.book.consider(sample))


def raised(console: RunningConsole, get: Get) -> list[dict[str, Any]]:
    """The alarms that are not over."""
    return list(get("/api/system/alarms").json["raised"])


@pytest.mark.req("DATA-11")
def test_resources_are_read_and_their_course_is_kept(console: RunningConsole, get: Get) -> None:
    """Processor, memory, disk, network of this very machine; each look is a point of the course."""
    sampler = console.world.services.monitor.sampler
    for _ in range(2):
        console.do(sampler.look())
    now = get("/api/system/now").json
    values = {value["metric"]: value["value"] for value in now["values"]}
    assert {"cpu_percent", "memory_percent", "disk_used_percent", "disk_free_bytes", "queue_depth"} <= set(
        values
    )
    assert {"network_received_bytes_per_s", "network_sent_bytes_per_s"} <= set(values)
    assert 0 < values["memory_percent"] < 100
    history = get("/api/system/history?metric=cpu_percent&metric=memory_percent").json
    assert ["cpu_percent", "memory_percent"] == [course["metric"] for course in history["courses"]]
    assert 2 == len(history["times"]) == len(history["courses"][0]["values"])
    assert len(HISTORY) == len(get("/api/system/history?span=day").json["courses"])


def test_an_alarm_comes_on_the_stream_at_once(console: RunningConsole) -> None:
    """The event carries every alarm that is not over, has no id, and comes first of all on connecting."""
    with events(console) as stream:
        first = stream.named("alarm")
        assert ([], None) == (first.item["alarms"], first.fields.get("id"))
        consider(console, HELD)
        (alarm,) = stream.named("alarm").item["alarms"]
        assert ("jobs_held", "firing", 2.0) == (alarm["rule"], alarm["state"], alarm["value"])
        consider(console, WELL)
        assert [] == stream.named("alarm").item["alarms"]


def test_it_has_a_stream_of_alarms_and_no_captures(console: RunningConsole) -> None:
    """Who may not see images follows the alarms all the same."""
    cookie = person(console, Role.IT)
    assert (403, "NOT_PERMITTED") == reason(ask(console, "GET", "/api/events", cookie=cookie))
    consider(console, HELD)
    token = console.do(console.world.add_token(Role.IT))
    connection = http.client.HTTPConnection("127.0.0.1", console.port, timeout=10)
    connection.request("GET", "/api/system/events", headers={"Authorization": f"Bearer {token}"})
    stream = Stream(connection.getresponse())
    assert ["jobs_held"] == [alarm["rule"] for alarm in stream.named("alarm").item["alarms"]]
    console.do(console.world.announce())
    consider(console, WELL)
    message = next(stream)
    while message.fields.get("event") is None:
        message = next(stream)
    assert ("alarm", []) == (message.fields["event"], message.item["alarms"])
    connection.close()


def test_a_doctor_acknowledges_and_changes_no_limit(console: RunningConsole, get: Get) -> None:
    """The note and who wrote it are kept; the limits are the IT's."""
    cookie = person(console, Role.DOCTOR)
    consider(console, HELD)
    (alarm,) = raised(console, get)
    path = f"/api/system/alarms/{alarm['alarm_id']}/acknowledge"
    answer = ask(console, "POST", path, {"note": "  I call\n the IT "}, cookie=cookie)
    assert ("acknowledged", "user:doctor", "I call the IT") == tuple(
        answer.json[key] for key in ("state", "acknowledged_by", "note")
    )
    refused = ask(console, "PUT", "/api/system/rules/jobs_held", RULE, cookie=cookie)
    assert (403, "NOT_PERMITTED") == reason(refused)
    consider(console, WELL)
    assert (404, "UNKNOWN") == reason(ask(console, "POST", path, {"note": ""}, cookie=cookie))
    assert ["I call the IT"] == [past["note"] for past in get("/api/system/alarms").json["past"]]


def test_a_limit_is_changed_and_taken_back(console: RunningConsole, get: Get) -> None:
    """What contradicts itself is refused in words; a change names who made it; the default comes back whole."""
    cookie = person(console, Role.IT)
    path = "/api/system/rules/jobs_held"
    before = next(r for r in get("/api/system/rules").json["rules"] if r["name"] == "jobs_held")
    wrong = ask(console, "PUT", path, {**RULE, "clear": 9.0}, cookie=cookie)
    assert (422, "RULE_INVALID") == reason(wrong)
    assert "clear" in wrong.json["detail"]
    changed = ask(console, "PUT", path, RULE, cookie=cookie).json
    assert (5.0, "critical", "user:it") == tuple(changed[k] for k in ("threshold", "severity", "changed_by"))
    assert before == ask(console, "DELETE", path, cookie=cookie).json
    assert (404, "UNKNOWN") == reason(ask(console, "PUT", "/api/system/rules/nothing", RULE, cookie=cookie))


def test_a_way_out_that_is_not_there_cannot_be_tried(console: RunningConsole) -> None:
    """Without settings there is no webhook: 404, in the audit all the same."""
    cookie = person(console, Role.ADMINISTRATOR)
    answer = ask(console, "POST", "/api/system/ways-out/webhook/test", cookie=cookie)
    assert (404, "UNKNOWN") == reason(answer)
    rows = ask(console, "GET", "/api/audit?act=alarm_test", cookie=cookie).json["rows"]
    assert ["webhook"] == [row["object_id"] for row in rows]


def test_pages_of_past_alarms(console: RunningConsole, get: Get) -> None:
    """Newest first, page by page, none twice."""
    for turn in range(3):
        consider(console, look(Metric.JOBS_HELD, 1.0, turn * 10))
        consider(console, look(Metric.JOBS_HELD, 0.0, turn * 10 + 5))
    first = get("/api/system/alarms?limit=2").json
    before = first["next_before"].replace("+", "%2B")
    second = get(f"/api/system/alarms?limit=2&before={before}").json
    times = [alarm["fired_time"] for alarm in first["past"] + second["past"]]
    assert sorted(times, reverse=True) == times
    assert (3, None) == (len(set(times)), second["next_before"])
