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
            "Attempts at events, by outcome: ok, retry (after a while), dead (it became a dead letter), "
            "skipped (a dead letter that nobody could handle).",
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
        self.log_up = Gauge(
            "fovea_event_log_up", "1 while the event log answered when it was last asked.", registry=registry
        )
        self.lag = Gauge(
            "fovea_consumer_lag_messages",
            "Events published and not yet done with by the group, of the partitions that this process has.",
            (*source, "partition"),
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "fovea_consumer_lag_seconds",
            "Age of the oldest of them or, until that is read, time since there was none; 0 without any.",
            (*source, "partition"),
            registry=registry,
        )
        self.rebalances = Counter(
            "fovea_rebalances",
            "Times that a thread of this process was told which partitions are its own.",
            source,
            registry=registry,
        )
        self.outbox = Gauge(
            "fovea_outbox_pending",
            "Events done with whose outputs the log refuses to take; they are tried again.",
            source,
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
