"""Metrics of what Fovea is about: the memory, and what the ranker decides."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import AGE_S, SHARE, WORK_S


class MemoryMetrics:
    """The memory of exemplars, as a retrieval replica sees it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.items = Gauge("fovea_memory_items", "Exemplars in memory.", ("space",), registry=registry)
        self.search = Histogram(
            "fovea_memory_search_seconds",
            "Time of one search.",
            ("path",),
            buckets=WORK_S,
            registry=registry,
        )
        self.visible = Histogram(
            "fovea_memory_visible_seconds",
            "From an exemplar's publishing until searches find it.",
            buckets=AGE_S,
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
            buckets=SHARE,
            registry=registry,
        )
