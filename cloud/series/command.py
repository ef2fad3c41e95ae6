"""Beside the thirteen steps: series: the command `sonorelay-cloud mpr`: planes through the series of one image, on the
computer where its files lie."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cloud.errors import CloudError
from cloud.series.account import account, summary
from cloud.series.export import Derived, dicom_series
from cloud.series.found import LeftOut, Way, look
from cloud.series.gaps import LIMIT_S, Folders, created_at, folders_above, folders_by_time
from cloud.series.geometry import Plan
from cloud.series.group import THRESHOLD
from cloud.series.header import Header
from cloud.series.messages import SlabMode
from cloud.series.planes import DIRECTIONS, PlaneName, oblique
from cloud.series.png import png
from cloud.series.reasons import LEFT_OUT
from cloud.series.reconstruct import Series, gather, reconstruct
from cloud.series.reslice import Slice, cut
from cloud.series.sweep import sweep
from cloud.series.volume import MEMORY_CAP_BYTES, Volume
from cloud.series.window import proposed
from cloud.store import durable

NOTICE: Final = "Research use, not for diagnosis."
_MIB: Final = 1024**2
_PRIVATE: Final = 0o600
"""Pictures and account of a patient are for whoever asked for them."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command; 0: done, 1: no reconstruction, and said why, 2: wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    _check(parser, options)
    try:
        return _run(options)
    except CloudError as error:
        print(f"sonorelay-cloud mpr: {error}", file=sys.stderr)
    except OSError as error:
        # Its text would hold a path, and with it perhaps a name.
        print(f"sonorelay-cloud mpr: writing failed: {error.strerror}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sonorelay-cloud mpr",
        description="Finds the series of one image in a folder, searches for images that are missing, and cuts planes "
        "through it. Writes PNG files and account.json (what was used, what was left out and why) to --out. "
        f"{NOTICE}",
        epilog="Exit code: 0 done, 1 no reconstruction (the reason is printed, and stands in account.json), 2 wrong "
        "usage.",
    )
    _add_series(parser)
    _add_cut(parser)
    out = parser.add_argument_group("what is written")
    out.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to; made if it is missing")
    out.add_argument(
        "--window",
        type=_pair,
        metavar="CENTRE,WIDTH",
        help="gray values of the PNG files (default: as the header proposes, else by the volume)",
    )
    out.add_argument(
        "--dicom", action="store_true", help="write a new DICOM series too, with the patient's data"
    )
    out.add_argument(
        "--language", choices=("en", "zh"), default="en", help="of what is printed (default: en)"
    )
    return parser


def _add_series(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("the series")
    where.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="where its files lie, at any depth"
    )
    where.add_argument("--current", type=Path, required=True, metavar="FILE", help="the image now read")
    where.add_argument(
        "--find",
        type=Way,
        choices=list(Way),
        default=Way.EITHER,
        metavar="WAY",
        help="what makes a file DICOM: suffix, identifier, either, both (default: either)",
    )
    where.add_argument(
        "--top", type=Path, metavar="DIR", help="search missing images in the folders above, up to this one"
    )
    where.add_argument(
        "--archive",
        type=Path,
        metavar="DIR",
        help="then in folders of this one that were created at about the same time (default: that of --top)",
    )
    where.add_argument(
        "--search-limit",
        type=_positive,
        default=LIMIT_S,
        metavar="S",
        help="seconds that the search may take (default: 60)",
    )
    where.add_argument(
        "--threshold",
        type=int,
        default=THRESHOLD,
        metavar="N",
        help="images that a reconstruction needs (default: 10)",
    )
    where.add_argument(
        "--memory",
        type=_positive,
        default=MEMORY_CAP_BYTES / _MIB,
        metavar="MIB",
        help="memory that the volume may take (default: 2048)",
    )


def _add_cut(parser: argparse.ArgumentParser) -> None:
    cuts = parser.add_argument_group("the planes")
    cuts.add_argument(
        "--plane",
        type=PlaneName,
        choices=list(PlaneName),
        required=True,
        metavar="PLANE",
        help="axial, coronal, sagittal (by the patient's axes) or oblique",
    )
    cuts.add_argument(
        "--angles",
        type=_triple,
        metavar="X,Y,Z",
        help="of an oblique plane: degrees by which the axial one is turned about the patient's axes, x first",
    )
    cuts.add_argument(
        "--slab", type=_not_negative, default=0.0, metavar="MM", help="thickness of each cut (default: 0)"
    )
    cuts.add_argument(
        "--mode",
        type=SlabMode,
        choices=list(SlabMode),
        default=SlabMode.MEAN,
        metavar="MODE",
        help="of a slab: mean, mip (highest), minip (lowest) (default: mean)",
    )
    cuts.add_argument(
        "--step",
        type=_positive,
        metavar="MM",
        help="distance of cuts (default: the slab's, else the slices')",
    )
    cuts.add_argument(
        "--pixel", type=_positive, metavar="MM", help="side of a pixel (default: the finest voxel's)"
    )
    cuts.add_argument(
        "--at", type=_triple, metavar="X,Y,Z", help="one cut only, through this point, mm (left, back, head)"
    )


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not options.folder.is_dir():
        parser.error("--folder is not a folder")
    if not options.current.is_file():
        parser.error("--current is not a file")
    if options.threshold < 2:
        parser.error("--threshold is at least 2: one slice is no volume")
    if (options.angles is not None) != (options.plane is PlaneName.OBLIQUE):
        parser.error("--angles belong to --plane oblique, and that needs them")
    if options.top is not None and not options.folder.resolve().is_relative_to(options.top.resolve()):
        parser.error("--folder does not lie below --top")


def _run(options: argparse.Namespace) -> int:
    current = look(options.current)
    if isinstance(current, LeftOut):
        print(f"--current ({current.reason}): {LEFT_OUT[current.reason][options.language]}", file=sys.stderr)
        return 1
    series = gather(
        current,
        options.folder,
        _strategies(options),
        way=options.find,
        threshold=options.threshold,
        limit_s=options.search_limit,
        on_stage=_say,
    )
    series, volume = reconstruct(
        series,
        threshold=options.threshold,
        cap_bytes=int(options.memory * _MIB),
        on_slice=lambda done, total: _say(f"slice {done} of {total}") if done in (1, total) else None,
    )
    pictures: dict[str, Slice] = {}
    if volume is not None and isinstance(series.plan, Plan):
        pictures = dict(_write_cuts(options, series, series.plan, volume))
    told = account(series, options.folder, pictures)
    text = json.dumps(told, ensure_ascii=False, indent=1)
    durable.write(options.out / "account.json", text.encode(), _PRIVATE)
    for line in summary(series, len(pictures), options.language):
        print(line)
    return 0 if pictures else 1


def _strategies(options: argparse.Namespace) -> Iterator[Folders]:
    if options.top is not None:
        yield folders_above(options.folder, options.top)
    archive = options.archive or options.top
    if archive is not None:
        yield folders_by_time(options.folder, archive, created_at=created_at)


def _write_cuts(
    options: argparse.Namespace, series: Series, plan: Plan, volume: Volume
) -> Iterator[tuple[str, Slice]]:
    """Cuts, writes and gives each picture with its name."""
    current: Header = series.current
    u, v = oblique(options.angles) if options.angles is not None else DIRECTIONS[options.plane]
    step_mm = options.step or options.slab or plan.step_mm
    planes = sweep(volume, u, v, step_mm=step_mm, pixel_mm=options.pixel, centre_mm=options.at)
    window = options.window or proposed(current, volume)
    cuts = [cut(volume, plane, slab_mm=options.slab, mode=options.mode) for plane in planes]
    files: dict[Path, bytes] = {}
    names = [f"{options.plane}-{number:04}" for number in range(1, len(cuts) + 1)]
    for name, each in zip(names, cuts, strict=True):
        files[options.out / f"{name}.png"] = png(each, window)
    if options.dicom:
        angles = " ".join(f"{angle:g}" for angle in options.angles or ())
        slab = f", slab {options.slab:g} mm {options.mode}" if options.slab else ""
        derived = Derived(
            description=f"MPR {options.plane} {angles}".strip() + slab,
            spacing_mm=step_mm,
            window=window,
            time=datetime.now(UTC),
        )
        for name, data in zip(names, dicom_series(cuts, plan, current, derived), strict=True):
            files[options.out / "dicom" / f"{name}.dcm"] = data
    _say(f"writing {len(files)} files")
    durable.write_all(files, _PRIVATE)
    yield from ((f"{name}.png", each) for name, each in zip(names, cuts, strict=True))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _numbers(text: str, count: int) -> tuple[float, ...]:
    values = tuple(float(part) for part in text.split(","))
    if len(values) != count:
        raise argparse.ArgumentTypeError(f"{count} numbers with commas between them are needed")
    return values


def _triple(text: str) -> tuple[float, ...]:
    return _numbers(text, 3)


def _pair(text: str) -> tuple[float, ...]:
    centre, width = _numbers(text, 2)
    if not width >= 1:
        raise argparse.ArgumentTypeError("the width is at least 1")
    return centre, width


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("it must be above 0")
    return value


def _not_negative(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise argparse.ArgumentTypeError("it must not be below 0")
    return value
