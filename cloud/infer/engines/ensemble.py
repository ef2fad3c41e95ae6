"""Part of step 11: ensembles: models that run one after the other as `ensemble_scheduling` connects them, by the
rules of Triton's own scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from cloud.infer.engines.repository import EnsembleStep, ModelFolder, TensorSpec
from cloud.infer.errors import ModelInvalid

Tensors = Mapping[str, NDArray[Any]]


def walk(
    folder: ModelFolder, inputs: Tensors, run: Callable[[str, Tensors], Tensors]
) -> dict[str, NDArray[Any]]:
    """The outputs of a checked ensemble (`check_ensemble`): its steps one after the other, each by `run`."""
    tensors = dict(inputs)
    for step in in_order(folder):
        given = run(step.model, {name: tensors[source] for name, source in step.inputs.items()})
        tensors.update({target: given[name] for name, target in step.outputs.items()})
    return {spec.name: tensors[spec.name] for spec in folder.outputs}


def in_order(folder: ModelFolder) -> list[EnsembleStep]:
    """The steps, each after those whose tensors it takes. Raises ModelInvalid where a tensor comes from nowhere or
    the steps wait for each other."""
    known = {spec.name for spec in folder.inputs}
    produced = known | {target for step in folder.steps for target in step.outputs.values()}
    waiting, ordered = list(folder.steps), []
    while waiting:
        ready = [step for step in waiting if set(step.inputs.values()) <= known]
        if not ready:
            missing = sorted({s for step in waiting for s in step.inputs.values()} - produced)
            if missing:
                raise ModelInvalid(folder.info.name, f"no step gives the tensors {missing}")
            names = sorted(step.model for step in waiting)
            raise ModelInvalid(folder.info.name, f"its steps {names} wait for each other")
        for step in ready:
            known |= set(step.outputs.values())
            waiting.remove(step)
        ordered += ready
    return ordered


def check_ensemble(folder: ModelFolder, members: Mapping[str, ModelFolder]) -> None:
    """Raises ModelInvalid unless every tensor of the ensemble is mapped as it must be.

    Every step's model is there in the version asked for and takes batches as large; each of its inputs comes
    from exactly one tensor of its type and dims; no tensor has two sources; every input of the ensemble is
    used and every output made.
    """
    name = folder.info.name
    tensors: dict[str, TensorSpec] = {spec.name: spec for spec in folder.inputs}
    used: set[str] = set()
    for step in in_order(folder):
        member = members.get(step.model)
        if member is None:
            raise ModelInvalid(name, f"its step {step.model!r} is no model of this repository")
        _check_member(name, step, member, folder.max_batch_size)
        for spec in member.inputs:
            source = step.inputs[spec.name]
            _check_same(name, step, tensors[source], spec)
            used.add(source)
        given = {spec.name: spec for spec in member.outputs}
        for output, target in step.outputs.items():
            if target in tensors:
                raise ModelInvalid(name, f"the tensor {target!r} has two sources")
            tensors[target] = given[output]
    unused = sorted({spec.name for spec in folder.inputs} - used)
    if unused:
        raise ModelInvalid(name, f"no step takes its inputs {unused}")
    for spec in folder.outputs:
        if spec.name not in tensors:
            raise ModelInvalid(name, f"no step gives its output {spec.name!r}")
        _check_same(name, None, tensors[spec.name], spec)


def _check_member(name: str, step: EnsembleStep, member: ModelFolder, max_batch_size: int) -> None:
    if step.version is not None and step.version != member.info.version:
        raise ModelInvalid(
            name, f"its step {step.model!r} asks for version {step.version}, {member.info.version} serves"
        )
    if member.max_batch_size < max_batch_size:
        raise ModelInvalid(name, f"its step {step.model!r} takes batches of {member.max_batch_size} only")
    inputs, outputs = {s.name for s in member.inputs}, {s.name for s in member.outputs}
    if set(step.inputs) != inputs:
        raise ModelInvalid(
            name, f"its step {step.model!r} maps the inputs {sorted(step.inputs)}, not {sorted(inputs)}"
        )
    if not set(step.outputs) <= outputs:
        raise ModelInvalid(
            name, f"its step {step.model!r} maps the outputs {sorted(step.outputs)}, of {sorted(outputs)}"
        )


def _check_same(name: str, step: EnsembleStep | None, given: TensorSpec, taken: TensorSpec) -> None:
    agree = len(given.dims) == len(taken.dims) and all(
        -1 in pair or pair[0] == pair[1] for pair in zip(given.dims, taken.dims, strict=True)
    )
    if given.dtype != taken.dtype or not agree:
        where = f"of its step {step.model!r}" if step else "among its outputs"
        raise ModelInvalid(
            name,
            f"tensor {taken.name!r} {where} is {taken.dtype} {taken.dims}, its source {given.dtype} {given.dims}",
        )
