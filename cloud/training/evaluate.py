"""Measures committed weights on `dev` again and prints every figure beside its card's, with interval and baseline."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.infer.engines.repository import card_of
from cloud.infer.preprocess import Plane
from cloud.training import (
    fern_card,
    fern_samples,
    make_brain,
    make_ferns,
    make_head,
    make_outline,
    make_planes,
    make_subplanes,
    make_ventricles,
    planes,
    subplanes,
    ventricles,
)
from cloud.training.brain_figures import baseline as brightness_baseline
from cloud.training.brain_figures import figures as brain_figures
from cloud.training.card import Table
from cloud.training.classification import Calibration
from cloud.training.data import DataMissing, head_frames, plane_frames
from cloud.training.ferns import TrainedFerns
from cloud.training.make_brain import dev_data
from cloud.training.make_ferns import strangers_at_hand
from cloud.training.make_head import published_finder
from cloud.training.onnx_model import OnnxModel
from cloud.training.options import Options, Say
from cloud.training.plane_figures import Readings, Rules, plane_metrics, rejection, robustness
from cloud.training.publish import newest_version

SHIPPED_FERNS = Path(__file__).resolve().parents[2] / "edge_agent" / "models" / "capture_type"
TOLERANCE = 0.002
"""A figure may differ this much from its card's: processors round differently, and a frame may tip over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A model of the repository with its card."""

    name: str
    """Its folder's name."""
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
        published = read_published(options, name)
        say(f"\n{name} version {published.card['version']}: {published.card.get('task', '')}")
        stated = _stated(published.card)
        seen: set[str] = set()
        for kind, rows in measure(published, options):
            for row in rows:
                differs = _differs(row, stated[kind].get(str(row["name"])))
                different += differs
                seen.add(str(row["name"]))
                say(_line(row, kind, "  DIFFERS FROM ITS CARD" if differs else ""))
        for row in [*published.card.get("metrics", []), *published.card.get("machines", [])]:
            if row["name"] not in seen:
                say(_line(row, "trained", ""))
    say(f"\n{different} figures differ from their card by more than {TOLERANCE}. {NOTE}")
    return different


NOTE = (
    "Rows marked trained come from the card: several trainings without a part of the data, see the studies of "
    "`python -m cloud.training --help`. Public pictures, unconfirmed labels: none of these figures is a clinical "
    "performance. Research use, not for diagnosis."
)


def read_published(options: Options, name: str) -> Published:
    """The newest version of a model with its card; the ferns, which serve at the edge, are the shipped ones where
    the repository has none. Raises DataMissing for a model without weights or card."""
    folder = options.out / name
    if name == make_ferns.NAME:
        folder = folder if folder.is_dir() else SHIPPED_FERNS
        file, card_file = folder / "ferns.npz", folder / "card.toml"
    else:
        version = str(newest_version(folder))
        file, card_file = folder / version / "model.onnx", card_of(folder, version) or folder / "card.toml"
    for needed in (file, card_file):
        if not needed.is_file():
            raise DataMissing(f"no model {name} in {options.out}: {needed.name} is missing")
    return Published(name=name, file=file, card=tomllib.loads(card_file.read_text(encoding="utf-8")))


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
    find_head = published_finder(options.out)
    frames = list(head_frames(options.data, "dev"))
    offset_px = float(published.card["outline"]["offset_px"])
    metrics, baseline = make_outline.figures(published.model, find_head, frames, offset_px, options.seed)
    yield "measured", metrics
    rows = baseline["figures"]
    assert isinstance(rows, list)
    yield "baseline", rows


def _planes(published: Published, options: Options) -> Measured:
    model, card = published.model, published.card

    def read(pictures: Sequence[Plane], /) -> Readings:
        outputs = model(list(pictures))
        return Readings(logits=outputs["logits"], novelty=outputs["novelty"][:, 0])

    rules = Rules(
        temperature=card["calibration"]["temperature"],
        min_probability=card["abstain"]["min_probability"],
        novelty_max=card["novelty"]["max"],
        frame_count=card["calibration"]["frames"],
    )
    yield (
        "measured",
        plane_metrics(read, rules, planes.to_measure(options.data, options.work, options.seed), options.seed),
    )
    yield "measured", robustness(read, rules, list(plane_frames(options.data, "dev")), options.seed)
    yield "measured", rejection(read, rules, options.data, options.seed)


def _subplanes(published: Published, options: Options) -> Measured:
    card = published.card
    calibration = Calibration(
        temperature=card["calibration"]["temperature"],
        min_probability=card["abstain"]["min_probability"],
        frame_count=card["calibration"]["frames"],
    )
    dev = subplanes.load(options.data, "dev", published_finder(options.out))
    yield "measured", make_subplanes.figures(published.model, dev, calibration, options.seed)
    row = make_subplanes.baseline(dev)
    yield "baseline", [{**row, "low_95": row["value"], "high_95": row["value"], "unit": "share"}]


def _ventricles(published: Published, options: Options) -> Measured:
    find_head = published_finder(options.out)
    data = make_ventricles.VentricleData(
        stills=ventricles.load_stills(options.data, "dev", find_head),
        printed=make_ventricles.printed(options, 3, make_ventricles.DEV_PRINTS),
    )
    metrics, baseline = make_ventricles.figures(make_ventricles.looking(published.model), data, options.seed)
    yield "measured", metrics
    yield "baseline", [baseline]


def _brain(published: Published, options: Options) -> Measured:
    find_head = published_finder(options.out)
    data = dev_data(options.data, find_head, options.work, options.seed)
    card = published.card
    calibration, abstain = card["calibration"]["temperature"], card["abstain"]["min_probability"]
    yield "measured", brain_figures(published.model, data, calibration, abstain, options.seed)
    rows = brightness_baseline(data, options.seed)["figures"]
    assert isinstance(rows, list)
    yield "baseline", rows


def _ferns(published: Published, options: Options) -> Measured:
    ferns = TrainedFerns.load(published.file)
    dev = fern_samples.load(options.data, "dev", options.seed + 1)
    yield "measured", fern_card.dev_metrics(ferns, dev, strangers_at_hand(options.data), options.seed)
    row = fern_card.baseline(dev)
    yield "baseline", [{**row, "low_95": row["value"], "high_95": row["value"], "unit": "share"}]


MEASURES: dict[str, Callable[[Published, Options], Measured]] = {
    make_head.NAME: _head,
    make_outline.NAME: _outline,
    make_planes.NAME: _planes,
    make_subplanes.NAME: _subplanes,
    make_ventricles.NAME: _ventricles,
    make_brain.NAME: _brain,
    make_ferns.NAME: _ferns,
}
"""How each model is measured."""
