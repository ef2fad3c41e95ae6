"""The agent's log: one JSON object a line, only keys of a list, never a name or a value of a tag."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from datetime import datetime
from typing import Any, Final, TextIO

import structlog

Log = structlog.typing.FilteringBoundLogger

ALLOWED_KEYS: Final = frozenset(
    {
        # What every line has.
        "event",
        "level",
        "time",
        # Whose it is: the capture's 32 hex digits, from print to console.
        "trace_id",
        # What happened.
        "action",
        "after_s",
        "attempts",
        "cloud",
        "count",
        "device_id",
        "duration_ms",
        "error_type",
        "free_bytes",
        "hint",
        "image_count",
        "input",
        "ledger_index",
        "ok",
        "problem",
        "reason",
        "size_bytes",
        "state",
        "step",
        "steps_ms",
        "version",
    }
)


class KeyNotAllowed(ValueError):
    """A log event has a key that is not on the list: it might carry patient data."""


def open_log(
    stream: TextIO, *, now: Callable[[], datetime], strict: bool = False, verbose: bool = False
) -> Log:
    """A log that writes JSON lines to `stream`.

    A key that is not in ALLOWED_KEYS is dropped; with `strict`, as in tests, it raises KeyNotAllowed.
    `verbose` also writes events of level debug.
    """

    def only_allowed(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        unknown = event.keys() - ALLOWED_KEYS
        if unknown and strict:
            raise KeyNotAllowed(f"keys that may not be logged: {sorted(unknown)}")
        return {key: value for key, value in event.items() if key not in unknown}

    def add_time(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = now().isoformat(timespec="milliseconds")
        return event

    log: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            add_time,
            only_allowed,
            structlog.processors.JSONRenderer(sort_keys=True, default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        cache_logger_on_first_use=True,
    )
    return log
