"""A one-page PDF with one still embedded pixel for pixel.

pdfium can make such a page too, but stamps it with the time and a random identifier; a virtual print must be
the same bytes for the same seed.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

_PAGE_PT = (595, 842)
_MARGIN_PT = 40


def one_page_pdf(pixels: NDArray[np.uint8], caption: str) -> bytes:
    """Give a PDF 1.4 file, A4 upright, the image at full page width, `caption` (ASCII) below it.

    Args:
        pixels: uint8, height x width (DeviceGray) or height x width x 3 (DeviceRGB); stored without loss.
        caption: printed below the image in Helvetica.

    Raises:
        UnicodeEncodeError: the caption is not ASCII.
    """
    height, width = pixels.shape[:2]
    space = b"/DeviceGray" if pixels.ndim == 2 else b"/DeviceRGB"
    image = zlib.compress(np.ascontiguousarray(pixels).tobytes(), 6)
    page_w, page_h = _PAGE_PT
    shown_w = page_w - 2 * _MARGIN_PT
    shown_h = shown_w * height / width
    low = page_h - _MARGIN_PT - shown_h
    words = caption.encode("ascii").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    content = b"q %d 0 0 %.3f %d %.3f cm /Im0 Do Q\n" % (
        shown_w,
        shown_h,
        _MARGIN_PT,
        low,
    ) + b"BT /F0 9 Tf %d %.3f Td (%s) Tj ET\n" % (_MARGIN_PT, low - 16, words)
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]/Contents 4 0 R" % _PAGE_PT
        + b"/Resources<</XObject<</Im0 5 0 R>>/Font<</F0 6 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content),
        b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace%s" % (width, height, space)
        + b"/BitsPerComponent 8/Filter/FlateDecode/Length %d>>\nstream\n%s\nendstream" % (len(image), image),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    # The comment of high bytes tells transfer programs that the file is binary (ISO 32000-1, 7.5.2).
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for place in places:
        out += b"%010d 00000 n \n" % place
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)
