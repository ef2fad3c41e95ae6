"""Examinations: the protocol file: which planes and structures an examination has to show, and what shows each.

YAML, read by the safe loader, strictly: an unknown key, a missing one or a wrong value is an error that names its line.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml

from cloud.errors import CloudError
from cloud.examinations.brief import LENGTHS
from cloud.examinations.words import PLANES, SUBPLANES
from cloud.policy.sex import SexPolicy, names_sex

SHIPPED: Final = Path(__file__).parent / "second_trimester.yaml"
SIZE_MAX_BYTES: Final = 256 * 1024
_ITEMS_MAX: Final = 200
_TEXT_MAX: Final = 200
_SOURCE_MAX: Final = 1000
_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SIGNS: Final[Mapping[str, tuple[str, ...]]] = {"plane": PLANES, "subplane": SUBPLANES, "measured": LENGTHS}
"""What can show an item, and which values each can have."""


class ProtocolInvalid(CloudError):
    """A protocol file cannot be used; the message names file, line and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A text in both languages."""

    en: str
    """English."""
    zh: str
    """Chinese."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What of a reading shows an item."""

    kind: str
    """A key of SIGNS."""
    value: str
    """One of its values: a plane, a sub-plane that is sure, a length in millimetres that is relied on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A plane or structure that is to be seen."""

    key: str
    """Name of the item, [a-z0-9-], unique in the file."""
    name: Words
    """What people call it."""
    group: str
    """Key of its group."""
    seen_by: tuple[Sign, ...]
    """Any of these shows it; empty: only a person can say that it was seen."""
    discloses_sex: bool
    """Whether seeing it tells the sex of the fetus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """What an examination has to show."""

    name: Words
    """What the site calls it."""
    version: str
    """Which edition."""
    source: Words
    """Where it comes from, in words."""
    groups: Mapping[str, Words]
    """Groups in their order, by key."""
    items: tuple[Item, ...]
    """What is to be seen, in order."""

    def without_sex(self, policy: SexPolicy) -> Protocol:
        """The protocol without the items whose seeing, or whose name, tells what `policy` does not tell."""
        items = tuple(item for item in self.items if policy.telling or not _tells_sex(item))
        return Protocol(
            name=self.name, version=self.version, source=self.source, groups=self.groups, items=items
        )


def load_protocol(path: Path) -> Protocol:
    """The protocol of a file. Raises ProtocolInvalid."""
    try:
        if path.stat().st_size > SIZE_MAX_BYTES:
            raise ProtocolInvalid(f"{path}: larger than {SIZE_MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise ProtocolInvalid(f"{path}: cannot be read as UTF-8 text") from exc
    return parse_protocol(text, str(path))


@functools.cache
def shipped_protocol() -> Protocol:
    """The general second-trimester examination that comes with the program."""
    return load_protocol(SHIPPED)


def parse_protocol(text: str, source: str) -> Protocol:
    """The protocol of a file's text; `source` names the file in errors. Raises ProtocolInvalid."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ProtocolInvalid(
            f"{source}{line}: not YAML: {getattr(exc, 'problem', None) or 'unreadable'}"
        ) from exc
    except RecursionError as exc:
        raise ProtocolInvalid(f"{source}: nested too deeply") from exc
    if node is None:
        raise ProtocolInvalid(f"{source}: the file is empty")
    return _Reader(source).protocol(node)


def _tells_sex(item: Item) -> bool:
    return item.discloses_sex or any(names_sex(text) for text in (item.key, item.name.en, item.name.zh))


class _Reader:
    """Turns YAML nodes into values; each knows its line."""

    def __init__(self, source: str) -> None:
        self._source = source

    def protocol(self, node: yaml.Node) -> Protocol:
        at = self._mapping(node, "the file", {"name", "version", "source", "groups", "items"})
        groups = {
            key: self._words(value, f"groups.{key}")
            for key, value in self._mapping(at["groups"], "groups", None).items()
        }
        items = self._sequence(at["items"], "items", lambda each, place: self._item(each, place, groups))
        seen: dict[str, int] = {}
        for place, item in enumerate(items):
            if item.key in seen:
                self._fail(at["items"].value[place], f"items[{place}].key", f"{item.key} is there twice")
            seen[item.key] = place
        if not 1 <= len(items) <= _ITEMS_MAX:
            self._fail(at["items"], "items", f"must be 1 to {_ITEMS_MAX}")
        return Protocol(
            name=self._words(at["name"], "name"),
            version=self._text(at["version"], "version"),
            source=self._words(at["source"], "source", _SOURCE_MAX),
            groups=groups,
            items=tuple(items),
        )

    def _item(self, node: yaml.Node, place: str, groups: Mapping[str, Words]) -> Item:
        at = self._mapping(node, place, {"key", "en", "zh", "group"}, {"seen_by", "discloses_sex"})
        key, group = self._text(at["key"], f"{place}.key"), self._text(at["group"], f"{place}.group")
        if not _KEY.fullmatch(key):
            self._fail(at["key"], f"{place}.key", "must be lower-case letters, digits and hyphens")
        if group not in groups:
            self._fail(at["group"], f"{place}.group", f"{group} is none of the groups {', '.join(groups)}")
        signs = [] if "seen_by" not in at else self._sequence(at["seen_by"], f"{place}.seen_by", self._sign)
        return Item(
            key=key,
            name=Words(en=self._text(at["en"], f"{place}.en"), zh=self._text(at["zh"], f"{place}.zh")),
            group=group,
            seen_by=tuple(signs),
            discloses_sex="discloses_sex" in at and self._flag(at["discloses_sex"], f"{place}.discloses_sex"),
        )

    def _sign(self, node: yaml.Node, place: str) -> Sign:
        at = self._mapping(node, place, set(), set(SIGNS))
        if len(at) != 1:
            self._fail(node, place, f"must have one of {', '.join(SIGNS)}")
        ((kind, value_node),) = at.items()
        value = self._text(value_node, f"{place}.{kind}")
        if value not in SIGNS[kind]:
            self._fail(value_node, f"{place}.{kind}", f"{value} is none of {', '.join(SIGNS[kind])}")
        return Sign(kind=kind, value=value)

    def _words(self, node: yaml.Node, place: str, longest: int = _TEXT_MAX) -> Words:
        at = self._mapping(node, place, {"en", "zh"})
        en, zh = (self._text(at[each], f"{place}.{each}", longest) for each in ("en", "zh"))
        return Words(en=en, zh=zh)

    def _mapping(
        self, node: yaml.Node, place: str, needed: set[str] | None, allowed: set[str] | None = None
    ) -> dict[str, yaml.Node]:
        """The values of a mapping by key; `needed` None: any keys of the form of KEY."""
        if not isinstance(node, yaml.MappingNode):
            self._fail(node, place, "must be a mapping")
        found: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self._text(key_node, place)
            known = _KEY.fullmatch(key) if needed is None else key in needed | (allowed or set())
            if not known or key in found:
                self._fail(key_node, place, f"{key} is {'there twice' if key in found else 'no key of it'}")
            found[key] = value
        for key in sorted((needed or set()) - found.keys()):
            self._fail(node, place, f"{key} is missing")
        return found

    def _sequence(self, node: yaml.Node, place: str, read: Callable[[yaml.Node, str], Any]) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            self._fail(node, place, "must be a list")
        return [read(each, f"{place}[{number}]") for number, each in enumerate(node.value)]

    def _text(self, node: yaml.Node, place: str, longest: int = _TEXT_MAX) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.tag.endswith(":str"):
            self._fail(node, place, "must be a text; put it in quotes")
        text = " ".join(str(node.value).split())
        if not 1 <= len(text) <= longest or not text.isprintable():
            self._fail(node, place, f"must be 1 to {longest} printable characters")
        return text

    def _flag(self, node: yaml.Node, place: str) -> bool:
        if not isinstance(node, yaml.ScalarNode) or node.value not in ("true", "false"):
            self._fail(node, place, "must be true or false")
        return bool(node.value == "true")

    def _fail(self, node: yaml.Node, place: str, problem: str) -> NoReturn:
        line = node.start_mark.line + 1
        raise ProtocolInvalid(f"{self._source}, line {line}: {place}: {problem}")
