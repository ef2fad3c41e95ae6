"""Part of step 11: the seam between reading an image and whatever runs the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a model says about itself."""

    name: str
    """The model's name: its folder in the repository."""
    version: str
    """The version that answers, as its folder's name: "1"."""
    sha256: str
    """SHA-256 of the weights that are loaded, 64 hexadecimal digits."""
    labels: tuple[str, ...]
    """Class names in the order of the outputs; empty for a model without classes."""
    card: Mapping[str, Any]
    """The model card (`card.toml`) as read; empty where there is none."""


class Engine(Protocol):
    """Runs models. It keeps no state between calls: equal inputs to the same version give equal outputs.

    Calls may overlap. A call that is cancelled leaves the engine usable.
    """

    async def infer(self, model: str, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """Gives every output of the model by name; the first axis is the batch, as long as the inputs'.

        The inputs carry a batch axis where the model's `max_batch_size` is above 0. Raises `EngineBusy`
        (nothing was started; it says how long to wait), `ModelUnknown`, `InputInvalid` and `ModelInvalid`.
        """

    async def ready(self, model: str) -> bool:
        """Says whether `infer` would run the model now; false for a model that the engine does not know."""


class Describes(Protocol):
    """Knows the facts about its models."""

    def describe(self, model: str) -> ModelInfo:
        """The facts about the version that `infer` runs. Raises `ModelUnknown`. Never waits."""


class DescribingEngine(Engine, Describes, Protocol):
    """An engine that also knows the facts about its models: what reading an image needs."""


@runtime_checkable
class RunsHere(Protocol):
    """An engine in this process that can run a model on the thread that calls: no hop, no queue."""

    def run(
        self, model: str, inputs: Mapping[str, NDArray[Any]], *, alone: bool
    ) -> Mapping[str, NDArray[Any]]:
        """As `Engine.infer`, on the calling thread, and never busy: who calls bounds how many run at once.

        `alone`: the caller has the processor to itself, so more threads may help; otherwise only the calling
        one works, which costs least. The outputs are the same either way.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedVersion:
    """A version of a model that has been loaded and warmed up, and does not answer yet."""

    info: ModelInfo
    """Its facts."""
    handle: Any
    """What its engine runs; only that engine knows what it is."""


@runtime_checkable
class KeepsVersions(Protocol):
    """An engine of which one version of a model can be exchanged for another while it serves."""

    async def load(self, folder: Path, version: str) -> LoadedVersion:
        """Loads a version of a model folder beside the one that answers, and warms it up. Changes nothing.

        Raises ModelInvalid for one that cannot serve.
        """

    def serve(self, loaded: LoadedVersion) -> None:
        """Lets a loaded version answer in place of its model's; calls under way end with the one before."""

    def snapshot(self) -> DescribingEngine:
        """The engine with the versions of now: whatever is exchanged later, it keeps answering with these."""

    def beside(self, loaded: LoadedVersion) -> DescribingEngine:
        """A snapshot in which a loaded version answers in place of its model's."""


class ServingEngine(DescribingEngine, KeepsVersions, Protocol):
    """All that a server asks of its engine."""

    async def start(self, versions: Mapping[str, str] | None = None) -> None:
        """Makes the models of its repository ready, each in the version that `versions` names, else in the one that
        its configuration chooses. Raises ModelInvalid, and EngineUnusable for an engine elsewhere; one that cannot
        be reached is waited for by the calls, not here."""

    async def close(self) -> None:
        """Stops serving. A repeat changes nothing."""


def snapshot_of(engine: DescribingEngine) -> DescribingEngine:
    """The engine's versions of now, where it keeps several; otherwise the engine itself."""
    return engine.snapshot() if isinstance(engine, KeepsVersions) else engine
