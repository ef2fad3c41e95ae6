"""Logs of the cloud: one JSON object a line, with keys from a list, so that no patient data can slip in."""

from __future__ import annotations

import logging
import traceback
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

Log = FilteringBoundLogger

ALLOWED_KEYS: Final = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "trace_id",
        "device_id",
        "slot",
        "step",
        "method",
        "code",
        "reason",
        "error",
        "where",
        "logger",
        "address",
        "version",
        "models",
        "attempt",
        "job_id",
        "image_count",
        "part_count",
        "size_bytes",
        "ledger_index",
        "after_s",
        "duration_ms",
        "count",
        "calls",
        "hint",
    }
)
"""Every key that a line may have. None of them ever holds a name, a file name or a tag's value."""


def make_log(stream: TextIO) -> Log:
    """A logger that writes to `stream`; a key that is not allowed is left out and its absence shows."""
    logger: Log = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=_processors(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    return logger


def only_allowed_keys(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keeps the allowed keys; a line that had others says so by its reason."""
    kept = {key: value for key, value in line.items() if key in ALLOWED_KEYS}
    if len(kept) != len(line):
        kept.setdefault("reason", "KEY_NOT_ALLOWED")
    return kept


def where(error: BaseException) -> str:
    """Module lines that an error passed, innermost last; never its message, which may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    return " > ".join(f"{frame.filename.rsplit('/', 2)[-1]}:{frame.lineno} {frame.name}" for frame in frames)


class _Forward(logging.Handler):
    """Says that a library had something to say, and where; its words may hold anything and are left out."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._log.warning(
            "library_message",
            logger=record.name,
            error=type(error).__name__ if error else None,
            where=where(error) if error else f"{record.filename}:{record.lineno}",
        )


def start_logging(stream: TextIO) -> Log:
    """Sends everything that this process logs to `stream`; called once by the program. Its logger.

    What libraries log comes along from warnings up, without its text.
    """
    log = make_log(stream)
    structlog.configure(
        processors=_processors(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Forward(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    return log


def _processors() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        only_allowed_keys,
        structlog.processors.JSONRenderer(),
    ]
