"""The ventricle model's samples, loss and figures, on small made-up heads."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from cloud.infer.preprocess import CropBox, Plane, brain_input, crop_box, cut_crop, enhance
from cloud.training import ventricle_figures, ventricles
from cloud.training.derive import build_unet
from cloud.training.echo import Grain, speckle_db, to_gray
from cloud.training.metrics import fit_head
from cloud.training.options import Options, weights_of
from cloud.training.painting import paint_ventricles
from cloud.training.scene import Head
from cloud.training.simulated import SimulatedHead, simulated_heads
from cloud.training.ventricle_figures import Measured
from cloud.training.ventricles import KNOWN, MIDLINE, SIDE_PX, VENTRICLE, HeadStill, Sample, VentricleTask

HEAD = Head(cx=150, cy=110, a=95, b=75, angle_deg=12)


def _still(seed: int = 0, finding: str = "normal") -> HeadStill:
    echo = np.full((220, 300), -54.0, np.float32)
    box = ((HEAD.cx, HEAD.cy), (2 * HEAD.a, 2 * HEAD.b), HEAD.angle_deg)
    cv2.ellipse(echo, box, -36.0, -1)
    cv2.ellipse(echo, box, -12.0, 4)
    grain = Grain(spread_db=2.5, across_px=1.2, down_px=0.8)
    gray = to_gray(echo + speckle_db(echo.shape, grain, np.random.default_rng(seed)))
    return HeadStill(gray=gray, head=HEAD, group=f"g{seed}", source="hc18", finding=finding, mm_per_pixel=0.4)


def _simulated() -> SimulatedHead:
    mask = np.zeros((220, 300), np.bool_)
    mask[130:150, 90:130] = True
    return SimulatedHead(
        group="s1",
        gray=_still(9).gray,
        head=HEAD,
        plane="trans-ventricular",
        mm_per_pixel=0.5,
        atrium_mm=10.0,
        ventricle=mask,
        lesion=False,
    )


def test_samples_hold_all_three_truths() -> None:
    """Ventricles are marked only where known, the midline runs through the head, and a seed repeats all."""
    stills = [_still(seed) for seed in range(3)]
    samples = ventricles.pool([*stills, _still(8, "other")], [_simulated()], 30, seed=4)
    again = ventricles.pool([*stills, _still(8, "other")], [_simulated()], 30, seed=4)
    assert len(samples) == 30
    for sample, same in zip(samples, again, strict=True):
        assert (sample.crop == same.crop).all()
        assert (sample.target == same.target).all()
        assert (SIDE_PX, SIDE_PX) == sample.crop.shape == sample.target.shape
        marked = (sample.target & VENTRICLE) > 0
        assert ((sample.target & KNOWN) > 0)[marked].all()
        assert 60 < ((sample.target & MIDLINE) > 0).sum() < 600
    assert any((sample.target & VENTRICLE).any() for sample in samples)
    assert any(not (sample.target & VENTRICLE).any() for sample in samples)


def test_unknown_pixels_cost_nothing() -> None:
    """What the network says where the truth is not known changes no loss."""

    class Says(nn.Module):
        def __init__(self, elsewhere: float) -> None:
            super().__init__()
            self.elsewhere = elsewhere

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            logits = torch.full((len(image), 2, SIDE_PX, SIDE_PX), -3.0)
            logits[:, 0, :, 60:] = self.elsewhere
            return logits

    target = torch.zeros(2, 3, SIDE_PX, SIDE_PX)
    target[:, 0, 20:40, 10:40] = 1
    target[:, 1, :, :60] = 1
    batch = (torch.zeros(2, 1, SIDE_PX, SIDE_PX), target)
    task = VentricleTask([Sample(crop=np.zeros((4, 4), np.uint8), target=np.zeros((4, 4), np.uint8))])
    assert float(task.loss(Says(5.0), batch)) == pytest.approx(float(task.loss(Says(-5.0), batch)))
    target[:, 1] = 1
    assert float(task.loss(Says(5.0), batch)) > float(task.loss(Says(-5.0), batch)) + 0.1


def test_a_small_network_learns_from_samples() -> None:
    """Some steps on a few samples lower the loss, and the batches fit the network."""
    samples = ventricles.pool([_still()], [], 4, seed=0)
    task = VentricleTask(samples, batch_size=4)
    options = Options(
        data=Path(),
        out=Path(),
        work=Path(),
        version=1,
        epochs=None,
        seed=0,
        resume=False,
        initial_weights=None,
    )
    network = build_unet(ventricles.architecture(), weights_of(options))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    (batch,) = task.batches(np.random.default_rng(0))
    losses = []
    for _ in range(14):
        loss = task.loss(network, batch)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    model = ventricles.VentricleModel(network).eval()
    with torch.no_grad():
        probability = model(torch.rand(2, 1, 2 * SIDE_PX, 2 * SIDE_PX))
    assert probability.shape == (2, 2, SIDE_PX, SIDE_PX)
    assert 0 <= float(probability.min()) <= float(probability.max()) <= 1


def test_a_push_moves_the_middle_and_leaves_the_skull() -> None:
    """The head's middle moves by the asked share of half the BPD, its edge and the surround do not move."""
    picture = np.zeros((220, 300), np.float32)
    cv2.circle(picture, (round(HEAD.cx), round(HEAD.cy)), 4, 1.0, -1)
    maps = ventricles.push_maps(picture.shape, HEAD, 0.2)
    moved = cv2.remap(picture, *maps, cv2.INTER_LINEAR)
    rows, columns = np.nonzero(moved > 0.5)
    turn = math.radians(HEAD.angle_deg)
    assert columns.mean() == pytest.approx(HEAD.cx - 0.2 * HEAD.b * math.sin(turn), abs=0.6)
    assert rows.mean() == pytest.approx(HEAD.cy + 0.2 * HEAD.b * math.cos(turn), abs=0.6)
    assert (maps[0][5, 5], maps[1][5, 5]) == (5, 5)


def test_a_head_on_the_networks_square() -> None:
    """The outline is carried into the square: a filled ellipse cut out there is fitted as that outline."""
    still = _still()
    filled = np.zeros(still.gray.shape, np.uint8)
    cv2.ellipse(filled, ((HEAD.cx, HEAD.cy), (2 * HEAD.a, 2 * HEAD.b), HEAD.angle_deg), 255, -1)
    box = crop_box(HEAD, filled.shape)
    wanted = ventricles.on_crop(HEAD, box)
    padded = np.pad(filled, 200)[box.y0 + 200 :, box.x0 + 200 :][: box.size_px, : box.size_px]
    small = cv2.resize(padded, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    fit = fit_head((small / 255).astype(np.float32))
    assert fit is not None
    assert (fit.cx, fit.cy) == pytest.approx((wanted.cx, wanted.cy), abs=0.5)
    assert (fit.a, fit.b) == pytest.approx((wanted.a, wanted.b), abs=0.7)


def _oracle(truth_of: dict[bytes, Plane]) -> ventricle_figures.Look:
    """A model that knows the truth of the crops that it is asked for."""
    return lambda crop: truth_of[crop.tobytes()]


def test_figures_of_a_model_that_knows_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A perfect probability picture gives widths within 2 % of the BPD, all measured, and a worse baseline."""
    known: dict[bytes, Plane] = {}
    paint = paint_ventricles

    def painting(*arguments: Any, **named: Any) -> Any:
        painted = paint(*arguments, **named)
        box = crop_box(HEAD, painted.gray.shape)
        ventricle = ventricles.cut_mask(painted.ventricle, box).astype(np.float32)
        picture = np.stack([cv2.GaussianBlur(ventricle, (0, 0), 0.6), np.zeros_like(ventricle)])
        known[_crop_of(painted.gray, box).tobytes()] = picture
        return painted

    monkeypatch.setattr(ventricle_figures, "paint_ventricles", painting)
    stills = [_still(seed) for seed in range(8)]
    rows = ventricle_figures.measured_painted(stills, _oracle(known), np.random.default_rng(0))
    assert len(rows) == 8
    tables = {str(row["name"]): row["value"] for row in ventricle_figures.width_rows(rows, "painted", 0)}
    assert tables["width measured, painted"] == 1.0
    error = tables["width, mean absolute error, painted"]
    baseline = ventricle_figures.baseline_row(rows, 0)["value"]
    assert isinstance(error, float)
    assert isinstance(baseline, float)
    assert error < 0.02
    assert baseline > 2 * error


def _crop_of(gray: np.ndarray, box: CropBox) -> Plane:
    return brain_input(enhance(cut_crop(gray, box)))


def test_the_uncertainty_is_fitted_to_the_errors() -> None:
    """Errors drawn with a known share of the BPD and of the width are told apart again."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(4000):
        width = rng.uniform(6, 40)
        error = rng.normal(0, math.hypot(0.01 * 100, 0.06 * width))
        rows.append(
            Measured(
                group=str(number),
                source="hc18",
                truth_px=width - error,
                width_px=width,
                sd_px=1.0,
                bpd_px=100.0,
                mm_per_pixel=None,
            )
        )
    of_bpd, of_width = ventricle_figures.uncertainty_of(rows)
    assert of_bpd == pytest.approx(0.01, abs=0.004)
    assert of_width == pytest.approx(0.06, abs=0.015)


@pytest.mark.slow
def test_the_virtual_scanner_is_read_like_a_data_set(tmp_path: Path) -> None:
    """Its heads come back with outline and ventricles as wide as it says; a second read prints nothing anew."""
    heads = simulated_heads(tmp_path, seed=3, count=4)
    kept = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    assert len(heads) == len(simulated_heads(tmp_path, seed=3, count=4)) >= 1
    assert kept == sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    shown = [one for one in heads if one.atrium_mm is not None]
    assert shown
    for one in shown:
        assert one.atrium_mm is not None
        widest = 2 * cv2.distanceTransform(one.ventricle.astype(np.uint8), cv2.DIST_L2, 5).max()
        assert widest * one.mm_per_pixel == pytest.approx(one.atrium_mm, abs=2 * one.mm_per_pixel)
        # Fluid and plexus lie where the mask says: its median differs from the brain's.
        inside = np.zeros(one.gray.shape, np.uint8)
        axes = (1.6 * one.head.a, 1.6 * one.head.b)
        cv2.ellipse(inside, ((one.head.cx, one.head.cy), axes, one.head.angle_deg), 1, -1)
        brain = (inside > 0) & ~one.ventricle
        assert abs(float(np.median(one.gray[one.ventricle])) - float(np.median(one.gray[brain]))) > 3
