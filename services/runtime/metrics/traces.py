"""Metrics of the way that traces take out of the process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class TraceMetrics:
    """Spans, where `FOVEA_OTLP_ENDPOINT` says where to send them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.spans = Counter(
            "fovea_trace_spans",
            "Finished spans, by outcome: exported, failed (the collector did not take them), dropped (more "
            "were waiting for the collector than are kept).",
            ("outcome",),
            registry=registry,
        )
