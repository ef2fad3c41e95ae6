"""What step 5 asks of the edge's processor: the type of a still by the shipped ferns, on one thread."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from edge_agent.ferns import Ferns
from edge_agent.sandbox import FERNS_PATH
from tests.bench.outcome import Row, row

ROUNDS = 500
LIMIT_MS = 2.0
STILL_HW = (540, 800)


def ferns(folder: Path) -> list[Row]:
    """Median milliseconds for the type of an 800x540 still, against the limit of TX-04."""
    shipped = Ferns.load(FERNS_PATH)
    still = np.random.default_rng(1).integers(0, 256, STILL_HW, dtype=np.uint8)
    spent_ms: list[float] = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        shipped.probabilities(still)
        spent_ms.append(1000 * (time.perf_counter() - begin))
    ours_ms = statistics.median(spent_ms)
    return [
        row(
            "type of a still by the ferns / 2 ms", ours_ms, LIMIT_MS, "ms", ours_ms / LIMIT_MS, "<=", 1.0,
            notes=f"fastest {min(spent_ms):.2f} ms; numpy alone, which uses one thread here;"
            f" file of {FERNS_PATH.stat().st_size / 1e6:.2f} MB",
        )
    ]  # fmt: skip
