"""Metrics of what the ranker decides."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.runtime.metrics.buckets import SHARE


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
        self.broader = Counter(
            "fovea_rank_broader",
            "Rankings answered with a broader label, since the first was not likely enough.",
            registry=registry,
        )
        self.margin = Histogram(
            "fovea_rank_margin",
            "Score of the first candidate less that of the second.",
            buckets=SHARE,
            registry=registry,
        )
