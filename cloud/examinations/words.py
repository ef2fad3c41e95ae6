"""Examinations: what images and findings can be called, and the words by which people search findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FINDING_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "normal": ("normal", "no anomaly", "正常", "未见异常"),
    "ventriculomegaly": ("ventriculomegaly", "wide ventricle", "脑室扩张", "侧脑室增宽", "脑积水"),
    "other": ("another anomaly", "other anomaly", "其他异常"),
}
"""Finding to what people call it; a test compares the keys with the labels of the shipped model."""


PLANES: Final = ("brain", "abdomen", "femur", "thorax", "other")
"""Planes that an image can show; a test compares them with the labels of the shipped model."""
SUBPLANES: Final = ("trans-thalamic", "trans-ventricular", "trans-cerebellar")
"""Planes of the brain, likewise."""
PLANE_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "brain": ("brain", "head", "头部", "颅脑"),
    "abdomen": ("abdomen", "腹部"),
    "femur": ("femur", "股骨"),
    "thorax": ("thorax", "chest", "胸部"),
    "other": ("other", "其他"),
    "trans-thalamic": ("trans-thalamic", "丘脑水平横切面"),
    "trans-ventricular": ("trans-ventricular", "侧脑室水平横切面"),
    "trans-cerebellar": ("trans-cerebellar", "小脑水平横切面"),
}
"""Plane or plane of the brain to what people call it; a test compares the keys with both lists above."""


def findings_named(text: str) -> list[str]:
    """Findings that `text` names, or begins to name, in either language; one letter names none."""
    asked = text.strip().lower()
    if len(asked) < (2 if asked.isascii() else 1):
        return []
    return [
        finding
        for finding, words in FINDING_WORDS.items()
        if any(word.startswith(asked) or asked == finding for word in words)
    ]
