"""The whole line against the bare models: latency of one image at a time, images per second."""

from __future__ import annotations

import shutil
import statistics
import time
from pathlib import Path

from deploy.local.console_client import READ, steps_ms
from edge_agent.simulator.printer import Printer
from tests.bench.models import Bare
from tests.bench.outcome import Row, medians, row
from tests.bench.processor import Watch
from tests.line_machine import Line, wait_for, watching

LATENCY_PRINTS = 25
THROUGHPUT_PRINTS = 60
WARM_PRINTS = 5
_PAUSE_S = 0.6


def drawn_stills(folder: Path, count: int) -> list[Path]:
    """Made-up brain stills as PNG of about 800x540, drawn beforehand."""
    drawn = folder / "drawn"
    drawn.mkdir()
    printer = Printer(drawn, formats=("png",), seed=11, cines=False)
    chosen: list[Path] = []
    for printed in printer.printing():
        path = drawn / printed.name
        if printed.truth.type == "brain" and printed.truth.width_px == 800:
            chosen.append(path)
        if len(chosen) == count:
            return chosen
    raise AssertionError("the virtual scanner has no end")


def hand_over(still: Path, prints: Path) -> float:
    """Puts a copy into the watched folder; returns the monotonic time at which it was complete."""
    aside = prints / f".{still.name}.tmp"
    shutil.copyfile(still, aside)
    begin = time.monotonic()
    aside.rename(prints / still.name)
    return begin


def latency(folder: Path) -> list[Row]:
    """File complete to result on the event stream, one image at a time, against the bare models.

    The models run on the same still after the same pause: both find the caches as a single print does.
    """
    stills = drawn_stills(folder, LATENCY_PRINTS + WARM_PRINTS)
    bare = Bare(stills)
    models_ms: list[float] = []
    with Line(folder / "line") as line:
        line.cloud()
        line.agent()
        with watching(line.client) as seen:
            times_ms: list[float] = []
            profiles: list[dict[str, float]] = []
            for number, still in enumerate(stills):
                known = len(seen)
                begin = hand_over(still, line.prints)
                wait_for(
                    lambda known=known: any(i["status"] in READ for _, i in seen[known:]), "a result", line
                )
                arrived, item = next((t, i) for t, i in seen[known:] if i["status"] in READ)
                if number >= WARM_PRINTS:
                    times_ms.append(1000 * (arrived - begin))
                    profiles.append({**steps_ms(item), "everything between": 0.0})
                    profiles[-1]["everything between"] = times_ms[-1] - sum(profiles[-1].values())
                # The line is to be idle before the next run: receipts checked, tiles written.
                time.sleep(_PAUSE_S)
                models_ms.append(bare.run_ms(number))
                time.sleep(_PAUSE_S)
    ours_ms, peer_ms = statistics.median(times_ms), statistics.median(models_ms[WARM_PRINTS:])
    return [
        row(
            "print to result, one at a time / models", ours_ms, peer_ms, "ms", ours_ms / peer_ms, "<=", 2.0,
            profile=medians(profiles),
            notes=f"p95 {statistics.quantiles(times_ms, n=20)[-1]:.0f} ms; bare models in a loop without pauses"
            f" {bare.loop_ms():.1f} ms",
        )
    ]  # fmt: skip


def throughput(folder: Path) -> list[Row]:
    """Images per second through the whole line, all printed at once, against the bare models in a loop."""
    stills = drawn_stills(folder, THROUGHPUT_PRINTS + WARM_PRINTS)
    models_per_s = 1000 / Bare(stills[:40]).loop_ms()
    with Line(folder / "line") as line:
        cloud, agent = line.cloud(), line.agent()
        for still in stills[:WARM_PRINTS]:
            hand_over(still, line.prints)
        line.finals(WARM_PRINTS)
        with watching(line.client) as seen:

            def finished() -> set[str]:
                return {item["capture_id"] for _, item in list(seen) if item["status"] in READ}

            wait_for(lambda: len(finished()) == WARM_PRINTS, "the warm-up", line)
            watch = Watch(cloud, agent)
            begin = min(hand_over(still, line.prints) for still in stills[WARM_PRINTS:])
            wait_for(lambda: len(finished()) == len(stills), "every result", line, timeout_s=300)
            profile = watch.profile_ms(THROUGHPUT_PRINTS)
            last = max(arrived for arrived, item in seen if item["status"] in READ)
    ours_per_s = THROUGHPUT_PRINTS / (last - begin)
    return [
        row(
            "images/s, whole line / bare models", ours_per_s, models_per_s, "images/s", ours_per_s / models_per_s,
            ">=", 0.6, profile=profile,
            notes=f"{THROUGHPUT_PRINTS} prints of 800x540 at once, agent and cloud on the same cores",
        )
    ]  # fmt: skip
