"""Measures committed weights on `dev` again and prints every figure beside its card's, with interval and baseline."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cloud.infer.preprocess import Plane
from cloud.training import (
    make_brain,
    make_head,
    make_outline,
    make_planes,
    make_ventricles,
    planes,
    ventricles,
)
from cloud.training.brain_figures import baseline as brightness_baseline
from cloud.training.brain_figures import figures as brain_figures
from cloud.training.card import Table, mean_metric
from cloud.training.data import DataMissing, head_frames, plane_frames
from cloud.training.make_brain import dev_data, published_finder
from cloud.training.onnx_model import OnnxModel
from cloud.training.options import Options, Say
from cloud.training.plane_figures import Readings, Rules, plane_metrics, rejection, robustness

TOLERANCE = 0.002
"""A figure may differ this much from its card's: processors round differently, and a frame may tip over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model of the repository with its card."""

    name: str
    """Its folder's name."""
    version: int
    """The newest version, which is the shipped one."""
    file: Path
    """Its weights."""
    card: Mapping[str, Any]
    """Its card."""

    @property
    def model(self) -> OnnxModel:
        """The weights, ready to run."""
        return OnnxModel(self.file)


def evaluate(options: Options, say: Say) -> int:
    """Prints the tables of all models in `options.out`; returns how many figures differ from their card's.

    Raises DataMissing for a repository without the model or without its card.
    """
    different = 0
    for name, measure in MEASURES.items():
        published = read_published(options.out, name)
        say(f"\n{name} version {published.version}: {published.card.get('task', '')}")
        stated = _stated(published.card)
        for kind, rows in measure(published, options):
            for row in rows:
                differs = _differs(row, stated[kind].get(str(row["name"])))
                different += differs
                say(_line(row, kind, "  DIFFERS FROM ITS CARD" if differs else ""))
    say(f"\n{different} figures differ from their card by more than {TOLERANCE}. {NOTE}")
    return different


NOTE = (
    "Public pictures, unconfirmed labels: none of these figures is a clinical performance. "
    "Research use, not for diagnosis."
)


def read_published(repository: Path, name: str) -> Published:
    """The newest version of a model with its card."""
    folder = repository / name
    versions = [int(each.name) for each in folder.glob("[0-9]*") if (each / "model.onnx").is_file()]
    if not versions:
        raise DataMissing(f"no model {name} in {repository}")
    version = max(versions)
    cards = [each for each in (folder / str(version) / "card.toml", folder / "card.toml") if each.is_file()]
    if not cards:
        raise DataMissing(f"{name} has no card")
    card = tomllib.loads(cards[0].read_text(encoding="utf-8"))
    return Published(name=name, version=version, file=folder / str(version) / "model.onnx", card=card)


def _stated(card: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The card's figures by name: those of the model, and those of the baseline."""
    own = [row for table in ("metrics", "robustness", "rejection") for row in card.get(table, [])]
    baseline = card.get("baseline", {})
    beside = baseline.get("figures", [baseline])
    return {
        "measured": {str(row["name"]): row for row in own},
        "baseline": {str(row.get("name")): row for row in beside},
    }


def _differs(row: Table, stated: Mapping[str, Any] | None) -> bool:
    """Whether a figure is not its card's; one that the card does not have is."""
    if stated is None:
        return True
    measured, said = float(str(row["value"])), float(stated["value"])
    return abs(measured - said) > TOLERANCE * max(1.0, abs(said))


def _line(row: Table, kind: str, mark: str) -> str:
    interval = f"({row['low_95']} to {row['high_95']})"
    return f"  {kind:9} {row['name']!s:72.72} {row['value']!s:>8} {interval:22} {row['unit']!s:6}{mark}"


Measured = Iterator[tuple[str, Sequence[Table]]]


def _head(published: Published, options: Options) -> Measured:
    metrics, baseline = make_head.figures(make_head.finder(published.model), options.data, options.seed)
    yield "measured", metrics
    yield "baseline", [baseline]


def _outline(published: Published, options: Options) -> Measured:
    find_head = published_finder(options.out, published.version)
    frames = list(head_frames(options.data, "dev"))
    offset_px = float(published.card["outline"]["offset_px"])
    metrics, baseline = make_outline.figures(published.model, find_head, frames, offset_px, options.seed)
    yield "measured", metrics
    rows = baseline["figures"]
    assert isinstance(rows, list)
    yield "baseline", rows


def _planes(published: Published, options: Options) -> Measured:
    model, card = published.model, published.card
    if "subplane" not in card:
        yield "measured", _four_planes(model, options)
        return

    def read(pictures: Sequence[Plane], /) -> Readings:
        outputs = model(list(pictures))
        return Readings(
            logits=outputs["logits"], sub_planes=outputs["subplane"], novelty=outputs["novelty"][:, 0]
        )

    rules = Rules(
        temperature=card["calibration"]["temperature"],
        min_probability=card["abstain"]["min_probability"],
        novelty_max=card["novelty"]["max"],
        sub_plane_temperature=card["subplane"]["temperature"],
        sub_plane_min_probability=card["subplane"]["min_probability"],
        frame_count=card["calibration"]["frames"],
        sub_plane_count=card["subplane"]["frames"],
    )
    yield "measured", plane_metrics(read, rules, planes.load(options.data, "dev"), options.seed)
    yield "measured", robustness(read, rules, list(plane_frames(options.data, "dev")), options.seed)
    yield "measured", rejection(read, rules, options.data, options.seed)


def _four_planes(model: OnnxModel, options: Options) -> list[Table]:
    """The figures of a version that knows the four planes and nothing else."""
    samples = planes.load(options.data, "dev")
    read = model(planes.inputs(samples))["logits"].argmax(axis=1)
    rows: list[Table] = []
    for source, name in (("planes", "accuracy over four planes"), ("hc18", "hc18 frames read as brain")):
        chosen = [number for number, sample in enumerate(samples) if sample.source == source]
        right = np.array([read[number] == samples[number].label for number in chosen])
        groups = [samples[number].group for number in chosen]
        rows.append(mean_metric(name, right, groups, options.seed, "share", f"{source} dev"))
    return rows


def _ventricles(published: Published, options: Options) -> Measured:
    find_head = published_finder(options.out, read_published(options.out, make_head.NAME).version)
    data = make_ventricles.VentricleData(
        stills=ventricles.load_stills(options.data, "dev", find_head),
        printed=make_ventricles.printed(options, 3, make_ventricles.DEV_PRINTS),
    )
    metrics, baseline = make_ventricles.figures(make_ventricles.looking(published.model), data, options.seed)
    yield "measured", metrics
    yield "baseline", [baseline]


def _brain(published: Published, options: Options) -> Measured:
    find_head = published_finder(options.out, read_published(options.out, make_head.NAME).version)
    data = dev_data(options.data, find_head, options.work, options.seed)
    card = published.card
    calibration, abstain = card["calibration"]["temperature"], card["abstain"]["min_probability"]
    yield "measured", brain_figures(published.model, data, calibration, abstain, options.seed)
    rows = brightness_baseline(data, options.seed)["figures"]
    assert isinstance(rows, list)
    yield "baseline", rows


MEASURES: dict[str, Callable[[Published, Options], Measured]] = {
    make_head.NAME: _head,
    make_outline.NAME: _outline,
    make_planes.NAME: _planes,
    make_ventricles.NAME: _ventricles,
    make_brain.NAME: _brain,
}
"""How each model is measured."""
