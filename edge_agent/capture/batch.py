"""Batch orders (TX-01): a label or a path names a folder, and all its files go through the line.

A series order goes the same way; its files are judged as images of CT, MR, PET and ultrasound series.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.capture import Intake
from edge_agent.capture.settle import SourceChanged
from edge_agent.errors import EdgeError, SpoolFull
from edge_agent.spool.records import SERIES_INPUT

INPUT_NAME: Final = "batch"
_TAKE_THREADS: Final = 4
_NAMED_MAX: Final = 5
_SERIES_LABEL: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")

TakeFile = Callable[[Path, str, float | None], str]
"""Takes one finished file in: path, label, mm per pixel; the capture id. Errors: EdgeError, OSError."""


class OrderInvalid(EdgeError):
    """The order cannot be carried out as given; the message names what is wrong and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """A transfer instruction, resolved."""

    input_name: str
    """Input of every capture of the batch: batch or series."""
    label: str
    """Label of every capture of the batch; of a series order empty where the sender gave none."""
    files: tuple[Path, ...]
    """Every file to be sent, sorted."""
    mm_per_pixel: Mapping[str, float]
    """Scale by file name, where given."""
    note: str
    """What the sender should know before it starts; empty: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What became of an order at the spool's door."""

    capture_ids: Mapping[str, str]
    """Capture id by path, of every file that the spool holds now."""
    not_taken: Mapping[str, str]
    """Why by path, of every file that could not be read or kept."""
    is_series: bool
    """Whether it was a series order."""


def resolve(
    *,
    path: Path | None,
    label: str | None,
    labels: Mapping[str, Path],
    scale: Path | None,
    is_series: bool = False,
) -> BatchOrder:
    """Finds the folder of an order and everything in it. Raises OrderInvalid, naming what is wrong."""
    if is_series and label is not None and not _SERIES_LABEL.fullmatch(label):
        raise OrderInvalid(
            f"label {label!r}: the label of a series is shown at the server; write 1 to 32 letters, digits, dots, "
            "dashes, and no name of a patient"
        )
    if path is None:
        if label is None:
            raise OrderInvalid("name what to send: --path FOLDER, or --label of a preset folder")
        if label not in labels:
            known = ", ".join(sorted(labels)) or "none"
            raise OrderInvalid(f"no folder is preset for the label {label!r} (preset: {known}); give --path")
        path = labels[label]
    files = _files_of(path)
    scales = {} if scale is None else read_scale(scale)
    # A table of a whole archive may be given for a few of its files; one that fits none is a mistake.
    strangers = sorted(scales.keys() - {file.name for file in files})
    if scales and len(strangers) == len(scales):
        raise OrderInvalid(f"{scale}: not in {path}: {_named(strangers)}; correct the names")
    # The folder's own name may be a patient's: it stays here, and the label of a series travels.
    given = label or ("" if is_series else path.resolve().name or INPUT_NAME)
    return BatchOrder(
        input_name=SERIES_INPUT if is_series else INPUT_NAME,
        label=given,
        files=files,
        mm_per_pixel=scales,
        note=f"the scale also names files that are not here: {_named(strangers)}" if strangers else "",
    )


def _files_of(path: Path) -> tuple[Path, ...]:
    if path.is_file():
        return (path,)
    if not path.is_dir():
        what = "not a file or folder" if path.exists() else "does not exist"
        raise OrderInvalid(f"{path}: {what}; check the path")
    troubles: list[OSError] = []
    found = [
        Path(folder) / name
        for folder, _, names in os.walk(path, onerror=troubles.append)
        for name in names
        if not name.startswith(".")
    ]
    if troubles:
        raise OrderInvalid(
            f"{troubles[0].filename}: cannot be read ({troubles[0].strerror}); check the rights"
        )
    if not found:
        raise OrderInvalid(f"{path}: the folder is empty; nothing to send")
    return tuple(sorted(found))


def read_scale(path: Path) -> dict[str, float]:
    """Millimetres per pixel by file name, from a csv with or without a header row.

    Raises OrderInvalid, naming every bad row by its number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.reader(stream))
    except OSError as error:
        raise OrderInvalid(f"{path}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise OrderInvalid(f"{path}: not a csv file in UTF-8") from error
    scales: dict[str, float] = {}
    bad: list[str] = []
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        value = _number(cells[1]) if len(cells) >= 2 and cells[0] else None
        if value is not None and scales.get(cells[0], value) == value:
            scales[cells[0]] = value
        elif number > 1 or len(cells) < 2 or _looks_like_number(cells[1]):
            bad.append(f"row {number}")
    if bad:
        raise OrderInvalid(f"{path}: {_named(bad)}: write `file name,mm per pixel`, each file once")
    return scales


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 < value < 100 else None


def _looks_like_number(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return ", ".join(names[:_NAMED_MAX]) + more


def take_all(
    order: BatchOrder,
    take: TakeFile,
    progress: Callable[[int, int], None],
    wait: Callable[[float], None],
) -> BatchOutcome:
    """Hands every file of an order to the spool, several at a time; a full spool is waited for.

    `take`: takes one file; `progress`: called with files handled and files in all; `wait`: sleeps seconds.
    """
    capture_ids: dict[str, str] = {}
    not_taken: dict[str, str] = {}

    def one(path: Path) -> tuple[Path, str, bool]:
        while True:
            try:
                return path, take(path, order.label, order.mm_per_pixel.get(path.name)), True
            except SpoolFull as full:
                wait(full.after_s or 5.0)
            except SourceChanged:
                return path, "somebody is still writing to it; send it again later", False
            except EdgeError as error:
                return path, str(error), False
            except OSError as error:
                return path, f"cannot be read ({error.strerror})", False

    with ThreadPoolExecutor(_TAKE_THREADS, thread_name_prefix="batch") as threads:
        for count, (path, said, taken) in enumerate(threads.map(one, order.files), start=1):
            (capture_ids if taken else not_taken)[str(path)] = said
            progress(count, len(order.files))
    return BatchOutcome(
        capture_ids=capture_ids, not_taken=not_taken, is_series=order.input_name == SERIES_INPUT
    )


def take_with(take_file: Callable[..., str], intake: Intake, input_name: str = INPUT_NAME) -> TakeFile:
    """Binds `edge_agent.capture.take.take_file` to a spool and an input."""

    def take(path: Path, label: str, mm_per_pixel: float | None) -> str:
        return take_file(path, intake, input_name=input_name, label=label, mm_per_pixel=mm_per_pixel)

    return take
