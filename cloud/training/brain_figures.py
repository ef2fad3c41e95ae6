"""How good the brain model is, and how good it would be without knowing any anatomy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cloud.infer.preprocess import CROP_SIZE_PX, crop_box, cut_crop
from cloud.training import brain
from cloud.training.brain import BrainSample, crop_of
from cloud.training.brain_task import painted_lesion, painted_narrow, painted_wide
from cloud.training.card import Table, mean_metric, metric
from cloud.training.data import FINDINGS
from cloud.training.metrics import Values, area_under_curve, bootstrap, calibration_error, softmax
from cloud.training.onnx_model import OnnxModel, Outputs
from cloud.training.shortcut import NUMBERS, fit_and_score, without_brightness

NORMAL = FINDINGS.index("normal")


@dataclass(frozen=True, slots=True, kw_only=True)
class BrainData:
    """The frames that figures are measured on; none was learned from."""

    labelled: Sequence[BrainSample]
    """`brain_abnormal` dev."""
    normals: Sequence[BrainSample]
    """Normal heads of `hc18` and `planes`, dev."""
    simulated: Sequence[BrainSample]
    """Heads of the virtual scanner from another seed than those learned from."""
    known: Sequence[BrainSample]
    """`brain_abnormal` train, for the shortcut baseline."""


def figures(
    model: OnnxModel, data: BrainData, temperature: float, min_probability: float, seed: int
) -> list[Table]:
    """Every figure of the card, in its order."""
    outputs = model(brain.inputs(data.labelled))
    chances = softmax(outputs["logits"].astype(np.float64) / temperature)
    rows = _labelled(chances, data.labelled, min_probability, seed)
    rows += _without_brightness(chances, data.labelled, seed)
    rows += _read_as_normal(model, data.normals, seed)
    rows += _painted(model, data.normals, seed)
    return [*rows, *_simulated(model, data.simulated, seed)]


def _labelled(
    chances: Values, samples: Sequence[BrainSample], min_probability: float, seed: int
) -> list[Table]:
    labels = np.array([sample.label for sample in samples], np.int64)
    groups = [sample.group for sample in samples]
    right = chances.argmax(axis=1) == labels
    normal = labels == NORMAL
    read_normal = chances[:, NORMAL] >= 0.5
    kept = np.maximum(chances[:, NORMAL], 1 - chances[:, NORMAL]) >= min_probability
    note = "brain_abnormal dev, labelled boxes"
    two = np.stack([chances[:, NORMAL], 1 - chances[:, NORMAL]], axis=1)
    error = bootstrap(
        lambda chosen: calibration_error(two[chosen], (~normal[chosen]).astype(np.int64)), groups, seed=seed
    )
    rows = [
        auc("AUC, abnormal against normal", 1 - chances[:, NORMAL], ~normal, groups, seed),
        mean_metric("accuracy, abnormal against normal", read_normal == normal, groups, seed, "share", note),
        metric(
            "expected calibration error", error, "0..1", "normal or not; ten bins, after temperature scaling"
        ),
        mean_metric("share not abstained", kept, groups, seed, "share", note),
        mean_metric("type hint right, three classes", right, groups, seed, "share", note),
    ]
    for label, name in enumerate(FINDINGS):
        of_class = np.flatnonzero(labels == label)
        own = [groups[number] for number in of_class]
        rows.append(mean_metric(f"recall, {name}", right[of_class], own, seed, "share", note))
    return rows


def _without_brightness(chances: Values, samples: Sequence[BrainSample], seed: int) -> list[Table]:
    abnormal = np.array([sample.label != NORMAL for sample in samples])
    score = np.log(np.maximum(1 - chances[:, NORMAL], 1e-9)) - np.log(np.maximum(chances[:, NORMAL], 1e-9))
    left = without_brightness(score, [crop_of(sample) for sample in samples])
    name = "AUC after removing what brightness alone explains"
    return [auc(name, left, abnormal, [sample.group for sample in samples], seed)]


def _read_as_normal(model: OnnxModel, samples: Sequence[BrainSample], seed: int) -> list[Table]:
    """How often normal heads of the other data sets are read as normal."""
    read = _abnormal_log_odds(model(brain.inputs(samples))) <= 0
    rows: list[Table] = []
    for source in ("hc18", "planes"):
        chosen = np.array([number for number, sample in enumerate(samples) if sample.source == source])
        groups = [samples[number].group for number in chosen]
        name = f"{source} heads read as normal"
        rows.append(mean_metric(name, read[chosen], groups, seed, "share", f"{source} dev"))
    return rows


def _painted(model: OnnxModel, samples: Sequence[BrainSample], seed: int) -> list[Table]:
    """Painted findings on normal dev heads: told from painted normal ventricles, and seen where they are."""
    rng = np.random.default_rng(seed)
    heads = [sample for sample in samples if sample.head is not None]
    narrow = _abnormal_log_odds(model(brain.inputs([painted_narrow(sample, rng) for sample in heads])))
    groups = [sample.group for sample in heads]
    rows: list[Table] = []
    for paint, name in ((painted_wide, "wide ventricles"), (painted_lesion, "cysts, fluid and bleedings")):
        done = [paint(sample, rng) for sample in heads]
        outputs = model(brain.inputs(done))
        scores = np.concatenate([narrow, _abnormal_log_odds(outputs)])
        truth = np.arange(len(scores)) >= len(narrow)
        title = f"AUC, painted {name} against painted normal ventricles"
        rows.append(auc(title, scores, truth, [*groups, *groups], seed, "hc18 and planes dev, painted"))
        hit = peaks_inside(outputs, done)
        rows.append(mean_metric(f"heat map's peak inside painted {name}", hit, groups, seed, "share"))
    return rows


def _simulated(model: OnnxModel, samples: Sequence[BrainSample], seed: int) -> list[Table]:
    outputs = model(brain.inputs(samples))
    abnormal = np.array([sample.label != NORMAL for sample in samples])
    groups = [sample.group for sample in samples]
    note = "heads of the virtual scanner"
    rows = [auc("AUC, virtual scanner", _abnormal_log_odds(outputs), abnormal, groups, seed, note)]
    chosen = np.flatnonzero([s.evidence is not None and FINDINGS[s.label] == "other" for s in samples])
    hit = peaks_inside(_of(outputs, chosen), [samples[int(number)] for number in chosen])
    own = [groups[number] for number in chosen]
    return [
        *rows,
        mean_metric("heat map's peak inside the virtual scanner's lesion", hit, own, seed, "share", note),
    ]


def peaks_inside(outputs: Outputs, samples: Sequence[BrainSample]) -> NDArray[np.bool_]:
    """Whether the labelled class's upsampled map is highest within the finding, for samples that show one."""
    hits: list[bool] = []
    for class_maps, sample in zip(outputs["map"], samples, strict=True):
        assert sample.evidence is not None
        square = crop_box(sample.box, sample.gray.shape)
        evidence = cut_crop(sample.evidence.astype(np.uint8), square)
        size = (CROP_SIZE_PX, CROP_SIZE_PX)
        place = cv2.resize(evidence, size, interpolation=cv2.INTER_NEAREST) > 0
        fine = cv2.resize(class_maps[sample.label], size, interpolation=cv2.INTER_LINEAR)
        hits.append(bool(place.flat[int(np.argmax(fine))]))
    return np.array(hits)


def baseline(data: BrainData, seed: int) -> Table:
    """The brightness shortcut on the whole frames, and what is left of it on the enhanced crops."""
    abnormal = np.array([sample.label != NORMAL for sample in data.known])
    truth = np.array([sample.label != NORMAL for sample in data.labelled])
    groups = [sample.group for sample in data.labelled]
    frames = fit_and_score([s.gray for s in data.known], abnormal, [s.gray for s in data.labelled])
    crops = fit_and_score([crop_of(s) for s in data.known], abnormal, [crop_of(s) for s in data.labelled])
    return {
        "name": "logistic regression on seven brightness numbers",
        "numbers": list(NUMBERS),
        "figures": [
            auc("AUC of the brightness shortcut, whole frame", frames, truth, groups, seed),
            auc("AUC of the brightness shortcut, crop", crops, truth, groups, seed),
        ],
    }


def auc(
    name: str,
    scores: Values,
    positive: NDArray[np.bool_],
    groups: Sequence[str],
    seed: int,
    note: str = "brain_abnormal dev",
) -> Table:
    """The area under the curve with its interval over groups."""
    interval = bootstrap(lambda chosen: area_under_curve(scores[chosen], positive[chosen]), groups, seed=seed)
    return metric(name, interval, "0..1", f"{note}; {len(scores)} frames")


def _abnormal_log_odds(outputs: Outputs) -> Values:
    chances = softmax(outputs["logits"])
    return np.asarray(np.log(np.maximum(1 - chances[:, NORMAL], 1e-9) / np.maximum(chances[:, NORMAL], 1e-9)))


def _of(outputs: Outputs, chosen: NDArray[np.intp]) -> Outputs:
    return {name: values[chosen] for name, values in outputs.items()}
