"""The plane model on machines that it has never seen: for each machine, one training without its frames.

These trainings are short and from random weights, and learn the planes alone, nothing of "other": a lower bound
of what the shipped weights would do. The figures are kept in the work folder; the card of the plane model made
next takes them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cloud.training import planes
from cloud.training.card import Table, mean_metric
from cloud.training.options import Options, Say
from cloud.training.plane_learning import PlaneReader, as_published, learn_network, samples_to_learn
from cloud.training.planes import Amounts, PlaneSample
from cloud.training.studies import keep

NAME = "fetal_plane_cls_machines"
STUDY = "planes-machines"
"""Under which name its figures are kept."""
EPOCHS = 15
PLANES_ALONE = Amounts(negatives=0, lookalikes=0, fragments=0, heads=0, prints=0)


def make(options: Options, say: Say, amounts: Amounts = PLANES_ALONE) -> Path:
    """Trains once without each machine of `planes`; returns the path of the figures."""
    learned = samples_to_learn(options, amounts)
    dev = [sample for sample in planes.load(options.data, "dev") if sample.source == "planes"]
    plan = planes.plan(options.epochs or EPOCHS, options.seed)
    rows: list[Table] = []
    for machine in sorted({sample.machine for sample in [*learned, *dev] if sample.machine}):
        others, unseen = apart(learned, dev, machine)
        name = f"{NAME}.{machine.lower().replace(' ', '-')}"
        network = learn_network(options, others, plan, name, say, amounts)
        read = PlaneReader(as_published(network, others, options.seed))
        found = figures(read, unseen, machine, options.seed, plan.epochs)
        known = [sample for sample in dev if sample.machine != machine]
        found.append(_beside(read, known, machine, options.seed, plan.epochs))
        rows += found
        for row in found:
            say(f"{NAME}: {row['name']} {row['value']} ({row['low_95']} to {row['high_95']}), {row['note']}")
    return keep(options.work, STUDY, rows)


def apart(
    learned: Sequence[PlaneSample], dev: Sequence[PlaneSample], machine: str
) -> tuple[list[PlaneSample], list[PlaneSample]]:
    """The training pictures of all other machines, and every frame of this one, of `train` and of `dev`.

    A patient who has a frame of this machine is not learned from at all.
    """
    unseen = [sample for sample in [*learned, *dev] if sample.machine == machine]
    groups = {sample.group for sample in unseen}
    return [sample for sample in learned if sample.group not in groups], unseen


def figures(
    read: PlaneReader, unseen: Sequence[PlaneSample], machine: str, seed: int, epochs: int
) -> list[Table]:
    """Accuracy over the four planes."""
    readings = read(planes.inputs(unseen))
    note = f"trained without it, {epochs} epochs, planes alone; train and dev frames of the machine"
    labels = np.array([sample.label for sample in unseen])
    right = readings.logits.argmax(axis=1) == labels
    groups = [sample.group for sample in unseen]
    return [mean_metric(f"accuracy, {machine}", right, groups, seed, "share", note)]


def _beside(read: PlaneReader, known: Sequence[PlaneSample], machine: str, seed: int, epochs: int) -> Table:
    """Accuracy of the same network on dev frames of the machines that it has seen, for comparison."""
    right = read(planes.inputs(known)).logits.argmax(axis=1) == np.array([sample.label for sample in known])
    groups = [sample.group for sample in known]
    note = f"the same training of {epochs} epochs; dev frames of the other machines"
    return mean_metric(f"accuracy, machines seen, without {machine}", right, groups, seed, "share", note)
