"""Part of step 11: the command `sonorelay-cloud models`: what a site's models are, and which version answers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from cloud.errors import CloudError
from cloud.models.client import ClientTls, ModelClient, PushFolder, read_folder
from sonorelay.models.v1 import model_service_pb2 as pb

NOTICE: Final = "Research use, not for diagnosis."
_ACTIONS: Final = {
    pb.MODEL_ACTION_SHIPPED: "came with the program",
    pb.MODEL_ACTION_PUSHED: "pushed",
    pb.MODEL_ACTION_PROMOTED: "promoted",
    pb.MODEL_ACTION_ROLLED_BACK: "rolled back",
    pb.MODEL_ACTION_SHADOWED: "shadow",
}
_NONE: Final = "-"


def main(arguments: Sequence[str]) -> int:
    """Runs the command; 0: done, 1: refused or out of reach, and said why, 2: wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    files = (options.tls_ca, options.tls_certificate, options.tls_key)
    if any(files) and not all(files):
        parser.error("give all of --tls-ca, --tls-certificate, --tls-key, or none")
    tls = ClientTls(ca=files[0], certificate=files[1], key=files[2]) if all(files) else None
    try:
        with ModelClient(options.server, tls) as client:
            _COMMANDS[options.command](client, options)
    except CloudError as error:
        print(f"sonorelay-cloud models: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sonorelay-cloud models",
        description="Versions of a site's models: hand one in, let it read along, let it answer, go back. "
        f"{NOTICE}",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    made = {
        name: commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}".strip())
        for name, text, more in (
            ("list", "list the models with their versions in use", ""),
            ("show", "show a model: versions, history, how shadows compare", ""),
            (
                "push",
                "hand in a version; it does not answer yet",
                "The server checks configuration, labels, card, digest, weights and the card's sample, and says "
                "which rule is broken.",
            ),
            ("promote", "let a version answer, without a restart", "Readings under way end as they began."),
            ("rollback", "let the previous version answer again", ""),
            (
                "shadow",
                "let a version read along with the live one",
                "Its answers are compared, never shown.",
            ),
        )
    }
    for command in made.values():
        command.add_argument(
            "--server", default="127.0.0.1:50551", metavar="ADDR", help="host:port (default: %(default)s)"
        )
        command.add_argument("--tls-ca", type=Path, metavar="FILE", help="authority of the server, PEM")
        command.add_argument(
            "--tls-certificate",
            type=Path,
            metavar="FILE",
            help="your certificate, PEM; its subject has the unit sonorelay-admin",
        )
        command.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    for name in ("show", "promote", "rollback", "shadow"):
        made[name].add_argument("model", help="name of the model")
    made["push"].add_argument(
        "folder", type=Path, metavar="DIR", help="model folder as training leaves it: out/models/<model>"
    )
    made["push"].add_argument("--version", help="version to push (default: the highest in DIR)")
    made["show"].add_argument("--card", action="store_true", help="print the live version's card too")
    made["promote"].add_argument("version", help="version that shall answer")
    made["rollback"].add_argument(
        "--from", dest="from_version", metavar="VERSION", help="only if this version is live"
    )
    which = made["shadow"].add_mutually_exclusive_group(required=True)
    which.add_argument("version", nargs="?", default="", help="version that shall read along")
    which.add_argument("--off", action="store_true", help="none shall")
    return parser


def _list(client: ModelClient, _: argparse.Namespace) -> None:
    _print_models(client.list())


def _show(client: ModelClient, options: argparse.Namespace) -> None:
    found = client.show(options.model)
    _print_models([found.model])
    print()
    _print_table(
        ("version", "accepted", "by", "bytes", "sha256"),
        [
            (v.version, _time(v.accepted_time), v.actor, str(v.size_bytes), v.sha256.hex())
            for v in found.versions
        ],
    )
    print()
    _print_table(("when", "what", "version", "before", "by", "ledger"), [_event(e) for e in found.events])
    for each in found.comparisons:
        print(f"\n{_compared(each)}")
    if options.card:
        live = next(v for v in found.versions if v.version == found.model.live_version)
        print(f"\n{live.card}")


def _push(client: ModelClient, options: argparse.Namespace) -> None:
    pushed = read_folder(options.folder, options.version)
    answer = client.push(pushed, _progress(pushed))
    print(f"accepted: {pushed.model} {pushed.version}, sha256 {answer.sha256.hex()}")
    if answer.ledger_index >= 0:
        print(f"entry {answer.ledger_index} of the ledger")
    print(f"it does not answer yet: sonorelay-cloud models promote {pushed.model} {pushed.version}")


def _promote(client: ModelClient, options: argparse.Namespace) -> None:
    _print_models([client.promote(options.model, options.version)])


def _roll_back(client: ModelClient, options: argparse.Namespace) -> None:
    leaving = options.from_version or client.show(options.model).model.live_version
    _print_models([client.roll_back(options.model, leaving)])


def _shadow(client: ModelClient, options: argparse.Namespace) -> None:
    _print_models([client.set_shadow(options.model, "" if options.off else options.version)])


_COMMANDS: Final[dict[str, Callable[[ModelClient, argparse.Namespace], None]]] = {
    "list": _list,
    "show": _show,
    "push": _push,
    "promote": _promote,
    "rollback": _roll_back,
    "shadow": _shadow,
}


def _progress(pushed: PushFolder) -> Callable[[int], None]:
    """Shows on standard error how much has been sent: in place on a terminal, in quarters elsewhere."""
    total, on_terminal, told = pushed.size_bytes, sys.stderr.isatty(), 0

    def on_sent(size_bytes: int) -> None:
        nonlocal told
        percent = 100 * size_bytes // total
        if on_terminal:
            end = "\n" if size_bytes == total else ""
            print(f"\rsent {percent} % of {total} bytes", end=end, file=sys.stderr, flush=True)
        elif percent // 25 > told:
            told = percent // 25
            print(f"sent {percent} % of {total} bytes", file=sys.stderr, flush=True)

    return on_sent


def _print_models(models: Sequence[pb.Model]) -> None:
    _print_table(
        ("model", "live", "previous", "shadow", "versions", "changed", "sha256 (live)"),
        [
            (
                m.model,
                m.live_version,
                m.previous_version or _NONE,
                m.shadow_version or _NONE,
                str(m.version_count),
                _time(m.updated_time),
                m.live_sha256.hex()[:16],
            )
            for m in models
        ],
    )


def _event(event: pb.ModelEvent) -> tuple[str, ...]:
    return (
        _time(event.event_time),
        _ACTIONS.get(event.action, "?"),
        event.version or "off",
        event.before_version or _NONE,
        event.actor,
        _NONE if event.ledger_index < 0 else str(event.ledger_index),
    )


def _compared(each: pb.ShadowComparison) -> str:
    lines = [
        f"shadow {each.shadow_version} beside live {each.live_version}: "
        f"{each.image_count} images read by both, {each.failure_count} failed"
    ]
    if each.label_count:
        share = each.same_label_count / each.label_count
        lines.append(
            f"  same label: {each.same_label_count} of {each.label_count} ({100 * share:.1f} %); "
            f"mean largest difference of a probability {each.mean_probability_difference:.4f}"
        )
    if each.HasField("mean_dice"):
        lines.append(f"  mean Dice of both masks: {each.mean_dice:.4f}")
    if each.hc_count:
        lines.append(
            f"  mean difference of head circumference: {each.mean_hc_difference_mm:.2f} mm "
            f"({each.hc_count} images)"
        )
    return "\n".join(lines)


def _time(time: Timestamp) -> str:
    return time.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
