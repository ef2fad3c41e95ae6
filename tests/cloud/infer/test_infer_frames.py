"""Loops become frames, one at a time, within limits, or are refused with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from cloud.infer import video as video_module
from cloud.infer.decode import decode
from cloud.infer.errors import ImageUnreadable
from cloud.infer.frames import SAMPLES_MAX, open_loop, sample_indices, sampled
from tests.cloud.infer.loops import dicom_loop, drawn, moving, video
from tests.cloud.infer.test_infer_decode import dicom_bytes, region

DICOM = "application/dicom"


class CountingFile(io.BytesIO):
    """A file that counts the bytes that are read."""

    read_bytes = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        CountingFile.read_bytes += len(data)
        return data


@pytest.mark.req("READ-11")
def test_a_dicom_loop_gives_its_frames_rate_and_scale() -> None:
    """Every frame is the one that was written; rate from the time between frames; scale from the region."""
    frames = moving(5)
    loop = open_loop(
        dicom_loop(frames, FrameTime="40", SequenceOfUltrasoundRegions=[region(0.02, 0.02)]), DICOM
    )
    assert loop is not None
    assert (5, 25.0) == (loop.frame_count, loop.frame_rate_hz)
    assert loop.scale is not None
    assert loop.scale.mm_per_pixel == pytest.approx(0.2)
    for index, pixels in zip((0, 3, 4), loop.frames([0, 3, 4]), strict=True):
        np.testing.assert_array_equal(frames[index], pixels)


def test_a_still_is_no_loop() -> None:
    """A DICOM object of one frame and a PNG are stills."""
    frame = moving(1)[0]
    assert open_loop(dicom_bytes(frame), DICOM) is None
    assert open_loop(dicom_loop([frame]), DICOM) is None
    assert open_loop(b"\x89PNG", "image/png") is None


@pytest.mark.req("READ-11")
@pytest.mark.parametrize(
    ("suffix", "codec", "media_type"),
    [
        (".avi", "FFV1", "video/x-msvideo"),
        (".avi", "MJPG", "video/avi"),
        (".avi", "XVID", "video/x-msvideo"),
        (".mp4", "mp4v", "video/mp4; codecs=mp4v"),
        (".avi", "MJPG", "video/mp4"),
    ],
)
def test_a_video_gives_its_frames_whatever_it_is_called(
    tmp_path: Path, suffix: str, codec: str, media_type: str
) -> None:
    """AVI and MP4 by content: count, rate and frames; bit for bit where the codec keeps everything."""
    frames = moving(12)
    loop = open_loop(video(frames, tmp_path / f"loop{suffix}", codec, 20.0), media_type)
    assert loop is not None
    assert (12, 20.0, None) == (loop.frame_count, loop.frame_rate_hz, loop.scale)
    for index, pixels in zip((0, 6, 11), loop.frames([0, 6, 11]), strict=True):
        assert np.abs(pixels[:, :, 0].astype(int) - frames[index]).mean() < (1 if codec == "FFV1" else 6)
    assert (240, 320) == decode(video(frames, tmp_path / f"b{suffix}", codec), media_type, 11).pixels.shape[
        :2
    ]


@pytest.mark.parametrize("frame_count", [1, 2, 15, 16, 17, 100, 4999])
def test_the_first_and_the_last_frame_are_sampled(frame_count: int) -> None:
    """At most sixteen different places in order, evenly spread, with both ends."""
    places = sample_indices(frame_count)
    assert (0, frame_count - 1, min(frame_count, SAMPLES_MAX)) == (places[0], places[-1], len(places))
    steps = np.diff(places)
    assert (steps > 0).all()
    assert not len(steps) or steps.max() - steps.min() <= 1


def test_a_frozen_loop_costs_one_frame() -> None:
    """What shows the same as before is given as None, also with the noise of a codec; a change is seen."""
    still = moving(1)[0]
    noise = np.random.default_rng(1).integers(-2, 3, (20, *still.shape))
    frozen = [np.clip(still.astype(int) + one, 0, 255).astype(np.uint8) for one in noise]
    loop = open_loop(dicom_loop(frozen), DICOM)
    assert loop is not None
    assert [0] == [index for index, pixels in sampled(loop) if pixels is not None]
    changing = open_loop(dicom_loop([*frozen, *drawn((60, 60))]), DICOM)
    assert changing is not None
    assert [0, 20] == [index for index, pixels in sampled(changing) if pixels is not None]


def test_only_the_frames_that_are_wanted_are_read() -> None:
    """Of a loop of 200 frames two cost two frames and the header."""
    frames = moving(2) * 100
    data = dicom_loop(frames)
    loop = open_loop(lambda: CountingFile(data), DICOM)
    assert loop is not None
    CountingFile.read_bytes = 0
    assert 2 == len(list(loop.frames([0, 199])))
    assert CountingFile.read_bytes < 2 * frames[0].nbytes + 5_000


def test_a_cut_loop_is_refused(tmp_path: Path) -> None:
    """A loop that ends early is no loop, also where the first frames are whole: nothing is read in part."""
    whole = dicom_loop(moving(6))
    loop = open_loop(whole[:-1000], DICOM)
    assert loop is not None
    with pytest.raises(ImageUnreadable, match="cannot be decoded"):
        list(sampled(loop))
    for name, codec in (("a.avi", "MJPG"), ("b.avi", "FFV1"), ("c.mp4", "mp4v")):
        data = video(moving(12), tmp_path / name, codec)
        for size in (len(data) - 100, len(data) // 2, 40):
            with pytest.raises(ImageUnreadable):
                open_loop(data[:size], "video/avi")


def test_a_video_that_lacks_frames_is_refused(tmp_path: Path) -> None:
    """Where a damaged frame is lost in decoding, the count differs from the container's and nothing is read."""
    data = bytearray(video(moving(12), tmp_path / "a.avi", "MJPG"))
    first = data.index(b"00dc", data.index(b"movi"))
    size = int.from_bytes(data[first + 4 : first + 8], "little")
    data[first + 8 : first + 8 + size] = bytes(size)
    with pytest.raises(ImageUnreadable, match="frames"):
        open_loop(bytes(data), "video/avi")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\x04\x00\x00\x00AVI ",
        b"\x00\x00\x00\x18ftypisom" + bytes(12),
        b"#EXTM3U\nfile:///\n",
    ],
)
def test_what_is_no_video_is_refused(data: bytes) -> None:
    """Empty files, bare heads of containers and lists of other files are refused with a reason."""
    with pytest.raises(ImageUnreadable):
        open_loop(data, "video/mp4")


def test_a_loop_beyond_the_limits_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many frames, too long, too many pixels, too small a frame: each is refused before it is read."""
    with pytest.raises(ImageUnreadable, match="1 to 5000 frames"):
        open_loop(dicom_loop(moving(2), NumberOfFrames=5001), DICOM)
    with pytest.raises(ImageUnreadable, match="smaller than"):
        open_loop(dicom_loop(drawn((4, 4), (5, 5), size_hw=(16, 16))), DICOM)
    with pytest.raises(ImageUnreadable, match="longer than 120 s"):
        open_loop(video(moving(13), tmp_path / "slow.avi", "MJPG", rate_hz=0.1), "video/avi")
    data = video(moving(12), tmp_path / "a.avi", "MJPG")
    monkeypatch.setattr(video_module, "DECODED_MAX_PIXELS", 12 * 320 * 240 - 1)
    with pytest.raises(ImageUnreadable, match="pixels together"):
        open_loop(data, "video/avi")
    monkeypatch.setattr(video_module, "FRAMES_MAX", 11)
    with pytest.raises(ImageUnreadable, match="1 to 11 frames"):
        open_loop(data, "video/avi")


def test_a_frame_that_is_not_there_is_refused() -> None:
    """A loop has no frame beyond its last."""
    with pytest.raises(ImageUnreadable, match="no frame 2"):
        decode(dicom_loop(moving(2)), DICOM, 2)
