"""Beside the thirteen steps: series: why a file is left out, why there is no volume, what is to be known of one; each a
code with a sentence in English and in Chinese."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class LeftOutReason(StrEnum):
    """Why a file takes no part. The value is the code that accounts carry."""

    FOREIGN_FILE = "FOREIGN_FILE"
    NO_SUFFIX = "NO_SUFFIX"
    NO_IDENTIFIER = "NO_IDENTIFIER"
    NOT_A_FILE = "NOT_A_FILE"
    FILE_UNREADABLE = "FILE_UNREADABLE"
    NOT_DICOM = "NOT_DICOM"
    DICOM_DIRECTORY = "DICOM_DIRECTORY"
    HEADER_DAMAGED = "HEADER_DAMAGED"
    HEADER_TOO_LARGE = "HEADER_TOO_LARGE"
    HEADER_DEFLATED = "HEADER_DEFLATED"
    VALUE_TOO_LONG = "VALUE_TOO_LONG"
    CHARACTERS_UNREADABLE = "CHARACTERS_UNREADABLE"
    UID_MISSING = "UID_MISSING"
    UID_INVALID = "UID_INVALID"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    PIXELS_CUT_SHORT = "PIXELS_CUT_SHORT"
    OTHER_PATIENT = "OTHER_PATIENT"
    OTHER_STUDY = "OTHER_STUDY"
    OTHER_SERIES = "OTHER_SERIES"
    OTHER_SERIES_NUMBER = "OTHER_SERIES_NUMBER"
    OTHER_BODY_PART = "OTHER_BODY_PART"
    OTHER_MODALITY = "OTHER_MODALITY"
    DUPLICATE_INSTANCE = "DUPLICATE_INSTANCE"
    DUPLICATE_POSITION = "DUPLICATE_POSITION"
    NO_POSITION = "NO_POSITION"
    OTHER_SIZE = "OTHER_SIZE"
    OTHER_PIXEL_SPACING = "OTHER_PIXEL_SPACING"
    OTHER_ORIENTATION = "OTHER_ORIENTATION"
    PIXELS_UNREADABLE = "PIXELS_UNREADABLE"


class RefusalReason(StrEnum):
    """Why a series gives no volume."""

    TOO_FEW_IMAGES = "TOO_FEW_IMAGES"
    ONE_SLICE = "ONE_SLICE"
    CINE = "CINE"
    NO_POSITIONS = "NO_POSITIONS"
    ORIENTATION_INVALID = "ORIENTATION_INVALID"
    SEVERAL_PER_POSITION = "SEVERAL_PER_POSITION"
    POSITIONS_SCATTERED = "POSITIONS_SCATTERED"
    TILT_TOO_STEEP = "TILT_TOO_STEEP"
    HOLE_TOO_WIDE = "HOLE_TOO_WIDE"
    PALETTE_COLOUR = "PALETTE_COLOUR"
    TOO_LARGE = "TOO_LARGE"
    READING_FAILED = "READING_FAILED"


class NoteKind(StrEnum):
    """What is to be known of a volume that was built."""

    RESAMPLED_EVEN = "RESAMPLED_EVEN"
    TILT_SHEARED = "TILT_SHEARED"
    SLICES_MISSING_WITHIN = "SLICES_MISSING_WITHIN"
    FIRST_MISSING = "FIRST_MISSING"
    LAST_MISSING = "LAST_MISSING"
    CURRENT_NOT_IN_STACK = "CURRENT_NOT_IN_STACK"
    INVERTED = "INVERTED"
    COLOUR_TO_GRAY = "COLOUR_TO_GRAY"
    NUMBERS_UNLIKE_POSITIONS = "NUMBERS_UNLIKE_POSITIONS"
    FRAMES_LEFT_OUT = "FRAMES_LEFT_OUT"


LEFT_OUT: Final[dict[LeftOutReason, dict[str, str]]] = {
    LeftOutReason.FOREIGN_FILE: {
        "en": "The file has neither the suffix nor the identifier of a DICOM file.",
        "zh": "该文件既无 DICOM 后缀，也无 DICOM 文件标识。",
    },
    LeftOutReason.NO_SUFFIX: {
        "en": "The file does not have the suffix of a DICOM file.",
        "zh": "该文件没有 DICOM 后缀。",
    },
    LeftOutReason.NO_IDENTIFIER: {
        "en": "The file does not begin with a preamble and the letters DICM.",
        "zh": "该文件开头没有前导区和 DICM 标识。",
    },
    LeftOutReason.NOT_A_FILE: {
        "en": "It is a link or a device, not a file.",
        "zh": "这是链接或设备，不是普通文件。",
    },
    LeftOutReason.FILE_UNREADABLE: {
        "en": "The system does not let the file be read.",
        "zh": "系统不允许读取该文件。",
    },
    LeftOutReason.NOT_DICOM: {
        "en": "The file has the suffix of a DICOM file and is none.",
        "zh": "该文件有 DICOM 后缀，但不是 DICOM 文件。",
    },
    LeftOutReason.DICOM_DIRECTORY: {
        "en": "The file is a DICOM directory (DICOMDIR), not an image.",
        "zh": "该文件是 DICOM 目录（DICOMDIR），不是图像。",
    },
    LeftOutReason.HEADER_DAMAGED: {
        "en": "The header is cut short or damaged.",
        "zh": "文件头不完整或已损坏。",
    },
    LeftOutReason.HEADER_TOO_LARGE: {
        "en": "The header is larger than is read of any header.",
        "zh": "文件头超过允许读取的大小。",
    },
    LeftOutReason.HEADER_DEFLATED: {
        "en": "The header is packed (deflated transfer syntax); the search does not unpack.",
        "zh": "文件头经过压缩（deflated 传输语法），搜索时不解压。",
    },
    LeftOutReason.VALUE_TOO_LONG: {
        "en": "A value of the header is far longer than DICOM allows.",
        "zh": "文件头中有远超 DICOM 允许长度的值。",
    },
    LeftOutReason.CHARACTERS_UNREADABLE: {
        "en": "The patient's name cannot be read in the character set that the header names.",
        "zh": "无法按文件头声明的字符集读取患者姓名。",
    },
    LeftOutReason.UID_MISSING: {
        "en": "The header lacks the UID of the study, the series or the image.",
        "zh": "文件头缺少检查、序列或图像的 UID。",
    },
    LeftOutReason.UID_INVALID: {
        "en": "A UID of the header is not one: digits and dots, 64 characters at most.",
        "zh": "文件头中的 UID 无效：应为数字和点，最多 64 个字符。",
    },
    LeftOutReason.NOT_AN_IMAGE: {
        "en": "The object holds no image, or none of a sane size.",
        "zh": "该对象不含图像，或图像尺寸不合理。",
    },
    LeftOutReason.PIXELS_CUT_SHORT: {
        "en": "The file ends before its pixels do.",
        "zh": "文件在像素数据结束之前中断。",
    },
    LeftOutReason.OTHER_PATIENT: {"en": "Another patient's image.", "zh": "属于其他患者的图像。"},
    LeftOutReason.OTHER_STUDY: {"en": "An image of another examination.", "zh": "属于其他检查的图像。"},
    LeftOutReason.OTHER_SERIES: {"en": "An image of another series.", "zh": "属于其他序列的图像。"},
    LeftOutReason.OTHER_SERIES_NUMBER: {
        "en": "It names this series' UID with another series number.",
        "zh": "序列 UID 相同，但序列号不同。",
    },
    LeftOutReason.OTHER_BODY_PART: {
        "en": "It names this series' UID with another body part.",
        "zh": "序列 UID 相同，但检查部位不同。",
    },
    LeftOutReason.OTHER_MODALITY: {
        "en": "It names this series' UID with another modality.",
        "zh": "序列 UID 相同，但成像设备类型不同。",
    },
    LeftOutReason.DUPLICATE_INSTANCE: {
        "en": "A second copy of an image that is used already (same SOP Instance UID).",
        "zh": "已使用图像的副本（SOP Instance UID 相同）。",
    },
    LeftOutReason.DUPLICATE_POSITION: {
        "en": "Another image lies at the same position and is used.",
        "zh": "同一位置已有另一幅图像被使用。",
    },
    LeftOutReason.NO_POSITION: {
        "en": "The image does not say where in the patient it lies.",
        "zh": "图像未说明其在患者体内的位置。",
    },
    LeftOutReason.OTHER_SIZE: {
        "en": "The image has other rows or columns than the stack.",
        "zh": "图像的行数或列数与其他层面不同。",
    },
    LeftOutReason.OTHER_PIXEL_SPACING: {
        "en": "The image has another pixel size than the stack.",
        "zh": "图像的像素间距与其他层面不同。",
    },
    LeftOutReason.OTHER_ORIENTATION: {
        "en": "The image lies in another direction than the stack, as a localizer does.",
        "zh": "图像方向与其他层面不同（例如定位像）。",
    },
    LeftOutReason.PIXELS_UNREADABLE: {
        "en": "The pixels cannot be decoded.",
        "zh": "无法解码像素数据。",
    },
}

REFUSALS: Final[dict[RefusalReason, dict[str, str]]] = {
    RefusalReason.TOO_FEW_IMAGES: {
        "en": "The series has {count} usable images; a reconstruction needs {threshold}.",
        "zh": "该序列有 {count} 幅可用图像，重建至少需要 {threshold} 幅。",
    },
    RefusalReason.ONE_SLICE: {
        "en": "The series has one slice only; planes cannot be cut through it.",
        "zh": "该序列只有一个层面，无法进行多平面重建。",
    },
    RefusalReason.CINE: {
        "en": "A moving image of {frames} frames{rate}, not a stack of slices: there is no volume.",
        "zh": "这是 {frames} 帧的动态图像{rate}，不是层面堆叠，无法形成体数据。",
    },
    RefusalReason.NO_POSITIONS: {
        "en": "The images do not say where in the patient they lie.",
        "zh": "图像未说明其在患者体内的位置。",
    },
    RefusalReason.ORIENTATION_INVALID: {
        "en": "The directions of rows and columns are not at right angles.",
        "zh": "图像行、列方向不互相垂直。",
    },
    RefusalReason.SEVERAL_PER_POSITION: {
        "en": "{positions} positions hold {count} images: several points of time or kinds of image in one series.",
        "zh": "{positions} 个位置共有 {count} 幅图像：一个序列内含多个时相或多种图像。",
    },
    RefusalReason.POSITIONS_SCATTERED: {
        "en": "The slices do not lie on a line: one is {off_mm} mm beside it.",
        "zh": "各层面不在一条直线上：有一层偏离 {off_mm} 毫米。",
    },
    RefusalReason.TILT_TOO_STEEP: {
        "en": "The stack leans by {tilt_deg} degrees; up to {limit_deg} are straightened.",
        "zh": "层面堆叠倾斜 {tilt_deg} 度，最多可校正 {limit_deg} 度。",
    },
    RefusalReason.HOLE_TOO_WIDE: {
        "en": "Between two slices lie {gap_mm} mm where {step_mm} mm are usual; what is there would be made up.",
        "zh": "两层之间相距 {gap_mm} 毫米，而通常为 {step_mm} 毫米；中间内容只能虚构。",
    },
    RefusalReason.PALETTE_COLOUR: {
        "en": "The images are in palette colours, which have no order to compute with.",
        "zh": "图像为调色板彩色，其数值没有可计算的顺序。",
    },
    RefusalReason.TOO_LARGE: {
        "en": "The volume needs {need_mib} MiB of memory; {cap_mib} MiB are allowed.",
        "zh": "体数据需要 {need_mib} MiB 内存，上限为 {cap_mib} MiB。",
    },
    RefusalReason.READING_FAILED: {
        "en": "The process that reads the images ended while it read these.",
        "zh": "读取这些图像时，读取进程意外退出。",
    },
}

NOTES: Final[dict[NoteKind, dict[str, str]]] = {
    NoteKind.RESAMPLED_EVEN: {
        "en": "Slices lie {least_mm} to {most_mm} mm apart; resampled by their true positions to {step_mm} mm.",
        "zh": "层间距为 {least_mm} 至 {most_mm} 毫米，已按真实位置重采样为 {step_mm} 毫米。",
    },
    NoteKind.TILT_SHEARED: {
        "en": "The stack leans by {tilt_deg} degrees (gantry tilt); sheared to a right-angled grid.",
        "zh": "层面堆叠倾斜 {tilt_deg} 度（机架倾斜），已校正为直角网格。",
    },
    NoteKind.SLICES_MISSING_WITHIN: {
        "en": "{count} slices are missing within the stack; their place is interpolated from the neighbours.",
        "zh": "堆叠中缺少 {count} 个层面，由相邻层面插值填补。",
    },
    NoteKind.FIRST_MISSING: {
        "en": "Instance numbers begin at {number}: earlier slices, at the {end} end, may be missing.",
        "zh": "实例编号从 {number} 开始：{end} 端可能缺少更早的层面。",
    },
    NoteKind.LAST_MISSING: {
        "en": "The header counts {expected} images, the last number here is {number}: slices at the {end} end "
        "are missing.",
        "zh": "文件头记录共 {expected} 幅图像，最后编号为 {number}：{end} 端缺少层面。",
    },
    NoteKind.CURRENT_NOT_IN_STACK: {
        "en": "The image now read is not itself a slice of the stack (a localizer, for example).",
        "zh": "当前阅读的图像本身不属于该堆叠（例如定位像）。",
    },
    NoteKind.INVERTED: {
        "en": "The images show low values bright (MONOCHROME1); values were inverted.",
        "zh": "图像低值显示为亮（MONOCHROME1），数值已反转。",
    },
    NoteKind.COLOUR_TO_GRAY: {
        "en": "The images are in colour; the volume holds their brightness only.",
        "zh": "图像为彩色，体数据仅保留亮度。",
    },
    NoteKind.NUMBERS_UNLIKE_POSITIONS: {
        "en": "Instance numbers do not follow the positions; the positions decide.",
        "zh": "实例编号与位置顺序不一致，以位置为准。",
    },
    NoteKind.FRAMES_LEFT_OUT: {
        "en": "{count} frames of a file that is used are no slices of the stack.",
        "zh": "所用文件中有 {count} 帧不属于该堆叠。",
    },
}

Value = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """There is no volume, and why."""

    reason: RefusalReason
    """The cause."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The numbers of its sentence, none of a patient."""

    def sentence(self, language: str = "en") -> str:
        """The cause in words; `language` is `en` or `zh`."""
        return REFUSALS[self.reason][language].format(**self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something to be known of a volume."""

    kind: NoteKind
    """What."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The numbers of its sentence, none of a patient."""

    def sentence(self, language: str = "en") -> str:
        """It in words; `language` is `en` or `zh`."""
        return NOTES[self.kind][language].format(**self.values)
