"""Step 3 of 13: filter. Keeps what the line can read and refuses the rest by tables of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from edge_agent.errors import ImageRefused
from sonorelay.contract.limits import FRAME_MAX_PIXELS, FRAMES_MAX
from sonorelay.contract.reasons import EdgeReason

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
ULTRASOUND_CLASSES: Final = frozenset(
    {
        _STORAGE + "6",  # Ultrasound Image Storage (retired)
        _STORAGE + "6.1",  # Ultrasound Image Storage
        _STORAGE + "3",  # Ultrasound Multi-frame Image Storage (retired)
        _STORAGE + "3.1",  # Ultrasound Multi-frame Image Storage
    }
)
SERIES_MODALITIES: Final = {
    _STORAGE + "2": "CT",  # CT Image Storage
    _STORAGE + "2.1": "CT",  # Enhanced CT Image Storage
    _STORAGE + "2.2": "CT",  # Legacy Converted Enhanced CT Image Storage
    _STORAGE + "4": "MR",  # MR Image Storage
    _STORAGE + "4.1": "MR",  # Enhanced MR Image Storage
    _STORAGE + "4.4": "MR",  # Legacy Converted Enhanced MR Image Storage
    _STORAGE + "128": "PT",  # Positron Emission Tomography Image Storage
    _STORAGE + "128.1": "PT",  # Legacy Converted Enhanced PET Image Storage
    _STORAGE + "130": "PT",  # Enhanced PET Image Storage
    **dict.fromkeys(ULTRASOUND_CLASSES, "US"),
}
"""SOP classes of the images of series, and the modality of each."""
_MODALITIES: Final = frozenset(SERIES_MODALITIES.values())
SECONDARY_CAPTURE_CLASSES: Final = frozenset({_STORAGE + "7", _STORAGE + "7.2", _STORAGE + "7.4"})
_REPORT_PREFIX: Final = _STORAGE + "88."
_PRESENTATION_PREFIX: Final = _STORAGE + "11."
_OTHER_PARTS: Final = frozenset(
    {"BREAST", "THYROID", "PROSTATE", "SCROTUM", "TESTIS", "EYE", "KNEE", "SHOULDER", "ELBOW", "WRIST",
     "HAND",
     "ANKLE", "FOOT", "CAROTID", "LEG", "ARM"}
)  # fmt: skip
_SCREEN_SAVES: Final = frozenset({"SCREEN SAVE", "SCREENSAVE", "SCREEN_SAVE", "SCREEN CAPTURE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterRules:
    """The site's settings of the rules: lists of target identifiers. Each value is compared in capitals."""

    sop_classes: frozenset[str] = ULTRASOUND_CLASSES
    """SOP class UIDs that are ultrasound by themselves."""
    capture_classes: frozenset[str] = SECONDARY_CAPTURE_CLASSES
    """SOP class UIDs that are let through where the modality says ultrasound."""
    modalities: frozenset[str] = frozenset({"US"})
    """Modality (0008,0060) values that are ultrasound."""
    refused_body_parts: frozenset[str] = _OTHER_PARTS
    """BodyPartExamined (0018,0015) values that this line does not read; an absent value passes."""
    screen_save_words: frozenset[str] = _SCREEN_SAVES
    """ImageType (0008,0008) values that mark a derived screen save."""
    side_min_px: int = 64
    """Smallest width and height, pixels."""
    pixels_max: int = FRAME_MAX_PIXELS
    """Most pixels of one frame."""
    frames_max: int = FRAMES_MAX
    """Most frames of one object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomFacts:
    """What the rules may know of a DICOM object. Code strings in capitals, without spaces at the ends."""

    sop_class: str
    """SOPClassUID; empty where absent."""
    modality: str
    """Modality; empty where absent."""
    image_type: tuple[str, ...] = ()
    """ImageType values."""
    body_part: str = ""
    """BodyPartExamined."""
    has_pixels: bool
    """Whether a pixel data element with bytes is there."""
    frame_count: int
    """NumberOfFrames; 1 where absent."""
    width_px: int
    """Columns."""
    height_px: int
    """Rows."""
    is_numbered: bool = True
    """Whether study, series and instance have their UIDs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """What the rules may know of one decoded picture or frame."""

    width_px: int
    """Columns."""
    height_px: int
    """Rows."""
    drawn_fraction: float
    """Share of the pixels that differ from the picture's most frequent value, 0..1."""


@dataclass(frozen=True, slots=True)
class TagRule:
    """One row of the table of tags."""

    reason: EdgeReason
    """Reason of the refusal."""
    tags: str
    """The tags that the row looks at."""
    matches: Callable[[DicomFacts, FilterRules], bool]
    """Whether the object is refused."""


DRAWN_FRACTION_MIN: Final = 0.003


def _foreign(facts: DicomFacts, rules: FilterRules) -> bool:
    if facts.sop_class in rules.sop_classes:
        return facts.modality not in rules.modalities and facts.modality != ""
    return facts.sop_class not in rules.capture_classes or facts.modality not in rules.modalities


TAG_RULES: Final[tuple[TagRule, ...]] = (
    TagRule(
        EdgeReason.STRUCTURED_REPORT,
        "SOPClassUID, Modality",
        lambda f, r: f.sop_class.startswith(_REPORT_PREFIX) or f.modality == "SR",
    ),
    TagRule(
        EdgeReason.PRESENTATION_STATE,
        "SOPClassUID, Modality",
        lambda f, r: f.sop_class.startswith(_PRESENTATION_PREFIX) or f.modality == "PR",
    ),
    TagRule(EdgeReason.NOT_ULTRASOUND, "SOPClassUID, Modality", _foreign),
    TagRule(EdgeReason.LOCALIZER, "ImageType", lambda f, r: "LOCALIZER" in f.image_type),
    TagRule(
        EdgeReason.DERIVED_SCREEN_SAVE,
        "ImageType",
        lambda f, r: "DERIVED" in f.image_type and not r.screen_save_words.isdisjoint(f.image_type),
    ),
    TagRule(EdgeReason.WRONG_BODY_PART, "BodyPartExamined", lambda f, r: f.body_part in r.refused_body_parts),
    TagRule(EdgeReason.ZERO_FRAMES, "NumberOfFrames", lambda f, r: f.frame_count < 1),
    TagRule(EdgeReason.NO_PIXEL_DATA, "PixelData, Rows, Columns", lambda f, r: not f.has_pixels),
    TagRule(EdgeReason.NO_PIXEL_DATA, "Rows, Columns", lambda f, r: f.width_px < 1 or f.height_px < 1),
    TagRule(EdgeReason.TOO_MANY_FRAMES, "NumberOfFrames", lambda f, r: f.frame_count > r.frames_max),
    TagRule(
        EdgeReason.TOO_MANY_PIXELS, "Rows, Columns", lambda f, r: f.width_px * f.height_px > r.pixels_max
    ),
    TagRule(EdgeReason.TOO_SMALL, "Rows, Columns", lambda f, r: min(f.width_px, f.height_px) < r.side_min_px),
)
"""Looked at from the top; the first row that matches gives the reason."""

_NO_IMAGES: Final = frozenset({EdgeReason.STRUCTURED_REPORT, EdgeReason.PRESENTATION_STATE})
_NOT_FOR_SERIES: Final = frozenset(
    {EdgeReason.NOT_ULTRASOUND, EdgeReason.WRONG_BODY_PART, EdgeReason.TOO_SMALL}
)
SERIES_RULES: Final[tuple[TagRule, ...]] = (
    *(row for row in TAG_RULES if row.reason in _NO_IMAGES),
    TagRule(
        EdgeReason.NOT_OF_A_SERIES,
        "SOPClassUID, Modality",
        lambda f, r: SERIES_MODALITIES.get(f.sop_class) not in ({f.modality} if f.modality else _MODALITIES),
    ),
    TagRule(
        EdgeReason.NOT_OF_A_SERIES,
        "StudyInstanceUID, SeriesInstanceUID, SOPInstanceUID",
        lambda f, r: not f.is_numbered,
    ),
    *(row for row in TAG_RULES if row.reason not in _NO_IMAGES | _NOT_FOR_SERIES),
)
"""The same for files of a series order: other classes, any body part, and small images are as good as large ones."""


@dataclass(frozen=True, slots=True)
class PictureRule:
    """One row of the table for decoded pictures."""

    reason: EdgeReason
    """Reason of the refusal."""
    matches: Callable[[PictureFacts, FilterRules], bool]
    """Whether the picture is refused."""


PICTURE_RULES: Final[tuple[PictureRule, ...]] = (
    PictureRule(
        EdgeReason.TOO_MANY_PIXELS,
        lambda f, r: f.width_px * f.height_px > r.pixels_max,
    ),
    PictureRule(EdgeReason.TOO_SMALL, lambda f, r: min(f.width_px, f.height_px) < r.side_min_px),
    PictureRule(EdgeReason.BLANK, lambda f, r: f.drawn_fraction < DRAWN_FRACTION_MIN),
)
"""Only the obvious is refused here; what is a picture of something else is left to the cloud's abstention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """The tables with the site's settings."""

    rules: FilterRules = field(default_factory=FilterRules)
    """Settings."""

    def tags(self, facts: DicomFacts, table: tuple[TagRule, ...] = TAG_RULES) -> None:
        """Returns where the object may go on. Errors.

        ImageRefused with the reason of the first matching row of `table`.
        """
        for row in table:
            if row.matches(facts, self.rules):
                raise ImageRefused(row.reason, row.tags)

    def picture(self, facts: PictureFacts) -> None:
        """Returns where the picture may go on. Errors.

        ImageRefused with the reason of the first matching row.
        """
        for row in PICTURE_RULES:
            if row.matches(facts, self.rules):
                raise ImageRefused(row.reason, f"{facts.width_px}x{facts.height_px}")

    def size(self, width_px: int, height_px: int) -> None:
        """As `picture`, before decoding, from the size in the header alone."""
        self.picture(PictureFacts(width_px=width_px, height_px=height_px, drawn_fraction=1.0))
