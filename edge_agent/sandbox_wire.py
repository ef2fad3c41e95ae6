"""Steps 3 to 5 run in the sandbox: what goes through its pipes.

A frame is 4 bytes of length (big-endian), then JSON.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from edge_agent.filter import FilterRules
from edge_agent.items import CleanImage, Identity, PrepareReply, PrepareRequest
from sonorelay.contract.reasons import EdgeReason

FRAME_MAX_BYTES: Final = 16 * 1024 * 1024


def framed(message: dict[str, Any]) -> bytes:
    """A message as one frame."""
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def _by_field(value: PrepareRequest | PrepareReply | CleanImage | Identity) -> dict[str, Any]:
    """Name and value of each field; `dataclasses.asdict` would copy every value, which takes longer."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def rules_to_json(rules: FilterRules) -> dict[str, Any]:
    """The filter's settings for the child."""
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in asdict(rules).items()
    }


def rules_from_json(message: dict[str, Any]) -> FilterRules:
    """The inverse of `rules_to_json`."""
    settings: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in message.items()
    }
    return FilterRules(**settings)


def request_to_json(request: PrepareRequest) -> dict[str, Any]:
    """An order to the child; paths become absolute, for the child has a working folder of its own."""
    return _by_field(request) | {
        "raw_path": str(request.raw_path.absolute()),
        "out_dir": str(request.out_dir.absolute()),
        "key_path": str(request.key_path.absolute()),
        "received_time": request.received_time.isoformat(),
    }


def request_from_json(message: dict[str, Any]) -> PrepareRequest:
    """The inverse of `request_to_json`."""
    return PrepareRequest(
        **message
        | {
            "raw_path": Path(message["raw_path"]),
            "out_dir": Path(message["out_dir"]),
            "key_path": Path(message["key_path"]),
            "received_time": datetime.fromisoformat(message["received_time"]),
        }
    )


def reply_to_json(reply: PrepareReply) -> dict[str, Any]:
    """The child's answer."""
    images = [
        _by_field(image) | {"path": str(image.path), "sha256": image.sha256.hex()} for image in reply.images
    ]
    identity = None if reply.identity is None else _by_field(reply.identity)
    return _by_field(reply) | {"images": images, "identity": identity}


def reply_from_json(message: dict[str, Any]) -> PrepareReply:
    """The inverse of `reply_to_json`."""
    images = tuple(
        CleanImage(**image | {"path": Path(image["path"]), "sha256": bytes.fromhex(image["sha256"])})
        for image in message["images"]
    )
    identity = message["identity"]
    reason = None if message["reason"] is None else EdgeReason(message["reason"])
    return PrepareReply(
        outcome=message["outcome"],
        reason=reason,
        detail=message["detail"],
        images=images,
        timings_ms=message["timings_ms"],
        identity=None if identity is None else Identity(**identity),
    )
