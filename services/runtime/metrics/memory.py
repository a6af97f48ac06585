"""Metrics of the memory."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import RECALL, VISIBLE_S, WORK_S


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
            buckets=VISIBLE_S,
            registry=registry,
        )
        self.left_out = Counter(
            "fovea_memory_left_out",
            "Queries for which vectors of another version of the encoder did not answer.",
            ("space",),
            registry=registry,
        )
        self.recall = Histogram(
            "fovea_memory_recall_ratio",
            "Of the true nearest k, the share that a search found, of the few queries that are repeated with "
            "every vector compared; beyond 32 collections they are called `other`.",
            ("collection", "k"),
            buckets=RECALL,
            registry=registry,
        )
        self.watched = Counter(
            "fovea_memory_watched",
            "Queries taken to be repeated, by outcome: compared, dropped (too many waited), failed.",
            ("outcome",),
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
