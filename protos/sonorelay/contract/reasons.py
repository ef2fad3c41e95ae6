"""Reasons: the only thing programs decide by; each with what the agent does and a sentence for people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

DOMAIN: Final = "sonorelay"

Action = Literal["reopen", "send_missing", "rehash", "refuse", "wait", "stop"]


class WireReason(StrEnum):
    """Why a call to the cloud failed; the `reason` of its ErrorInfo (or of a Nack)."""

    UPLOAD_UNKNOWN = "UPLOAD_UNKNOWN"
    SHARDS_MISSING = "SHARDS_MISSING"
    SHARD_DIGEST_MISMATCH = "SHARD_DIGEST_MISMATCH"
    FENCED = "FENCED"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE"
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    STORE_FULL = "STORE_FULL"
    LEDGER_BUSY = "LEDGER_BUSY"
    SHUTTING_DOWN = "SHUTTING_DOWN"
    DEVICE_UNKNOWN = "DEVICE_UNKNOWN"
    DEVICE_REVOKED = "DEVICE_REVOKED"
    AGENT_TOO_OLD = "AGENT_TOO_OLD"
    LEDGER_INDEX_UNKNOWN = "LEDGER_INDEX_UNKNOWN"
    CURSOR_INVALID = "CURSOR_INVALID"
    NOT_PERMITTED = "NOT_PERMITTED"
    MODEL_UNKNOWN = "MODEL_UNKNOWN"
    MODEL_REFUSED = "MODEL_REFUSED"
    MODEL_VERSION_EXISTS = "MODEL_VERSION_EXISTS"
    MODEL_STATE_CHANGED = "MODEL_STATE_CHANGED"
    MODELS_ELSEWHERE = "MODELS_ELSEWHERE"


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRule:
    """What a wire reason means for the agent."""

    code: str
    """Name of the gRPC status code."""
    action: Action
    """What the agent does."""
    hint: str
    """One sentence for a person; no patient data."""


WIRE_RULES: Final[dict[WireReason, WireRule]] = {
    WireReason.UPLOAD_UNKNOWN: WireRule(
        code="NOT_FOUND", action="reopen", hint="The cloud does not know this upload; it is opened again."
    ),
    WireReason.SHARDS_MISSING: WireRule(
        code="FAILED_PRECONDITION", action="send_missing", hint="Some shards have not arrived; they are sent."
    ),
    WireReason.SHARD_DIGEST_MISMATCH: WireRule(
        code="INVALID_ARGUMENT",
        action="rehash",
        hint="A shard's bytes do not have its digest; the agent checks its own copy and sends it once more.",
    ),
    WireReason.FENCED: WireRule(
        code="ABORTED", action="reopen", hint="A newer stream of the same capture took over."
    ),
    WireReason.MANIFEST_INVALID: WireRule(
        code="INVALID_ARGUMENT",
        action="refuse",
        hint="The manifest breaks the contract; see the agent's log.",
    ),
    WireReason.IMAGE_TOO_LARGE: WireRule(
        code="INVALID_ARGUMENT", action="refuse", hint="The image is larger than this site accepts."
    ),
    WireReason.REQUEST_ID_REUSED: WireRule(
        code="INVALID_ARGUMENT", action="refuse", hint="The same id came with other bytes."
    ),
    WireReason.STORE_FULL: WireRule(
        code="RESOURCE_EXHAUSTED", action="wait", hint="The cloud's disk or queue is full; it is tried again."
    ),
    WireReason.LEDGER_BUSY: WireRule(
        code="UNAVAILABLE", action="wait", hint="The ledger is busy; it is tried again."
    ),
    WireReason.SHUTTING_DOWN: WireRule(
        code="UNAVAILABLE", action="wait", hint="The cloud is restarting; it is tried again."
    ),
    WireReason.DEVICE_UNKNOWN: WireRule(
        code="PERMISSION_DENIED",
        action="stop",
        hint="The cloud does not know this device or its key; ask IT.",
    ),
    WireReason.DEVICE_REVOKED: WireRule(
        code="PERMISSION_DENIED", action="stop", hint="This device was revoked; ask IT."
    ),
    WireReason.AGENT_TOO_OLD: WireRule(
        code="FAILED_PRECONDITION", action="stop", hint="This agent is too old for the cloud; update it."
    ),
    WireReason.LEDGER_INDEX_UNKNOWN: WireRule(
        code="NOT_FOUND", action="refuse", hint="The ledger has no such entry."
    ),
    WireReason.CURSOR_INVALID: WireRule(
        code="INVALID_ARGUMENT", action="refuse", hint="The cursor lies beyond the newest event."
    ),
    WireReason.NOT_PERMITTED: WireRule(
        code="PERMISSION_DENIED",
        action="stop",
        hint="This certificate has not the role that the call needs; ask IT.",
    ),
    WireReason.MODEL_UNKNOWN: WireRule(
        code="NOT_FOUND", action="refuse", hint="The site has no such model, or no such version of it."
    ),
    WireReason.MODEL_REFUSED: WireRule(
        code="INVALID_ARGUMENT",
        action="refuse",
        hint="The version breaks a rule, which the message names; correct it and push again.",
    ),
    WireReason.MODEL_VERSION_EXISTS: WireRule(
        code="ALREADY_EXISTS",
        action="refuse",
        hint="The site has other files of this version; a version is never overwritten: take a higher number.",
    ),
    WireReason.MODEL_STATE_CHANGED: WireRule(
        code="ABORTED",
        action="refuse",
        hint="The versions in use are not those that the call expects; look again, then decide.",
    ),
    WireReason.MODELS_ELSEWHERE: WireRule(
        code="FAILED_PRECONDITION",
        action="stop",
        hint="This server keeps no models: it reads no images, or its engine has a repository of its own.",
    ),
}


class EdgeReason(StrEnum):
    """Why the edge (or the analysis) did not let an image through; shown on the console."""

    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    EMPTY_FILE = "EMPTY_FILE"
    NEVER_FINISHED = "NEVER_FINISHED"
    TRUNCATED = "TRUNCATED"
    UNREADABLE = "UNREADABLE"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    TOO_MANY_FRAMES = "TOO_MANY_FRAMES"
    TOO_COMPLEX = "TOO_COMPLEX"
    TOO_SMALL = "TOO_SMALL"
    NOT_A_REGULAR_FILE = "NOT_A_REGULAR_FILE"
    PARSER_KILLED = "PARSER_KILLED"
    UNSUPPORTED_FORMAT = "UNSUPPORTED_FORMAT"
    UNSUPPORTED_TRANSFER_SYNTAX = "UNSUPPORTED_TRANSFER_SYNTAX"
    NO_PIXEL_DATA = "NO_PIXEL_DATA"
    ZERO_FRAMES = "ZERO_FRAMES"
    NOT_ULTRASOUND = "NOT_ULTRASOUND"
    NOT_OF_A_SERIES = "NOT_OF_A_SERIES"
    STRUCTURED_REPORT = "STRUCTURED_REPORT"
    PRESENTATION_STATE = "PRESENTATION_STATE"
    LOCALIZER = "LOCALIZER"
    DERIVED_SCREEN_SAVE = "DERIVED_SCREEN_SAVE"
    WRONG_BODY_PART = "WRONG_BODY_PART"
    BLANK = "BLANK"
    DUPLICATE = "DUPLICATE"
    PIXELS_MAY_IDENTIFY = "PIXELS_MAY_IDENTIFY"
    SECTOR_NOT_FOUND = "SECTOR_NOT_FOUND"
    SHARDS_REFUSED = "SHARDS_REFUSED"
    CLOUD_REFUSED = "CLOUD_REFUSED"
    RECEIPT_INVALID = "RECEIPT_INVALID"
    IMAGE_UNREADABLE = "IMAGE_UNREADABLE"
    DID_NOT_COME = "DID_NOT_COME"


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRule:
    """What an edge reason means."""

    status: Literal["refused", "held", "missing"]
    """refused: not for the line; held: a person may release it; missing: announced, did not come."""
    en: str
    """Sentence for people, English: what is wrong and what to do."""
    zh: str
    """The same in Chinese."""


def _refused(en: str, zh: str) -> EdgeRule:
    return EdgeRule(status="refused", en=en, zh=zh)


def _held(en: str, zh: str) -> EdgeRule:
    return EdgeRule(status="held", en=en, zh=zh)


EDGE_RULES: Final[dict[EdgeReason, EdgeRule]] = {
    EdgeReason.NOT_AN_IMAGE: _refused(
        "The file is not an image of a supported kind.", "文件不是受支持的图像。"
    ),
    EdgeReason.EMPTY_FILE: _refused("The file is empty. Print again.", "文件为空，请重新打印。"),
    EdgeReason.NEVER_FINISHED: _refused(
        "The file was never finished. Print again.", "文件一直未写完，请重新打印。"
    ),
    EdgeReason.TRUNCATED: _refused("The file ends too early. Print again.", "文件不完整，请重新打印。"),
    EdgeReason.UNREADABLE: _refused("The file cannot be decoded. Print again.", "文件无法解码，请重新打印。"),
    EdgeReason.TOO_LARGE: _refused("The file is larger than the limit.", "文件超过大小限制。"),
    EdgeReason.TOO_MANY_PIXELS: _refused(
        "The picture has more pixels than the limit.", "图像像素数超过限制。"
    ),
    EdgeReason.TOO_MANY_FRAMES: _refused(
        "The loop has more frames than the limit.", "动态图像帧数超过限制。"
    ),
    EdgeReason.TOO_COMPLEX: _refused("The file's structure exceeds the limits.", "文件结构超出限制。"),
    EdgeReason.TOO_SMALL: _refused("The picture is too small to be read.", "图像太小，无法读取。"),
    EdgeReason.NOT_A_REGULAR_FILE: _refused(
        "Not a regular file (a link, pipe or device).", "不是普通文件（链接、管道或设备）。"
    ),
    EdgeReason.PARSER_KILLED: _refused(
        "Reading the file took too much time or memory.", "读取文件占用的时间或内存过多。"
    ),
    EdgeReason.UNSUPPORTED_FORMAT: _refused("This file format is not supported.", "不支持此文件格式。"),
    EdgeReason.UNSUPPORTED_TRANSFER_SYNTAX: _refused(
        "This DICOM transfer syntax is not supported.", "不支持此 DICOM 传输语法。"
    ),
    EdgeReason.NO_PIXEL_DATA: _refused("The DICOM object has no pixel data.", "DICOM 对象不含像素数据。"),
    EdgeReason.ZERO_FRAMES: _refused("The DICOM object has no frames.", "DICOM 对象没有帧。"),
    EdgeReason.NOT_ULTRASOUND: _refused("Not an ultrasound image.", "不是超声图像。"),
    EdgeReason.NOT_OF_A_SERIES: _refused(
        "Not an image of a CT, MR, PET or ultrasound series.", "不是 CT、MR、PET 或超声序列的图像。"
    ),
    EdgeReason.STRUCTURED_REPORT: _refused("A structured report, not an image.", "结构化报告，不是图像。"),
    EdgeReason.PRESENTATION_STATE: _refused(
        "A presentation state, not an image.", "显示状态对象，不是图像。"
    ),
    EdgeReason.LOCALIZER: _refused("A localizer image.", "定位像。"),
    EdgeReason.DERIVED_SCREEN_SAVE: _refused("A derived screen save.", "派生的屏幕截图。"),
    EdgeReason.WRONG_BODY_PART: _refused("Another body part than this line reads.", "身体部位不属于本流程。"),
    EdgeReason.BLANK: _refused("The picture is blank.", "图像为空白。"),
    EdgeReason.DUPLICATE: _refused("The same bytes were captured before.", "相同内容此前已采集。"),
    EdgeReason.PIXELS_MAY_IDENTIFY: _held(
        "The pixels may identify the patient. A person must look.", "像素可能含有身份信息，需人工查看。"
    ),
    EdgeReason.SECTOR_NOT_FOUND: _held(
        "The ultrasound sector cannot be told from its banner. A person must look.",
        "无法区分超声扇区与文字区，需人工查看。",
    ),
    EdgeReason.SHARDS_REFUSED: _held(
        "The cloud refused a part's bytes again and again. Ask IT.", "云端多次拒收数据，请联系信息科。"
    ),
    EdgeReason.CLOUD_REFUSED: _held("The cloud refused the image. Ask IT.", "云端拒收图像，请联系信息科。"),
    EdgeReason.RECEIPT_INVALID: _held(
        "The cloud's receipt does not verify; nothing was deleted. Ask IT.",
        "云端回执验证失败，未删除任何数据，请联系信息科。",
    ),
    EdgeReason.IMAGE_UNREADABLE: _refused("The analysis could not read the image.", "分析无法读取图像。"),
    EdgeReason.DID_NOT_COME: EdgeRule(
        status="missing",
        en="Announced, but it has not come. Look at the agent and the network.",
        zh="已预告但未到达，请检查代理与网络。",
    ),
}
