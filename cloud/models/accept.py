"""Part of step 11: model life: the checks that a pushed version must pass, one rule after the other."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from cloud.errors import CallRefused
from cloud.infer import LoadedVersion, ModelInfo, RunsHere
from cloud.infer.engines.repository import ModelFolder, TensorSpec, read_model_folder
from cloud.infer.errors import InferError, ModelInvalid
from cloud.infer.reading import NOTICE
from cloud.models.site import CARD, WEIGHTS, is_version
from sonorelay.contract.limits import MODEL_TEXT_MAX_BYTES, MODEL_WEIGHTS_MAX_BYTES
from sonorelay.contract.reasons import WireReason

CONFIG: Final = "config.pbtxt"
LABELS: Final = "labels.txt"
NEEDED: Final = (CONFIG, CARD, WEIGHTS)
"""Files of every push."""
ALLOWED: Final = (*NEEDED, LABELS)
"""Files that a push may have."""
CARD_KEYS: Final = (
    "name",
    "version",
    "notice",
    "labels",
    "sha256",
    "size_bytes",
    "task",
    "step",
    "split",
    "known_failures",
    "data",
    "metrics",
    "baseline",
    "calibration",
    "abstain",
    "sample",
)
"""What a complete card has, none of it empty."""
_READING_TABLES: Final = ("calibration", "abstain", "novelty")
"""Tables of the card whose figures reading uses."""
_TOLERANCE: Final = 1e-3
"""How far a sample's figures may lie from the card's, as a share of the largest value, at least of 1."""


class Rule(StrEnum):
    """The rules of SPEC.md, section 9; the first word of a refusal."""

    MANIFEST = "manifest"
    TRANSFER = "transfer"
    CONFIG = "config"
    LABELS = "labels"
    CARD = "card"
    DIGEST = "digest"
    WEIGHTS = "weights"
    SAMPLE = "sample"


def refuse(rule: Rule, message: str) -> NoReturn:
    """Raises MODEL_REFUSED with the rule's name and what breaks it."""
    raise CallRefused(WireReason.MODEL_REFUSED, f"{rule.value}: {message}")


def check_manifest(version: str, sizes: Mapping[str, int], digests: Iterable[bytes]) -> None:
    """Refuses a version that is none, files that are not those of a push, and files beyond the limits."""
    if not version or not is_version(version):
        refuse(Rule.MANIFEST, "the version is not a number from 1 to 999999999 without leading zeros")
    for name in NEEDED:
        if name not in sizes:
            refuse(Rule.CARD if name == CARD else Rule.MANIFEST, f"the push has no {name}")
    for name, size in sizes.items():
        if name not in ALLOWED:
            refuse(Rule.MANIFEST, f"a push has the files {', '.join(ALLOWED)} only")
        limit = MODEL_WEIGHTS_MAX_BYTES if name == WEIGHTS else MODEL_TEXT_MAX_BYTES
        if not 1 <= size <= limit:
            refuse(Rule.MANIFEST, f"{name} has {size} bytes, not 1 to {limit}")
    if any(len(digest) != hashlib.sha256().digest_size for digest in digests):
        refuse(Rule.MANIFEST, "a digest has not 32 bytes")


def check_files(folder: Path, version: str, site: ModelFolder) -> ModelFolder:
    """Everything that needs no engine: configuration, labels, card, digest. The folder as it was read.

    `folder` is the pushed model folder, `site` what the site serves of this model now.
    """
    card = _card(folder / version / CARD)
    digest = hashlib.sha256((folder / version / WEIGHTS).read_bytes()).hexdigest()
    if card.get("sha256") is not None and card["sha256"] != digest:
        refuse(Rule.DIGEST, f"the weights have SHA-256 {digest}, the card says {card['sha256']}")
    try:
        pushed = read_model_folder(folder, version)
    except ModelInvalid as exc:
        refuse(Rule.CONFIG, exc.reason)
    _check_signature(pushed, site)
    if site.info.labels and pushed.info.labels != site.info.labels:
        refuse(
            Rule.LABELS,
            f"the labels are {list(pushed.info.labels)}, those of the site are {list(site.info.labels)}",
        )
    _check_card(pushed, card, site.info)
    return pushed


def check_runs(loaded: LoadedVersion, engine: RunsHere, pushed: ModelFolder) -> None:
    """Runs the sample of the card through the loaded version and compares.

    `engine` is one that answers with the version. Loading has checked tensors and finite outputs already.
    """
    if len(pushed.inputs) != 1 or any(-1 in spec.dims for spec in pushed.inputs):
        refuse(Rule.SAMPLE, "a sample is defined for models with one input of fixed dims only")
    (spec,) = pushed.inputs
    batch = ramp(spec.dims)[np.newaxis] if pushed.max_batch_size > 0 else ramp(spec.dims)
    try:
        outputs = engine.run(loaded.info.name, {spec.name: batch.astype(spec.dtype)}, alone=False)
    except InferError as exc:
        refuse(Rule.WEIGHTS, str(exc))
    sample = loaded.info.card["sample"]
    for output in pushed.outputs:
        _check_sample(output.name, outputs[output.name], sample.get(output.name))


def ramp(dims: tuple[int, ...]) -> NDArray[np.float32]:
    """The sample input of every card: the n-th value, row by row, is n / (count - 1)."""
    size = int(np.prod(dims))
    return (np.arange(size, dtype=np.float32) / np.float32(max(1, size - 1))).reshape(dims)


def _card(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        refuse(Rule.CARD, f"{CARD} does not parse: {exc}")


def _check_signature(pushed: ModelFolder, site: ModelFolder) -> None:
    for kind, ours, theirs in (
        ("inputs", site.inputs, pushed.inputs),
        ("outputs", site.outputs, pushed.outputs),
    ):
        if _tensors(ours) != _tensors(theirs):
            refuse(Rule.CONFIG, f"the {kind} are {_tensors(theirs)}, those of the site are {_tensors(ours)}")
    if (pushed.max_batch_size > 0) != (site.max_batch_size > 0):
        refuse(Rule.CONFIG, "one of site and push has a batch axis, the other has none")


def _tensors(specs: tuple[TensorSpec, ...]) -> list[str]:
    return sorted(f"{spec.name} {spec.dtype.name} {list(spec.dims)}" for spec in specs)


def _check_card(pushed: ModelFolder, card: Mapping[str, Any], live: ModelInfo) -> None:
    absent = [key for key in CARD_KEYS if card.get(key) in (None, "", [], {})]
    if absent:
        refuse(Rule.CARD, f"it lacks {', '.join(absent)}")
    info = pushed.info
    for key, wanted in (("name", info.name), ("version", info.version), ("notice", NOTICE)):
        if card[key] != wanted:
            refuse(Rule.CARD, f"its {key} is {card[key]!r}, not {wanted!r}")
    if info.labels and card["labels"] != list(info.labels):
        refuse(Rule.LABELS, f"the card's labels are {card['labels']}, the model's are {list(info.labels)}")
    if card["size_bytes"] != len(pushed.weights):
        refuse(
            Rule.DIGEST, f"the weights have {len(pushed.weights)} bytes, the card says {card['size_bytes']}"
        )
    if not isinstance(card["data"], list) or not all(_has_origin(row) for row in card["data"]):
        refuse(Rule.CARD, "each row of its data needs a licence and an attribution")
    if not isinstance(card["sample"], dict):
        refuse(Rule.CARD, "its sample is not a table")
    for table in _READING_TABLES:
        for key in _figures(live.card.get(table)):
            if key not in _figures(card.get(table)):
                refuse(Rule.CARD, f"it lacks {table}.{key}, which reading needs and the live version has")


def _has_origin(row: object) -> bool:
    return isinstance(row, dict) and bool(row.get("licence")) and bool(row.get("attribution"))


def _figures(table: object) -> list[str]:
    """Names of a table's numbers."""
    if not isinstance(table, Mapping):
        return []
    return [name for name, value in table.items() if type(value) in (int, float)]


def _check_sample(output: str, value: NDArray[Any], stated: object) -> None:
    found = {"mean": value.mean(), "least": value.min(), "largest": value.max()}
    if not np.isfinite(value).all():
        refuse(Rule.WEIGHTS, f"output {output!r} is not finite on the sample")
    near = _TOLERANCE * max(1.0, float(np.abs(value).max()))
    for name, figure in found.items():
        said = stated.get(name) if isinstance(stated, Mapping) else None
        if not isinstance(said, int | float) or isinstance(said, bool):
            refuse(Rule.SAMPLE, f"the card states no {name} of output {output!r}")
        if not abs(float(figure) - float(said)) <= near:
            refuse(
                Rule.SAMPLE,
                f"output {output!r} has the {name} {float(figure):.5f} here, the card says {said}",
            )
