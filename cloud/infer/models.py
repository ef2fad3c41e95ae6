"""Part of step 11: the models as one reading uses them, and the clock that it reads them by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.infer import DescribingEngine, ModelInfo
from cloud.infer.errors import ModelInvalid, ModelUnknown

HasCores = Callable[[], bool]
"""Says whether a reading may use more than one core now; asked before each model."""


class Stopwatch:
    """Adds up the milliseconds of each step; each step is timed by one thread at a time."""

    def __init__(self, steps: Sequence[str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self.milliseconds: dict[str, float] = dict.fromkeys(steps, 0.0)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Counts the time inside for the step of this name."""
        began = self._clock()
        yield
        self.milliseconds[name] += (self._clock() - began) * 1000


class Call(Protocol):
    """Runs a model and waits for it: `RunsHere.run`, or a call across to an engine elsewhere."""

    def __call__(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]: ...


class Models:
    """The engine, as one reading uses it: with the versions that it had when the reading began."""

    def __init__(self, engine: DescribingEngine, call: Call, is_alone: HasCores) -> None:
        self._engine = engine
        self._call = call
        self.is_alone = is_alone
        self.used: dict[str, ModelInfo] = {}
        """The models that were run so far."""

    def describe(self, model: str) -> ModelInfo:
        """The facts about the version that this reading uses."""
        return self._engine.describe(model)

    def has(self, model: str) -> bool:
        """Whether the engine knows the model."""
        try:
            self._engine.describe(model)
        except ModelUnknown:
            return False
        return True

    def run(
        self, model: str, input_name: str, item: NDArray[Any], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """One item through a model: a batch axis is put on and taken off; what is not finite is refused."""
        outputs = self._call(model, {input_name: item[np.newaxis]}, alone=alone)
        self.used[model] = self._engine.describe(model)
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise ModelInvalid(model, f"its output {name!r} is not finite")
        return {name: array[0] for name, array in outputs.items()}
