"""Made-up parts of readings for the console's tests: ventricles with a midline, and a loop."""

from __future__ import annotations

import math

from cloud.infer.annotate import Ellipse
from cloud.infer.loop_reading import BestReason, FrameReading, LoopMeasurements, LoopReading, Spread
from cloud.infer.midline import Midline
from cloud.infer.ventricle import NoWidth, VentricleReading, VentricleWidth

BEST = 2
"""The loop's best frame, from 0."""


def made_ventricles(head: Ellipse, width_px: float, no_width: NoWidth | None = None) -> VentricleReading:
    """A far and a near ventricle behind the head's middle, and a midline a little off the longer axis."""
    u = (math.cos(math.radians(head.angle_deg)), math.sin(math.radians(head.angle_deg)))
    # Away from the probe, which is above.
    v = (-u[1], u[0]) if u[0] >= 0 else (u[1], -u[0])

    def at(along: float, across: float) -> tuple[float, float]:
        return head.cx + u[0] * along + v[0] * across, head.cy + u[1] * along + v[1] * across

    def one(far: bool, confidence: float) -> VentricleWidth:
        middle = head.b * (0.38 if far else -0.4)
        ends = (*at(0.3 * head.a, middle - width_px / 2), *at(0.3 * head.a, middle + width_px / 2))
        return VentricleWidth(
            far=far,
            width_px=width_px,
            width_sd_px=2.0,
            line=ends,
            confidence=confidence,
            touches_skull=no_width is NoWidth.TOUCHES_SKULL,
        )

    shift = 0.02 * head.b
    line = (*at(-0.7 * head.a, shift), *at(0.7 * head.a, shift))
    return VentricleReading(
        ventricles=(one(True, 0.97), one(False, 0.9)),
        no_width=no_width,
        midline=Midline(angle_deg=0.0, shift_px=shift, shift_sd_px=2.0, strength=0.6, line=line),
    )


def made_loop(frame_count: int = 3, measured: LoopMeasurements | None = None) -> LoopReading:
    """A loop whose third frame stands for it."""
    frame = FrameReading(
        index=BEST, stands_for=2, plane="brain", probability=0.99, head_confidence=None, hc_mm=None
    )
    return LoopReading(
        frame_count=frame_count,
        frame_rate_hz=25.0,
        best_frame=BEST,
        best_reason=(BestReason.PLANE_SURE, BestReason.SHARP),
        per_frame=(frame,),
        plane_agreement=1.0,
        finding_agreement=None if measured is None else 0.75,
        finding_frames=() if measured is None else (BEST,),
        measurements=measured,
    )


def loop_lengths() -> LoopMeasurements:
    """A head circumference over four frames."""
    return LoopMeasurements(frame_count=4, lengths={"hc_mm": Spread(median=172.4, spread=1.3)})
