"""What the viewer asks of a volume: one oblique plane of 512 x 512 pixels, against SimpleITK called bare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from cloud.series.planes import Plane, oblique, plane
from cloud.series.reslice import cut
from cloud.series.volume import Volume
from tests.bench.outcome import Row, row

ROUNDS = 60
SIZE = (192, 512, 512)
BACKGROUND = -1000
RATIO_MAX = 1.5


def oblique_slice(folder: Path) -> list[Row]:
    """Median milliseconds of a cut, and of the bare filter in the same run, in turn, on one thread."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    image = sitk.GetImageFromArray(np.random.default_rng(0).integers(BACKGROUND, 2000, SIZE).astype(np.int16))
    image.SetSpacing([0.5, 0.5, 1.0])
    volume = Volume(image=image, scale=1.0, offset=0.0, background=BACKGROUND, size_bytes=0)
    at = plane(volume.centre_mm, *oblique((30, 20, 10)), (512, 512), 0.5)
    spent: dict[str, list[float]] = {"ours": [], "bare": []}
    filtered = bare(image, at)
    for _ in range(ROUNDS):
        for name, work in (("ours", lambda: cut(volume, at).pixels), ("bare", filtered)):
            begin = time.perf_counter()
            work()
            spent[name].append(1000 * (time.perf_counter() - begin))
    ours_ms, bare_ms = statistics.median(spent["ours"]), statistics.median(spent["bare"])
    return [
        row(
            "oblique 512 x 512 of 192 slices / SimpleITK", ours_ms, bare_ms, "ms", ours_ms / bare_ms, "<=", RATIO_MAX,
            notes=f"one thread; fastest {min(spent['ours']):.1f} ms, bare {min(spent['bare']):.1f} ms; ours rounds,"
            " the bare filter cuts fractions off",
        )
    ]  # fmt: skip


def bare(image: sitk.Image, at: Plane) -> Callable[[], np.ndarray]:
    """The same plane as SimpleITK gives it in one call."""
    reference = sitk.Image([*at.size_px, 1], sitk.sitkInt16)
    reference.SetOrigin(at.origin_mm)
    reference.SetSpacing([at.pixel_mm, at.pixel_mm, 1.0])
    reference.SetDirection(np.stack([at.u, at.v, at.normal], axis=1).ravel().tolist())

    def resample() -> np.ndarray:
        made = sitk.Resample(image, reference, sitk.Transform(), sitk.sitkLinear, BACKGROUND, sitk.sitkInt16)
        return np.asarray(sitk.GetArrayFromImage(made)[0])

    return resample
