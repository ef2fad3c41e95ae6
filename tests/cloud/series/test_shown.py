"""Single frames as numbers or colours, of every kind that headers name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from cloud.series.errors import SliceInvalid, SliceUnreadable
from cloud.series.messages import Format, Frame
from cloud.series.read_header import read_header
from cloud.series.shown import PIXELS_MAX, shown_frame
from tests.cloud.series.phantom import AXIAL, centred, header, write, write_enhanced

SIDE = 12
EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
COUNTED = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)


def shown(path: Path, frame: int = 0) -> Frame:
    """A frame of the file."""
    return shown_frame(read_header(path), partial(path.open, "rb"), frame)


def values(frame: Frame) -> np.ndarray:
    """What the numbers mean."""
    stored = np.frombuffer(frame.data, "<i2").reshape(frame.height_px, frame.width_px)
    return np.asarray(stored * frame.scale + frame.offset)


def colours(frame: Frame) -> np.ndarray:
    """Height x width x (red, green, blue)."""
    return np.frombuffer(frame.data, np.uint8).reshape(frame.height_px, frame.width_px, 3)


def test_gray_values_are_in_the_rescales_unit(tmp_path: Path) -> None:
    """Whole slopes and intercepts give whole numbers, stored as they are."""
    ds = header(1, RescaleSlope="2", RescaleIntercept="-1000")
    frame = shown(write(tmp_path / "1.dcm", ds, COUNTED))
    assert (Format.INT16, 1.0, 0.0) == (frame.format, frame.scale, frame.offset)
    assert np.array_equal(2 * COUNTED - 1000, values(frame))


@pytest.mark.parametrize(("slope", "intercept"), [("0.001", "0.5"), ("1000", "0")])
def test_fine_and_wide_values_are_spread(tmp_path: Path, slope: str, intercept: str) -> None:
    """Values that no int16 holds come with scale and offset, to a 65 535th of their range."""
    ds = header(1, RescaleSlope=slope, RescaleIntercept=intercept)
    frame = shown(write(tmp_path / "1.dcm", ds, COUNTED))
    expected = COUNTED * float(slope) + float(intercept)
    assert np.abs(expected - values(frame)).max() <= np.ptp(expected) / 65_000


def test_inverted_gray_is_turned_over(tmp_path: Path) -> None:
    """Of MONOCHROME1 high numbers are dark; shown they are bright."""
    ds = header(1, PhotometricInterpretation="MONOCHROME1", **EIGHT_BITS)
    assert np.array_equal(255 - COUNTED, values(shown(write(tmp_path / "1.dcm", ds, COUNTED))))


def test_colours_stay_colours(tmp_path: Path) -> None:
    """RGB comes pixel by pixel; of YBR the colours."""
    wanted = np.zeros((SIDE, SIDE, 3), np.uint8)
    wanted[:6], wanted[6:] = (250, 20, 10), (10, 30, 240)
    rgb = header(1, SamplesPerPixel=3, PhotometricInterpretation="RGB", PlanarConfiguration=0, **EIGHT_BITS)
    frame = shown(write(tmp_path / "1.dcm", rgb, wanted))
    assert Format.RGB8 is frame.format
    assert np.array_equal(wanted, colours(frame))
    ybr = header(
        2, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL", PlanarConfiguration=0, **EIGHT_BITS
    )
    matrix = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    stored = np.rint(wanted @ matrix.T + [0, 128, 128]).clip(0, 255)
    assert np.abs(colours(shown(write(tmp_path / "2.dcm", ybr, stored))).astype(int) - wanted).max() <= 3


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_gives_its_colours(tmp_path: Path, bits: int) -> None:
    """Tables of 8 and of 16 bits an entry."""
    tables = {"Red": np.arange(256), "Green": 255 - np.arange(256), "Blue": np.arange(256) // 2}
    ds = header(1, PhotometricInterpretation="PALETTE COLOR", **EIGHT_BITS)
    for colour, table in tables.items():
        setattr(ds, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, bits])
        data = table.astype("u1") if bits == 8 else (table * 257).astype("<u2")
        setattr(ds, f"{colour}PaletteColorLookupTableData", data.tobytes())
    frame = shown(write(tmp_path / "1.dcm", ds, COUNTED))
    assert Format.RGB8 is frame.format
    expected = np.stack([table[COUNTED] for table in tables.values()], axis=-1)
    assert np.array_equal(expected, colours(frame))


def test_one_frame_is_read_and_no_other(tmp_path: Path) -> None:
    """Of a long loop only the header and the wanted frame are fetched from the file."""
    frames = np.arange(300)[:, None, None] * np.ones((1, 64, 64))
    ds = header(1, NumberOfFrames=300, Modality="US")
    path = write(tmp_path / "1.dcm", ds, frames)
    read = 0

    class Counting:
        def __init__(self) -> None:
            self._file = path.open("rb")

        def read(self, size: int = -1) -> bytes:
            nonlocal read
            data = self._file.read(size)
            read += len(data)
            return data

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> Counting:
            return self

        def __exit__(self, *error: object) -> None:
            self._file.close()

    frame = shown_frame(read_header(path), Counting, 217)  # type: ignore[arg-type]  # a file that counts
    assert {217.0} == set(values(frame).ravel().tolist())
    assert read < 20 * 64 * 64 * 2


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    """A frame that is not there, one too large, and pixels that cannot be decoded."""
    path = write(tmp_path / "1.dcm", header(1), COUNTED)
    with pytest.raises(SliceInvalid, match="1 frames"):
        shown(path, 1)
    ds = pydicom.dcmread(path)
    ds.BitsAllocated = 13
    ds.save_as(tmp_path / "2.dcm")
    with pytest.raises(SliceUnreadable):
        shown(tmp_path / "2.dcm")
    large = read_header(path)
    object.__setattr__(large, "rows", PIXELS_MAX)
    with pytest.raises(SliceInvalid, match="pixels"):
        shown_frame(large, partial(path.open, "rb"), 0)


def test_a_frame_says_where_it_lies(tmp_path: Path) -> None:
    """The place is that of the frame, not of its image's first; and how many frames there are."""
    positions = centred(AXIAL, [0.0, 4.0, 9.0])
    path = write_enhanced(tmp_path / "enhanced.dcm", positions)
    second = shown(path, 1)
    assert 3 == second.frame_count
    assert tuple(positions[1]) == pytest.approx(second.place.position_mm)
    assert AXIAL == (second.place.row_direction, second.place.column_direction)
    assert (1.0, 1.0) == second.place.pixel_spacing_mm
