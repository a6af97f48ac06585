"""Every metric of the platform, with its meaning: the one place where they are declared.

Names are `fovea_<area>_<noun>_<unit>`, counters end with `_total`, times are seconds and sizes bytes.
Labels have few values: never an image, a user's label, an id.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from importlib import metadata
from typing import Final

from grpc import StatusCode
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

_RPC_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_WORK_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
_AGE_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
_VISIBLE_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 300)
_BYTES: Final = tuple(4**power for power in range(4, 14))
_BATCH: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class RpcMetrics:
    """gRPC calls, as the server sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        call = ("service", "method")
        self.requests = Counter(
            "fovea_rpc_requests", "Calls answered, by code.", (*call, "code"), registry=registry
        )
        self.duration = Histogram(
            "fovea_rpc_duration_seconds",
            "From the start of a call's work to its answer, or of a stream to its end.",
            (*call, "code"),
            buckets=_RPC_S,
            registry=registry,
        )
        self.message_bytes = Histogram(
            "fovea_rpc_message_bytes",
            "Size of unary messages; direction is in or out.",
            (*call, "direction"),
            buckets=_BYTES,
            registry=registry,
        )
        self.deadline_remaining = Histogram(
            "fovea_rpc_deadline_remaining_seconds",
            "Time that unary callers gave, when the work starts.",
            call,
            buckets=_RPC_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "fovea_rpc_in_flight",
            "Calls at work or waiting for a worker.",
            ("service", "kind"),
            registry=registry,
        )
        self.shed = Counter(
            "fovea_rpc_shed", "Calls refused at once, by reason.", ("service", "reason"), registry=registry
        )


class MethodMetrics:
    """The metrics of one method, looked up once."""

    def __init__(self, metrics: RpcMetrics, service: str, method: str) -> None:
        self._metrics = metrics
        self._names = (service, method)
        self.taken = metrics.message_bytes.labels(service, method, "in").observe
        self.given = metrics.message_bytes.labels(service, method, "out").observe
        self.deadline_remaining = metrics.deadline_remaining.labels(service, method).observe
        self._ends: dict[StatusCode, tuple[Callable[[], None], Callable[[float], None]]] = {}

    def ended(self, code: StatusCode, seconds: float) -> None:
        """Count one call."""
        count, observe = self._ends.get(code) or self._first(code)
        count()
        observe(seconds)

    def _first(self, code: StatusCode) -> tuple[Callable[[], None], Callable[[float], None]]:
        labels = (*self._names, code.name)
        ends = (self._metrics.requests.labels(*labels).inc, self._metrics.duration.labels(*labels).observe)
        self._ends[code] = ends
        return ends


class EventMetrics:
    """Events, as the loops that handle them see them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        source = ("topic", "group")
        self.received = Counter("fovea_events_received", "Events read.", source, registry=registry)
        self.processed = Counter(
            "fovea_events_processed",
            "Events done with, by outcome: ok, retry, dead, duplicate, skipped.",
            (*source, "outcome"),
            registry=registry,
        )
        self.process = Histogram(
            "fovea_event_process_seconds", "Time in the handler.", source, buckets=_WORK_S, registry=registry
        )
        self.age = Histogram(
            "fovea_event_age_seconds",
            "From publishing to the start of handling.",
            source,
            buckets=_AGE_S,
            registry=registry,
        )
        self.lag = Gauge(
            "fovea_consumer_lag_messages",
            "Events published and not yet committed by the group.",
            (*source, "partition"),
            registry=registry,
        )
        self.paused = Gauge(
            "fovea_partition_paused",
            "1 while a partition waits for a dependency to come back.",
            (*source, "partition"),
            registry=registry,
        )
        self.produce = Histogram(
            "fovea_produce_seconds",
            "Until what a handler returned was durable.",
            source,
            buckets=_WORK_S,
            registry=registry,
        )
        self.dead_letters = Counter(
            "fovea_dead_letters",
            "Events that nobody could handle, by reason.",
            (*source, "reason"),
            registry=registry,
        )


class ModelMetrics:
    """Models, as the process that runs them sees them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.forward = Histogram(
            "fovea_model_forward_seconds",
            "Time of one forward pass.",
            ("model",),
            buckets=_WORK_S,
            registry=registry,
        )
        self.batch_size = Histogram(
            "fovea_batch_size", "Items of one forward pass.", ("model",), buckets=_BATCH, registry=registry
        )
        self.errors = Counter(
            "fovea_model_errors", "Forward passes refused or failed.", ("model", "reason"), registry=registry
        )
        self.ready = Gauge("fovea_model_ready", "1 when the model is loaded.", ("model",), registry=registry)
        self.info = Gauge(
            "fovea_model_info", "1, labelled with what is loaded.", ("model", "digest"), registry=registry
        )


class MemoryMetrics:
    """The memory of exemplars, as a retrieval replica sees it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.items = Gauge("fovea_memory_items", "Exemplars in memory.", ("space",), registry=registry)
        self.search = Histogram(
            "fovea_memory_search_seconds",
            "Time of one search.",
            ("path",),
            buckets=_WORK_S,
            registry=registry,
        )
        self.visible = Histogram(
            "fovea_memory_visible_seconds",
            "From an exemplar's publishing until searches find it.",
            buckets=_VISIBLE_S,
            registry=registry,
        )
        self.left_out = Counter(
            "fovea_memory_left_out",
            "Queries for which vectors of another version of the encoder did not answer.",
            ("space",),
            registry=registry,
        )
        self.replica_lag = Gauge(
            "fovea_memory_replica_lag_versions",
            "Events of the memory not yet applied here.",
            registry=registry,
        )
        self.buffer_items = Gauge(
            "fovea_memory_buffer_items", "Exemplars not yet in a segment on disk.", registry=registry
        )
        self.segments = Gauge("fovea_memory_segments", "Segments searched.", registry=registry)
        self.tombstone_ratio = Gauge(
            "fovea_memory_tombstone_ratio",
            "Of the exemplars in segments, the part that was forgotten or replaced since.",
            registry=registry,
        )
        self.indexed = Gauge(
            "fovea_memory_indexed_vectors",
            "Vectors that each kind of index covers.",
            ("kind",),
            registry=registry,
        )
        self.keep_failures = Counter(
            "fovea_memory_keep_failures",
            "Times that the memory could not be written to disk; it stays in the buffer.",
            registry=registry,
        )
        self.snapshot_age = Gauge(
            "fovea_memory_snapshot_age_seconds",
            "Since this replica first saw the newest snapshot; NaN without one.",
            registry=registry,
        )
        self.snapshots = Counter(
            "fovea_memory_snapshots", "Snapshots stored by this replica.", registry=registry
        )
        self.snapshot_failures = Counter(
            "fovea_memory_snapshot_failures", "Snapshots that could not be stored.", registry=registry
        )
        self.refused = Counter(
            "fovea_memory_refused",
            "Catalogues and snapshots that could not be used, by reason; an alarm.",
            ("reason",),
            registry=registry,
        )


class RankingMetrics:
    """What the ranker decided, and how far down the ladder of degradations it was."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.degraded = Counter(
            "fovea_rank_degraded", "Rankings that a rung degraded.", ("rung",), registry=registry
        )
        self.abstained = Counter("fovea_rank_abstained", "Rankings that ended as unknown.", registry=registry)
        self.trusted = Counter(
            "fovea_rank_trusted", "Rankings that took the retrieval order as it was.", registry=registry
        )
        self.margin = Histogram(
            "fovea_rank_margin",
            "Score of the first candidate less that of the second.",
            buckets=tuple(step / 10 for step in range(1, 11)),
            registry=registry,
        )


class Metrics:
    """All of them, on one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.rpc = RpcMetrics(self.registry)
        self.events = EventMetrics(self.registry)
        self.models = ModelMetrics(self.registry)
        self.memory = MemoryMetrics(self.registry)
        self.ranking = RankingMetrics(self.registry)
        self.ready = Gauge(
            "fovea_ready",
            "1 while a service answers its readiness checks.",
            ("service",),
            registry=self.registry,
        )

    def describe_process(self, services: Iterable[str]) -> None:
        """Add the standard process metrics, and `fovea_build_info` for each service; once a process."""
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        build = Gauge(
            "fovea_build_info",
            "1, labelled with what runs.",
            ("service", "version", "python"),
            registry=self.registry,
        )
        for service in services:
            build.labels(service, metadata.version("fovea"), platform.python_version()).set(1)
