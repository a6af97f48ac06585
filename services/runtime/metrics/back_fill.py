"""Metrics of exemplars that are encoded again."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge


class BackFillMetrics:
    """Exemplars on their way into other spaces, of all collections together."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.remaining = Gauge(
            "fovea_back_fill_pending",
            "Exemplars that lack an embedding which their collection uses, or have one that is to go.",
            ("what",),
            registry=registry,
        )
        self.handed_over = Counter(
            "fovea_back_fill_exemplars",
            "Exemplars that this replica handed over to be encoded again.",
            registry=registry,
        )
