"""Made-up examinations: a patient, a machine, a handful of stills and sometimes a cine."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from edge_agent.simulator.head import TRANS_CEREBELLAR, TRANS_THALAMIC, TRANS_VENTRICULAR
from edge_agent.simulator.patients import Patient, draw_patient
from edge_agent.simulator.phantom import (
    ABDOMEN,
    FEMUR,
    NORMAL,
    THORAX,
    VENTRICULOMEGALY,
    Fetus,
    Phantom,
    brain_phantom,
    draw_fetus,
    other_phantom,
    with_lesion,
)
from edge_agent.simulator.screen import LAYOUTS, Banner, Frame, Layout, Motion, Scan

VENTRICULOMEGALY_SHARE = 0.3
CINE_SHARE = 0.15
_BEATS_PER_S = 2.4
CINE_FRAMES_PER_S = 25.0
HELD_SHARE = 0.75
"""Share of a sliding cine's frames in which the probe is held where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One press of the print or save key: a still, or a short cine."""

    frames: tuple[Frame, ...]
    """One frame for a still; 10 to 20 for a cine, 25 per second."""
    patient: Patient
    """Whose picture it is."""
    machine: str
    """The machine's name."""
    taken: datetime
    """When the key was pressed, by the machine's clock (no time zone)."""
    instance: int
    """Number of the picture within its examination, from 1."""
    uid_seed: int
    """Seed of the examination's UIDs: pictures of one examination share it."""
    banner: bool
    """Whether texts are burned in."""

    @property
    def still(self) -> Frame:
        """The first frame."""
        return self.frames[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """One appointment: its patient and what was printed."""

    patient: Patient
    """The made-up patient."""
    machine: str
    """The machine's name."""
    finding: str
    """normal or ventriculomegaly: the same on every brain picture of the examination."""
    shots: tuple[Shot, ...]
    """The pictures in the order in which they were taken."""


def cine(scan: Scan, frame_count: int, rng: np.random.Generator) -> tuple[Frame, ...]:
    """Give `frame_count` frames of a beating heart under a slightly drifting probe; the first is at rest."""
    sway_x, sway_z = float(rng.uniform(0.3, 1.2)), float(rng.uniform(0.2, 0.7))
    frames = []
    for index in range(frame_count):
        seconds = index / CINE_FRAMES_PER_S
        motion = Motion(
            dx_mm=sway_x * math.sin(2.0 * math.pi * 0.5 * seconds),
            dz_mm=sway_z * math.sin(2.0 * math.pi * 0.35 * seconds),
            phase=(seconds * _BEATS_PER_S) % 1.0,
        )
        frames.append(scan.frame(motion))
    return tuple(frames)


def sliding_cine(scan: Scan, frame_count: int, rng: np.random.Generator) -> tuple[Frame, ...]:
    """Give a cine as `cine`, at whose end the probe slides sideways until it has lost what it looked at."""
    held = max(1, round(HELD_SHARE * frame_count))
    aside_mm = 2.2 * scan.phantom.outline.a_mm * (1.0 if rng.random() < 0.5 else -1.0)
    frames = list(cine(scan, held, rng))
    for index in range(held, frame_count):
        phase = (index / CINE_FRAMES_PER_S * _BEATS_PER_S) % 1.0
        share = (index - held + 1) / (frame_count - held)
        frames.append(scan.frame(Motion(dx_mm=aside_mm * share, phase=phase)))
    return tuple(frames)


def _phantom(rng: np.random.Generator, what: str, fetus: Fetus) -> Phantom:
    if what in (ABDOMEN, FEMUR, THORAX):
        return other_phantom(rng, what, fetus)
    return brain_phantom(rng, what, fetus)


def _plan(rng: np.random.Generator, finding: str) -> list[str]:
    """Choose the planes of one examination: head planes always, other types often."""
    plan = [TRANS_VENTRICULAR]
    if rng.random() < 0.8:
        plan.insert(0, TRANS_THALAMIC)
    if finding == NORMAL and rng.random() < 0.35:
        plan.append(TRANS_CEREBELLAR)
    others = [kind for kind in (ABDOMEN, FEMUR, THORAX) if rng.random() < 0.45]
    return plan + others


def draw_examination(
    seed: int,
    number: int,
    *,
    banner: bool = True,
    cines: bool = True,
    only_cines: bool = False,
    lesion_share: float = 0.0,
) -> Iterator[Shot]:
    """Give the shots of examination `number` of `seed`, one by one as they are computed.

    Args:
        seed: the run's seed; the same seed and number give the same pixels.
        number: which examination, from 0.
        banner: burn texts in.
        cines: let some shots be cines; a cine costs as much as 10 to 20 stills.
        only_cines: let every shot be a cine at whose end the probe slides away.
        lesion_share: share of otherwise normal head pictures that get a lesion.
    """
    rng = np.random.default_rng([seed, number])
    patient = draw_patient(rng)
    finding = VENTRICULOMEGALY if rng.random() < VENTRICULOMEGALY_SHARE else NORMAL
    fetus = draw_fetus(rng, finding)
    layout = LAYOUTS[int(rng.integers(len(LAYOUTS)))]
    taken = patient.taken
    uid_seed = int(rng.integers(0, 2**62))
    plan = _plan(rng, finding)
    # Every shot has its own generator: leaving cines out changes no still.
    for instance, what in enumerate(plan, start=1):
        own = np.random.default_rng([seed, number, instance])
        taken = taken + timedelta(seconds=int(own.integers(20, 240)))
        moving = (bool(own.random() < CINE_SHARE) and cines) or only_cines
        frame_count = int(own.integers(10, 21))
        # A colour cine would be three times as large and shows nothing more.
        screen = replace(layout, colour=False) if moving else layout
        phantom = _phantom(own, what, fetus)
        if phantom.finding == NORMAL and lesion_share > 0 and own.random() < lesion_share:
            phantom = with_lesion(phantom, own)
        scan = _scan(phantom, screen, patient if banner else None, taken, own)
        move = sliding_cine if only_cines else cine
        yield Shot(
            frames=move(scan, frame_count, own) if moving else (scan.frame(),),
            patient=patient,
            machine=layout.machine,
            taken=taken,
            instance=instance,
            uid_seed=uid_seed,
            banner=banner,
        )


def _scan(
    phantom: Phantom, layout: Layout, patient: Patient | None, taken: datetime, rng: np.random.Generator
) -> Scan:
    mechanical, thermal = float(rng.uniform(0.8, 1.3)), float(rng.uniform(0.2, 0.7))
    text = None
    if patient is not None:
        text = Banner(
            name=patient.latin,
            patient_id=patient.patient_id,
            taken=taken,
            weeks=phantom.weeks,
            mechanical_index=mechanical,
            thermal_index=thermal,
        )
    return Scan(phantom, layout, text, rng)


def examinations(seed: int, *, banner: bool = True, cines: bool = True) -> Iterator[Examination]:
    """Give made-up examinations without end; the same seed gives the same examinations."""
    number = 0
    while True:
        shots = tuple(draw_examination(seed, number, banner=banner, cines=cines))
        findings = {shot.still.truth.finding for shot in shots} - {None}
        yield Examination(
            patient=shots[0].patient,
            machine=shots[0].machine,
            finding=VENTRICULOMEGALY if VENTRICULOMEGALY in findings else NORMAL,
            shots=shots,
        )
        number += 1


def shots(
    seed: int,
    *,
    banner: bool = True,
    cines: bool = True,
    only_cines: bool = False,
    lesion_share: float = 0.0,
) -> Iterator[Shot]:
    """Give the shots of `examinations(seed)` one by one, without waiting for a whole examination."""
    number = 0
    while True:
        yield from draw_examination(
            seed, number, banner=banner, cines=cines, only_cines=only_cines, lesion_share=lesion_share
        )
        number += 1
