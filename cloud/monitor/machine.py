"""Monitor: this machine and this process: processor, memory, disk of the data folder, network."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings

_LOOPBACK: Final = frozenset({"lo", "lo0"})


class Machine:
    """Reads what the system counts. Rates are over the time since the look before; the first look has none.

    The traffic of the disk is that of the block device under the data folder; where the system does not tell which
    one that is (network and overlay file systems), it is that of all disks.
    """

    def __init__(self, data_dir: Path, stopwatch: Callable[[], float]) -> None:
        self._data_dir = data_dir
        self._stopwatch = stopwatch
        self._process = psutil.Process()
        self._disk_name = _block_device(data_dir)
        # The first look has something to compare with.
        self._core_times = _core_times()
        self._process.cpu_percent()
        self._last: tuple[float, Mapping[Metric, float]] | None = None

    def read(self) -> Readings:
        """One look; takes about a millisecond. OSError where the system does not answer."""
        cores = self._cores()
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self._data_dir))
        with self._process.oneshot():
            own = {
                Metric.PROCESS_CPU_PERCENT: self._process.cpu_percent(),
                Metric.PROCESS_MEMORY_BYTES: float(self._process.memory_info().rss),
                Metric.PROCESS_OPEN_FILES: float(self._process.num_fds()),
            }
        return Readings(
            single={
                Metric.CPU_PERCENT: round(sum(cores) / max(1, len(cores)), 1),
                Metric.MEMORY_PERCENT: memory.percent,
                Metric.MEMORY_USED_BYTES: float(memory.total - memory.available),
                Metric.DISK_USED_PERCENT: disk.percent,
                Metric.DISK_USED_BYTES: float(disk.used),
                Metric.DISK_FREE_BYTES: float(disk.free),
                **self._rates(),
                **own,
            },
            each={Metric.CPU_CORE_PERCENT: {str(core): share for core, share in enumerate(cores)}},
        )

    def _cores(self) -> list[float]:
        """Share of each core that was busy since the last look, percent. Not psutil's own shares: it keeps the look
        before for each thread, and looks come from any."""
        before, self._core_times = self._core_times, _core_times()
        shares = []
        for (busy, total), (busy_before, total_before) in zip(self._core_times, before, strict=False):
            passed = total - total_before
            shares.append(
                round(min(100.0, max(0.0, 100 * (busy - busy_before) / passed)), 1) if passed > 0 else 0.0
            )
        return shares

    def _rates(self) -> dict[Metric, float]:
        now_s, totals = self._stopwatch(), {**self._disk(), **_network()}
        last, self._last = self._last, (now_s, totals)
        if last is None or now_s <= last[0]:
            return {}
        passed_s = now_s - last[0]
        # A counter that went back began anew: an interface was taken down.
        return {
            metric: round(max(0.0, total - last[1].get(metric, total)) / passed_s, 1)
            for metric, total in totals.items()
        }

    def _disk(self) -> dict[Metric, float]:
        name = self._disk_name
        counted = (
            psutil.disk_io_counters() if name is None else psutil.disk_io_counters(perdisk=True).get(name)
        )
        if counted is None:
            return {}
        return {
            Metric.DISK_READ_BYTES_PER_S: float(counted.read_bytes),
            Metric.DISK_WRITTEN_BYTES_PER_S: float(counted.write_bytes),
        }


def _core_times() -> list[tuple[float, float]]:
    """Of each core, seconds busy and seconds in all since the machine started."""
    found = []
    for times in psutil.cpu_times(percpu=True):
        # A guest's time is in the user's already (proc(5), /proc/stat).
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        found.append((total - times.idle - getattr(times, "iowait", 0.0), total))
    return found


def _network() -> dict[Metric, float]:
    outside = [
        counted for name, counted in psutil.net_io_counters(pernic=True).items() if name not in _LOOPBACK
    ]
    return {
        Metric.NETWORK_RECEIVED_BYTES_PER_S: float(sum(each.bytes_recv for each in outside)),
        Metric.NETWORK_SENT_BYTES_PER_S: float(sum(each.bytes_sent for each in outside)),
    }


def _block_device(folder: Path) -> str | None:
    """Name of the block device under `folder`, as the system counts it; None where it does not tell."""
    number = folder.stat().st_dev
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not link.is_symlink():
        return None
    name = link.resolve().name
    return name if name in (psutil.disk_io_counters(perdisk=True) or {}) else None
