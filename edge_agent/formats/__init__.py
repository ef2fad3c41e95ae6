"""Step 3 of 13: filter. File formats, told apart and opened by content."""

from __future__ import annotations

from typing import Final

HOSTILE_DATA_ERRORS: Final[tuple[type[Exception], ...]] = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    EOFError,
    RuntimeError,
)
"""What the parsing libraries raise on bytes that break their format. OSError and MemoryError are not among
them: they speak of this machine, not of the file."""
