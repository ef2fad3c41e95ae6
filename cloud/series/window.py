"""Beside the thirteen steps: series: centre and width by which a volume is shown, where nobody chose them."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from cloud.series.header import Header
from cloud.series.messages import Format, Frame
from cloud.series.volume import Volume

_SAMPLED = 1_000_000


def proposed_for_frame(header: Header, frame: Frame) -> tuple[float, float]:
    """As `proposed`, where there is no volume, for one of its frames; of colours the whole range."""
    if frame.format is Format.RGB8:
        return 128.0, 256.0
    if header.window is not None and header.photometric != "MONOCHROME1":
        return header.window
    values = np.frombuffer(frame.data, "<i2").astype(np.float64) * frame.scale + frame.offset
    low, high = np.percentile(values[:: max(1, values.size // _SAMPLED)], [1, 99])
    return float(low + high) / 2, max(float(high - low), 1.0)


def proposed(current: Header, volume: Volume) -> tuple[float, float]:
    """The header's own window (in the unit of its values), else one from the 1st to the 99th percentile of what lies
    above the background; the width is 1 at least."""
    # A window of MONOCHROME1 is meant for values that are not turned over.
    if current.window is not None and current.photometric != "MONOCHROME1":
        return current.window
    stored = sitk.GetArrayViewFromImage(volume.image).ravel()
    sample = stored[:: max(1, stored.size // _SAMPLED)]
    shown = sample[sample > volume.background]
    low, high = np.percentile(shown if shown.size else sample, [1, 99]) * volume.scale + volume.offset
    return float(low + high) / 2, max(float(high - low), 1.0)
