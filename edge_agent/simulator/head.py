"""The fetal head in cross-section: skull, midline, ventricles of known width.

Own axes of the head: `u` runs along the OFD towards the forehead, `v` along the BPD. The skull's outer edge
is an ellipse.
"""

import math
from dataclasses import dataclass

import numpy as np

from edge_agent.simulator.tissue import (
    Canvas,
    Ellipse,
    Field,
    Grid,
    Label,
    Surface,
    Texture,
    Tissue,
    as_field,
    inside,
    line_band,
)

SCALP = Tissue(label=Label.FETAL_SOFT, echo_db=-25.0, loss_db_per_mm=0.07)
SKULL = Tissue(label=Label.SKULL, echo_db=-27.0, loss_db_per_mm=0.6)
BRAIN = Tissue(label=Label.BRAIN, echo_db=-35.0, loss_db_per_mm=0.045)
CORTEX_FLUID = Tissue(label=Label.BRAIN, echo_db=-39.0, loss_db_per_mm=0.03)
THALAMUS = Tissue(label=Label.THALAMUS, echo_db=-40.0, loss_db_per_mm=0.05)
CAVUM = Tissue(label=Label.CAVUM, echo_db=-62.0, loss_db_per_mm=0.0)
VENTRICLE = Tissue(label=Label.VENTRICLE, echo_db=-58.0, loss_db_per_mm=0.0)
CHOROID = Tissue(label=Label.CHOROID, echo_db=-15.0, loss_db_per_mm=0.07)
CEREBELLUM = Tissue(label=Label.CEREBELLUM, echo_db=-32.0, loss_db_per_mm=0.06)
VERMIS = Tissue(label=Label.CEREBELLUM, echo_db=-19.0, loss_db_per_mm=0.06)
CISTERN = Tissue(label=Label.FLUID, echo_db=-60.0, loss_db_per_mm=0.0)

TRANS_THALAMIC = "trans-thalamic"
TRANS_VENTRICULAR = "trans-ventricular"
TRANS_CEREBELLAR = "trans-cerebellar"

_ATRIUM_AT = 0.86
"""Where along the ventricle's axis (0 front, 1 back) the atrial width is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ventricle:
    """One lateral ventricle: a club that widens backwards, in the head's own axes (mm)."""

    front_u_mm: float
    """Front end of the axis along u."""
    front_v_mm: float
    """Front end of the axis along v."""
    back_u_mm: float
    """Back end of the axis along u."""
    back_v_mm: float
    """Back end of the axis along v."""
    atrium_mm: float
    """Inner width across the axis at the atrium."""

    def distance(self, u: Field, v: Field) -> tuple[Field, Field, Field, Field]:
        """Give signed distance to the wall (mm), place along the axis 0..1, and the outward normal (u, v)."""
        du, dv = self.back_u_mm - self.front_u_mm, self.back_v_mm - self.front_v_mm
        along = ((u - self.front_u_mm) * du + (v - self.front_v_mm) * dv) / (du * du + dv * dv)
        along = np.clip(along, 0.0, 1.0).astype(np.float32)
        eu, ev = u - (self.front_u_mm + along * du), v - (self.front_v_mm + along * dv)
        away = np.sqrt(eu * eu + ev * ev) + np.float32(1e-6)
        open_ = np.clip(along / np.float32(0.7), 0.0, 1.0)
        half = np.float32(self.atrium_mm / 2.0) * (0.38 + 0.62 * open_ * open_ * (3.0 - 2.0 * open_))
        return as_field(away - half), as_field(along), as_field(eu / away), as_field(ev / away)

    def atrium_line(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Give the two ends (u, v) in mm of the caliper across the atrium."""
        du, dv = self.back_u_mm - self.front_u_mm, self.back_v_mm - self.front_v_mm
        length = math.hypot(du, dv)
        u, v = self.front_u_mm + _ATRIUM_AT * du, self.front_v_mm + _ATRIUM_AT * dv
        half_u, half_v = -dv / length * self.atrium_mm / 2.0, du / length * self.atrium_mm / 2.0
        return (u - half_u, v - half_v), (u + half_u, v + half_v)


def ventricle_of(skull: Ellipse, atrium_mm: float, side: int) -> Ventricle:
    """Place the lateral ventricle of `side` (+1 or -1 along v) so that it stays between midline and skull."""
    a, b = skull.a_mm, skull.b_mm
    back_u = -0.5 * a
    room = b * math.sqrt(1.0 - 0.52**2) - 2.5
    back_v = min(max(0.44 * b, atrium_mm / 2.0 + 2.0), room - atrium_mm / 2.0)
    return Ventricle(
        front_u_mm=0.12 * a,
        front_v_mm=side * min(0.30 * b, back_v),
        back_u_mm=back_u,
        back_v_mm=side * back_v,
        atrium_mm=atrium_mm,
    )


def widest_atrium_mm(bpd_mm: float) -> float:
    """Give the widest atrium that still fits between the midline and the skull of a head of this BPD, mm."""
    return (bpd_mm / 2.0) * math.sqrt(1.0 - 0.52**2) - 6.0


class FetalHead:
    """A head of known size and content, painted in one of its three standard planes."""

    def __init__(
        self,
        *,
        skull: Ellipse,
        plane: str,
        atrium_mm: float,
        tcd_mm: float,
        weeks: float,
        rng: np.random.Generator,
    ) -> None:
        """Build a head.

        Args:
            skull: the skull's outer edge; `a_mm` half the OFD (towards the forehead), `b_mm` half the BPD.
            plane: trans-thalamic, trans-ventricular or trans-cerebellar.
            atrium_mm: inner width of the lateral ventricles at the atrium.
            tcd_mm: transcerebellar diameter.
            weeks: gestational age; sets the skull's thickness and brightness.
            rng: draws texture and small variations.
        """
        self.skull = skull
        self.plane = plane
        self.atrium_mm = atrium_mm
        self.tcd_mm = tcd_mm
        self._bone_mm = 1.4 + 0.07 * (weeks - 14.0)
        self._bone_db = -0.5 + 0.12 * (weeks - 20.0) + float(rng.uniform(-1.5, 1.5))
        # The side of the head farther from the probe: the near one lies in the skull's reverberation.
        self._far = 1 if math.cos(skull.angle_rad) > 0.0 else -1
        self._coarse = Texture(rng, 7.0, 4.0)
        self._fine = Texture(rng, 2.2)
        self._bone_texture = Texture(rng, 5.0)
        self._wave = Texture(rng, 16.0)
        self._bend = (Texture(rng, 9.0), Texture(rng, 9.0))
        self._lobes = Texture(rng, 17.0, 11.0)
        self._glints = Texture(rng, 6.0, 1.8)
        self._sutures = [float(rng.uniform(0, 2 * math.pi)) for _ in range(2)]
        self._choroid_shift = float(rng.uniform(-0.04, 0.04))
        self.ventricles = {s: ventricle_of(skull, atrium_mm, s) for s in (self._far, -self._far)}

    @property
    def shows_ventricles(self) -> bool:
        """Whether this plane shows the lateral ventricles."""
        return self.plane != TRANS_CEREBELLAR

    @property
    def atrium_line_mm(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The caliper across the far atrium: two world points (x, z) in mm."""
        (u0, v0), (u1, v1) = self.ventricles[self._far].atrium_line()
        return self.skull.to_world(u0, v0), self.skull.to_world(u1, v1)

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint the head; `phase` has no effect, a head does not beat."""
        grid = canvas.grid
        surface = self.skull.surface(grid)
        u, v = self.skull.local(grid)
        coarse, fine = self._coarse.at(u, v), self._fine.at(u, v)
        self._paint_shell(canvas, surface, u, v)
        brain = inside(surface.distance_mm + self._bone_mm, 0.4)
        texture = 2.6 * coarse + 1.6 * fine + 3.0 * self._lobes.at(u, v)
        # Reverberation behind the near skull veils the near hemisphere.
        veil = np.exp((surface.distance_mm + self._bone_mm) / np.float32(9.0)) * (v * self._far < 0)
        canvas.fill(brain, BRAIN, texture + 7.0 * veil)
        # Vessels and folds that meet the beam squarely: short bright dashes across it.
        glints = np.maximum(self._glints.at(grid.x_mm, grid.z_mm) - 1.3, 0.0)
        canvas.coherent += np.float32(0.09) * glints * brain
        self._paint_cortex(canvas, surface, u, v, coarse)
        # Inner structures are drawn on a slightly bent grid; the measured ventricle and skull stay exact.
        bent = grid.warped(1.1 * self._bend[0].at(u, v), 1.1 * self._bend[1].at(u, v))
        if self.plane != TRANS_VENTRICULAR:
            for side in (-1, 1):
                self._paint_thalamus(canvas, bent, side, texture)
        if self.plane == TRANS_CEREBELLAR:
            self._paint_cerebellum(canvas, bent, fine)
        else:
            self._paint_ventricles(canvas, bent, u, v, fine)
        self._paint_midline(canvas, bent)

    def _paint_shell(self, canvas: Canvas, surface: Surface, u: Field, v: Field) -> None:
        scalp = self.skull.grown(1.6).surface(canvas.grid)
        canvas.fill(inside(scalp.distance_mm, 0.5), SCALP, 2.0 * self._fine.at(u, v))
        d = surface.distance_mm
        shell = inside(d, 0.35) * inside(-(d + self._bone_mm), 0.35)
        # Sutures and fontanelles: bone thins and its echo with it.
        turn = np.arctan2(v / np.float32(self.skull.b_mm), u / np.float32(self.skull.a_mm))
        gap = np.ones_like(turn)
        for at in self._sutures:
            away = np.abs(np.mod(turn - np.float32(at) + math.pi, 2 * math.pi) - math.pi)
            gap *= 1.0 - 0.55 * np.exp(-np.square(away / np.float32(0.05)))
        uneven = np.power(np.float32(10.0), 0.15 * self._bone_texture.at(u, v))
        canvas.fill(shell * np.sqrt(gap), SKULL, 2.0 * self._fine.at(u, v))
        canvas.shine(shell * gap * uneven, surface, self._bone_db, power=3.0, floor=0.05)

    def _paint_cortex(self, canvas: Canvas, surface: Surface, u: Field, v: Field, coarse: Field) -> None:
        depth = -(surface.distance_mm + self._bone_mm)
        rim = inside(-depth, 0.5) * inside(depth - 2.0 - 0.8 * coarse, 0.8)
        canvas.fill(rim * 0.8, CORTEX_FLUID, 2.0 * coarse)
        # Folds near the surface, and the insula: a bright, slightly bent line in the far hemisphere.
        folds = (
            line_band(as_field(np.abs(coarse) - 0.1), 0.5)
            * inside(depth - 10.0, 6.0)
            * inside(-depth + 1.5, 1.0)
        )
        canvas.echo_db += 6.0 * folds
        for side in (-1, 1):
            bend = v * side - (0.60 * self.skull.b_mm + 1.4 * self._wave.at(u, v) - 0.006 * u * u)
            reach = np.exp(
                -np.square((u - 0.12 * self.skull.a_mm) / np.float32(0.24 * self.skull.a_mm)) * 1.5
            )
            strength = 11.0 if side == self._far else 5.0
            canvas.echo_db += strength * line_band(bend, 1.6) * reach

    def _paint_thalamus(self, canvas: Canvas, bent: Grid, side: int, texture: Field) -> None:
        a, b = self.skull.a_mm, self.skull.b_mm
        shape = self.skull.part(-0.04, side * 0.19, 0.20 * a, 0.165 * b, side * 0.25)
        surface = shape.surface(bent)
        canvas.fill(0.85 * inside(surface.distance_mm, 1.2), THALAMUS, 0.6 * texture)
        canvas.echo_db += 4.0 * line_band(surface.distance_mm, 1.2)

    def _paint_ventricles(self, canvas: Canvas, bent: Grid, u: Field, v: Field, fine: Field) -> None:
        a, b = self.skull.a_mm, self.skull.b_mm
        for side in (-self._far, self._far):
            near = side != self._far
            ventricle = self.ventricles[side]
            distance, along, nu, nv = ventricle.distance(u, v)
            lumen = inside(distance, 0.3)
            tissue = VENTRICLE
            if near:
                tissue = Tissue(label=Label.VENTRICLE, echo_db=-42.0, loss_db_per_mm=0.02)
            canvas.fill(lumen, tissue)
            self._paint_choroid(canvas, ventricle, lumen, fine, side)
            c, s = math.cos(self.skull.angle_rad), math.sin(self.skull.angle_rad)
            wall = Surface(distance_mm=distance, normal_x=nu * c - nv * s, normal_z=nu * s + nv * c)
            reach = np.clip(0.15 + 1.3 * along, 0.0, 1.0) * np.clip(
                0.75 + 0.4 * self._wave.at(v * 2, u * 2), 0.1, 1.3
            )
            canvas.shine(
                line_band(distance - 0.3, 0.8) * reach, wall, -15.0 if near else -7.0, power=3.0, floor=0.08
            )
            # Frontal horn: a slit beside the cavum.
            horn = self.skull.part(
                0.47, side * 0.17, 0.10 * a, max(0.05 * b, 0.16 * self.atrium_mm), side * 0.35
            )
            horn_surface = horn.surface(bent)
            canvas.fill(0.8 * inside(horn_surface.distance_mm, 0.5), VENTRICLE)
            canvas.echo_db += 5.0 * line_band(horn_surface.distance_mm - 0.4, 1.0)

    def _paint_choroid(
        self, canvas: Canvas, ventricle: Ventricle, lumen: Field, fine: Field, side: int
    ) -> None:
        """The plexus fills a normal atrium and hangs on the lower wall of a wide one."""
        wide = max(0.0, self.atrium_mm - 9.0)
        t = 0.55 + self._choroid_shift
        u = ventricle.front_u_mm + t * (ventricle.back_u_mm - ventricle.front_u_mm)
        v = ventricle.front_v_mm + t * (ventricle.back_v_mm - ventricle.front_v_mm)
        # v grows towards the far (lower) side when `_far` is +1: the plexus sinks that way.
        v += self._far * 0.28 * wide
        half = min(0.36 * self.atrium_mm, 3.4)
        turn = math.atan2(
            ventricle.back_v_mm - ventricle.front_v_mm, ventricle.back_u_mm - ventricle.front_u_mm
        )
        shape = self.skull.part(u / self.skull.a_mm, v / self.skull.b_mm, 0.19 * self.skull.a_mm, half, turn)
        distance = shape.surface(canvas.grid).distance_mm + 0.5 * fine
        strength = 1.0 if side == self._far else 0.55
        canvas.fill(strength * lumen * inside(distance, 0.8), CHOROID, 2.5 * fine)

    def _paint_cerebellum(self, canvas: Canvas, bent: Grid, fine: Field) -> None:
        a, b = self.skull.a_mm, self.skull.b_mm
        lobe = self.tcd_mm / 4.0
        at = -0.58
        cistern = self.skull.part(-0.78, 0.0, 0.15 * a, 0.34 * b)
        canvas.fill(0.9 * inside(cistern.surface(bent).distance_mm, 1.0), CISTERN)
        for side in (-1, 1):
            shape = self.skull.part(at, side * lobe / b, 0.92 * lobe, lobe)
            surface = shape.surface(bent)
            # Folia: fine parallel stripes across the lobe.
            u, _ = shape.local(bent)
            canvas.fill(inside(surface.distance_mm, 0.5), CEREBELLUM, 1.5 * fine + 2.0 * np.cos(u * 2.6))
            canvas.shine(line_band(surface.distance_mm + 0.3, 1.0), surface, -15.0, power=3.0, floor=0.15)
        vermis = self.skull.part(at, 0.0, 0.55 * lobe, 0.28 * lobe)
        canvas.fill(0.9 * inside(vermis.surface(bent).distance_mm, 0.8), VERMIS, 2.0 * fine)

    def _paint_midline(self, canvas: Canvas, bent: Grid) -> None:
        u, v = self.skull.local(bent)
        a, b = self.skull.a_mm, self.skull.b_mm
        offset = v - 0.35 * self._wave.at(u, np.zeros_like(v))
        c, s = math.cos(self.skull.angle_rad), math.sin(self.skull.angle_rad)
        line = Surface(distance_mm=offset, normal_x=np.full_like(v, -s), normal_z=np.full_like(v, c))
        reach = inside(np.abs(u + 0.02 * a) - 0.86 * a, 6.0)
        if self.plane == TRANS_CEREBELLAR:
            reach = reach * inside(-(u + 0.34 * a), 3.0)
        cavum = self.skull.part(0.50, 0.0, 0.115 * a, max(1.3, 0.06 * b))
        cavum_d = cavum.surface(bent).distance_mm
        broken = np.clip(0.75 + 0.35 * self._wave.at(u * 1.7, v), 0.15, 1.2)
        band = line_band(offset, 0.8) * reach * inside(-cavum_d, 1.0) * broken
        canvas.shine(band, line, -5.5, power=2.0, floor=0.15)
        canvas.label[(band > 0.5) & (canvas.label == Label.BRAIN)] = Label.MIDLINE
        canvas.fill(inside(cavum_d, 0.5), CAVUM)
        wall_offset = np.abs(v) - np.float32(cavum.b_mm + 0.3)
        walls = line_band(wall_offset, 0.8) * inside(np.abs(u - 0.50 * a) - 0.08 * a, 0.1 * a)
        canvas.shine(walls, line, -5.0, power=2.0, floor=0.2)
        if self.plane == TRANS_THALAMIC:
            third = self.skull.part(-0.06, 0.0, 0.11 * a, 0.9)
            canvas.fill(0.8 * inside(third.surface(bent).distance_mm, 0.5), VENTRICLE)
