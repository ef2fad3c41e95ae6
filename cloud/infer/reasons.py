"""Part of step 11: why a reading abstains: one code per cause, each with a sentence in English and in
Chinese."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class AbstainReason(StrEnum):
    """Why a reading gives no finding to rely on. The value is the code that readings carry."""

    IMAGE_UNREADABLE = "IMAGE_UNREADABLE"
    IMAGE_BLANK = "IMAGE_BLANK"
    NOT_KNOWN_PLANE = "NOT_KNOWN_PLANE"
    UNLIKE_TRAINING = "UNLIKE_TRAINING"
    PLANE_UNCERTAIN = "PLANE_UNCERTAIN"
    NOT_BRAIN_PLANE = "NOT_BRAIN_PLANE"
    NO_HEAD = "NO_HEAD"
    SEVERAL_HEADS = "SEVERAL_HEADS"
    HEAD_CUT_OFF = "HEAD_CUT_OFF"
    HEAD_UNCERTAIN = "HEAD_UNCERTAIN"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    FRAMES_DISAGREE = "FRAMES_DISAGREE"


SENTENCES: Final[dict[AbstainReason, dict[str, str]]] = {
    AbstainReason.IMAGE_UNREADABLE: {
        "en": "The file is not an image that can be read.",
        "zh": "该文件不是可读取的图像。",
    },
    AbstainReason.IMAGE_BLANK: {
        "en": "The image is blank: it has almost no contrast.",
        "zh": "图像为空白：几乎没有对比度。",
    },
    AbstainReason.NOT_KNOWN_PLANE: {
        "en": "The image shows none of the known planes; it may not be a fetal ultrasound image.",
        "zh": "图像不属于任何已知切面，可能不是胎儿超声图像。",
    },
    AbstainReason.UNLIKE_TRAINING: {
        "en": "The image is unlike all images that the models learned from.",
        "zh": "图像与模型训练所用的图像差异过大。",
    },
    AbstainReason.PLANE_UNCERTAIN: {
        "en": "It is not certain which plane the image shows.",
        "zh": "无法确定图像所示的切面。",
    },
    AbstainReason.NOT_BRAIN_PLANE: {
        "en": "The image does not show a plane of the fetal brain.",
        "zh": "图像不是胎儿颅脑切面。",
    },
    AbstainReason.NO_HEAD: {
        "en": "No fetal head was found in the image.",
        "zh": "图像中未找到胎头。",
    },
    AbstainReason.SEVERAL_HEADS: {
        "en": "More than one region looks like a fetal head.",
        "zh": "图像中有多个区域疑似胎头。",
    },
    AbstainReason.HEAD_CUT_OFF: {
        "en": "The head leaves the image, so its measurements are not reliable.",
        "zh": "胎头超出图像范围，测量值不可靠。",
    },
    AbstainReason.HEAD_UNCERTAIN: {
        "en": "The outline of the head is not certain.",
        "zh": "胎头轮廓不确定。",
    },
    AbstainReason.LOW_CONFIDENCE: {
        "en": "No class is probable enough to be named.",
        "zh": "各类别的概率均不足以作出判断。",
    },
    AbstainReason.FRAMES_DISAGREE: {
        "en": "The frames of the loop do not agree.",
        "zh": "动态图像各帧结果不一致。",
    },
}
