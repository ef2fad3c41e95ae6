"""Beside the thirteen steps: report: which images a report shows, and what stands under them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloud.items import Status
from cloud.report.facts import ImageFacts
from cloud.report.sheet import KeyImage, Tone
from cloud.report.voice import Voice

_TONES: Final = {Status.NORMAL: Tone.NORMAL, Status.ABNORMAL: Tone.ABNORMAL}
SHOWN_MOST: Final = 6
"""A report stays within a few pages; the others are on the console."""


def key_images(images: Sequence[ImageFacts], voice: Voice, *, all_heat: bool) -> tuple[KeyImage, ...]:
    """The most pressing images, at most `SHOWN_MOST`, in the order of the examination."""
    chosen = sorted(images, key=_pressing)[:SHOWN_MOST]
    shown = sorted(chosen, key=lambda image: image.number)
    return tuple(_key_image(image, voice, all_heat or image.status is Status.ABNORMAL) for image in shown)


def tone_of(image: ImageFacts) -> Tone:
    """How an image's outline is to be seen."""
    return _TONES.get(image.status, Tone.REVIEW)


def _pressing(image: ImageFacts) -> tuple[int, int, int]:
    """Abnormal first, then what a person disagreed with, then what is measured, then by number."""
    disagreed = image.review is not None and not image.review.agreed
    is_abnormal = image.status is Status.ABNORMAL
    return (0 if is_abnormal else 1 if disagreed else 2, -len(image.lengths), image.number)


def _key_image(image: ImageFacts, voice: Voice, with_heat: bool) -> KeyImage:
    caption = voice.say("images.caption", number=image.number, plane=voice.plane(image))
    if image.frame_count > 1:
        frame = voice.say("images.frame", frame=image.best_frame + 1, frames=image.frame_count)
        caption = voice.listed([caption, frame])
    heat = None
    if with_heat and image.has_heat and image.finding is not None:
        heat = voice.say("images.heat", number=image.number, name=voice.name("name", image.finding))
    return KeyImage(
        image_id=image.image_id,
        number=image.number,
        width_px=image.width_px,
        height_px=image.height_px,
        caption=caption,
        alt=caption,
        strokes=image.strokes,
        tone=tone_of(image),
        heat_caption=heat,
    )
