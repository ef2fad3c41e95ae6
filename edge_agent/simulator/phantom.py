"""A made-up pregnancy under the probe: mother, fetus, pose and sizes, all from one seed."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from edge_agent.simulator import biometry
from edge_agent.simulator.bodies import Abdomen, Femur, Thorax
from edge_agent.simulator.head import FetalHead, widest_atrium_mm
from edge_agent.simulator.mother import Mother
from edge_agent.simulator.physics import Probe
from edge_agent.simulator.tissue import Canvas, Ellipse, Grid, Label, Tissue, inside

BRAIN, ABDOMEN, FEMUR, THORAX = "brain", "abdomen", "femur", "thorax"
NORMAL, VENTRICULOMEGALY, OTHER = "normal", "ventriculomegaly", "other"
PROBE_RADIUS_MM = 55.0


class Body(Protocol):
    """Something that paints itself."""

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint over what is there, at `phase` 0..1 of the heart beat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesion:
    """An extra finding at a known place, painted last."""

    outline: Ellipse
    """Its edge, world mm."""
    echo_db: float
    """Its backscatter in dB: about -60 for a cyst, -12 for a calcified or bleeding focus."""
    loss_db_per_mm: float = 0.05
    """Its one-way attenuation in dB per mm."""

    def paint(self, canvas: Canvas, phase: float = 0.0) -> None:
        """Paint the lesion; `phase` has no effect."""
        tissue = Tissue(label=Label.LESION, echo_db=self.echo_db, loss_db_per_mm=self.loss_db_per_mm)
        canvas.fill(inside(self.outline.surface(canvas.grid).distance_mm, 0.6), tissue)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """All that the probe meets, and the sizes that are true of it."""

    mother: Mother
    """The surroundings."""
    body: Body
    """The part of the fetus."""
    outline: Ellipse
    """The outer edge of that part: the skull for a head, the skin otherwise; world mm."""
    probe: Probe
    """The probe and its settings for this pose."""
    type: str
    """brain, abdomen, femur or thorax."""
    plane: str
    """The brain's standard plane, or the type."""
    finding: str | None
    """normal, ventriculomegaly or other (a lesion) for a brain, None otherwise."""
    weeks: float
    """Gestational age in weeks."""
    atrium_mm: float | None
    """Inner width of the lateral ventricles at the atrium; None where the plane does not show it."""
    atrium_line_mm: tuple[tuple[float, float], tuple[float, float]] | None
    """The atrial caliper's ends (x, z) in world mm."""
    tcd_mm: float | None
    """Transcerebellar diameter; None where the plane does not show it."""
    length_mm: float | None
    """Length of the femur; None for other types."""
    lesions: tuple[Lesion, ...] = ()
    """Extra findings at known places."""

    @property
    def hc_mm(self) -> float | None:
        """Circumference of the skull's outer edge in mm; None without a head."""
        if self.type != BRAIN:
            return None
        return biometry.ramanujan_perimeter(self.outline.a_mm, self.outline.b_mm)

    def tissue(self, grid: Grid, phase: float = 0.0) -> Canvas:
        """Paint everything on `grid`, at `phase` 0..1 of the heart beat."""
        canvas = Canvas(grid)
        self.mother.paint(canvas)
        self.body.paint(canvas, phase)
        for lesion in self.lesions:
            lesion.paint(canvas, phase)
        return canvas


def head_outline(hc_mm: float, cephalic_index: float, x_mm: float, z_mm: float, angle_rad: float) -> Ellipse:
    """Give the skull ellipse of exactly this circumference and BPD/OFD ratio."""
    a = hc_mm / biometry.ramanujan_perimeter(1.0, cephalic_index)
    return Ellipse(x_mm=x_mm, z_mm=z_mm, a_mm=a, b_mm=a * cephalic_index, angle_rad=angle_rad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetus:
    """The sizes of one fetus: the same in every picture of an examination."""

    finding: str
    """normal or ventriculomegaly."""
    weeks: float
    """Gestational age in weeks."""
    hc_mm: float
    """Head circumference in mm."""
    cephalic_index: float
    """BPD divided by OFD."""
    atrium_mm: float
    """Inner width of the lateral ventricles at the atrium in mm."""
    tcd_mm: float
    """Transcerebellar diameter in mm."""
    ac_mm: float
    """Abdominal circumference in mm."""
    fl_mm: float
    """Femur length in mm."""


def draw_fetus(rng: np.random.Generator, finding: str) -> Fetus:
    """Draw a fetus of 17-34 weeks (20-34 with ventriculomegaly), sizes within two deviations of the mean."""
    wide = finding == VENTRICULOMEGALY
    weeks = float(rng.uniform(20.0 if wide else 17.0, 34.0))
    index = float(np.clip(rng.normal(0.785, 0.03), 0.70, 0.86))
    # One deviation for the whole fetus: a large head goes with a long thigh.
    z_hc, z_tcd, z_ac, z_fl = np.clip(rng.normal() + 0.4 * rng.normal(size=4), -1.9, 1.9).tolist()
    hc = biometry.hc_mm(weeks, z_hc)
    roof = widest_atrium_mm(2.0 * head_outline(hc, index, 0.0, 0.0, 0.0).b_mm)
    atrium = float(rng.uniform(11.0, 20.0)) if wide else float(rng.uniform(5.0, 8.0))
    return Fetus(
        finding=finding,
        weeks=weeks,
        hc_mm=hc,
        cephalic_index=index,
        atrium_mm=min(atrium, max(roof, 11.0)) if wide else atrium,
        tcd_mm=biometry.tcd_mm(weeks, z_tcd),
        ac_mm=biometry.ac_mm(weeks, z_ac),
        fl_mm=biometry.fl_mm(weeks, z_fl),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pose:
    """Where the fetal part lies."""

    wall_mm: float
    gap_mm: float
    x_mm: float
    angle_rad: float


def _pose(rng: np.random.Generator, tilt_rad: float) -> _Pose:
    turned = math.pi if rng.random() < 0.5 else 0.0
    return _Pose(
        wall_mm=float(rng.uniform(13.0, 24.0)),
        gap_mm=float(rng.uniform(5.0, 16.0)),
        x_mm=float(rng.uniform(-7.0, 7.0)),
        angle_rad=float(np.clip(rng.normal(0.0, tilt_rad / 2.0), -tilt_rad, tilt_rad)) + turned,
    )


def _pocket(rng: np.random.Generator, outline: Ellipse) -> Ellipse:
    """Fluid around the fetus, off-centre: the fetus touches the wall somewhere."""
    return Ellipse(
        x_mm=outline.x_mm + float(rng.uniform(-16.0, 16.0)),
        z_mm=outline.z_mm + float(rng.uniform(-6.0, 6.0)),
        a_mm=outline.a_mm + float(rng.uniform(-2.0, 16.0)),
        b_mm=outline.b_mm + float(rng.uniform(-4.0, 8.0)),
        angle_rad=outline.angle_rad + float(rng.uniform(-0.25, 0.25)),
    )


def _half_height(outline: Ellipse) -> float:
    c, s = math.cos(outline.angle_rad), math.sin(outline.angle_rad)
    return math.hypot(outline.a_mm * s, outline.b_mm * c)


def _lowered(outline: Ellipse, pose: _Pose) -> Ellipse:
    """Move an outline down until it lies below the abdominal wall."""
    return Ellipse(
        x_mm=outline.x_mm,
        z_mm=pose.wall_mm + pose.gap_mm + _half_height(outline),
        a_mm=outline.a_mm,
        b_mm=outline.b_mm,
        angle_rad=outline.angle_rad,
    )


def _surroundings(rng: np.random.Generator, outline: Ellipse, pose: _Pose) -> tuple[Mother, Probe]:
    mother = Mother(wall_mm=pose.wall_mm, pocket=_pocket(rng, outline), radius_mm=PROBE_RADIUS_MM, rng=rng)
    far_mm = outline.z_mm + _half_height(outline) + float(rng.uniform(16.0, 40.0))
    # The sector is opened until the part fits between its sides with a margin.
    widest = max(
        abs(math.atan2(x, z + PROBE_RADIUS_MM))
        for x, z in (outline.grown(4.0).to_world(*p) for p in _rim(outline.grown(4.0)))
    )
    # Small and shallow parts are looked at with a higher frequency: shorter pulse, narrower beam.
    fineness = float(np.clip(_half_height(outline) / 36.0, 0.55, 1.0))
    probe = Probe(
        radius_mm=PROBE_RADIUS_MM,
        half_angle_rad=max(widest + 0.03, float(rng.uniform(0.52, 0.66))),
        near_mm=0.0,
        far_mm=far_mm,
        focus_mm=outline.z_mm,
        pulse_mm=fineness * float(rng.uniform(0.30, 0.42)),
        waist_mm=fineness * float(rng.uniform(0.5, 0.75)),
    )
    return mother, probe


def _rim(outline: Ellipse) -> list[tuple[float, float]]:
    turns = [2.0 * math.pi * i / 48 for i in range(48)]
    return [(outline.a_mm * math.cos(t), outline.b_mm * math.sin(t)) for t in turns]


def brain_phantom(rng: np.random.Generator, plane: str, fetus: Fetus) -> Phantom:
    """Draw the pose and surroundings of a fetal head shown in `plane` (see `head`)."""
    pose = _pose(rng, 0.55)
    skull = _lowered(head_outline(fetus.hc_mm, fetus.cephalic_index, pose.x_mm, 0.0, pose.angle_rad), pose)
    weeks, atrium, tcd = fetus.weeks, fetus.atrium_mm, fetus.tcd_mm
    mother, probe = _surroundings(rng, skull, pose)
    head = FetalHead(skull=skull, plane=plane, atrium_mm=atrium, tcd_mm=tcd, weeks=weeks, rng=rng)
    return Phantom(
        mother=mother,
        body=head,
        outline=skull,
        probe=probe,
        type=BRAIN,
        plane=plane,
        finding=fetus.finding,
        weeks=weeks,
        atrium_mm=atrium if head.shows_ventricles else None,
        atrium_line_mm=head.atrium_line_mm if head.shows_ventricles else None,
        tcd_mm=None if head.shows_ventricles else tcd,
        length_mm=None,
    )


def with_lesion(phantom: Phantom, rng: np.random.Generator) -> Phantom:
    """Put a cyst or a bright focus into a head of this phantom: away from midline and skull, 8-17 mm long."""
    side = 1.0 if rng.random() < 0.5 else -1.0
    u, v = float(rng.uniform(-0.45, 0.45)), side * float(rng.uniform(0.36, 0.5))
    half_mm = float(rng.uniform(0.14, 0.2)) * phantom.outline.b_mm
    outline = phantom.outline.part(
        u, v, half_mm * float(rng.uniform(1.0, 1.4)), half_mm, float(rng.uniform(-1.5, 1.5))
    )
    # A cyst swallows sound and lets it through; a bleeding throws it back.
    bright = rng.random() < 0.4
    lesion = Lesion(
        outline=outline, echo_db=-14.0 if bright else -62.0, loss_db_per_mm=0.06 if bright else 0.0
    )
    return replace(phantom, finding=OTHER, lesions=(lesion,))


def other_phantom(rng: np.random.Generator, kind: str, fetus: Fetus) -> Phantom:
    """Draw the pose and surroundings of a fetal abdomen, femur or thorax.

    Raises:
        ValueError: `kind` is none of these.
    """
    pose = _pose(rng, 0.35)
    length: float | None = None
    if kind == FEMUR:
        length = fetus.fl_mm
        a, b = 0.5 * length + 18.0, 0.30 * length + 8.0
    elif kind in (ABDOMEN, THORAX):
        around = fetus.ac_mm * (1.0 if kind == ABDOMEN else 0.9)
        ratio = float(rng.uniform(0.88, 0.97))
        a = around / biometry.ramanujan_perimeter(1.0, ratio)
        b = a * ratio
    else:
        raise ValueError(f"no phantom of type {kind!r}")
    flat = Ellipse(x_mm=pose.x_mm, z_mm=0.0, a_mm=a, b_mm=b, angle_rad=pose.angle_rad)
    outline = _lowered(flat, pose)
    mother, probe = _surroundings(rng, outline, pose)
    body: Body
    if length is not None:
        body = Femur(thigh=outline, length_mm=length, rng=rng)
    else:
        body = Abdomen(trunk=outline, rng=rng) if kind == ABDOMEN else Thorax(trunk=outline, rng=rng)
    return Phantom(
        mother=mother,
        body=body,
        outline=outline,
        probe=probe,
        type=kind,
        plane=kind,
        finding=None,
        weeks=fetus.weeks,
        atrium_mm=None,
        atrium_line_mm=None,
        tcd_mm=None,
        length_mm=length,
    )
