"""Step 3 of 13: filter. Walks a DICOM file under caps before any library sees it; standard library only.

No value is interpreted: only tags, lengths and nesting, without recursion, so that a hostile file costs what
the caps allow. PS3.5 section 7 (data elements, sequences, encapsulated fragments), PS3.10 section 7 (file
meta information).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Final, Literal

from edge_agent.errors import ImageRefused
from sonorelay.contract.reasons import EdgeReason

ELEMENTS_MAX: Final = 100_000
ITEMS_MAX: Final = 20_000
FRAGMENTS_MAX: Final = 100_000
DEPTH_MAX: Final = 16
TEXT_VALUE_MAX_BYTES: Final = 1024 * 1024

PIXEL_DATA: Final = 0x7FE00010
FLOAT_PIXEL_DATA: Final = (0x7FE00008, 0x7FE00009)
REGIONS: Final = 0x00186011
_TRANSFER_SYNTAX: Final = 0x00020010
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_LONG_VRS: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"
DEFLATED: Final = frozenset({"1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.8.1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What the structure of a DICOM file is."""

    transfer_syntax: str
    """UID of the transfer syntax; of an object without meta information the one found by looking."""
    has_meta: bool
    """Whether the file has meta information that names the transfer syntax."""
    pixel_data: Literal["none", "native", "encapsulated"]
    """How the pixel data element lies in the file."""
    pixel_bytes: int
    """Length of native pixel data, or the sum of the fragments, bytes."""
    pixel_start: int
    """Where the pixel data's value begins in the file, bytes; 0 without pixel data."""
    element_count: int
    """Data elements at all depths."""


@dataclass(slots=True)
class _Open:
    """A container that is being walked."""

    kind: Literal["data set", "sequence", "fragments"]
    end: int | None
    explicit: bool


@dataclass(slots=True)
class _State:
    """Counters of one walk."""

    file: BinaryIO
    size: int
    little: bool
    pos: int
    stack: list[_Open]
    elements: int = 0
    items: int = 0
    fragments: int = 0
    pixel_data: Literal["none", "native", "encapsulated"] = "none"
    pixel_bytes: int = 0
    pixel_start: int = 0
    values: dict[int, bytes] = field(default_factory=dict)

    def number(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self.little else "big")

    def tag(self, data: bytes) -> int:
        return self.number(data[:2]) << 16 | self.number(data[2:4])

    def read(self, count: int) -> bytes:
        """Reads at the position and moves on. Errors: ImageRefused TRUNCATED where the file ends before."""
        self.file.seek(self.pos)
        data = self.file.read(count)
        if len(data) < count:
            raise _truncated("the file ends within an element")
        self.pos += count
        return data

    def skip(self, count: int) -> None:
        if self.pos + count > self.size:
            raise _truncated("a length goes beyond the end of the file")
        self.pos += count


def walk(file: BinaryIO, size_bytes: int) -> Walk:
    """Walks the whole structure of the DICOM file `file` (seekable, `size_bytes` long).

    Errors: ImageRefused with TRUNCATED (a length goes beyond the end), TOO_COMPLEX (elements, items,
    fragments, depth or a text over the caps), UNSUPPORTED_TRANSFER_SYNTAX (deflated: its true size is unknown
    before inflating), UNREADABLE (not walkable).
    """
    state = _State(file=file, size=size_bytes, little=True, pos=0, stack=[])
    syntax = _meta(state)
    has_meta = syntax is not None
    if syntax is None:
        syntax = _look(state)
    if syntax in DEFLATED:
        raise ImageRefused(EdgeReason.UNSUPPORTED_TRANSFER_SYNTAX, "deflated")
    state.little = syntax != EXPLICIT_BIG
    state.stack = [_Open(kind="data set", end=None, explicit=syntax != IMPLICIT_LITTLE)]
    start = state.pos
    while _step(state):
        pass
    if state.pos == start:
        raise _truncated("no data set")
    return Walk(
        transfer_syntax=syntax,
        has_meta=has_meta,
        pixel_data=state.pixel_data,
        pixel_bytes=state.pixel_bytes,
        pixel_start=state.pixel_start,
        element_count=state.elements,
    )


def _truncated(detail: str) -> ImageRefused:
    return ImageRefused(EdgeReason.TRUNCATED, detail)


def _unreadable(detail: str) -> ImageRefused:
    return ImageRefused(EdgeReason.UNREADABLE, detail)


def _too_complex(detail: str) -> ImageRefused:
    return ImageRefused(EdgeReason.TOO_COMPLEX, detail)


def _meta(state: _State) -> str | None:
    """Walks group 0002 and leaves the position behind it; None where there is no such group."""
    head = _peek(state, 0, 132)
    state.pos = 132 if head[128:132] == b"DICM" else 4 if head[:4] == b"DICM" else 0
    state.stack = [_Open(kind="data set", end=None, explicit=True)]
    found = False
    while _peek(state, state.pos, 2) == b"\x02\x00":
        found = True
        _element(state, state.stack[-1], keep=_TRANSFER_SYNTAX)
    if not found:
        return None
    syntax = state.values.get(_TRANSFER_SYNTAX)
    if syntax is None:
        raise _unreadable("the meta information names no transfer syntax")
    return syntax.rstrip(b"\x00 ").decode("ascii", "replace")


def _look(state: _State) -> str:
    head = _peek(state, state.pos, 8)
    if len(head) < 8:
        raise _truncated("no data set")
    if head[4:6].isalpha() and head[4:6].isupper():
        return EXPLICIT_BIG if head[0] == 0 else EXPLICIT_LITTLE
    return IMPLICIT_LITTLE


def _peek(state: _State, pos: int, count: int) -> bytes:
    state.file.seek(pos)
    return state.file.read(count)


def _step(state: _State) -> bool:
    """Walks one element, item or delimiter; False at the end of the data set."""
    top = state.stack[-1]
    if top.end is not None and state.pos >= top.end:
        if state.pos > top.end:
            raise _unreadable("an element leaves its container")
        state.stack.pop()
        return True
    # What stands behind the pixel data is not read by anyone here, and many writers leave padding there.
    if len(state.stack) == 1 and (state.pos == state.size or state.pixel_data != "none"):
        return False
    if top.kind == "data set":
        _element(state, top)
    else:
        _item(state, top)
    return True


def _element(state: _State, top: _Open, keep: int | None = None) -> None:
    head = state.read(8)
    if head == bytes(8):
        raise _truncated("zeros where an element must be")
    tag = state.tag(head)
    if tag == _ITEM_END and top.end is None and len(state.stack) > 1:
        state.stack.pop()
        return
    if tag >> 16 == 0xFFFE:
        raise _unreadable("a delimiter outside a sequence")
    state.elements += 1
    if state.elements > ELEMENTS_MAX:
        raise _too_complex(f"more than {ELEMENTS_MAX} elements")
    vr, length = b"", state.number(head[4:8])
    if top.explicit:
        vr = head[4:6]
        if not (vr.isalpha() and vr.isupper()):
            raise _unreadable("an element without a value representation")
        length = state.number(state.read(4)) if vr in _LONG_VRS else state.number(head[6:8])
    if tag == PIXEL_DATA and len(state.stack) == 1:
        _pixel_data(state, length)
    elif length == _UNDEFINED:
        if top.explicit and vr not in (b"SQ", b"UN"):
            raise _unreadable("an undefined length outside a sequence")
        # PS3.5 6.2.2 note: an UN of undefined length is a sequence in implicit VR.
        _push(state, _Open(kind="sequence", end=None, explicit=top.explicit and vr == b"SQ"))
    elif vr == b"SQ" or (not top.explicit and tag == REGIONS):
        _check_inside(state, top, length)
        _push(state, _Open(kind="sequence", end=state.pos + length, explicit=top.explicit))
    elif tag == keep:
        if length > 128:
            raise _unreadable("a transfer syntax longer than a UID")
        state.values[tag] = state.read(length)
    else:
        _check_inside(state, top, length)
        if tag < PIXEL_DATA >> 16 << 16 and tag >> 16 < 0x5000 and length > TEXT_VALUE_MAX_BYTES:
            raise _too_complex(f"a value of {length} bytes outside the pixel data")
        state.skip(length)


def _check_inside(state: _State, top: _Open, length: int) -> None:
    if state.pos + length > state.size:
        raise _truncated("a length goes beyond the end of the file")
    if top.end is not None and state.pos + length > top.end:
        raise _unreadable("an element leaves its container")


def _pixel_data(state: _State, length: int) -> None:
    state.pixel_start = state.pos
    if length == _UNDEFINED:
        state.pixel_data = "encapsulated"
        _push(state, _Open(kind="fragments", end=None, explicit=True))
    else:
        state.pixel_data = "native"
        state.pixel_bytes = length
        state.skip(length)


def _push(state: _State, opened: _Open) -> None:
    state.stack.append(opened)
    if len(state.stack) > DEPTH_MAX:
        raise _too_complex(f"nested deeper than {DEPTH_MAX}")


def _item(state: _State, top: _Open) -> None:
    head = state.read(8)
    tag, length = state.tag(head), state.number(head[4:8])
    if tag == _SEQUENCE_END and top.end is None:
        state.stack.pop()
    elif tag != _ITEM:
        raise _unreadable("something other than an item in a sequence")
    elif top.kind == "fragments":
        state.fragments += 1
        if state.fragments > FRAGMENTS_MAX:
            raise _too_complex(f"more than {FRAGMENTS_MAX} fragments")
        state.skip(length)
        # The first item is the offset table (PS3.5 A.4), not pixels.
        state.pixel_bytes += length if state.fragments > 1 else 0
    else:
        state.items += 1
        if state.items > ITEMS_MAX:
            raise _too_complex(f"more than {ITEMS_MAX} items")
        if length != _UNDEFINED:
            _check_inside(state, top, length)
        end = None if length == _UNDEFINED else state.pos + length
        _push(state, _Open(kind="data set", end=end, explicit=top.explicit))
