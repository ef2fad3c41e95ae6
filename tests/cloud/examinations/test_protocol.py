"""The protocol file: strict reading; and what of it was seen in an examination."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloud.__main__ import main
from cloud.accounts.roles import Role
from cloud.config import Config
from cloud.errors import ConfigInvalid
from cloud.examinations.protocol import (
    SHIPPED,
    ProtocolInvalid,
    load_protocol,
    parse_protocol,
    shipped_protocol,
)
from cloud.infer.reading import SubPlane
from cloud.infer.reasons import AbstainReason
from cloud.policy.sex import FetalSex, SexPolicy
from cloud.site_files import site_protocol
from tests.cloud.console.people import ask, person
from tests.cloud.console.running import RunningConsole
from tests.cloud.console.world import Verdict

GOOD = """\
name: {en: Ours, zh: 本院}
version: "2"
source: {en: our clinic, zh: 本院}
groups:
  head: {en: Head, zh: 头颅}
items:
  - key: size
    en: Head circumference
    zh: 头围
    group: head
    seen_by:
      - measured: hc
"""


def test_a_good_file_is_read() -> None:
    """Names in both languages, what shows an item, and its place."""
    protocol = parse_protocol(GOOD, "ours.yaml")
    (item,) = protocol.items
    assert ("Ours", "本院", "2") == (protocol.name.en, protocol.name.zh, protocol.version)
    assert ("size", "head", "measured", "hc") == (
        item.key,
        item.group,
        item.seen_by[0].kind,
        item.seen_by[0].value,
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("    zh: 头围\n", "", 7, "items[0]: zh is missing"),
        ("    group: head", "    gruop: head", 10, "items[0]: gruop is no key of it"),
        ("    group: head", "    group: foot", 10, "items[0].group: foot is none of the groups head"),
        ("measured: hc", "measured: nose", 12, "items[0].seen_by[0].measured: nose is none of hc"),
        ("measured: hc", "smelled: hc", 12, "smelled is no key of it"),
        ("measured: hc", "{measured: hc, plane: brain}", 12, "must have one of plane, subplane, measured"),
        ('version: "2"', "version: 2", 2, "version: must be a text; put it in quotes"),
        ("key: size", "key: Size", 7, "items[0].key: must be lower-case"),
        ("    zh: 头围\n", "    zh: 头围\n    discloses_sex: maybe\n", 10, "must be true or false"),
        ("    zh: 头围\n", "    zh: 头围\n    zh: 头\n", 10, "zh is there twice"),
        ("items:", "items: []\nmore:", 7, "more is no key of it"),
        ("  - key: size", "  - key: [size", 8, "not YAML"),
        ("name: {en: Ours, zh: 本院}", "name: Ours", 1, "name: must be a mapping"),
        (
            "source: {en: our clinic,",
            "source: {en: !!python/object/apply:os.system [ls],",
            3,
            "source.en: must be a text",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, line: int, problem: str) -> None:
    """Every mistake is refused with file, line, key and rule; nothing is guessed and no tag is run."""
    assert old in GOOD
    with pytest.raises(ProtocolInvalid) as caught:
        parse_protocol(GOOD.replace(old, new, 1), "ours.yaml")
    assert f"ours.yaml, line {line}" in str(caught.value), str(caught.value)
    assert problem in str(caught.value)


def test_two_items_of_one_key_are_refused() -> None:
    """A tick must mean one item."""
    again = GOOD[GOOD.index("  - key") :]
    with pytest.raises(ProtocolInvalid, match=r"line 13: .*size is there twice"):
        parse_protocol(GOOD + again, "ours.yaml")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 5000, b"x" * 300_000, b"&a [*a]", b"- 1\n- 2"])
def test_a_hostile_file_is_refused(tmp_path: Path, data: bytes) -> None:
    """No bytes whatsoever crash the reader."""
    (tmp_path / "p.yaml").write_bytes(data)
    with pytest.raises(ProtocolInvalid):
        load_protocol(tmp_path / "p.yaml")


@pytest.mark.req("BEY-06")
def test_the_shipped_protocol_names_its_source_and_hides_the_sex() -> None:
    """It cites the kind of its source; what discloses the sex is left out unless the site allows it."""
    protocol = shipped_protocol()
    assert all("ISUOG" in words for words in (protocol.source.en, protocol.source.zh))
    assert "genitalia" in {item.key for item in protocol.items}
    shown = site_protocol(Config())
    assert {item.key for item in protocol.items} - {"genitalia"} == {item.key for item in shown.items}
    assert protocol == protocol.without_sex(SexPolicy(FetalSex.ALLOW))


@pytest.mark.req("BEY-06")
def test_an_item_whose_name_tells_is_left_out_unmarked() -> None:
    """A site that forgot the mark is not let down by it."""
    named = parse_protocol(GOOD.replace("zh: 头围", "zh: 胎儿性别"), "ours.yaml")
    assert () == named.without_sex(SexPolicy()).items


def test_the_command_checks_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 and a list for a good file, 1 and the line for a bad one; the server refuses to start with it."""
    assert 0 == main(["protocol", "check", str(SHIPPED)])
    listed = capsys.readouterr().out
    assert "by hand" in listed
    assert "subplane trans-thalamic" in listed
    bad = tmp_path / "bad.yaml"
    bad.write_text(GOOD.replace("measured: hc", "measured: nose"))
    assert 1 == main(["protocol", "check", str(bad)])
    assert "line 12" in capsys.readouterr().err
    with pytest.raises(ConfigInvalid, match=r"protocol_file: .*line 12"):
        site_protocol(Config(protocol_file=bad))


class Watch:
    """A sonographer who looks at an examination as it grows."""

    def __init__(self, console: RunningConsole) -> None:
        self.console = console
        self.cookie = person(console, Role.SONOGRAPHER)

    @property
    def detail(self) -> dict[str, Any]:
        """The only examination."""
        (shown,) = ask(self.console, "GET", "/api/examinations", cookie=self.cookie).json["items"]
        path = f"/api/examinations/{shown['examination_id']}"
        found: dict[str, Any] = ask(self.console, "GET", path, cookie=self.cookie).json
        assert (shown["seen_count"], shown["item_count"]) == (
            sum(item["seen"] for item in found["protocol"]["items"]),
            len(found["protocol"]["items"]),
        )
        return found

    @property
    def seen(self) -> dict[str, int]:
        """Items that were seen, and by how many images."""
        items = self.detail["protocol"]["items"]
        return {item["key"]: len(item["image_ids"]) for item in items if item["seen"]}

    def tick(self, item: str, seen: bool = True) -> int:
        """Ticks an item; the status."""
        path = f"/api/examinations/{self.detail['examination']['examination_id']}/protocol/{item}"
        return ask(self.console, "PUT", path, {"seen": seen}, cookie=self.cookie).status


@pytest.mark.req("BEY-05")
def test_completeness_follows_the_readings(console: RunningConsole) -> None:
    """Each read image shows what its plane, sure sub-plane and relied-on lengths show; doubts show nothing."""
    world, watch = console.world, Watch(console)
    console.do(world.announce())
    assert {} == watch.seen
    sure = SubPlane(label="trans-thalamic", probabilities={"trans-thalamic": 0.9}, sure=True)
    console.do(world.result(3, Verdict(subplane=sure)))
    assert {"trans-thalamic": 1, "head-size": 1} == watch.seen
    weak = SubPlane(label="trans-cerebellar", probabilities={"trans-cerebellar": 0.5}, sure=False)
    console.do(world.result(4, Verdict(subplane=weak, ventricle_mm=8.0)))
    assert 1 == watch.seen["lateral-ventricle"]
    assert 2 == watch.seen["head-size"]
    assert "trans-cerebellar" not in watch.seen
    other = Verdict(finding=None, plane="femur", reasons=(AbstainReason.NOT_BRAIN_PLANE,), scaled=False)
    console.do(world.result(5, other))
    assert 1 == watch.seen["femur"]
    doubtful = Verdict(finding=None, plane="abdomen", reasons=(AbstainReason.PLANE_UNCERTAIN,))
    console.do(world.result(6, doubtful))
    assert "abdomen" not in watch.seen


@pytest.mark.req("BEY-05")
def test_a_person_ticks_by_hand(console: RunningConsole) -> None:
    """What no model sees is ticked by a person, once, with who and when; and taken back. Both are in the audit."""
    watch = Watch(console)
    console.do(console.world.announce())
    assert [200, 200] == [watch.tick("cavum"), watch.tick("cavum")]
    (item,) = (each for each in watch.detail["protocol"]["items"] if each["seen"])
    assert ("cavum", True, "user:sonographer") == (item["key"], item["by_hand"], item["ticked_by"])
    assert item["ticked_time"] is not None
    assert 404 == watch.tick("nose")
    assert 404 == watch.tick("genitalia")
    assert 200 == watch.tick("cavum", seen=False)
    assert {} == watch.seen
    admin = person(console, Role.ADMINISTRATOR)
    rows = ask(console, "GET", "/api/audit?act=protocol_tick", cookie=admin).json["rows"]
    assert 2 == len(rows)


@pytest.mark.req("BEY-05")
def test_a_corrected_plane_counts(console: RunningConsole) -> None:
    """What a person says an image shows goes before what the model says."""
    watch = Watch(console)
    doctor = person(console, Role.DOCTOR)
    console.do(console.world.result(3, Verdict()))
    (image,) = watch.detail["captures"][0]["images"]
    body = {
        "review_id": "6f1d7f2e-7f0a-4d0c-9a43-0d4c1d0b7a51",
        "result_ledger_index": image["result_ledger_index"],
        "decision": "disagree",
        "reason": "WRONG_PLANE",
        "corrected": {"plane": "trans-cerebellar"},
    }
    assert 200 == ask(console, "POST", f"/api/images/{image['image_id']}/reviews", body, cookie=doctor).status
    assert {"trans-cerebellar": 1, "head-size": 1} == watch.seen
