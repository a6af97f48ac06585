"""Metrics of what the ranker decides."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.runtime.metrics.buckets import RPC_S, SHARE


class RankingMetrics:
    """What the ranker decided, and how far down the ladder of degradations it was."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.degraded = Counter(
            "fovea_rank_degraded",
            "Rankings that a rung of docs/ranking.md left without a model, or without a part of its work.",
            ("rung",),
            registry=registry,
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
        self.judged = Counter(
            "fovea_rank_judged",
            "Rankings that a model took part in, by how its answer was understood: read, ok, repaired, "
            "fallback.",
            ("parsed",),
            registry=registry,
        )
        self.tokens = Counter(
            "fovea_rank_tokens", "Tokens that models read and wrote for rankings.", registry=registry
        )
        self.duration = Histogram(
            "fovea_rank_model_duration_seconds",
            "Time that a model took for the regions of one image that were asked about together.",
            buckets=RPC_S,
            registry=registry,
        )
        self.server_up = Gauge(
            "fovea_rank_server_up",
            "0 while the server of the ranker is left alone, since it kept callers waiting in vain.",
            registry=registry,
        )
        self.server_up.set(1)
        self.margin = Histogram(
            "fovea_rank_margin",
            "Score of the first candidate less that of the second.",
            buckets=SHARE,
            registry=registry,
        )
