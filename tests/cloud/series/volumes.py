"""From files written with a known geometry to a volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from cloud.series.geometry import Plan, understand
from cloud.series.planes import Plane, plane
from cloud.series.read_header import read_header
from cloud.series.reslice import Slice
from cloud.series.volume import Volume, build


def plan_of(paths: Sequence[Path], threshold: int = 2) -> Plan:
    """The plan of a series, the first file being the image now read."""
    members = [read_header(path) for path in paths]
    result = understand(members, members[0], threshold=threshold).result
    assert isinstance(result, Plan), result
    return result


def volume_of(paths: Sequence[Path]) -> Volume:
    """The volume of a series."""
    return build(plan_of(paths))


def voxels(volume: Volume) -> np.ndarray:
    """Values, shape slices x rows x columns."""
    return np.asarray(sitk.GetArrayFromImage(volume.image) * volume.scale + volume.offset)


def points_of(at: Plane) -> np.ndarray:
    """The place of every pixel, LPS, mm; height x width x 3. Written out here, apart from the code under test."""
    width, height = at.size_px
    right = (np.arange(width) - (width - 1) / 2) * at.pixel_mm
    down = (np.arange(height) - (height - 1) / 2) * at.pixel_mm
    return (
        np.array(at.centre_mm) + right[None, :, None] * np.array(at.u) + down[:, None, None] * np.array(at.v)
    )


def oracle(volume: Volume, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """scipy's linear interpolation of the stored voxels at `points`, and which of them lie between voxel centres."""
    image = volume.image
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    index = (points - np.array(image.GetOrigin())) @ np.linalg.inv(matrix).T
    stored = sitk.GetArrayFromImage(image).astype(np.float64)
    found = ndimage.map_coordinates(stored, np.moveaxis(index[..., ::-1], -1, 0), order=1, mode="nearest")
    inside = ((index >= 0) & (index <= np.array(image.GetSize()) - 1)).all(axis=-1)
    return found, inside


def landmark_mm(cut: Slice, near_mm: Sequence[float], reach_mm: float = 8.0) -> np.ndarray:
    """Centre of brightness within `reach_mm` of a place, LPS, mm."""
    points = points_of(cut.plane)
    weight = np.where(np.linalg.norm(points - np.array(near_mm), axis=-1) < reach_mm, cut.pixels, 0).clip(0)
    return np.asarray((points * weight[..., None]).sum(axis=(0, 1)) / weight.sum())


def facing(centre_mm: Sequence[float], u: Sequence[float], v: Sequence[float], side_px: int = 40) -> Plane:
    """A square of 0.5 mm pixels."""
    return plane(centre_mm, u, v, (side_px, side_px), 0.5)
