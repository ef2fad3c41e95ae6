"""Step 3 of 13: filter. Opens TIFF: directories walked under caps, then the pages' pixels."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np

from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter
from edge_agent.formats.raster import Pixels, picture_facts, to_pixels, translated
from edge_agent.formats.tiff_walk import walk
from sonorelay.contract.reasons import EdgeReason


def open_tiff(data: bytes, rules: Filter) -> list[Pixels]:
    """Gives each page's picture as it is stored.

    Errors: ImageRefused with TRUNCATED, TOO_MANY_PIXELS (of all pages together), TOO_SMALL, BLANK,
    TOO_COMPLEX, UNREADABLE, UNSUPPORTED_FORMAT.
    """
    pages = walk(BytesIO(data), len(data))
    for page in pages:
        rules.size(page.width_px, page.height_px)
    # All pages are decoded in one call, so they share one picture's cap.
    if sum(page.width_px * page.height_px for page in pages) > rules.rules.pixels_max:
        raise ImageRefused(EdgeReason.TOO_MANY_PIXELS, f"{len(pages)} pages")
    try:
        done, decoded = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise translated(error) from error
    if not done or len(decoded) != len(pages):
        raise ImageRefused(EdgeReason.UNREADABLE, "not every page is decodable")
    pictures = [to_pixels(page) for page in decoded]
    for picture in pictures:
        rules.picture(picture_facts(picture))
    return pictures
