"""Beside the thirteen steps: series: why a file of an upload is not used: what reading it shows, and what only an
upload can."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from cloud.series.reasons import LEFT_OUT, LeftOutReason


class UploadReason(StrEnum):
    """Why a file of an upload is not used, beside `LeftOutReason`. The value is the code that accounts carry."""

    SAME_FILE = "SAME_FILE"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    FILE_EMPTY = "FILE_EMPTY"
    TEXT_MAY_BE_BURNED_IN = "TEXT_MAY_BE_BURNED_IN"
    TEXT_IS_BURNED_IN = "TEXT_IS_BURNED_IN"


UPLOAD_REASONS: Final[dict[UploadReason, dict[str, str]]] = {
    UploadReason.SAME_FILE: {
        "en": "The very same file was uploaded already.",
        "zh": "完全相同的文件已经上传过。",
    },
    UploadReason.FILE_TOO_LARGE: {
        "en": "The file is larger than the server takes.",
        "zh": "文件超过服务器允许的大小。",
    },
    UploadReason.FILE_EMPTY: {"en": "The file is empty.", "zh": "文件为空。"},
    UploadReason.TEXT_MAY_BE_BURNED_IN: {
        "en": "Names may be written into the picture itself, and the file does not say that none are. Send it through "
        "an agent, which blanks them; or the site declares its uploads clean (browser_ultrasound).",
        "zh": "图像画面中可能写有姓名，文件也未声明没有。请通过采集代理发送（会遮盖文字），"
        "或由院方声明上传图像可信（browser_ultrasound）。",
    },
    UploadReason.TEXT_IS_BURNED_IN: {
        "en": "The file says that text is written into the picture. Send it through an agent, which blanks it.",
        "zh": "文件声明图像画面中写有文字。请通过采集代理发送（会遮盖文字）。",
    },
}

Reason = LeftOutReason | UploadReason


def words(reason: Reason) -> Mapping[str, str]:
    """The sentence, `en` and `zh`."""
    return UPLOAD_REASONS[reason] if isinstance(reason, UploadReason) else LEFT_OUT[reason]


def reason_of(code: str) -> Reason:
    """The reason with this code. Raises ValueError for none."""
    return UploadReason(code) if code in UploadReason.__members__ else LeftOutReason(code)
