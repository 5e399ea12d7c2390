"""`/metrics`: the store's counters in Prometheus' text form, the same whichever process counted."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ems_ml.build import System

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class StoreCollector(Collector):
    """Reads the counters when it is asked."""

    def __init__(self, system: System) -> None:
        self.system = system

    def collect(self) -> Iterable[Metric]:
        counters = self.system.store.counters()
        yield CounterMetricFamily(
            "ems_events_received",
            "Errors that came in, whatever became of them.",
            value=counters.get(("received", ""), 0),
        )
        yield CounterMetricFamily(
            "ems_events_processed", "Errors that are searchable and grouped.", value=counters.get(("processed", ""), 0)
        )
        dropped = CounterMetricFamily(
            "ems_events_dropped", "Errors that were not processed, by reason.", labels=["reason"]
        )
        for (name, reason), value in sorted(counters.items()):
            if name == "dropped":
                dropped.add_metric([reason], value)
        yield dropped
        yield GaugeMetricFamily(
            "ems_inbox_waiting", "Errors accepted and not yet processed.", value=self.system.store.inbox.waiting()
        )


def text(system: System) -> bytes:
    """Everything, in the text form."""
    registry = CollectorRegistry()
    registry.register(StoreCollector(system))
    return generate_latest(registry)
