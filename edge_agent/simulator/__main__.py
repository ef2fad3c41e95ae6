"""`python -m edge_agent.simulator`: prints made-up examinations into a folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge_agent.simulator.printer import Printed, Printer, write_truth
from edge_agent.simulator.screen import MARK
from edge_agent.simulator.write import FORMATS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edge_agent.simulator",
        description="Virtual ultrasound scanner: prints made-up fetal examinations of known truth.",
        epilog=MARK,
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder to print into (made if absent)"
    )
    parser.add_argument("--count", type=int, default=10, metavar="N", help="files to print (default 10)")
    parser.add_argument(
        "--rate", type=float, default=0.0, metavar="R", help="at most R files a second (default: no limit)"
    )
    parser.add_argument(
        "--formats",
        default="png",
        metavar="LIST",
        help=f"comma-separated, taken in turn: {','.join(FORMATS)} (default png)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same bytes (default 0)")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="write what is true of each file to FILE as JSON"
    )
    parser.add_argument("--no-banner", action="store_true", help="burn no patient or machine text in")
    parser.add_argument("--no-cines", action="store_true", help="with dicom: stills only")
    parser.add_argument(
        "--cine", action="store_true", help="print DICOM cines only; at the end of each the probe slides away"
    )
    parser.add_argument(
        "--by-examination", action="store_true", help="begin the formats anew with each examination"
    )
    parser.add_argument(
        "--lesions",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of otherwise normal head pictures with a cyst or a bright focus (default 0)",
    )
    return parser


def _show(done: int, count: int, one: Printed) -> None:
    line = f"[{done}/{count}] {one.name}  {one.truth.plane}  {one.truth.finding or '-'}"
    if sys.stderr.isatty():
        print(f"\r\x1b[K{line}", end="\n" if done == count else "", file=sys.stderr, flush=True)
    else:
        print(line, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; give 0 when all is printed, 1 when the folder cannot be written."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.count < 0 or options.seed < 0:
        parser.error("--count and --seed must not be negative")
    printed: list[Printed] = []
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        printer = Printer(
            options.out,
            rate_per_s=options.rate,
            formats=[name.strip() for name in options.formats.split(",")],
            seed=options.seed,
            banner=not options.no_banner,
            cines=not options.no_cines,
            only_cines=options.cine,
            lesion_share=options.lesions,
            by_examination=options.by_examination,
        )
        while len(printed) < options.count:
            printed += printer.print(1)
            _show(len(printed), options.count, printed[-1])
    except ValueError as wrong:
        parser.error(str(wrong))
    except OSError as failed:
        print(f"cannot print into {options.out}: {failed.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped after {len(printed)} files", file=sys.stderr)
    if options.truth is not None:
        write_truth(options.truth, printed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
