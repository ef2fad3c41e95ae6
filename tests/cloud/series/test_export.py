"""A reconstruction as PNG and as a DICOM series of its own."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from cloud.series.export import Derived, dicom_series
from cloud.series.geometry import Plan
from cloud.series.planes import DIRECTIONS, PlaneName, oblique
from cloud.series.png import png, windowed
from cloud.series.reslice import Slice, cut
from cloud.series.sweep import sweep
from cloud.series.volume import Volume, build
from tests.cloud.series import phantom
from tests.cloud.series.volumes import facing, plan_of

DERIVED = Derived(
    description="MPR coronal",
    spacing_mm=2.0,
    window=(40.0, 400.0),
    time=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
)


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Volume]:
    """The ramp, acquired axially in 12 slices."""
    folder = tmp_path_factory.mktemp("series")
    positions = phantom.centred(phantom.AXIAL, phantom.even(12, 2.0))
    plan = plan_of(
        phantom.write_series(folder, positions, FrameOfReferenceUID="1.5.5", PatientBirthDate="19800101")
    )
    return plan, build(plan)


def exported(plan: Plan, cuts: list[Slice]) -> list[pydicom.Dataset]:
    files = dicom_series(cuts, plan, plan.slices[0].header, DERIVED)
    return [pydicom.dcmread(io.BytesIO(data)) for data in files]


@pytest.mark.req("MPR-07")
def test_the_new_series_says_what_it_is(made: tuple[Plan, Volume]) -> None:
    """New UIDs, the same patient, examination and frame of reference, derived from every source image, not for
    diagnosis."""
    plan, volume = made
    cuts = [cut(volume, at) for at in sweep(volume, *DIRECTIONS[PlaneName.CORONAL], step_mm=12.0)]
    sources = {each.header.sop_instance_uid for each in plan.slices}
    whole = exported(plan, cuts)
    assert 4 == len(whole) == len({ds.SOPInstanceUID for ds in whole})
    assert [1, 2, 3, 4] == [ds.InstanceNumber for ds in whole]
    (series_uid,) = {ds.SeriesInstanceUID for ds in whole}
    assert phantom.SERIES != series_uid
    for ds in whole:
        assert ds.SOPInstanceUID not in sources
        assert ds.SOPInstanceUID == ds.file_meta.MediaStorageSOPInstanceUID
        assert (phantom.STUDY, "1.5.5", "19800101") == (
            ds.StudyInstanceUID,
            ds.FrameOfReferenceUID,
            ds.PatientBirthDate,
        )
        assert phantom.NAME == str(ds.PatientName)
        assert ["DERIVED", "SECONDARY", "REFORMATTED"] == list(ds.ImageType)
        assert "research use, not for diagnosis" == ds.ImageComments
        assert ds.DerivationDescription.startswith("MPR coronal; 12 source images")
        assert sources == {item.ReferencedSOPInstanceUID for item in ds.SourceImageSequence}
        assert phantom.SERIES == ds.ReferencedSeriesSequence[0].SeriesInstanceUID
        assert ("20260304", "050607") == (ds.ContentDate, ds.ContentTime)


@pytest.mark.req("MPR-07")
def test_another_program_reads_the_same_geometry(made: tuple[Plan, Volume], tmp_path: Path) -> None:
    """SimpleITK's own reader (GDCM) finds the planes where they were cut: its volume has the body's values there."""
    plan, volume = made
    u, v = oblique((30, 0, 0))
    cuts = [cut(volume, at) for at in sweep(volume, u, v, step_mm=1.0, pixel_mm=1.0)]
    for number, data in enumerate(dicom_series(cuts, plan, plan.slices[0].header, DERIVED)):
        (tmp_path / f"{number}.dcm").write_bytes(data)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    read = reader.Execute()
    assert (1.0, 1.0, 1.0) == pytest.approx(read.GetSpacing(), abs=1e-4)
    for point in ((0.0, 0.0, 0.0), (8.0, -6.0, 4.0), (-9.0, 7.0, -5.0)):
        index = read.TransformPhysicalPointToIndex(point)
        at = np.array(read.TransformIndexToPhysicalPoint(index))
        assert float(phantom.ramp(at)) == pytest.approx(float(read[index]), abs=1.01)


@pytest.mark.req("MPR-07")
def test_each_file_lies_where_its_plane_does(made: tuple[Plan, Volume]) -> None:
    """Position, orientation, pixel size and thickness are the plane's, to 0.001 mm; pixels and rescale give values."""
    plan, volume = made
    at = facing((1.25, -2.5, 0.75), *oblique((12.3, -4.5, 67.8)))
    (ds,) = exported(plan, [cut(volume, at, slab_mm=3.0)])
    assert at.origin_mm == pytest.approx([float(each) for each in ds.ImagePositionPatient], abs=1e-3)
    assert (*at.u, *at.v) == pytest.approx([float(each) for each in ds.ImageOrientationPatient], abs=1e-6)
    assert [0.5, 0.5] == [float(each) for each in ds.PixelSpacing]
    assert (3.0, 2.0) == (float(ds.SliceThickness), float(ds.SpacingBetweenSlices))
    values = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    assert float(phantom.ramp(np.array(at.to_patient(20, 20)))) == pytest.approx(values[20, 20], abs=1.0)
    assert all(len(str(each)) <= 16 for each in (*ds.ImagePositionPatient, *ds.ImageOrientationPatient))


@pytest.mark.req("MPR-07")
def test_the_window_is_dicoms_linear_function() -> None:
    """PS3.3 C.11.2.1.2.1 by hand: centre 40, width 401: -160.5 and below black, 239.5 and above white."""
    at = facing((0, 0, 0), *DIRECTIONS[PlaneName.AXIAL], side_px=2)
    values = np.array([[-161, 240], [40, 140]], dtype=np.int16)
    one = Slice(
        plane=at,
        pixels=values,
        scale=1.0,
        offset=0.0,
        background=0,
        inside_share=1.0,
        slab_mm=0.0,
        layer_count=1,
    )
    # (40 - 39.5) / 400 + 0.5 = 0.50125; (140 - 39.5) / 400 + 0.5 = 0.75125
    assert [[0, 255], [128, 192]] == windowed(one, (40.0, 401.0)).tolist()
    assert [[0, 255], [255, 255]] == windowed(one, (40.0, 1.0)).tolist()


@pytest.mark.req("MPR-07")
def test_the_png_is_one(made: tuple[Plan, Volume], tmp_path: Path) -> None:
    """Another reader finds the windowed pixels; the pixel size and the notice are in the file."""
    _, volume = made
    one = cut(volume, facing((0, 0, 0), *DIRECTIONS[PlaneName.SAGITTAL]))
    data = png(one, (200.0, 300.0))
    (tmp_path / "1.png").write_bytes(data)
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "1.png")))
    assert np.array_equal(windowed(one, (200.0, 300.0)), read)
    assert struct.pack(">II", 2000, 2000) in data
    assert b"research use, not for diagnosis" in data
