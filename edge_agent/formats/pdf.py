"""Step 3 of 13: filter. Opens PDF: the image that a page carries pixel for pixel, or the page drawn."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

import numpy as np
import pypdfium2
from pypdfium2 import raw as pdfium

from edge_agent.errors import ImageRefused
from edge_agent.filter import Filter
from edge_agent.formats import HOSTILE_DATA_ERRORS
from edge_agent.formats.ends import pdf_is_complete
from edge_agent.formats.raster import Pixels, picture_facts, to_pixels
from sonorelay.contract.reasons import EdgeReason

PAGES_MAX: Final = 32
DRAW_DPI: Final = 200
_OBJECTS_MAX: Final = 2_000
_FORM_DEPTH_MAX: Final = 4
_FULL_PAGE_SHARE: Final = 0.25


def open_pdf(data: bytes, rules: Filter) -> Iterator[Pixels]:
    """Gives one picture per page, one at a time; a blank or tiny page among others is left out.

    Errors: ImageRefused with TRUNCATED, UNREADABLE (also: encrypted), TOO_COMPLEX, TOO_MANY_PIXELS, and the
    last page's reason where no page is left.
    """
    if not pdf_is_complete(BytesIO(data), len(data)):
        raise ImageRefused(EdgeReason.TRUNCATED, "no end mark")
    try:
        document = pypdfium2.PdfDocument(data)
        count = len(document)
    except HOSTILE_DATA_ERRORS as error:
        raise ImageRefused(EdgeReason.UNREADABLE, "not a readable document") from error
    if not 0 < count <= PAGES_MAX:
        document.close()
        reason = EdgeReason.TOO_COMPLEX if count else EdgeReason.NOT_AN_IMAGE
        raise ImageRefused(reason, f"{count} pages")
    try:
        yield from _pages(document, count, rules)
    finally:
        document.close()


def _pages(document: Any, count: int, rules: Filter) -> Iterator[Pixels]:
    given, last = 0, ImageRefused(EdgeReason.NOT_AN_IMAGE, "no page")
    for number in range(count):
        try:
            picture = _page(document, number, rules)
            rules.picture(picture_facts(picture))
        except ImageRefused as refused:
            if refused.reason not in (EdgeReason.BLANK, EdgeReason.TOO_SMALL):
                raise
            last = refused
            continue
        except HOSTILE_DATA_ERRORS as error:
            raise ImageRefused(EdgeReason.UNREADABLE, f"page {number}") from error
        given += 1
        yield picture
    if not given:
        raise last


def _page(document: Any, number: int, rules: Filter) -> Pixels:
    page = document[number]
    width_pt, height_pt = page.get_size()
    images = []
    for place, item in enumerate(page.get_objects(max_depth=_FORM_DEPTH_MAX)):
        if place >= _OBJECTS_MAX:
            raise ImageRefused(EdgeReason.TOO_COMPLEX, f"more than {_OBJECTS_MAX} objects on a page")
        if item.type == pdfium.FPDF_PAGEOBJ_IMAGE:
            images.append(item)
    if len(images) == 1 and _share(images[0], width_pt * height_pt) >= _FULL_PAGE_SHARE:
        rules.size(*images[0].get_px_size())
        return to_pixels(images[0].get_bitmap(render=False).to_numpy())
    scale = DRAW_DPI / 72
    rules.size(int(width_pt * scale), int(height_pt * scale))
    return to_pixels(np.array(page.render(scale=scale).to_numpy()))


def _share(image: Any, page_area_pt2: float) -> float:
    left, bottom, right, top = image.get_bounds()
    return float((right - left) * (top - bottom) / page_area_pt2) if page_area_pt2 > 0 else 0.0
