"""Planes of series, asked for over the API."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import numpy as np

SIDE = 32


def asked(**changes: Any) -> str:
    """Query of a plane: axial, through the patient's origin, 32 pixels of 0.5 mm."""
    query = {"c": "0,0,0", "u": "1,0,0", "v": "0,1,0", "size": SIDE, "px": 0.5, **changes}
    return urlencode({name: value for name, value in query.items() if value is not None})


def numbers(answer: Any, side: int = SIDE) -> np.ndarray:
    """The values of a plane's answer."""
    stored = np.frombuffer(answer.body, "<i2").reshape(side, side)
    return np.asarray(stored * float(answer.headers["x-scale"]) + float(answer.headers["x-offset"]))
