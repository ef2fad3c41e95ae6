"""Paints other findings than wide ventricles onto real fetal heads: cysts, posterior fluid, bleeding.

In the same way, by the same physics, as `painting.paint_ventricles`; see there.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.random import Generator

from cloud.infer.preprocess import EllipseLike, Gray, Plane
from cloud.training.echo import blurred, smooth_noise
from cloud.training.painting import Painted
from cloud.training.scene import Scene


def paint_cavity(gray: Gray, head: EllipseLike, rng: Generator, *, open_to_skull: bool = False) -> Painted:
    """Paints a cyst, or a porencephalic cavity that reaches the skull.

    The result's `lesion` is its fluid; nothing is known of ventricles inside of the head.
    """
    scene = Scene(gray, head, rng)
    side = int(rng.choice([-1, 1]))
    radius_px = rng.uniform(0.14, 0.34) * scene.b
    if open_to_skull:
        turn = side * rng.uniform(0.15, 0.85) * math.pi
        u, v = 0.72 * scene.a * math.cos(turn), 0.72 * scene.b * math.sin(turn)
        wobble = 0.18
    else:
        u, v = rng.uniform(-0.55, 0.5) * scene.a, side * rng.uniform(0.0, 0.5) * scene.b
        wobble = 0.05
    axes_px = (radius_px * rng.uniform(0.9, 1.7), radius_px * rng.uniform(0.7, 1.0))
    distance = scene.ellipse_distance(u, v, axes_px, rng.uniform(0, math.pi))
    distance = distance + np.float32(wobble * radius_px) * smooth_noise(distance.shape, 1.8 * radius_px, rng)
    return _fluid(scene, np.asarray(distance, np.float32), walled=not open_to_skull)


def paint_posterior_fluid(gray: Gray, head: EllipseLike, rng: Generator) -> Painted:
    """Paints fluid between the cerebellum and the occipital skull, as a large cisterna magna shows."""
    scene = Scene(gray, head, rng)
    depth = rng.uniform(0.2, 0.38)
    # Behind a front that bulges with the cerebellum's two lobes; not as far as the sides of the skull.
    across = scene.v / np.float32(scene.b)
    front = -0.90 + depth + np.float32(rng.uniform(0.1, 0.3)) * (np.abs(across) - 0.3) ** 2
    width = np.float32(rng.uniform(0.42, 0.68))
    behind = (scene.u / np.float32(scene.a) - front) * np.float32(scene.a)
    beside = (np.abs(across) - width) * np.float32(scene.b)
    distance = np.maximum(behind, beside) + np.float32(0.02 * scene.b) * smooth_noise(
        behind.shape, 0.25 * scene.b, rng
    )
    return _fluid(scene, blurred(np.asarray(distance, np.float32), 0.03 * scene.b), walled=True)


def paint_bleeding(gray: Gray, head: EllipseLike, rng: Generator) -> Painted:
    """Paints a bright, uneven focus, as fresh blood shows beside or in a ventricle."""
    scene = Scene(gray, head, rng)
    u = rng.uniform(-0.45, 0.35) * scene.a
    v = rng.choice([-1, 1]) * rng.uniform(0.12, 0.5) * scene.b
    radius_px = rng.uniform(0.09, 0.22) * scene.b
    axes_px = (radius_px * rng.uniform(1.0, 2.2), radius_px)
    distance = scene.ellipse_distance(u, v, axes_px, rng.uniform(-0.6, 0.6))
    distance = distance + np.float32(0.16 * radius_px) * smooth_noise(distance.shape, 1.8 * radius_px, rng)
    ramp = np.float32(0.35 * radius_px + 1)
    weight = np.asarray(np.clip(0.5 - distance / ramp, 0, 1) * scene.brain, np.float32)
    bright = scene.level + np.float32(rng.uniform(9, 20)) + scene.lumps()
    scene.fill(weight, np.asarray(np.minimum(bright, -5.0), np.float32))
    return _painted(scene, weight, weight)


def _fluid(scene: Scene, distance: Plane, *, walled: bool) -> Painted:
    rng = scene.rng
    weight = np.asarray(scene.soft(distance) * scene.brain, np.float32)
    fluid_db = scene.dark_db - rng.uniform(-2, 7)
    near = np.clip(-scene.v / np.float32(0.5 * scene.b), 0, 1) * np.float32(scene.facing)
    veiled = fluid_db + near * np.float32(rng.uniform(0.1, 0.6)) * (scene.level - fluid_db)
    scene.fill(weight, np.asarray(veiled, np.float32))
    scene.shine_through(weight)
    changed = np.asarray(weight > 0, np.float32)
    if walled:
        wall_px = max(1.0, 0.013 * scene.b + 0.4 * scene.grain.down_px)
        band = np.exp(-np.square((distance - 0.6 * wall_px) / np.float32(wall_px))) * scene.brain
        mean_db = float(scene.level[scene.radius < 0.8].mean())
        scene.shine(distance, np.asarray(band, np.float32), min(mean_db + rng.uniform(4, 20), -6.0))
        changed = np.asarray((band > 0.02) | (weight > 0), np.float32)
    return _painted(scene, weight, np.maximum(changed, scene.brain))


def _painted(scene: Scene, weight: Plane, changed: Plane) -> Painted:
    nothing = scene.whole(np.zeros(weight.shape, np.bool_))
    return Painted(
        gray=scene.picture(changed),
        ventricle=nothing,
        lesion=scene.whole(weight > 0.5),
        known=scene.outside(~scene.head),
    )
