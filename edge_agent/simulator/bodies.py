"""Fetal abdomen, femur and thorax in cross-section, so that types differ."""

import math

import numpy as np

from edge_agent.simulator.tissue import (
    Canvas,
    Ellipse,
    Label,
    Surface,
    Texture,
    Tissue,
    as_field,
    inside,
    line_band,
)

SKIN = Tissue(label=Label.FETAL_SOFT, echo_db=-23.0, loss_db_per_mm=0.06)
LIVER = Tissue(label=Label.FETAL_SOFT, echo_db=-27.0, loss_db_per_mm=0.055)
LUNG = Tissue(label=Label.FETAL_SOFT, echo_db=-24.0, loss_db_per_mm=0.06)
THIGH = Tissue(label=Label.FETAL_SOFT, echo_db=-32.0, loss_db_per_mm=0.055)
STOMACH = Tissue(label=Label.STOMACH, echo_db=-64.0, loss_db_per_mm=0.0)
BLOOD = Tissue(label=Label.VESSEL, echo_db=-56.0, loss_db_per_mm=0.01)
CHAMBER = Tissue(label=Label.CHAMBER, echo_db=-56.0, loss_db_per_mm=0.01)
MYOCARDIUM = Tissue(label=Label.MYOCARDIUM, echo_db=-27.0, loss_db_per_mm=0.05)
BONE = Tissue(label=Label.BONE, echo_db=-14.0, loss_db_per_mm=2.2)


def _paint_trunk(canvas: Canvas, trunk: Ellipse, tissue: Tissue, coarse: Texture, fine: Texture) -> None:
    """Paint skin and filling of a round part of the trunk."""
    surface = trunk.surface(canvas.grid)
    u, v = trunk.local(canvas.grid)
    rough, smooth = fine.at(u, v), coarse.at(u, v)
    canvas.fill(inside(surface.distance_mm, 0.8), SKIN, 2.0 * rough)
    canvas.fill(inside(surface.distance_mm + 3.0, 1.0), tissue, 2.6 * smooth + 1.5 * rough)
    canvas.shine(line_band(surface.distance_mm + 0.6, 1.4), surface, -7.0, power=4.0, floor=0.1)


def _paint_spine(canvas: Canvas, trunk: Ellipse, turn_rad: float) -> None:
    """Paint the vertebra: three bright centres in a triangle near the outline, each with its shadow."""
    size = trunk.b_mm
    for along, out, half in ((0.0, 0.70, 0.075), (0.13, 0.83, 0.05), (-0.13, 0.83, 0.05)):
        u = out * math.cos(turn_rad) - along * math.sin(turn_rad)
        v = out * math.sin(turn_rad) + along * math.cos(turn_rad)
        centre = trunk.part(u, v, half * size, 0.75 * half * size, turn_rad)
        surface = centre.surface(canvas.grid)
        canvas.fill(inside(surface.distance_mm, 0.8), BONE)
        canvas.shine(line_band(surface.distance_mm + 0.4, 1.6), surface, -1.0, power=1.5, floor=0.3)


def _paint_ribs(canvas: Canvas, trunk: Ellipse, arcs: list[tuple[float, float]]) -> None:
    """Paint rib arcs under the skin; each arc is (middle, half length) in radians around the outline."""
    surface = trunk.surface(canvas.grid)
    u, v = trunk.local(canvas.grid)
    turn = np.arctan2(v / np.float32(trunk.b_mm), u / np.float32(trunk.a_mm))
    shell = line_band(surface.distance_mm + 4.2, 1.8)
    for middle, half in arcs:
        away = np.abs(np.mod(turn - np.float32(middle) + math.pi, 2 * math.pi) - math.pi)
        arc = shell * inside(away - np.float32(half), 0.12)
        canvas.fill(0.8 * arc, BONE)
        canvas.shine(arc, surface, -4.0, power=3.0, floor=0.15)


class Abdomen:
    """The abdominal circumference plane: stomach bubble, spine, umbilical vein, aorta."""

    def __init__(self, *, trunk: Ellipse, rng: np.random.Generator) -> None:
        """Build an abdomen whose outer edge is `trunk`; `rng` places the organs."""
        self.trunk = trunk
        self._spine = float(rng.uniform(-0.9, 0.9) + (math.pi if rng.random() < 0.5 else 0.0))
        self._hand = 1 if rng.random() < 0.5 else -1
        self._stomach = (float(rng.uniform(0.16, 0.24)), float(rng.uniform(0.10, 0.16)))
        self._coarse, self._fine = Texture(rng, 9.0, 6.0), Texture(rng, 2.4)
        self._bend = Texture(rng, 10.0)

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint the abdomen; `phase` 0..1 of the heart beat barely swells the vessels."""
        trunk, spine, hand = self.trunk, self._spine, self._hand
        _paint_trunk(canvas, trunk, LIVER, self._coarse, self._fine)
        u, v = trunk.local(canvas.grid)
        bent = canvas.grid.warped(1.2 * self._bend.at(u, v), 1.2 * self._bend.at(v, u))
        _paint_spine(canvas, trunk, spine)
        side = spine + hand * 1.5
        a, b = self._stomach
        stomach = trunk.part(
            0.42 * math.cos(side),
            0.42 * math.sin(side),
            a * 2.0 * trunk.b_mm,
            b * 2.0 * trunk.b_mm,
            spine + 0.4,
        ).surface(bent)
        canvas.fill(inside(stomach.distance_mm, 0.8), STOMACH)
        canvas.shine(line_band(stomach.distance_mm - 0.4, 1.0), stomach, -15.0, power=2.0, floor=0.2)
        front = spine + math.pi
        vein = trunk.part(
            0.30 * math.cos(front),
            0.30 * math.sin(front),
            0.26 * trunk.b_mm,
            0.05 * trunk.b_mm,
            front - hand * 0.35,
        ).surface(bent)
        canvas.fill(inside(vein.distance_mm, 0.6), BLOOD)
        canvas.shine(line_band(vein.distance_mm - 0.4, 0.9), vein, -13.0, power=2.0, floor=0.2)
        swell = 1.0 + 0.08 * math.sin(2.0 * math.pi * phase)
        aorta = trunk.part(
            0.50 * math.cos(spine),
            0.50 * math.sin(spine),
            0.055 * trunk.b_mm * swell,
            0.055 * trunk.b_mm * swell,
        ).surface(bent)
        canvas.fill(inside(aorta.distance_mm, 0.5), BLOOD)
        arcs = [(spine + hand * 0.75, 0.28), (spine - hand * 0.75, 0.28)]
        _paint_ribs(canvas, trunk, arcs)


class Femur:
    """The thigh bone lying across the beam: a bright rod of known length with its shadow."""

    def __init__(self, *, thigh: Ellipse, length_mm: float, rng: np.random.Generator) -> None:
        """Build a thigh with outline `thigh` (first axis along the bone) around a bone of `length_mm`."""
        self.trunk = thigh
        self.length_mm = length_mm
        self._thick_mm = max(2.0, 0.085 * length_mm)
        self._bow = float(rng.uniform(0.0015, 0.004) * (1 if rng.random() < 0.5 else -1))
        self._coarse, self._fine = Texture(rng, 12.0, 3.0), Texture(rng, 2.4)

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint thigh and bone; `phase` has no effect."""
        thigh = self.trunk
        _paint_trunk(canvas, thigh, THIGH, self._coarse, self._fine)
        u, v = thigh.local(canvas.grid)
        bowed = v - self._bow * (np.square(u) - (self.length_mm / 2.0) ** 2)
        half = np.float32(self.length_mm / 2.0 - self._thick_mm / 2.0)
        # Metaphyses are a little wider than the shaft.
        width = self._thick_mm / 2.0 * (0.8 + 0.35 * np.square(np.clip(u / half, -1.1, 1.1)))
        beyond = np.maximum(np.abs(u) - half, 0.0)
        radius = np.sqrt(beyond * beyond + bowed * bowed)
        bone = inside(radius - width, 0.5)
        canvas.fill(bone, BONE, 1.5 * self._fine.at(u, v))
        c, s = math.cos(thigh.angle_rad), math.sin(thigh.angle_rad)
        shaft = Surface(
            distance_mm=as_field(bowed), normal_x=np.full_like(v, -s), normal_z=np.full_like(v, c)
        )
        # Only the side that faces the probe echoes; behind it lies the bone's shadow.
        facing = line_band(radius - 0.75 * width, 1.4) * (c * bowed < 0.4)
        canvas.shine(facing, shaft, 0.5, power=3.0, floor=0.1)
        for end in (-1, 1):
            cartilage = thigh.part(
                end * (self.length_mm / 2.0 + 1.3 * self._thick_mm) / thigh.a_mm,
                0.0,
                1.3 * self._thick_mm,
                1.1 * self._thick_mm,
            ).surface(canvas.grid)
            canvas.echo_db -= 7.0 * inside(cartilage.distance_mm, 1.0)


class Thorax:
    """The four-chamber plane: a beating heart between the lungs, ribs, spine, aorta."""

    def __init__(self, *, trunk: Ellipse, rng: np.random.Generator) -> None:
        """Build a chest whose outer edge is `trunk`; `rng` turns the heart and places the spine."""
        self.trunk = trunk
        self._spine = float(rng.uniform(-0.9, 0.9) + (math.pi if rng.random() < 0.5 else 0.0))
        self._hand = 1 if rng.random() < 0.5 else -1
        self._size = float(rng.uniform(0.40, 0.47))
        self._coarse, self._fine = Texture(rng, 9.0, 6.0), Texture(rng, 2.4)
        self._bend = Texture(rng, 9.0)

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint the chest at `phase` 0..1 of the heart beat (0: end of filling, 0.5: emptied)."""
        trunk, spine = self.trunk, self._spine
        _paint_trunk(canvas, trunk, LUNG, self._coarse, self._fine)
        arcs = [(spine + turn, 0.30) for turn in (-2.2, -1.35, -0.6, 0.6, 1.35, 2.2)]
        _paint_ribs(canvas, trunk, arcs)
        _paint_spine(canvas, trunk, spine)
        aorta = trunk.part(
            0.48 * math.cos(spine + 0.2), 0.48 * math.sin(spine + 0.2), 0.07 * trunk.b_mm, 0.07 * trunk.b_mm
        ).surface(canvas.grid)
        canvas.fill(inside(aorta.distance_mm, 0.5), BLOOD)
        self._paint_heart(canvas, phase)

    def _paint_heart(self, canvas: Canvas, phase: float) -> None:
        trunk = self.trunk
        front = self._spine + math.pi + self._hand * 0.35
        axis = front + self._hand * 0.45
        size = self._size * trunk.b_mm
        heart = trunk.part(0.16 * math.cos(front), 0.16 * math.sin(front), 1.15 * size, 0.88 * size, axis)
        u, v = heart.local(canvas.grid)
        bend = 0.7 * self._bend.at(u, v)
        bent = canvas.grid.warped(bend, 0.7 * self._bend.at(v, u))
        outer = heart.surface(bent)
        canvas.fill(inside(outer.distance_mm, 0.8), MYOCARDIUM, 2.0 * self._fine.at(u, v))
        canvas.shine(line_band(outer.distance_mm, 1.0), outer, -13.0, power=2.0, floor=0.2)
        squeeze = 0.5 - 0.5 * math.cos(2.0 * math.pi * phase)
        ventricle, atrium = 1.0 - 0.30 * squeeze, 1.0 + 0.06 * squeeze
        for side in (-1, 1):
            for at, long, wide, beat in ((0.22, 0.56, 0.30, ventricle), (-0.55, 0.33, 0.34, atrium)):
                shape = heart.part(at, side * 0.44, long * size * beat, wide * size * beat, side * -0.12)
                wall = shape.surface(bent)
                rough = wall.distance_mm + 0.7 * self._fine.at(u, v)
                canvas.fill(inside(as_field(rough), 1.4), CHAMBER)
                canvas.shine(line_band(wall.distance_mm - 0.3, 0.9), wall, -18.0, power=2.0, floor=0.2)
        # The cross: septum along u and the valves across it, opening and closing.
        ub, vb = heart.local(bent)
        swing = np.float32(0.06 * size * squeeze)
        valves = line_band(ub + 0.16 * size - swing * np.abs(vb) / np.float32(size) * 3.0, 1.1)
        canvas.coherent += np.float32(0.16) * valves * inside(as_field(np.abs(vb) - 0.6 * size), 1.0)
