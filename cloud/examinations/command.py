"""Examinations: `sonorelay-cloud protocol check FILE`: whether a site's protocol file can be used, and what it asks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cloud.examinations.protocol import Protocol, ProtocolInvalid, load_protocol
from cloud.policy.sex import SexPolicy

NOTICE = "research use, not for diagnosis"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; 0: the file can be used, 1: it cannot and was told why, 2: wrong usage."""
    parser = argparse.ArgumentParser(
        prog="sonorelay-cloud protocol",
        description="The protocol of an examination: what it has to show, and what shows each item. "
        f"{NOTICE.capitalize()}.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser("check", help="check a protocol file, YAML, and list what it asks")
    check.add_argument("file", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    try:
        protocol = load_protocol(options.file)
    except ProtocolInvalid as error:
        print(f"sonorelay-cloud: {error}", file=sys.stderr)
        return 1
    print(report(protocol))
    return 0


def report(protocol: Protocol) -> str:
    """What a protocol asks, for a terminal: an item a line."""
    withheld = set(protocol.items) - set(protocol.without_sex(SexPolicy()).items)
    lines = [
        f"{protocol.name.en} / {protocol.name.zh}, version {protocol.version}: {len(protocol.items)} items"
    ]
    for item in protocol.items:
        signs = ", ".join(f"{sign.kind} {sign.value}" for sign in item.seen_by) or "by hand"
        hidden = '  (left out where fetal_sex = "withhold")' if item in withheld else ""
        lines.append(f"  {item.key:<20} {item.name.en} / {item.name.zh}: {signs}{hidden}")
    return "\n".join(lines)
