"""Steps 3 and 4: a short video becomes a de-identified loop, frame by frame, or is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest

from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter, FilterRules
from edge_agent.formats.ends import Ending, structure
from edge_agent.formats.raster import Pixels
from edge_agent.formats.sniff import Kind, sniff
from edge_agent.formats.video import open_video
from edge_agent.prepare import prepare
from edge_agent.sandbox import Sandbox
from sonorelay.contract.reasons import EdgeReason
from tests.edge_agent.deidentify.synthetic import BANNER, NAME, dicom, request, screen, tools

CODECS = [(".avi", "FFV1", Kind.AVI), (".avi", "MJPG", Kind.AVI), (".mp4", "mp4v", Kind.MP4)]


def frames(count: int = 5) -> list[Pixels]:
    """A loop of a machine's screen with its banner; the tissue moves."""
    shown = screen()
    moved = [np.roll(shown.pixels, 2 * index, axis=1) for index in range(count)]
    return [np.where(shown.sector, one, shown.pixels).astype(np.uint8) for one in moved]


def work(folder: Path) -> Path:
    """A folder for one order."""
    made = folder / "work"
    made.mkdir()
    return made


def video(path: Path, codec: str, pictures: list[Pixels], rate_hz: float = 20.0) -> bytes:
    """The frames as a video."""
    height_px, width_px = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate_hz, (width_px, height_px))
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    writer.release()
    return path.read_bytes()


@pytest.mark.req("READ-11")
@pytest.mark.parametrize(("suffix", "codec", "kind"), CODECS)
def test_a_video_becomes_a_loop_without_its_banner(
    tmp_path: Path, suffix: str, codec: str, kind: Kind
) -> None:
    """Every frame is there, at its rate, with nothing outside the sector and nothing of the container."""
    data = video(tmp_path / f"loop{suffix}", codec, frames())
    assert kind is sniff(data[:1056])
    size, name = len(NAME).to_bytes(4, "little"), NAME.encode()
    # A part that no decoder looks at: a name as recorders write it.
    data += b"JUNK" + size + name if kind is Kind.AVI else (8 + len(name)).to_bytes(4, "big") + b"free" + name
    reply = prepare(request(work(tmp_path), data, "guard"), tools(tmp_path))
    assert "kept" == reply.outcome, (reply.reason, reply.detail)
    (image,) = reply.images
    assert ("application/dicom", kind.value, 5) == (image.media_type, image.source_format, image.frame_count)
    ds = pydicom.dcmread(image.path)
    assert (5, 50.0, "YES", "NO") == (
        ds.NumberOfFrames,
        float(ds.FrameTime),
        ds.PatientIdentityRemoved,
        ds.BurnedInAnnotation,
    )
    assert NAME.encode() not in image.path.read_bytes()
    x0, y0, x1, y1 = BANNER
    assert not ds.pixel_array[:, y0:y1, x0:x1].any()
    middle = ds.pixel_array[:, 250:400, 350:450].reshape(5, -1).astype(int)
    expected = np.stack(frames())[:, 250:400, 350:450].reshape(5, -1).astype(int)
    assert np.abs(middle - expected).mean() < (0.01 if codec == "FFV1" else 8)


def test_a_video_trusted_keeps_its_pixels(tmp_path: Path) -> None:
    """Under `trusted` a lossless video gives its frames bit for bit, in gray where it holds gray."""
    data = video(tmp_path / "loop.avi", "FFV1", frames(3))
    reply = prepare(request(work(tmp_path), data, "trusted"), tools(tmp_path))
    ds = pydicom.dcmread(reply.images[0].path)
    assert "MONOCHROME2" == ds.PhotometricInterpretation
    np.testing.assert_array_equal(np.stack(frames(3)), ds.pixel_array)


@pytest.mark.parametrize(("suffix", "codec", "kind"), CODECS)
def test_a_cut_video_is_refused(tmp_path: Path, suffix: str, codec: str, kind: Kind) -> None:
    """A file that ends early is TRUNCATED, and the watched folder waits for its end."""
    data = video(tmp_path / f"loop{suffix}", codec, frames())
    path = tmp_path / "cut"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert Ending.COMPLETE is structure(file, len(data)).ending
        assert Ending.INCOMPLETE is structure(file, len(data) - 400).ending
    reply = prepare(request(work(tmp_path), data[:-400], "guard"), tools(tmp_path))
    assert ("refused", EdgeReason.TRUNCATED) == (reply.outcome, reply.reason)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RIFF\x10\x00\x00\x00AVI LIST" + bytes(8), EdgeReason.UNREADABLE),
        (b"\x00\x00\x00\x10ftypisom" + bytes(4), EdgeReason.UNREADABLE),
        (b"\x00\x00\x00\x10ftypisom" + bytes(4) + b"\x00\x00\x00\x02mdat", EdgeReason.UNREADABLE),
        (b"\x00\x00\x00\x10ftypheic" + bytes(4), EdgeReason.UNSUPPORTED_FORMAT),
    ],
)
def test_what_only_looks_like_a_video_is_refused(tmp_path: Path, data: bytes, reason: EdgeReason) -> None:
    """A container without frames is refused with its reason."""
    assert reason is prepare(request(work(tmp_path), data, "guard"), tools(tmp_path)).reason


def test_a_video_keeps_the_filter_s_limits(tmp_path: Path) -> None:
    """Too many frames and too many pixels are refused before anything is decoded."""
    path = tmp_path / "loop.avi"
    video(path, "MJPG", frames())
    for rules, reason in (
        (FilterRules(frames_max=4), EdgeReason.TOO_MANY_FRAMES),
        (FilterRules(pixels_max=100_000), EdgeReason.TOO_MANY_PIXELS),
        (FilterRules(side_min_px=600), EdgeReason.TOO_SMALL),
    ):
        with pytest.raises(ImageRefused) as refused:
            open_video(path, Kind.AVI, Filter(rules=rules))
        assert reason is refused.value.reason


@pytest.mark.req("READ-11")
def test_a_video_is_rebuilt_inside_the_sandbox(tmp_path: Path) -> None:
    """The killable process with its limits of memory and time reads a video of a hundred frames."""
    data = video(tmp_path / "loop.mp4", "mp4v", frames(100))
    sandbox = Sandbox()
    try:
        reply = sandbox.prepare(request(work(tmp_path), data, "guard"))
    finally:
        sandbox.close()
    assert ("kept", 100) == (reply.outcome, reply.images[0].frame_count if reply.images else reply.detail)


def test_a_dicom_loop_is_cleaned_frame_by_frame(tmp_path: Path) -> None:
    """Every frame of a multi-frame object loses its banner, and count and rate stay."""
    reply = prepare(request(work(tmp_path), dicom(np.stack(frames())), "guard"), tools(tmp_path))
    ds = pydicom.dcmread(reply.images[0].path)
    assert (5, 40.0) == (ds.NumberOfFrames, float(ds.FrameTime))
    assert not ds.pixel_array[:, : BANNER[3]].any()
    assert all(frame[250:400, 350:450].any() for frame in ds.pixel_array)
