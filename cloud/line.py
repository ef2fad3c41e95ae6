"""The cloud's half of the line: steps 8 to 13 as a table. The edge has the other half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the thirteen."""

    number: int
    """Place in the line, from 1."""
    name: str
    """Name, the same everywhere."""
    module: str
    """Module or package that does it; its docstring claims the step."""


STEPS: Final = (
    Step(number=8, name="verify", module="cloud.ingest.verify"),
    Step(number=9, name="store", module="cloud.store"),
    Step(number=10, name="ledger", module="cloud.ledger"),
    Step(number=11, name="infer", module="cloud.infer.pipeline"),
    Step(number=12, name="publish", module="cloud.publish"),
    Step(number=13, name="console", module="cloud.console"),
)
"""In the order in which every image passes them."""

NAMES: Final = {step.number: step.name for step in STEPS}
"""Name of each step of the cloud by its number."""

READ_JOB: Final = "read"
"""Kind of the jobs of step 11: read one image."""
