"""Beside the thirteen steps: series: the files of a series as one ZIP archive, made while it is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Final

from cloud.series.messages import StoredBytes

_CHUNK_BYTES: Final = 1024**2
_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""The same series gives the same bytes."""


def zipped(images: Sequence[StoredBytes]) -> Iterator[bytes]:
    """The archive piece by piece, uncompressed: 0001.dcm and on, in the order given. Blocks while files are read."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for number, image in enumerate(images, 1):
            info = zipfile.ZipInfo(f"{number:04}.dcm", _TIME)
            info.file_size = image.size_bytes
            with image.open() as source, archive.open(info, "w") as target:
                while piece := source.read(_CHUNK_BYTES):
                    target.write(piece)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that can only be written to, and gives what was written once."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # archives write bytes
        self._written += data
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        data = bytes(self._written)
        self._written.clear()
        return data
