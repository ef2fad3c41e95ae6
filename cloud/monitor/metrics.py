"""Monitor: what is watched: one table of metrics with their units and their names for Prometheus."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Unit(StrEnum):
    """What a metric is counted in."""

    PERCENT = "percent"
    BYTES = "bytes"
    BYTES_PER_S = "bytes_per_s"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    COUNT = "count"
    FLAG = "flag"
    """1 where something is wrong, else 0."""


class Subject(StrEnum):
    """What a metric has one value of each for."""

    CORE = "core"
    GPU = "gpu"
    MODEL = "model"
    DEVICE = "device"
    CHANNEL = "channel"


class Metric(StrEnum):
    """Everything that is watched."""

    CPU_PERCENT = "cpu_percent"
    CPU_CORE_PERCENT = "cpu_core_percent"
    MEMORY_PERCENT = "memory_percent"
    MEMORY_USED_BYTES = "memory_used_bytes"
    DISK_USED_PERCENT = "disk_used_percent"
    DISK_USED_BYTES = "disk_used_bytes"
    DISK_FREE_BYTES = "disk_free_bytes"
    DISK_READ_BYTES_PER_S = "disk_read_bytes_per_s"
    DISK_WRITTEN_BYTES_PER_S = "disk_written_bytes_per_s"
    NETWORK_RECEIVED_BYTES_PER_S = "network_received_bytes_per_s"
    NETWORK_SENT_BYTES_PER_S = "network_sent_bytes_per_s"
    GPU_PERCENT = "gpu_percent"
    GPU_MEMORY_PERCENT = "gpu_memory_percent"
    PROCESS_CPU_PERCENT = "process_cpu_percent"
    PROCESS_MEMORY_BYTES = "process_memory_bytes"
    PROCESS_OPEN_FILES = "process_open_files"
    EVENT_LOOP_LAG_MS = "event_loop_lag_ms"
    QUEUE_DEPTH = "queue_depth"
    QUEUE_OLDEST_S = "queue_oldest_s"
    JOBS_LEASED = "jobs_leased"
    JOBS_HELD = "jobs_held"
    MODEL_NOT_READY = "model_not_ready"
    MODELS_BUSY = "models_busy"
    LEDGER_SIZE = "ledger_size"
    LEDGER_UNPUBLISHED = "ledger_unpublished"
    CHECKPOINT_AGE_S = "checkpoint_age_s"
    OUTBOX_POSITION = "outbox_position"
    READERS = "readers"
    CAPTURES_LAST_HOUR = "captures_last_hour"
    CAPTURES_MISSING = "captures_missing"
    UPLOADS_STALLED = "uploads_stalled"
    AGENT_SILENT_S = "agent_silent_s"
    CLOCK_OFFSET_MS = "clock_offset_ms"
    LEDGER_CHECK_FAILED = "ledger_check_failed"
    AUDIT_CHECK_FAILED = "audit_check_failed"
    DELIVERY_FAILURES = "delivery_failures"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFacts:
    """What is known of a metric."""

    unit: Unit
    """What its values are counted in."""
    exported: str
    """Name for Prometheus, in base units, without the prefix."""
    help: str
    """What it is, for Prometheus."""
    subject: Subject | None = None
    """What there is one value of each for; None for a single value."""
    in_history: bool = False
    """Whether its course is kept; only for single values."""


_PERCENT, _BYTES, _RATE = Unit.PERCENT, Unit.BYTES, Unit.BYTES_PER_S


def _one(unit: Unit, exported: str, help_: str) -> MetricFacts:
    return MetricFacts(unit=unit, exported=exported, help=help_, in_history=True)


def _each(subject: Subject, unit: Unit, exported: str, help_: str) -> MetricFacts:
    return MetricFacts(unit=unit, exported=exported, help=help_, subject=subject)


METRICS: Final[Mapping[Metric, MetricFacts]] = {
    Metric.CPU_PERCENT: _one(_PERCENT, "host_cpu_usage_ratio", "Processor in use, all cores."),
    Metric.CPU_CORE_PERCENT: _each(
        Subject.CORE, _PERCENT, "host_cpu_core_usage_ratio", "Processor in use, one core."
    ),
    Metric.MEMORY_PERCENT: _one(_PERCENT, "host_memory_usage_ratio", "Memory that is not available."),
    Metric.MEMORY_USED_BYTES: _one(_BYTES, "host_memory_used_bytes", "Memory that is not available."),
    Metric.DISK_USED_PERCENT: _one(_PERCENT, "data_disk_usage_ratio", "Disk of the data folder in use."),
    Metric.DISK_USED_BYTES: _one(_BYTES, "data_disk_used_bytes", "Disk of the data folder in use."),
    Metric.DISK_FREE_BYTES: _one(_BYTES, "data_disk_free_bytes", "Disk of the data folder, free to use."),
    Metric.DISK_READ_BYTES_PER_S: _one(
        _RATE, "data_disk_read_bytes_per_second", "Read from the disk of the data folder."
    ),
    Metric.DISK_WRITTEN_BYTES_PER_S: _one(
        _RATE, "data_disk_written_bytes_per_second", "Written to the disk of the data folder."
    ),
    Metric.NETWORK_RECEIVED_BYTES_PER_S: _one(
        _RATE, "host_network_received_bytes_per_second", "Received from outside this machine."
    ),
    Metric.NETWORK_SENT_BYTES_PER_S: _one(
        _RATE, "host_network_sent_bytes_per_second", "Sent to outside this machine."
    ),
    Metric.GPU_PERCENT: _each(Subject.GPU, _PERCENT, "gpu_usage_ratio", "Graphics processor in use."),
    Metric.GPU_MEMORY_PERCENT: _each(
        Subject.GPU, _PERCENT, "gpu_memory_usage_ratio", "Memory of the graphics processor in use."
    ),
    Metric.PROCESS_CPU_PERCENT: _one(_PERCENT, "server_cpu_usage_ratio", "This process; 1 is one core."),
    Metric.PROCESS_MEMORY_BYTES: _one(_BYTES, "server_resident_memory_bytes", "Memory of this process."),
    Metric.PROCESS_OPEN_FILES: _one(Unit.COUNT, "server_open_fds", "Files and sockets that are open."),
    Metric.EVENT_LOOP_LAG_MS: _one(
        Unit.MILLISECONDS, "event_loop_lag_seconds", "Longest wait of the event loop since the last look."
    ),
    Metric.QUEUE_DEPTH: _one(Unit.COUNT, "queue_depth", "Images that wait to be read."),
    Metric.QUEUE_OLDEST_S: _one(Unit.SECONDS, "queue_oldest_seconds", "How long the oldest of them waits."),
    Metric.JOBS_LEASED: _one(Unit.COUNT, "jobs_leased", "Images that are being read."),
    Metric.JOBS_HELD: _one(Unit.COUNT, "jobs_held", "Images that could not be read and wait for a person."),
    Metric.MODEL_NOT_READY: _each(Subject.MODEL, Unit.FLAG, "model_not_ready", "1 where it cannot run."),
    Metric.MODELS_BUSY: _one(Unit.COUNT, "models_busy", "Images that are in the models now."),
    Metric.LEDGER_SIZE: _one(Unit.COUNT, "ledger_size", "Entries of the ledger."),
    Metric.LEDGER_UNPUBLISHED: _one(
        Unit.COUNT, "ledger_unpublished", "Entries that the published checkpoint does not cover yet."
    ),
    Metric.CHECKPOINT_AGE_S: _one(
        Unit.SECONDS, "ledger_checkpoint_age_seconds", "Since the newest checkpoint was published."
    ),
    Metric.OUTBOX_POSITION: _one(Unit.COUNT, "outbox_position", "Number of the newest change."),
    Metric.READERS: _one(Unit.COUNT, "console_readers", "Open pages that follow the changes."),
    Metric.CAPTURES_LAST_HOUR: _one(Unit.COUNT, "captures_last_hour", "Captures of the last hour."),
    Metric.CAPTURES_MISSING: _each(
        Subject.DEVICE, Unit.COUNT, "captures_missing", "Announced within a day, and did not come."
    ),
    Metric.UPLOADS_STALLED: _one(
        Unit.COUNT, "uploads_stalled", "Uploads of the last day that began and did not end in time."
    ),
    Metric.AGENT_SILENT_S: _each(
        Subject.DEVICE, Unit.SECONDS, "agent_silent_seconds", "Since the agent was last heard."
    ),
    Metric.CLOCK_OFFSET_MS: _each(
        Subject.DEVICE, Unit.MILLISECONDS, "agent_clock_offset_seconds", "Agent's clock off ours, unsigned."
    ),
    Metric.LEDGER_CHECK_FAILED: _one(Unit.FLAG, "ledger_check_failed", "1 where the last check failed."),
    Metric.AUDIT_CHECK_FAILED: _one(Unit.FLAG, "audit_check_failed", "1 where the last check failed."),
    Metric.DELIVERY_FAILURES: _each(
        Subject.CHANNEL, Unit.COUNT, "alarm_delivery_failures", "Tries without success in a row."
    ),
}
"""Every metric; a test checks that none is left out."""

DEVICE_METRICS: Final = frozenset(m for m, facts in METRICS.items() if facts.subject is Subject.DEVICE)
"""Metrics that there is one value of each for every device."""

TO_BASE: Final[Mapping[Unit, float]] = {Unit.PERCENT: 0.01, Unit.MILLISECONDS: 0.001}
"""What a value is multiplied with to be in Prometheus' base unit; 1 for the others."""
HISTORY: Final = tuple(metric for metric, facts in METRICS.items() if facts.in_history)
"""Metrics whose course is kept."""


def is_about(metric: Metric, subject: str, device_ids: Collection[str]) -> bool:
    """Whether a value with this subject is one of these devices'."""
    return metric in DEVICE_METRICS and subject in device_ids
