"""Monitor: the metrics in Prometheus' words, with the durations of the line's steps and of answers."""

from __future__ import annotations

from collections import Counter as Counts
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from cloud.db import Database, Tx
from cloud.db.prepared import Prepared
from cloud.db.tables import capture
from cloud.items import CaptureState
from cloud.monitor.alarm import Alarm
from cloud.monitor.metrics import METRICS, TO_BASE
from cloud.monitor.sample import Sample
from cloud.publish import outbox

PREFIX: Final = "sonorelay_"
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
STEPS: Final = frozenset(
    {
        *("capture", "pre-notify", "filter", "de-identify", "split by type", "shard + hash", "upload"),
        *("verify", "store", "ledger", "queue", "infer", "publish"),
    }
)
"""Names that become labels; an agent's other words do not."""
_EVENTS_MAX: Final = 500
_OBSERVED_MAX: Final = 4096
_STEP_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ANSWER_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_TIMINGS: Final = Prepared(
    sa.select(capture.c.state, capture.c.edge_timings_ms, capture.c.cloud_timings_ms).where(
        capture.c.capture_id == sa.bindparam("of_capture")
    )
)


class Exposition:
    """Answers a scrape. Its labels are names of steps, addresses, methods, devices, models and rules: never a
    patient's, never an image's."""

    def __init__(
        self,
        version: str,
        latest: Callable[[], Sample],
        raised: Callable[[], list[Alarm]],
        calls: Callable[[], Mapping[str, int]],
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Present(version, latest, raised, calls))
        self.steps = Histogram(
            f"{PREFIX}step_duration_seconds",
            "Duration of a step of the line, of captures with a result since the start.",
            ["step"],
            buckets=_STEP_BUCKETS_S,
            registry=self._registry,
        )
        self._answers = Histogram(
            f"{PREFIX}http_answer_duration_seconds",
            "Time to the first byte of an answer; address as the access table has it.",
            ["method", "address", "status"],
            buckets=_ANSWER_BUCKETS_S,
            registry=self._registry,
        )

    def answered(self, method: str, address: str, status: int, duration_s: float) -> None:
        """Counts an answer; `address` must be of a fixed list."""
        self._answers.labels(method, address, f"{status // 100}xx").observe(duration_s)

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        return generate_latest(self._registry)


class StepTimes:
    """Follows the outbox and observes each capture's steps once, when it has a result."""

    def __init__(self, database: Database, steps: Histogram) -> None:
        self._database = database
        self._steps = steps
        self._cursor: int | None = None
        self._observed: OrderedDict[str, None] = OrderedDict()

    async def follow(self) -> None:
        """Observes what has come since the last call; the first one begins at now."""
        timings, self._cursor = await self._database.read(self._read)
        for step, duration_ms in timings:
            self._steps.labels(step).observe(duration_ms / 1000)

    def _read(self, tx: Tx) -> tuple[list[tuple[str, float]], int]:
        if self._cursor is None:
            return [], outbox.newest(tx)
        events = outbox.read_after(tx, self._cursor, _EVENTS_MAX)
        found: list[tuple[str, float]] = []
        for capture_id in dict.fromkeys(event.capture_id for event in events):
            row = _TIMINGS.first(tx, {"of_capture": capture_id})
            if row is None or row.state != CaptureState.RESULT.value or capture_id in self._observed:
                continue
            self._observed[capture_id] = None
            while len(self._observed) > _OBSERVED_MAX:
                self._observed.popitem(last=False)
            known: dict[str, Any] = {**row.edge_timings_ms, **row.cloud_timings_ms}
            found.extend((step, known[step]) for step in sorted(STEPS & known.keys()))
        return found, events[-1].event_id if events else self._cursor


class _Present(Collector):
    """What is so at the moment of the scrape."""

    def __init__(
        self,
        version: str,
        latest: Callable[[], Sample],
        raised: Callable[[], list[Alarm]],
        calls: Callable[[], Mapping[str, int]],
    ) -> None:
        self._version = version
        self._latest = latest
        self._raised = raised
        self._calls = calls

    def collect(self) -> Iterator[Any]:
        """Each metric of the table that could be read, the alarms, the calls of agents."""
        yield InfoMetricFamily(f"{PREFIX}server", "The server.", value={"version": self._version})
        sample = self._latest()
        for metric, facts in METRICS.items():
            scale = TO_BASE.get(facts.unit, 1.0)
            labels = [] if facts.subject is None else [facts.subject.value]
            family = GaugeMetricFamily(f"{PREFIX}{facts.exported}", facts.help, labels=labels)
            for subject, value in (sample.readings.of(metric) or {}).items():
                family.add_metric([subject] if labels else [], value * scale)
            yield family
        alarms = GaugeMetricFamily(
            f"{PREFIX}alarms_raised", "Alarms that are not over.", labels=["rule", "severity", "state"]
        )
        counted = Counts((alarm.rule, alarm.severity.value, alarm.state.value) for alarm in self._raised())
        for key, count in counted.items():
            alarms.add_metric(list(key), count)
        yield alarms
        calls = CounterMetricFamily(
            f"{PREFIX}grpc_calls", "Ended calls of agents.", labels=["method", "code"]
        )
        for name, count in self._calls().items():
            method, _, code = name.partition(" ")
            calls.add_metric([method, code], count)
        yield calls
