"""Metrics of what is kept so that it need not be computed again."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class CacheMetrics:
    """What encoding and segmentation keep: embeddings of regions and texts, maps and passes of images."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "fovea_cache_requests",
            "Results asked for, by outcome: hit (kept from before), shared (another call was about to have "
            "it), miss (computed).",
            ("cache", "outcome"),
            registry=registry,
        )

    def of(self, cache: str) -> CacheCounter:
        """Return what counts for one of them."""
        return CacheCounter(self.requests, cache)


class CacheCounter:
    """Counts what is asked of one of them."""

    def __init__(self, requests: Counter, cache: str) -> None:
        self._count = {outcome: requests.labels(cache, outcome).inc for outcome in ("hit", "shared", "miss")}

    def count(self, outcome: str) -> None:
        """Count one."""
        self._count[outcome]()
