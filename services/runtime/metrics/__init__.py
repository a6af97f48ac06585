"""Every metric of the platform, with its meaning: the one catalogue, written down in docs/metrics.md.

Names are `fovea_<area>_<noun>_<unit>`, counters end with `_total`, times are seconds and sizes bytes.
Labels have few values: never an image, a user's label, an id.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from services.runtime.metrics.back_fill import BackFillMetrics
from services.runtime.metrics.caches import CacheMetrics
from services.runtime.metrics.calls import MethodMetrics, RpcMetrics
from services.runtime.metrics.events import EventMetrics
from services.runtime.metrics.finding import FindingMetrics
from services.runtime.metrics.memory import MemoryMetrics
from services.runtime.metrics.models import ModelMetrics
from services.runtime.metrics.ranking import RankingMetrics
from services.runtime.metrics.storage import StorageMetrics
from services.runtime.metrics.traces import TraceMetrics

__all__ = [
    "BackFillMetrics",
    "CacheMetrics",
    "EventMetrics",
    "FindingMetrics",
    "MemoryMetrics",
    "MethodMetrics",
    "Metrics",
    "ModelMetrics",
    "ProcessMetrics",
    "RankingMetrics",
    "RpcMetrics",
    "StorageMetrics",
    "TraceMetrics",
]


class ProcessMetrics:
    """What runs, and whether it is ready."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.ready = Gauge(
            "fovea_ready", "1 while a service answers its readiness checks.", ("service",), registry=registry
        )
        self.build = Gauge(
            "fovea_build_info",
            "1, labelled with what runs.",
            ("service", "version", "python"),
            registry=registry,
        )


class Metrics:
    """All of them, on one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.rpc = RpcMetrics(self.registry)
        self.events = EventMetrics(self.registry)
        self.models = ModelMetrics(self.registry)
        self.caches = CacheMetrics(self.registry)
        self.finding = FindingMetrics(self.registry)
        self.memory = MemoryMetrics(self.registry)
        self.back_fill = BackFillMetrics(self.registry)
        self.ranking = RankingMetrics(self.registry)
        self.storage = StorageMetrics(self.registry)
        self.traces = TraceMetrics(self.registry)
        self.process = ProcessMetrics(self.registry)

    def describe_process(self, services: Iterable[str]) -> None:
        """Add the standard process metrics, and say which build of each service runs; once a process."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        for service in services:
            self.process.build.labels(service, metadata.version("fovea"), platform.python_version()).set(1)
