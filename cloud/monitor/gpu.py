"""Monitor: NVIDIA graphics processors, where the machine has them and the extra `gpu` is installed."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from cloud.monitor.metrics import Metric
from cloud.monitor.sample import Readings


class GpuState(StrEnum):
    """Whether graphics processors are watched."""

    WATCHED = "watched"
    NO_LIBRARY = "no_library"
    """The extra `gpu` is not installed."""
    NO_DRIVER = "no_driver"
    """There is no driver of NVIDIA's, or none that answers."""


class Gpus:
    """Reads every graphics processor; none where there is none. Call `close` at the end."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: dict[str, Any] = {}
        self.state = self._open()

    def read(self) -> Readings:
        """One look; a processor that fell off the bus is left out."""
        used: dict[str, float] = {}
        memory: dict[str, float] = {}
        for name, handle in self._handles.items():
            try:
                used[name] = float(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                held = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            except self._nvml.NVMLError:
                continue
            memory[name] = round(100.0 * held.used / held.total, 1)
        return Readings(each={Metric.GPU_PERCENT: used, Metric.GPU_MEMORY_PERCENT: memory})

    def close(self) -> None:
        """Lets the driver go."""
        if self._nvml is not None:
            self._nvml.nvmlShutdown()
            self._nvml, self._handles = None, {}

    def _open(self) -> GpuState:
        try:
            import pynvml
        except ModuleNotFoundError:
            return GpuState.NO_LIBRARY
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return GpuState.NO_DRIVER
        self._nvml = pynvml
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            self._handles[f"{index} {pynvml.nvmlDeviceGetName(handle)}"] = handle
        return GpuState.WATCHED
