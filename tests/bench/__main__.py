"""`make bench`: each benchmark as a ratio against a peer or a limit in one run; table and JSON."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.bench import agent, consoles, engines, ingest, line, outcome, reslice, sorting, studies, viewer

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = {
    "latency": line.latency,
    "throughput": line.throughput,
    "engines": engines.all_of_them,
    "ingest": ingest.against_orthanc,
    "agent": agent.idle,
    "ferns": sorting.ferns,
    "reslice": reslice.oblique_slice,
    "studies": studies.studies,
    "viewer": viewer.planes_of_a_series,
    "pixels": consoles.result_to_pixels,
    "consoles": consoles.fifty_consoles,
}


def main() -> int:
    """Runs the chosen benchmarks; the exit code is 0 whether goals are met or not: the table says it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=[[], *BENCHMARKS], help="default: all")
    chosen = parser.parse_args().only or list(BENCHMARKS)
    rows: list[outcome.Row] = []
    for name in chosen:
        print(f"{name} ...", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"sonorelay-bench-{name}-") as folder:
            rows += BENCHMARKS[name](Path(folder))
    outcome.show(rows)
    print(f"\nsaved: {outcome.save(rows, ROOT / 'bench-results')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
