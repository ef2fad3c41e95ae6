"""The sub-plane model: its features, its layer, its folds, and one whole making of it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

from cloud.infer.annotate import Ellipse
from cloud.infer.subplane import VIEW_SIZE_HW
from cloud.training import make_subplanes, subplanes
from cloud.training.data import SUB_PLANES
from cloud.training.options import Options
from cloud.training.subplanes import OrientedEdges, SubPlaneModel, SubPlaneSample

HEAD = Ellipse(cx=120.0, cy=90.0, a=80.0, b=60.0, angle_deg=0.0)


def _sample(label: int, number: int) -> SubPlaneSample:
    """A head in grain with one, two or three bars across it, by its label."""
    gray = np.random.default_rng(number).integers(0, 90, (180, 240)).astype(np.uint8)
    for bar in range(label + 1):
        x = round(120 + 40 * (bar - label / 2))
        cv2.line(gray, (x - 8, 60), (x + 8, 120), 230, 5)
    return SubPlaneSample(gray=gray, head=HEAD, label=label, group=f"p{number // 2}")


SAMPLES = [_sample(number % 3, number) for number in range(48)]


def test_mirror_images_have_the_same_features() -> None:
    """Which end of the head is the front, and which side is up, changes nothing."""
    head = torch.rand((1, 1, *VIEW_SIZE_HW), generator=torch.Generator().manual_seed(1))
    edges = OrientedEdges()
    found = edges(head)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    for axes in ((3,), (2,), (2, 3)):
        torch.testing.assert_close(found, edges(head.flip(axes)), atol=1e-4, rtol=0)
    head[..., :20] = 0
    assert not torch.allclose(found, edges(head), atol=0.05)


def test_gradients_go_into_their_direction() -> None:
    """Vertical stripes, whose gradient lies along the columns, fill direction 0 and not the one across."""
    columns = torch.arange(VIEW_SIZE_HW[1]) % 8 < 4
    head = columns.float().expand(1, 1, *VIEW_SIZE_HW).contiguous()
    shares = OrientedEdges()(head).view(4, OrientedEdges.DIRECTIONS, -1).mean(dim=(0, 2))
    assert 0 == int(shares.argmax())
    assert float(shares[OrientedEdges.DIRECTIONS // 2]) < 0.05 * float(shares[0])


def test_nobody_is_read_by_what_learned_from_them() -> None:
    """Cross-validated answers tell bars apart; with labels that mean nothing they tell no more than guessing."""
    known = subplanes.learned(SAMPLES, 0)
    truth = np.array([sample.label for sample in SAMPLES])
    right = subplanes.cross_validated(known, SAMPLES, 0).argmax(axis=1) == truth
    assert right.mean() > 0.9
    shuffled = np.random.default_rng(2).permutation(truth)
    vain = [
        SubPlaneSample(gray=sample.gray, head=HEAD, label=int(label), group=sample.group)
        for sample, label in zip(SAMPLES, shuffled, strict=True)
    ]
    right = subplanes.cross_validated(subplanes.learned(vain, 0), vain, 0).argmax(axis=1) == shuffled
    assert right.mean() < 0.6


def test_each_sub_plane_needs_heads() -> None:
    """Without heads of one of the three there is no layer, and the error says what is needed."""
    with pytest.raises(ValueError, match="trans-cerebellar"):
        subplanes.learned([sample for sample in SAMPLES if sample.label < 2], 0)


@pytest.mark.req("READ-10")
def test_a_whole_making_goes_to_a_card(tmp_path: Path) -> None:
    """The published graph gives the layer's logits; its card has cross-validated and dev figures."""
    options = Options(
        data=tmp_path,
        out=tmp_path / "out",
        work=tmp_path / "work",
        version=1,
        epochs=None,
        seed=0,
        resume=False,
        initial_weights=None,
        quiet=True,
    )
    lines: list[str] = []
    path = make_subplanes.fit_and_publish(options, lines.append, SAMPLES[:36], SAMPLES[36:])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pictures = np.stack(subplanes.inputs(SAMPLES[:2]))
    (logits,) = session.run(["logits"], {"head": pictures})
    layer = subplanes.learned(SAMPLES[:36], 0).layer(np.arange(36))
    with torch.no_grad():
        expected = SubPlaneModel(layer)(torch.from_numpy(pictures)).numpy()
    np.testing.assert_allclose(expected, logits, atol=1e-3)
    card = tomllib.loads((path.parent / "card.toml").read_text(encoding="utf-8"))
    assert list(SUB_PLANES) == card["labels"]
    names = {row["name"] for row in card["metrics"]}
    for where in ("8-fold cross-validation on train", "planes dev"):
        assert {f"accuracy, {where}", f"mean of the three recalls, {where}"} <= names
    assert 0.4 <= card["abstain"]["min_probability"] <= 0.95
    assert any("36 heads to learn from, 12 to measure on" in line for line in lines)
