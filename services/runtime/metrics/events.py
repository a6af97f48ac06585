"""Metrics of events, as the loops that handle them see them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import AGE_S, WORK_S


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
            "fovea_event_process_seconds", "Time in the handler.", source, buckets=WORK_S, registry=registry
        )
        self.age = Histogram(
            "fovea_event_age_seconds",
            "From publishing to the start of handling.",
            source,
            buckets=AGE_S,
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
            buckets=WORK_S,
            registry=registry,
        )
        self.dead_letters = Counter(
            "fovea_dead_letters",
            "Events that nobody could handle, by reason.",
            (*source, "reason"),
            registry=registry,
        )
