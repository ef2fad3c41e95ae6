"""The `sonorelay` command: demo, process, doctor. Research use, not for diagnosis."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from deploy.local import demo, doctor, process
from deploy.local.machine import MachineFailed

NOTICE = "Research use, not for diagnosis."


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    top = argparse.ArgumentParser(
        prog="sonorelay",
        description=f"From a printed ultrasound image to a result, on one machine. {NOTICE}",
    )
    top.add_argument("--version", action="version", version=f"sonorelay {version('sonorelay')}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    show = commands.add_parser(
        "demo",
        help="start cloud and agent, print made-up examinations, watch the results in the browser",
        description="Starts the cloud and the agent as real processes on free ports of this machine, with a"
        " fresh data folder. The virtual scanner prints made-up examinations into the agent's watched"
        f" folder; the results appear live on the console. Ctrl-C stops everything. {NOTICE}",
    )
    show.add_argument(
        "--images", type=Path, metavar="DIR", help="print the images of DIR instead of made-up ones"
    )
    show.add_argument("--count", type=int, metavar="N", help="end by itself after N results (exit code 0)")
    show.add_argument("--rate", type=float, default=0.5, metavar="R", help="prints per second (default 0.5)")
    show.add_argument(
        "--pixels",
        choices=("guard", "trusted"),
        default="guard",
        help="guard (default): the site's rule, doubtful pictures are held; trusted: already de-identified",
    )
    show.add_argument("--seed", type=int, default=1, help="seed of the made-up examinations (default 1)")
    show.add_argument(
        "--data", type=Path, metavar="DIR", help="keep the data in DIR (default: a fresh folder, removed)"
    )
    show.add_argument("--open", action=argparse.BooleanOptionalAction, default=None, help="open the browser")
    show.set_defaults(run=demo.run)

    work = commands.add_parser(
        "process",
        help="send a folder of images through the whole line and write a report",
        description="Sends every file of a folder through the whole line (agent, cloud, ledger, analysis) and"
        " writes OUT/report.json and, for each image that was read, OUT/<name>/ with mask, overlay, crop,"
        " heat map, fused picture and receipt. The images are taken as ALREADY DE-IDENTIFIED (--pixels"
        " trusted), the default here and nowhere else. Exit code: 0 every input was read, or refused for a"
        f" stated reason; 3 some are held and a person must look; 1 something failed. {NOTICE}",
    )
    work.add_argument("--images", type=Path, required=True, metavar="DIR", help="folder with the images")
    work.add_argument(
        "--out", type=Path, required=True, metavar="OUT", help="folder for the report and the pictures"
    )
    work.add_argument("--scale", type=Path, metavar="FILE.csv", help="csv: file name, mm per pixel")
    work.add_argument(
        "--pixels",
        choices=("trusted", "guard"),
        default="trusted",
        help="trusted (default): already de-identified; guard: the site's rule, doubtful pictures are held",
    )
    work.add_argument(
        "--data", type=Path, metavar="DIR", help="keep the data in DIR (default: a fresh folder, removed)"
    )
    work.set_defaults(run=process.run)

    check = commands.add_parser(
        "doctor", help="check the installation; say what is missing and how to get it"
    )
    check.set_defaults(run=doctor.run)
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and exits with its code."""
    options = parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except MachineFailed as error:
        print(f"sonorelay: {error}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
