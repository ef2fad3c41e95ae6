"""The command `sonorelay-agent`: run, send, status, quarantine, doctor. Research use, not for diagnosis."""

from __future__ import annotations

import argparse
import gc
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from edge_agent import build, config, doctor, health, orders
from edge_agent.capture.batch import OrderInvalid
from edge_agent.config import Config
from edge_agent.errors import ConfigInvalid, EdgeError
from edge_agent.items import CaptureState
from edge_agent.spool import queries
from edge_agent.spool.owner import OwnerLock, ring

_EXIT_USAGE: Final = 2
_EXIT_INTERRUPTED: Final = 130
_SETTINGS: Final = ("data", "watch", "cloud", "pixels", "after_keep", "device_id", "log_verifier_key")
_EPILOG: Final = """\
exit codes: 0 all well; 1 something was not sent or not found; 2 wrong usage or settings;
3 sent, but some files were refused or held; 130 interrupted. Research use, not for diagnosis."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    try:
        overrides = {name: getattr(args, name, None) for name in _SETTINGS}
        if overrides["watch"] is not None:
            overrides["watch"] = tuple(overrides["watch"])
        settings = config.load(args.config, overrides)
        code: int = args.command(settings, args)
    except (ConfigInvalid, OrderInvalid) as error:
        print(f"sonorelay-agent: {error}", file=sys.stderr)
        return _EXIT_USAGE
    except EdgeError as error:
        print(f"sonorelay-agent: {error}; try again", file=sys.stderr)
        return orders.EXIT_NOT_SENT
    except OSError as error:
        print(f"sonorelay-agent: {error.filename or 'disk'}: {error.strerror}", file=sys.stderr)
        return orders.EXIT_NOT_SENT
    except KeyboardInterrupt:
        print(
            "interrupted: what was taken in stays in the spool and goes on at the next run", file=sys.stderr
        )
        return _EXIT_INTERRUPTED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sonorelay-agent",
        description="Catches ultrasound prints, removes what identifies, sends them to the cloud.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = _command(commands, "run", _run, "watch folders and send what lands there, until stopped")
    run.add_argument(
        "--watch", type=Path, action="append", metavar="DIR", help="folder where prints land; may repeat"
    )
    _link_options(run)
    run.add_argument(
        "--after-keep", choices=("remove", "leave"), help="what becomes of a file that was kept (remove)"
    )

    send = _command(
        commands, "send", _send, "send a folder as a batch order, with or without a running agent"
    )
    send.add_argument("--path", type=Path, metavar="DIR", help="file or folder to send")
    send.add_argument("--label", metavar="NAME", help="label of the batch; alone it finds its preset folder")
    send.add_argument(
        "--series", action="store_true", help="the files are images of CT, MR, PET or ultrasound series"
    )
    send.add_argument("--scale", type=Path, metavar="CSV", help="csv of `file name,mm per pixel`")
    send.add_argument("--wait", action="store_true", help="wait until the running agent has sent everything")
    send.add_argument(
        "--timeout", type=float, metavar="S", help="longest wait in seconds; no limit by default"
    )
    _link_options(send)

    status = _command(commands, "status", _status, "show what the spool holds and where it stands")
    status.add_argument("--json", action="store_true", help="for programs: one object with every capture")
    status.add_argument("--limit", type=int, metavar="N", help="only the newest N captures")

    quarantine = _command(
        commands, "quarantine", _quarantine, "list, release or re-run what was refused or held"
    )
    quarantine.add_argument("action", choices=("list", "release", "rerun"))
    quarantine.add_argument("capture_id", nargs="*", help="captures; for rerun none means all")

    _link_options(_command(commands, "doctor", _doctor, "check what the agent needs and say what is missing"))
    return parser


def _command(commands: Any, name: str, function: Any, says: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=says, description=says[0].upper() + says[1:] + ".", epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(command=function)
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file (TOML); options go above it"
    )
    command.add_argument("--data", type=Path, metavar="DIR", help="data folder of the agent")
    return command


def _link_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--cloud", metavar="HOST:PORT", help="address of the cloud (127.0.0.1:50551)")
    command.add_argument(
        "--device-id", metavar="ID", help="device number; by default made from the device key"
    )
    command.add_argument(
        "--pixels",
        choices=("guard", "trusted"),
        help="guard: blank or hold pixels that may identify (default); trusted: already de-identified",
    )
    command.add_argument(
        "--log-verifier-key", metavar="KEY", help="the log's key; by default the first seen is pinned"
    )


def _run(settings: Config, _args: argparse.Namespace) -> int:
    if not settings.watch:
        raise ConfigInvalid("no folder to watch: give --watch DIR, or write watch into the settings file")
    for folder in settings.watch:
        if not folder.is_dir():
            raise ConfigInvalid(f"watch = {folder}: no such folder; make it, or correct the setting")
    with OwnerLock(build.folders_of(settings).lock):
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        agent = build.build_agent(settings)
        agent.start()
        # What a start leaves stays to the end: no search for garbage need go through it again and again.
        gc.freeze()
        stop.wait()
        agent.stop()
    return orders.EXIT_OK


def _send(settings: Config, args: argparse.Namespace) -> int:
    order = orders.SendOrder(
        path=args.path,
        label=args.label,
        scale=args.scale,
        is_series=args.series,
        wait=args.wait,
        timeout_s=args.timeout,
    )
    return orders.send(settings, order, sys.stdout)


def _status(settings: Config, args: argparse.Namespace) -> int:
    folders = build.folders_of(settings)
    lock = OwnerLock(folders.lock)
    running = not lock.acquire()
    lock.release()
    last: dict[str, Any] = {}
    if folders.status.exists():
        last = json.loads(folders.status.read_bytes())
    spool = build.build_spool(settings)
    try:
        taken = health.snapshot(
            spool,
            now=build.utc_now(),
            version=build.agent_version(),
            device_id=last.get("device_id", settings.device_id),
            cloud=last.get("cloud", settings.cloud),
            link_problem=last.get("link_problem", "") if running else "",
            clock_offset_s=last.get("clock_offset_s"),
        )
        captures = spool.read(lambda tx: queries.captures(tx, limit=args.limit))
        report = json.loads(health.to_json(taken))
        if args.json:
            report["running"] = running
            report["captures_by_state"] = report.pop("captures")
            report["captures"] = [health.describe_capture(spool, one) for one in captures]
            json.dump(report, sys.stdout, indent=2)
            print()
        else:
            print(health.as_text(report, running))
    finally:
        spool.close()
    return orders.EXIT_OK


def _quarantine(settings: Config, args: argparse.Namespace) -> int:
    spool = build.build_spool(settings)
    try:
        set_aside = spool.read(
            lambda tx: queries.captures(tx, (CaptureState.REFUSED, CaptureState.HELD, CaptureState.FAILED))
        )
        if args.action == "list":
            for one in set_aside:
                why = one.reason or one.last_error
                print(f"{one.capture_id}  {one.state:8} {why}: {health.what_to_do(one)}")
            print(f"{len(set_aside)} captures; files and notes in {spool.folders.quarantine}")
            return orders.EXIT_OK
        if args.action == "release" and not args.capture_id:
            raise ConfigInvalid("name the captures to release, by their ids from `quarantine list`")
        wanted = args.capture_id or [one.capture_id for one in set_aside if one.duplicate_of is None]
        code = orders.EXIT_OK
        for capture_id in wanted:
            try:
                again = spool.release(capture_id) if args.action == "release" else spool.rerun(capture_id)
                print(f"{capture_id}  goes through the line again ({again.state})")
            except KeyError:
                print(f"{capture_id}  no such capture", file=sys.stderr)
                code = orders.EXIT_NOT_SENT
            except ValueError as error:
                print(f"{capture_id}  {error}", file=sys.stderr)
                code = orders.EXIT_NOT_SENT
        if not ring(spool.folders.bell):
            print("no agent runs on this data folder; it goes on when one is started")
        return code
    finally:
        spool.close()


def _doctor(settings: Config, _args: argparse.Namespace) -> int:
    healthy = True
    for finding in doctor.examine(settings):
        healthy = healthy and finding.ok
        print(f"{'ok     ' if finding.ok else 'MISSING'}  {finding.name:15} {finding.say}")
    return orders.EXIT_OK if healthy else orders.EXIT_NOT_SENT


if __name__ == "__main__":
    sys.exit(main())
