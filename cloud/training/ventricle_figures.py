"""Figures of the ventricle model: width and midline against what was painted, and what it says of real heads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import nn

from cloud.infer.midline import ridges, trace_midline
from cloud.infer.preprocess import CropBox, EllipseLike, Gray, Plane, brain_input, crop_box, cut_crop, enhance
from cloud.infer.ventricle import VentricleReading, VentricleWidth, read_ventricles
from cloud.training.card import Table, mean_metric, metric
from cloud.training.data import FINDINGS
from cloud.training.metrics import Interval, area_under_curve, bootstrap
from cloud.training.painting import paint_ventricles
from cloud.training.simulated import SimulatedHead
from cloud.training.ventricles import HeadStill, push_maps

Look = Callable[[Plane], Plane]
"""The model: probability float32 [2, h, w] of an enhanced crop float32 [1, 224, 224]."""

DEV_WIDTHS = (0.06, 0.36)
"""Atrial width over BPD of the painted heads that are measured, evenly spread."""
WIDE_SHARE = 0.17
"""Width over BPD that counts as wide where no scale is known: 10 mm of a BPD of 59 mm."""
WIDE_MM = 10.0
GROSS_ERROR = 0.1
"""An error of a width beyond this share of the BPD: something else was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One measurement beside its truth, in still pixels."""

    group: str
    """Patient, examination or source picture."""
    source: str
    """The data set."""
    truth_px: float
    """The width that was painted."""
    width_px: float
    """The width that was measured; not a number where none was."""
    sd_px: float
    """The stated uncertainty."""
    bpd_px: float
    """The head's BPD."""
    mm_per_pixel: float | None
    """Side of a pixel in millimetres, where it is known."""

    @property
    def error(self) -> float:
        """Measured less painted width as a share of the BPD."""
        return (self.width_px - self.truth_px) / self.bpd_px


def look_with(model: nn.Module) -> Look:
    """The network as a function of one crop."""
    model.eval()

    def look(crop: Plane) -> Plane:
        with torch.no_grad():
            return np.asarray(model(torch.from_numpy(crop[np.newaxis]))[0].numpy(), np.float32)

    return look


def reading_of(gray: Gray, head: EllipseLike, look: Look) -> VentricleReading:
    """What is read of a still, as at run time."""
    return _read(gray, head, crop_box(head, gray.shape), look)


def _read(gray: Gray, head: EllipseLike, box: CropBox, look: Look) -> VentricleReading:
    canvas = brain_input(enhance(cut_crop(gray, box)))
    return read_ventricles(look(canvas), canvas, head, box)


def normal(stills: Sequence[HeadStill]) -> list[HeadStill]:
    """The heads that their data set calls normal."""
    return [still for still in stills if still.finding == FINDINGS[0]]


def measured_painted(stills: Sequence[HeadStill], look: Look, rng: Generator) -> list[Measured]:
    """One ventricle in the far half of each normal head, in every other one both, and what is measured."""
    rows: list[Measured] = []
    for number, still in enumerate(normal(stills)):
        width = float(rng.uniform(*DEV_WIDTHS))
        painted = paint_ventricles(still.gray, still.head, rng, far=width, near=width if number % 2 else None)
        found = reading_of(painted.gray, still.head, look).measured
        truth = painted.ventricles[0]
        if found is not None and not found.far and len(painted.ventricles) == 2:
            truth = painted.ventricles[1]
        rows.append(
            Measured(
                group=still.group,
                source=still.source,
                truth_px=truth.width_px,
                width_px=math.nan if found is None else found.width_px,
                sd_px=math.nan if found is None else found.width_sd_px,
                bpd_px=2 * still.head.b,
                mm_per_pixel=still.mm_per_pixel,
            )
        )
    return rows


def measured_simulated(heads: Sequence[SimulatedHead], look: Look) -> list[Measured]:
    """The virtual scanner's heads that show the atrium, and what is measured."""
    rows: list[Measured] = []
    for one in heads:
        if one.atrium_mm is None or one.lesion:
            continue
        found = reading_of(one.gray, one.head, look).measured
        rows.append(
            Measured(
                group=one.group,
                source="simulated",
                truth_px=one.atrium_mm / one.mm_per_pixel,
                width_px=math.nan if found is None else found.width_px,
                sd_px=math.nan if found is None else found.width_sd_px,
                bpd_px=2 * one.head.b,
                mm_per_pixel=one.mm_per_pixel,
            )
        )
    return rows


def width_rows(rows: Sequence[Measured], name: str, seed: int) -> list[Table]:
    """Detection, error in shares of the BPD and in mm, and how honest the stated uncertainty is."""
    groups = [row.group for row in rows]
    kept = [row for row in rows if math.isfinite(row.width_px)]
    own = [row.group for row in kept]
    errors = np.array([row.error for row in kept])
    stated = np.array([abs(row.width_px - row.truth_px) <= 2 * row.sd_px for row in kept])
    tables = [
        mean_metric(
            f"width measured, {name}",
            np.array([math.isfinite(row.width_px) for row in rows]),
            groups,
            seed,
            "share",
        ),
        mean_metric(f"width, mean absolute error, {name}", np.abs(errors), own, seed, "of the BPD"),
        mean_metric(f"width, mean error, {name}", errors, own, seed, "of the BPD"),
        _percentile(f"width, 95 % of errors within, {name}", np.abs(errors), own, seed, "of the BPD"),
        mean_metric(f"width within twice its stated uncertainty, {name}", stated, own, seed, "share"),
    ]
    scaled = [(row, row.mm_per_pixel) for row in kept if row.mm_per_pixel is not None]
    if scaled:
        in_mm = np.abs(np.array([(row.width_px - row.truth_px) * mm for row, mm in scaled]))
        whose = [row.group for row, _ in scaled]
        note = "heads of known scale"
        tables.append(
            mean_metric(f"width in mm, mean absolute error, {name}", in_mm, whose, seed, "mm", note)
        )
        tables.append(_percentile(f"width in mm, 95 % of errors within, {name}", in_mm, whose, seed, "mm"))
    return tables


def _percentile(name: str, values: NDArray[np.float64], groups: Sequence[str], seed: int, unit: str) -> Table:
    interval = bootstrap(lambda chosen: float(np.percentile(values[chosen], 95)), groups, seed=seed)
    return metric(name, interval, unit, f"{len(values)} frames")


def baseline_row(rows: Sequence[Measured], seed: int) -> Table:
    """Error of always stating the mean painted width, whatever the picture shows."""
    shares = np.array([row.truth_px / row.bpd_px for row in rows])
    errors = np.abs(shares - shares.mean())
    note = "the mean painted width, whatever the picture shows"
    return mean_metric(
        "width, mean absolute error, painted", errors, [row.group for row in rows], seed, "of the BPD", note
    )


def real_rows(stills: Sequence[HeadStill], look: Look, seed: int) -> list[Table]:
    """What is measured on real heads that nothing was painted on; their labels are unconfirmed."""
    readings = [reading_of(still.gray, still.head, look).measured for still in stills]
    shares = np.array(
        [
            0.0 if one is None else one.width_px / (2 * s.head.b)
            for s, one in zip(stills, readings, strict=True)
        ]
    )
    rows: list[Table] = []
    for finding in FINDINGS[1:]:
        chosen = [
            number
            for number, still in enumerate(stills)
            if still.source == "brain_abnormal" and still.finding in (FINDINGS[0], finding)
        ]
        positive = np.array([stills[number].finding == finding for number in chosen])
        interval = _auc(shares[chosen], positive, [stills[number].group for number in chosen], seed)
        note = f"brain_abnormal dev, unconfirmed labels, none found counts as 0; {len(chosen)} frames"
        rows.append(metric(f"AUC of width over BPD, {finding} against normal", interval, "0..1", note))
    for source in ("brain_abnormal", "planes", "hc18"):
        rows += _false_alarms(stills, readings, source, seed)
    return rows


def _auc(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], groups: Sequence[str], seed: int
) -> Interval:
    return bootstrap(lambda drawn: area_under_curve(scores[drawn], positive[drawn]), groups, seed=seed)


def _false_alarms(
    stills: Sequence[HeadStill], readings: Sequence[VentricleWidth | None], source: str, seed: int
) -> list[Table]:
    chosen = [n for n, one in enumerate(stills) if one.source == source and one.finding == FINDINGS[0]]
    groups = [stills[number].group for number in chosen]
    wide: list[bool] = []
    for number in chosen:
        still, found = stills[number], readings[number]
        if found is None:
            wide.append(False)
        elif still.mm_per_pixel is not None:
            wide.append(found.width_px * still.mm_per_pixel >= WIDE_MM)
        else:
            wide.append(found.width_px >= WIDE_SHARE * 2 * still.head.b)
    rule = "10 mm" if source == "hc18" else f"{WIDE_SHARE} of the BPD, since no scale is known"
    measured = np.array([readings[number] is not None for number in chosen])
    return [
        mean_metric(f"normal heads measured, {source}", measured, groups, seed, "share", "as they are"),
        mean_metric(
            f"normal heads measured as wide, {source}", np.array(wide), groups, seed, "share", f"at {rule}"
        ),
    ]


def midline_rows(stills: Sequence[HeadStill], look: Look, rng: Generator, seed: int) -> list[Table]:
    """Each head's inside is pushed aside by a known way; how well the change of the measured shift tells it.

    Beside the reading: the same tracing on plain bright ridges.
    """
    errors: dict[str, list[float]] = {"reading": [], "ridges": []}
    groups: dict[str, list[str]] = {"reading": [], "ridges": []}
    for still in stills:
        box = crop_box(still.head, still.gray.shape)
        share = float(rng.choice([-1, 1]) * rng.uniform(0.05, 0.15))
        maps = push_maps(still.gray.shape, still.head, share)
        moved = np.asarray(cv2.remap(still.gray, *maps, cv2.INTER_LINEAR), np.uint8)
        for name, ask in (("reading", _by_reading(look)), ("ridges", _by_ridges)):
            before, after = ask(still.gray, still.head, box), ask(moved, still.head, box)
            if before is not None and after is not None:
                # The reading counts shifts away from the probe, `push_maps` along its own axis.
                away = 1 if math.cos(math.radians(still.head.angle_deg)) >= 0 else -1
                errors[name].append((after - before) / (2 * still.head.b) - away * share / 2)
                groups[name].append(still.group)
    rows: list[Table] = []
    for name, how in (("reading", "ridges that the model believes in"), ("ridges", "plain bright ridges")):
        values, own = np.abs(np.array(errors[name])), groups[name]
        share = len(values) / max(1, len(stills))
        note = f"by {how}; inside of real heads pushed aside by 2.5 to 7.5 % of the BPD; {share:.0%} traced"
        rows += [
            mean_metric(f"midline shift, mean absolute error, {name}", values, own, seed, "of the BPD", note),
            _percentile(f"midline shift, 95 % of errors within, {name}", values, own, seed, "of the BPD"),
        ]
    return rows


def _by_reading(look: Look) -> Callable[[Gray, EllipseLike, CropBox], float | None]:
    def ask(gray: Gray, head: EllipseLike, box: CropBox) -> float | None:
        midline = _read(gray, head, box, look).midline
        return None if midline is None else midline.shift_px

    return ask


def _by_ridges(gray: Gray, head: EllipseLike, box: CropBox) -> float | None:
    cosine, sine = math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg))
    away = 1 if cosine >= 0 else -1
    picture = ridges(gray.astype(np.float32), 0.03 * head.b + 2)
    found = trace_midline(
        picture, (head.cx, head.cy), (cosine, sine), (-away * sine, away * cosine), (head.a, head.b)
    )
    return None if found is None else found.shift_px


def uncertainty_of(rows: Sequence[Measured]) -> tuple[float, float]:
    """The two parts of a width's uncertainty: a share of the BPD, and a share of the width, least squares.

    Gross errors are left out: they are the confidence's to catch, and the card counts them.
    """
    kept = [row for row in rows if math.isfinite(row.width_px) and abs(row.error) < GROSS_ERROR]
    squares = np.array([row.error**2 for row in kept])
    columns = np.stack(
        [np.ones(len(kept)), np.array([(row.width_px / row.bpd_px) ** 2 for row in kept])], axis=1
    )
    parts, *_ = np.linalg.lstsq(columns, squares, rcond=None)
    return float(math.sqrt(max(parts[0], 0.0))), float(math.sqrt(max(parts[1], 0.0)))
