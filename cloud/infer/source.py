"""Part of step 11: where an image's bytes are: in memory, or to be opened where they are too many to hold."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, TypeAlias

OpenBytes: TypeAlias = Callable[[], BinaryIO]
"""Opens the image's bytes at their beginning, seekable; called anew for every pass over them."""
Image: TypeAlias = bytes | OpenBytes


def opened(image: Image) -> BinaryIO:
    """The image as a seekable file at its beginning; whoever opens it closes it."""
    return io.BytesIO(image) if isinstance(image, bytes) else image()


def whole(image: Image) -> bytes:
    """All bytes of the image."""
    if isinstance(image, bytes):
        return image
    with image() as file:
        return file.read()
