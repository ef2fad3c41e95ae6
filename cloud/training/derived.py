"""Writes all that follows from the trained models of a repository, whatever their dims: other forms of the
weights, configurations for a GPU, the graphs around the models, the ensemble.

A second run changes nothing where the models are the same.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from cloud.infer.engines.repository import card_of
from cloud.infer.preprocess import letterbox
from cloud.training import export_canvas, export_crop, variants
from cloud.training.card import HC18, Table, to_toml
from cloud.training.configs import (
    GPU,
    WEIGHTS,
    Port,
    Step,
    ensemble_config,
    gpu_config,
    int8_config,
    model_config,
    read_config,
    to_text,
)
from cloud.training.data import head_frames
from cloud.training.export_canvas import canvas_model
from cloud.training.export_crop import crop_model
from cloud.training.options import Say
from cloud.training.publish import NOTICE, newest_version, ramp, weights_facts, write_beside, write_version
from cloud.training.variant_figures import BRAIN, HEAD, PLANE, crop_figures, dev_figures, milliseconds

ENSEMBLE: Final = "fetal_reading"
VENTRICLES: Final = "fetal_ventricle_seg"
"""Takes the same crop as the brain model, where it is there."""
INT8_CONFIG: Final = "configs/int8.pbtxt"
LARGEST_DICE_LOSS: Final = 0.002
"""8 bits that cost more Dice on `dev` are not shipped."""
_CALIBRATION_STEP = 4
"""Every so many-th train frame goes into the ranges of the 8-bit activations."""
Measure: TypeAlias = Callable[[Sequence[bytes]], list[list[Table]]]
"""The figures on `dev` of each form of a model's weights."""
_STILL = Port(name="still", shape=(1, -1, -1), kind="UINT8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The newest version of a trained model."""

    folder: Path
    """The model's folder."""
    version: int
    """Its newest version."""
    weights: bytes
    """Its weights."""
    config: Any
    """Its `config.pbtxt`."""
    card: Mapping[str, Any]
    """Its card."""
    card_file: Path
    """Where the card lies."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.folder.name

    @property
    def input(self) -> tuple[str, tuple[int, ...]]:
        """Name and dims of its one input."""
        return self.config.input[0].name, tuple(self.config.input[0].dims)

    def batch(self, count: int) -> dict[str, NDArray[np.float32]]:
        """The sample input, `count` times."""
        name, dims = self.input
        return {name: ramp(dims, count)}

    def has(self, file: str, data: bytes) -> bool:
        """Whether the version has this very variant, and the card says so."""
        path = self.folder / str(self.version) / file
        known = {table["sha256"] for table in self.card.get("variants", {}).values()}
        return path.is_file() and path.read_bytes() == data and hashlib.sha256(data).hexdigest() in known

    def keep(self, file: str, data: bytes, variant: str, table: Table) -> None:
        """Puts a variant into the version and its facts into the card."""
        write_beside(self.folder / str(self.version) / file, data)
        card = tomllib.loads(self.card_file.read_text(encoding="utf-8"))
        write_beside(self.card_file, to_toml(variants.with_variant(card, variant, table)).encode())


def read_trained(repository: Path, name: str) -> Trained:
    """The newest version of a model. Raises FileNotFoundError where it or its card is missing."""
    folder = repository / name
    version = newest_version(folder)
    card_file = card_of(folder, str(version)) if version else None
    if card_file is None:
        raise FileNotFoundError(f"{folder} has no version with a card; train it first")
    return Trained(
        folder=folder,
        version=version,
        weights=(folder / str(version) / WEIGHTS).read_bytes(),
        config=read_config(folder / "config.pbtxt"),
        card=tomllib.loads(card_file.read_text(encoding="utf-8")),
        card_file=card_file,
    )


def derive_all(repository: Path, data: Path | None, say: Say) -> None:
    """Writes everything that follows from the trained models into their repository.

    With the sample images in `data` it also measures, and tries 8 bits; without them the figures are left
    out. Raises FileNotFoundError for a missing model, VariantWrong for halves that overflow.
    """
    trained = {name: read_trained(repository, name) for name in trained_names(repository)}
    for model in trained.values():
        write_half(model, data, say)
    head, plane = trained[HEAD], trained[PLANE]
    if data is not None:
        labels = list(head.card["labels"])
        write_int8(
            head, _train_pictures(head, data), lambda forms: dev_figures(HEAD, forms, labels, data), say
        )
    canvases = {"head_image": head.input[1][1:], "plane_image": plane.input[1][1:]}
    write_graph(
        repository / export_canvas.NAME,
        canvas_model({name: (dims[0], dims[1]) for name, dims in canvases.items()}),
        _canvas_card(),
        say,
    )
    crop = crop_model((head.input[1][1], head.input[1][2]))
    figures = crop_figures(crop.SerializeToString(), head.weights, data) if data else []
    write_graph(repository / export_crop.NAME, crop, _crop_card(figures), say)
    for row in figures:
        say(f"{export_crop.NAME}: {row['name']} {row['value']} {row['unit']}")
    write_ensemble(repository, trained)
    say(f"{ENSEMBLE}: written")


def trained_names(repository: Path) -> list[str]:
    """The models that were trained: the three that a reading needs first, then all others that are there."""
    needed, made = [HEAD, PLANE, BRAIN], (export_canvas.NAME, export_crop.NAME, ENSEMBLE)
    found = sorted(path.parent.name for path in repository.glob("[!.]*/config.pbtxt"))
    return needed + [name for name in found if name not in needed and name not in made]


def write_half(model: Trained, data: Path | None, say: Say) -> None:
    """Adds the half-precision form and `configs/gpu.pbtxt`; with data, its figures beside the single ones."""
    write_beside(model.folder / GPU, to_text(gpu_config(model.config, variants.HALF)).encode())
    weights = variants.half(model.weights)
    if data is None and model.has(variants.HALF, weights):
        say(f"{model.name}: half precision is up to date")
        return
    apart = variants.check_half(model.weights, weights, model.batch(2))
    figures: list[Table] = []
    if data is not None:
        labels = list(model.card["labels"])
        forms = [model.weights, variants.rounded(model.weights)]
        single, figures = dev_figures(model.name, forms, labels, data)
        for before, after in zip(single, figures, strict=True):
            after["single_precision"] = before["value"]
            say(f"{model.name}: {after['name']}: {before['value']}, in half precision {after['value']}")
    model.keep(variants.HALF, weights, "fp16", variants.facts(variants.HALF, weights, apart, figures))
    say(f"{model.name}: half precision differs by at most {max(apart.values()):.5f} of the largest value")


def write_int8(model: Trained, pictures: Sequence[NDArray[np.float32]], measure: Measure, say: Say) -> bool:
    """Tries the head model in 8 bits; keeps it with `configs/int8.pbtxt` only where it costs at most
    LARGEST_DICE_LOSS, and says what was measured. Whether it was kept.

    `pictures` are train frames as the model takes them, a batch of one each; `measure` gives the figures on
    `dev`, Dice first.
    """
    weights = variants.eight_bits(model.weights, model.input[0], pictures)
    single, figures = measure([model.weights, weights])
    values = [float(np.asarray(rows[0]["value"])) for rows in (single, figures)]
    taken = milliseconds([model.weights, weights], model.batch(1))
    kept = abs(values[0] - values[1]) <= LARGEST_DICE_LOSS
    say(
        f"{model.name}: Dice {values[0]:.4f}, in 8 bits {values[1]:.4f}; "
        f"{taken[1] / taken[0]:.2f} of the time ({taken[0]:.1f} ms); {'kept' if kept else 'not kept'}"
    )
    if not kept:
        return False
    for before, after in zip(single, figures, strict=True):
        after["single_precision"] = before["value"]
    apart = variants.differences(model.weights, weights, model.batch(1))
    table = variants.facts(variants.INT8, weights, apart, figures)
    table["time_share"] = round(taken[1] / taken[0], 2)
    model.keep(variants.INT8, weights, "int8", table)
    text = to_text(int8_config(model.config, variants.INT8))
    write_beside(model.folder / INT8_CONFIG, text.encode())
    return True


def _train_pictures(model: Trained, data: Path) -> list[NDArray[np.float32]]:
    """Train frames as the head model takes them, for the ranges of its 8-bit activations."""
    _, rows, columns = model.input[1]
    frames = list(head_frames(data, "train"))[::_CALIBRATION_STEP]
    return [letterbox(frame.gray, (rows, columns))[0][np.newaxis, np.newaxis] for frame in frames]


def write_graph(folder: Path, graph: onnx.ModelProto, card: Table, say: Say) -> None:
    """Publishes a graph as a new version of its model, unless the newest one is the same."""
    weights = graph.SerializeToString()
    version = newest_version(folder)
    if version and (folder / str(version) / WEIGHTS).read_bytes() == weights:
        say(f"{folder.name}: version {version} is up to date")
        return
    version += 1
    config = model_config(folder.name, _ports(graph.graph.input), _ports(graph.graph.output))
    settings = {"config.pbtxt": to_text(config), GPU: to_text(gpu_config(config))}
    table = {**weights_facts(folder.name, version, weights, ()), **card}
    write_version(folder, version, {WEIGHTS: weights, "card.toml": to_toml(table).encode()}, settings)
    say(f"{folder.name}: version {version} written")


def _ports(tensors: Any) -> list[Port]:
    """The tensors of a graph without their batch axis."""
    kinds = {onnx.TensorProto.FLOAT: "FP32", onnx.TensorProto.UINT8: "UINT8"}
    return [
        Port(
            name=tensor.name,
            shape=tuple(d.dim_value or -1 for d in list(tensor.type.tensor_type.shape.dim)[1:]),
            kind=kinds[tensor.type.tensor_type.elem_type],
        )
        for tensor in tensors
    ]


def write_ensemble(repository: Path, trained: Mapping[str, Trained]) -> None:
    """Writes `fetal_reading`: one gray still in, everything that the models say of it out."""
    folder = repository / ENSEMBLE
    steps, outputs = _steps(repository, trained)
    text = to_text(ensemble_config(ENSEMBLE, [_STILL], outputs, steps)).encode()
    for name in ("config.pbtxt", GPU):
        write_beside(folder / name, text)
    card = {"name": ENSEMBLE, "version": "1", "notice": NOTICE, "labels": [], **_ensemble_card()}
    # Triton wants a version folder of an ensemble, too; the card is what keeps it in the tree.
    write_beside(folder / "1" / "card.toml", to_toml(card).encode())


def _steps(repository: Path, trained: Mapping[str, Trained]) -> tuple[list[Step], list[Port]]:
    """The ensemble's steps and its outputs: the crop's by their own names, the models' with a prefix."""
    canvas, crop = export_canvas.NAME, export_crop.NAME
    fed = {HEAD: "head_image", PLANE: "plane_image", BRAIN: "crop", VENTRICLES: "crop"}
    names = ("head_image", "plane_image")
    steps = [Step(model=canvas, inputs={"still": "still"}, outputs={name: name for name in names})]
    outputs = []
    for name, model in trained.items():
        if name not in fed:
            continue
        prefix = name.split("_")[1]
        given = {port.name: f"{prefix}_{port.name}" for port in model.config.output}
        steps.append(Step(model=name, inputs={model.input[0]: fed[name]}, outputs=given))
        outputs += [Port(name=given[port.name], shape=tuple(port.dims)) for port in model.config.output]
    cut = read_config(repository / crop / "config.pbtxt").output
    inputs = {"still": "still", "probability": "head_probability"}
    steps.append(Step(model=crop, inputs=inputs, outputs={port.name: port.name for port in cut}))
    outputs += [Port(name=port.name, shape=tuple(port.dims)) for port in cut]
    return steps, outputs


def _canvas_card() -> Table:
    return {
        "task": "put a gray still onto the canvases of the head and the plane model",
        "step": "11 of 13: infer, prepare",
        "known_failures": ["single pixels differ by one gray value of 255 from the reading's own canvases"],
        "input": {"still": "UINT8 [N, 1, H, W], gray, any size; the stills of one batch have one size"},
        "output": {
            "head_image": "FP32 [N, 1, h, w], gray 0..1, letterboxed, top left; the head model's input",
            "plane_image": "FP32 [N, 1, h, w], the same for the plane model",
        },
    }


def _crop_card(figures: list[Table]) -> Table:
    card: Table = {
        "task": "cut the fetal head out of the still and enhance it for the brain model",
        "step": "11 of 13: infer, crop and enhance",
        "known_failures": [
            "the ellipse comes from the moments of the region: of a head that leaves the still it is the visible "
            "part, which the reading completes",
            "two regions that almost touch are taken for one; the reading counts them and abstains",
            "without a head the crop is the whole still and found is 0: what follows says nothing then",
        ],
        "input": {
            "still": "UINT8 [N, 1, H, W], gray, any size; the stills of one batch have one size",
            "probability": "FP32 [N, 1, h, w], the head model's output for that still",
        },
        "output": {
            "crop": "FP32 [N, 1, 224, 224], gray 0..1, the head's square, enhanced",
            "crop_box": "FP32 [N, 3], left, top and side of the square in still pixels",
            "ellipse": "FP32 [N, 5], centre x, y, semi-axes a, b in still pixels, angle in degrees; 0 without",
            "found": "FP32 [N, 1], 1 where there is a head, else 0",
        },
    }
    return {**card, "data": [{**HC18, "use": "figures only"}], "metrics": figures} if figures else card


def _ensemble_card() -> Table:
    return {
        "task": "read a still in one call: canvases, head, plane, crop, finding",
        "step": "11 of 13: infer",
        "known_failures": [
            "it gives raw outputs: whether a finding may be said at all is for the rules of the reading",
            "a plane without a brain goes through the brain model too; its answer means nothing then",
            "the outline is not refined by fetal_head_outline, so the crop is that of the head model alone",
        ],
        "input": {"still": "UINT8 [N, 1, H, W], gray, any size; the stills of one batch have one size"},
        "output": {
            "head": "head_*: the outputs of fetal_head_seg",
            "plane": "plane_*: the outputs of fetal_plane_cls",
            "brain": "brain_*: the outputs of fetal_brain_cls",
            "ventricle": "ventricle_*: the outputs of fetal_ventricle_seg, where the repository has it",
            "crop": "crop, crop_box, ellipse, found: the outputs of fetal_crop",
        },
    }
